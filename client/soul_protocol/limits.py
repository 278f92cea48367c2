"""The contract's numbers. Durations are ms, sizes are bytes, unless a name says otherwise."""

from typing import Final

PROTOCOL_VERSION: Final = 1

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

# Sizes
PACKET_BYTES: Final = 512 * 1024
PACKET_BYTES_BEFORE_AUTHENTICATION: Final = 16 * 1024
QUEUE_TRACKS: Final = 10_000
QUEUE_JSON_BYTES: Final = 384 * 1024
TRACK_ID_CHARACTERS: Final = 256
NAME_CHARACTERS: Final = 64
APPLIED_IDS: Final = 16
"""How many command ids `playback_state.applied` names."""
REPORTED_IDS: Final = 64
"""How many ids one report may list in `applied`, and in `refused`; a device remembers as many."""
SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

# Presence
KEEPALIVE_SECONDS: Final = 30
PING_EVERY: Final = 30 * SECOND
SILENCE: Final = 90 * SECOND
LOSS_GRACE: Final = 2_600
"""The contract's 3 s, less what the broker's timer and the way take: a silent link shows within 48 s."""
RESTART_GRACE: Final = 15 * SECOND
REGISTER_REPEAT: Final = 5 * SECOND
REGISTER_REPEAT_MAX: Final = 30 * SECOND
REREGISTER_SPREAD: Final = 3 * SECOND
DISPLACED_WITHIN: Final = 10 * SECOND
DISPLACED_TIMES: Final = 3

# Places
DEVICES_PER_USER: Final = 10
EPHEMERAL_PER_USER: Final = 10
GUESTS_PER_USER: Final = 10

# Commands
COMMAND_LIFETIME: Final = 5 * SECOND
COMMAND_LIFETIME_MAX: Final = 30 * SECOND
ISSUED_AT_MAX_AGE: Final = 30 * SECOND
REMEMBERED_IDS: Final = 1_024
REMEMBERED_FOR: Final = 10 * MINUTE
PREVIOUS_RESTARTS_AFTER: Final = 3 * SECOND

# Reports
POSITION_AT_MAX_AGE: Final = 5 * SECOND
TICK_EVERY: Final = 1 * SECOND
COMPLAIN_EVERY: Final = 5 * SECOND
"""`not_registered` and `stop_playback {not_active}` are said at most this often to one device."""

# Transfer
TRANSFER_STEP: Final = 5 * SECOND
"""The longest wait for `playback_ready`, and again for `playback_started`."""
TRANSFER_RESTART: Final = 15 * SECOND
PREPARED_DROPPED_AFTER: Final = 10 * SECOND

# Resume and privacy
RESUME_WITHIN: Final = 24 * HOUR
RESUME_PLAYING_WITHIN: Final = 2 * MINUTE
DEVICE_KEPT: Final = 30 * DAY

# Rates
REQUESTS_PER_MINUTE: Final = 100
OTHER_PER_MINUTE: Final = 60
STATES_PER_SECOND: Final = 10
TRANSFERS_PER_SECOND: Final = 1
RATE_REPLY_EVERY: Final = 1 * SECOND
FLOOD_MESSAGES_PER_SECOND: Final = 200
FLOOD_SECONDS: Final = 5

WINDOW_REPEAT: Final = 5 * SECOND
