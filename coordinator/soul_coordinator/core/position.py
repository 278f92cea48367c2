"""Where the music is: extrapolation, and what counts as a jump."""

from typing import Final

from soul_coordinator.core.values import Instant, Playback, Report
from soul_protocol.limits import POSITION_AT_MAX_AGE

JUMP: Final = 500
"""ms by which a playing position may differ from the expected one and still be continuous."""


def position_now(playback: Playback, now: Instant) -> int:
    """The position at `now`: it runs while playing, and never past a known duration."""
    position = playback.position_ms
    if playback.is_playing:
        position += max(0, now - playback.position_at)
    if playback.duration_ms is not None:
        position = min(position, max(playback.duration_ms, playback.position_ms))
    return position


def reported_at(report: Report, now: Instant) -> Instant:
    """When a reported position was true: absent is now, else clamped to [now - 5 s, now]."""
    if report.position_at is None:
        return now
    return max(now - POSITION_AT_MAX_AGE, min(report.position_at, now))


def jumps(playback: Playback, report: Report, at: Instant) -> bool:
    """Whether a reported position is a change rather than the same music going on."""
    if not playback.is_playing:
        return report.position_ms != playback.position_ms
    return abs(position_now(playback, at) - report.position_ms) > JUMP
