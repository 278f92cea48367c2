"""One good message of every kind, as the JSON object that stands on the wire."""

from typing import Any

from soul_protocol.topics import AllChannel, DownChannel, UpChannel

Json = dict[str, Any]

DEVICE = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
REQUEST = "33333333-3333-4333-8333-333333333333"
TRANSFER = "44444444-4444-4444-8444-444444444444"
CONN = "0123456789abcdef"

CAPABILITIES: Json = {
    "can_render": True,
    "can_control": True,
    "can_host_jam": False,
    "supported_formats": ["flac", "mp3"],
    "max_sample_rate": 192_000,
}
REPORT: Json = {
    "track_id": "a",
    "position_ms": 1_000,
    "position_at": 5_000,
    "is_playing": True,
    "queue": ["a", "b"],
    "queue_position": 1,
    "volume": 0.5,
    "shuffle": False,
    "repeat_mode": "all",
    "duration_ms": 60_000,
}
STATE: Json = {
    "device_id": DEVICE,
    "track_id": None,
    "position_ms": 0,
    "position_at": 0,
    "is_playing": False,
    "queue": [],
    "queue_position": 0,
    "volume": 1.0,
    "shuffle": False,
    "repeat_mode": "off",
    "duration_ms": None,
    "updated_at": 0,
    "epoch": 1,
    "sequence": 2,
    "queue_rev": 0,
    "paused_reason": None,
    "error": None,
    "applied": [REQUEST],
}
SHOWN: Json = {
    "id": DEVICE,
    "name": "Kitchen",
    "device_type": "dap",
    "capabilities": CAPABILITIES,
    "is_online": True,
    "is_guest": False,
    "last_seen": 1,
    "created_at": 1,
}
LIMITS: Json = dict.fromkeys(
    (
        *("packet_bytes", "queue_tracks", "queue_bytes", "requests_per_minute", "other_per_minute"),
        *("states_per_second", "devices"),
    ),
    1,
)


def command(kind: str, **fields: object) -> Json:
    return {"type": "playback_command", "id": REQUEST, "command": {"type": kind, **fields}}


def set_queue(tracks: list[str], start_index: int = 0, **fields: object) -> Json:
    return command("set_queue", tracks=tracks, start_index=start_index, **fields)


def execute(kind: str, **fields: object) -> Json:
    return {
        "type": "execute_command",
        "id": REQUEST,
        "command": {"type": kind, **fields},
        "from_device": "coordinator",
        "epoch": 1,
        "expires_at": 9,
    }


REGISTER: Json = {
    "type": "register",
    "conn": CONN,
    "device": {"name": "Kitchen", "device_type": "desktop", "capabilities": CAPABILITIES, "volume": 0.5},
    "resume": True,
    "last_known_state": REPORT | {"epoch": 1},
    "ephemeral": False,
    "protocol": 1,
}

UP: list[tuple[UpChannel, Json]] = [
    (UpChannel.REGISTER, REGISTER),
    (UpChannel.WILL, {"type": "connection_lost", "conn": CONN}),
    (UpChannel.DISCONNECT, {"type": "disconnect", "conn": CONN, "reason": "quit"}),
    (UpChannel.PING, {"type": "ping", "t0": -5}),
    (UpChannel.QUERY, {"type": "request_devices", "id": REQUEST}),
    (UpChannel.QUERY, {"type": "request_state", "id": REQUEST}),
    (UpChannel.COMMAND, command("play") | {"target_device": OTHER, "issued_at": 1, "expires_at": 2}),
    (UpChannel.COMMAND, command("pause")),
    (UpChannel.COMMAND, command("stop")),
    (UpChannel.COMMAND, command("seek", position_ms=5)),
    (UpChannel.COMMAND, command("next", expect_position=3)),
    (UpChannel.COMMAND, command("previous")),
    (UpChannel.COMMAND, command("set_volume", volume=1)),
    (UpChannel.COMMAND, command("set_shuffle", enabled=True)),
    (UpChannel.COMMAND, command("set_repeat", mode="one")),
    (UpChannel.QUEUE, set_queue(["a", "b"], 1, keep_position=True, expect_rev=4)),
    (UpChannel.QUEUE, set_queue([])),
    (UpChannel.TRANSFER, {"type": "transfer_playback", "id": REQUEST, "to_device": OTHER}),
    (UpChannel.TRANSFER, {"type": "claim_playback", "id": REQUEST, "state": REPORT, "issued_at": 4}),
    (UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "Bath"}),
    (UpChannel.MANAGE, {"type": "delete_device", "id": REQUEST, "device_id": OTHER}),
    (
        UpChannel.STATE,
        {
            "type": "state_update",
            "conn": CONN,
            "seq": 1,
            "epoch": 1,
            "state": REPORT | {"error": {"code": "not_found", "track_id": "a"}},
            "applied": [REQUEST],
            "refused": [{"id": REQUEST, "code": "unsupported"}],
        },
    ),
    (UpChannel.STATE, {"type": "state_update", "conn": CONN, "seq": 2, "volume": 0.0}),
    (UpChannel.OUTCOME, {"type": "playback_ready", "transfer_id": TRANSFER}),
    (UpChannel.OUTCOME, {"type": "playback_started", "transfer_id": TRANSFER}),
    (UpChannel.OUTCOME, {"type": "playback_failed", "transfer_id": TRANSFER, "reason": "no such track"}),
]

