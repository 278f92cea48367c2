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


def is_stale(report: Report, now: Instant) -> bool:
    """Whether the position is older than 5 s, and so says nothing."""
    return report.position_at is not None and report.position_at < now - POSITION_AT_MAX_AGE


def jumps(playback: Playback, report: Report, now: Instant) -> bool:
    """Whether a reported position is a change rather than the same music going on."""
    if is_stale(report, now):
        return False
    if not playback.is_playing:
        return report.position_ms != playback.position_ms
    at = reported_at(report, now)
    # The expected position may lie before the known one: reports are ordered by what they say.
    expected = position_now(playback, at) + min(0, at - playback.position_at)
    return abs(expected - report.position_ms) > JUMP