DOWN: list[tuple[DownChannel | AllChannel, Json]] = [
    (DownChannel.EXECUTE, execute("next", queue_position=3, is_playing=False)),
    (
        DownChannel.EXECUTE,
        execute("set_queue", tracks=["a"], start_index=9, queue_rev=2, queue_offset=9, queue_length=99),
    ),
    (DownChannel.EXECUTE, execute("set_shuffle", enabled=True, queue=["a"], queue_position=0, queue_rev=1)),
    (DownChannel.EXECUTE, execute("set_window", queue=["a"], queue_offset=4, queue_rev=1, queue_length=9)),
    (
        DownChannel.EXECUTE,
        {"type": "prepare_playback", "transfer_id": TRANSFER, "epoch": 1, "state": STATE},
    ),
    (DownChannel.EXECUTE, {"type": "start_playback", "transfer_id": TRANSFER, "epoch": 2, "state": STATE}),
    (
        DownChannel.EXECUTE,
        {"type": "stop_playback", "transfer_id": TRANSFER, "epoch": 2, "reason": "transferred"},
    ),
    (DownChannel.EXECUTE, {"type": "stop_playback", "epoch": 2, "reason": "not_active"}),
    (
        DownChannel.REPLY,
        {
            "type": "registered",
            "conn": CONN,
            "device_id": DEVICE,
            "device": SHOWN | {"volume": 0.25},
            "devices": [SHOWN],
            "current_state": STATE,
            "should_resume": False,
            "server_time": 5,
            "coordinator": "c0",
            "limits": LIMITS,
        },
    ),
    (DownChannel.REPLY, {"type": "pong", "t0": -1, "t1": 2, "t2": 3}),
    (DownChannel.REPLY, {"type": "command_result", "id": REQUEST, "status": "accepted"}),
    (
        DownChannel.REPLY,
        {
            "type": "command_result",
            "id": REQUEST,
            "status": "rejected",
            "code": "timeout",
            "message": "late",
            "sequence": 1,
            "epoch": 2,
        },
    ),
    (
        DownChannel.REPLY,
        {"type": "error", "code": "rate_limited", "message": "wait", "id": REQUEST, "retry_after_ms": 5},
    ),
    (DownChannel.REPLY, {"type": "devices_update", "devices": [SHOWN], "id": REQUEST}),
    (DownChannel.REPLY, {"type": "playback_state", "state": STATE, "id": REQUEST}),
    (AllChannel.STATE, {"type": "playback_state", "state": STATE | {"device_id": None}}),
    (
        AllChannel.POSITION,
        {
            "type": "position",
            "epoch": 1,
            "sequence": 2,
            "device_id": DEVICE,
            "position_ms": 3,
            "position_at": 4,
            "is_playing": True,
        },
    ),
    (AllChannel.DEVICES, {"type": "devices_update", "devices": []}),
    (AllChannel.EVENT, {"type": "device_online", "device": SHOWN}),
    (AllChannel.EVENT, {"type": "device_offline", "device_id": DEVICE, "reason": "timeout"}),
    (AllChannel.EVENT, {"type": "notice", "level": "warning", "code": "device_offline", "message": "Oh"}),
]
