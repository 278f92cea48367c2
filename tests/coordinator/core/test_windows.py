"""Windows: a device with a payload limit is told a part of a large queue, and the next part in time."""

import json
from collections.abc import Iterator

import pytest
from pydantic_core import to_json

from coordinator.core.kit import House, Json, Player
from soul_coordinator.core import order
from soul_protocol import limits

TRACKS = [f"track-{n:05}" for n in range(10_000)]
CAP = 4_096


def stage(start: int = 5_000) -> tuple[House, Player, Player]:
    """The DAP is paused in a long queue."""
    house = House()
    dap, phone = house.device("Dap", max_payload_bytes=CAP), house.device("Phone")
    request = dap.command("set_queue", tracks=TRACKS, start_index=start)
    dap.report(applied=[request], queue_position=start, track_id=TRACKS[start], is_playing=False)
    house.pass_time(limits.SECOND)
    return house, dap, phone


def size(said: Json) -> int:
    """In bytes, as it crosses the broker."""
    return len(to_json(said))


def is_window(part: Json, queue: str = "queue", *, around: int) -> None:
    offset, tracks = part["queue_offset"], part[queue]
    assert part.get("queue_length", len(TRACKS)) == len(TRACKS)
    assert tracks == TRACKS[offset : offset + len(tracks)]
    assert offset <= around < offset + len(tracks)
    assert len(tracks) < len(TRACKS)


def windows(dap: Player) -> list[Json]:
    return [one for one in dap.all("execute_command") if one["command"]["type"] == "set_window"]


def go_to(dap: Player, place: int, **fields: object) -> None:
    dap.report(queue_position=place, track_id=TRACKS[place], position_ms=place, **fields)  # type: ignore[arg-type]


def test_every_queue_for_it_is_a_window_with_absolute_indexes() -> None:
    house, dap, phone = stage()
    sent = dap.executed()
    is_window(sent["command"], "tracks", around=5_000)
    assert sent["command"]["start_index"] == 5_000
    answer = dap.register(resume=True)
    assert answer is not None
    is_window(answer["current_state"], around=5_000)
    assert answer["current_state"]["queue_position"] == 5_000
    dap.ask("query", "request_state")
    is_window(dap.last("playback_state")["state"], around=5_000)
    phone.playing()
    request = phone.command("set_queue", tracks=TRACKS, start_index=9_999)
    phone.report(applied=[request], queue_position=9_999, track_id=TRACKS[-1])
    phone.transfer(dap)
    is_window(dap.last("prepare_playback")["state"], around=9_999)
    dap.outcome("ready", dap.last("prepare_playback")["transfer_id"])
    is_window(dap.last("start_playback")["state"], around=9_999)
    for said in dap.heard:
        assert size(said) <= CAP, said["type"]
    assert house.state()["queue"] == TRACKS


def test_the_longest_ids_of_tracks_leave_the_messages_within_the_limit() -> None:
    """Addresses: the current one, and one that could not be played."""
    house = House()
    formats = ["flac", "mp3", "wav", "ogg", "opus", "aac", "m4a", "alac", "aiff", "wavpack", "ape", "dsf"]
    dap = house.device("音" * 64, max_payload_bytes=8_192, supported_formats=formats)
    phone = house.device("Phone")
    tracks = [f"http://nas/{'x' * 242}{n:03}" for n in range(200)]
    requests = [dap.command("set_queue", tracks=tracks, start_index=100)]
    dap.report(applied=requests, queue_position=100, track_id=tracks[100])
    for _ in range(limits.APPLIED_IDS):
        request = phone.command("seek", position_ms=2**52)
        error = {"code": "x" * 64, "track_id": tracks[99]}
        dap.report(applied=[request], error=error, position_ms=2**52, duration_ms=2**53 - 1)
    dap.register(resume=True)
    dap.ask("query", "request_state")
    phone.command("set_queue", tracks=tracks, start_index=50)
    phone.playing(tracks, 150)
    house.pass_time(limits.SECOND)
    phone.transfer(dap)
    dap.outcome("ready", dap.last("prepare_playback")["transfer_id"])
    kinds = {said["type"] for said in dap.heard if size(said) > 2_048}
    assert kinds >= {"registered", "playback_state", "execute_command", "prepare_playback", "start_playback"}
    assert max(size(said) for said in dap.heard) <= 8_192


def test_a_shuffle_comes_as_a_window_too() -> None:
    house, dap, phone = stage()
    request = phone.command("set_shuffle", enabled=True)
    command = dap.executed()["command"]
    assert (command["queue_offset"], command["queue_length"], command["queue_position"]) == (0, 10_000, 0)
    assert command["queue"][0] == TRACKS[5_000]
    assert size(dap.executed()) <= CAP
    dap.report(applied=[request], shuffle=True, queue_position=0, track_id=TRACKS[5_000])
    assert house.state()["queue"][: len(command["queue"])] == command["queue"]
    assert sorted(house.state()["queue"]) == TRACKS


def test_everyone_else_has_the_whole_queue() -> None:
    house, _, phone = stage()
    answer = phone.register()
    assert answer is not None
    assert answer["current_state"]["queue"] == house.state()["queue"] == TRACKS
    assert "queue_offset" not in answer["current_state"]


def test_a_queue_that_fits_is_its_own_window() -> None:
    house = House()
    dap = house.device("Dap", max_payload_bytes=CAP)
    dap.command("set_queue", tracks=TRACKS[:5], start_index=3)
    command = dap.executed()["command"]
    assert (command["tracks"], command["queue_offset"], command["queue_length"]) == (TRACKS[:5], 0, 5)


@pytest.mark.parametrize("back", [False, True])
def test_the_next_window_comes_before_the_edge(back: bool) -> None:
    house, dap, _ = stage()
    sent = dap.executed()["command"]
    start, end = sent["queue_offset"], sent["queue_offset"] + len(sent["tracks"])
    middle = (start + end) // 2
    go_to(dap, middle)
    assert windows(dap) == []
    place = start if back else end - 2
    go_to(dap, place)
    window = dap.executed()
    assert (window["command"]["type"], window["from_device"]) == ("set_window", "coordinator")
    is_window(window["command"], around=place)
    is_window(window["command"], around=start - 1 if back else end)
    assert window["command"]["queue_rev"] == house.state()["queue_rev"]


def test_at_the_ends_of_the_queue_no_window_follows() -> None:
    _, dap, _ = stage(start=0)
    go_to(dap, 0)
    go_to(dap, 1)
    assert windows(dap) == []
    _, dap, _ = stage(start=9_990)
    go_to(dap, 9_999)
    assert windows(dap) == []


def test_a_step_beyond_the_edge_finds_its_track_there() -> None:
    _, dap, phone = stage()
    sent = dap.executed()["command"]
    last = sent["queue_offset"] + len(sent["tracks"]) - 1
    go_to(dap, 5_060)
    places = []
    for _ in range(last - 5_060 + 1):
        phone.command("next")
        places.append(dap.executed()["command"].get("queue_position"))
    assert len(windows(dap)) == 1
    have = set(range(sent["queue_offset"], last + 1))
    for one in dap.all("execute_command")[1:]:
        command = one["command"]
        if command["type"] == "set_window":
            offset = command["queue_offset"]
            have = set(range(offset, offset + len(command["queue"])))
        else:
            assert command["queue_position"] in have
    assert places[-1] == last + 1


def test_a_window_is_repeated_every_5_s_until_it_is_listed_as_applied() -> None:
    house, dap, _ = stage()
    end = 5_090
    go_to(dap, end)
    (window,) = windows(dap)
    for times in (2, 3):
        house.pass_time(limits.WINDOW_REPEAT)
        assert len(windows(dap)) == times
    assert {one["id"] for one in windows(dap)} == {window["id"]}
    assert windows(dap)[-1]["command"] == window["command"]
    go_to(dap, end, applied=[window["id"]])
    house.pass_time(limits.MINUTE)
    assert len(windows(dap)) == 3


def test_a_window_that_is_refused_is_not_repeated() -> None:
    house, dap, _ = stage()
    go_to(dap, 5_090)
    (window,) = windows(dap)
    dap.report(
        queue_position=5_090, track_id=TRACKS[5_090], refused=[{"id": window["id"], "code": "unsupported"}]
    )
    house.pass_time(limits.MINUTE)
    assert len(windows(dap)) == 1


@pytest.mark.parametrize("what", ["moved", "offline", "queue"])
def test_a_window_that_no_longer_matters_is_not_repeated(what: str) -> None:
    house, dap, phone = stage()
    go_to(dap, 5_090)
    (window,) = windows(dap)
    if what == "moved":
        phone.playing()
    elif what == "offline":
        dap.leave()
    else:
        dap.register()
        phone.command("set_queue", tracks=TRACKS[:3], start_index=0)
    house.pass_time(limits.MINUTE)
    assert [one for one in windows(dap) if one["id"] == window["id"]] == [window]


def test_the_smallest_window_is_the_current_track() -> None:
    house = House()
    dap = house.device("Dap", max_payload_bytes=1_024)
    request = dap.command("set_queue", tracks=TRACKS, start_index=7)
    assert dap.executed()["command"]["tracks"] == TRACKS[7:8]
    dap.report(applied=[request], queue_position=7, track_id=TRACKS[7])
    assert windows(dap) == []
    go_to(dap, 8)
    assert windows(dap)[-1]["command"]["queue"] == TRACKS[8:9]


def test_a_window_of_a_queue_that_was_never_taken_is_replaced_at_once() -> None:
    house = House()
    dap, phone = house.device("Dap", max_payload_bytes=2_300), house.device("Phone")
    request = dap.command("set_queue", tracks=TRACKS, start_index=0)
    dap.report(applied=[request], queue_position=0, track_id=TRACKS[0], is_playing=False)
    phone.command("set_queue", tracks=TRACKS[::-1], start_index=5_000)
    for _ in range(20):
        phone.command("next")
    assert windows(dap)[-1]["command"]["queue_rev"] == 2
    sent = len(windows(dap))
    house.pass_time(limits.COMMAND_LIFETIME)
    (window,) = windows(dap)[sent:]
    assert window["command"]["queue_rev"] == house.state()["queue_rev"] == 1
    is_window(window["command"], around=0)


def test_its_reports_never_alter_the_canonical_queue() -> None:
    house, dap, _ = stage()
    dap.report(queue=TRACKS[5_000:5_010], queue_position=3, track_id=TRACKS[5_003])
    assert house.state()["queue"] == TRACKS
    assert house.state()["queue_position"] == 3
    dap.claim(["mine"], 0)
    assert house.state()["queue"] == ["mine"]


def test_a_refused_queue_leaves_the_window_of_the_one_before() -> None:
    house, dap, phone = stage()
    request = phone.command("set_queue", tracks=TRACKS[::-1], start_index=0)
    go_to(dap, 5_000, refused=[{"id": request, "code": "unsupported"}])
    assert house.state()["queue"] == TRACKS
    is_window(dap.executed()["command"], around=5_000)
    assert dap.executed()["command"]["type"] == "set_window"


@pytest.mark.parametrize("position", [0, 1, 50, 98, 99])
@pytest.mark.parametrize("budget", [0, 20, 200, 500, 5_000])
def test_a_window_is_within_its_budget_and_has_the_current_track(position: int, budget: int) -> None:
    queue = tuple(f"id-{n:02}" for n in range(100))
    offset, part = order.window(queue, position, budget)
    assert part == queue[offset : offset + len(part)]
    assert queue[position] in part
    assert len(part) == 1 or len(json.dumps(part, separators=(",", ":"))) <= budget
    if budget >= 500 > 100 * 8:
        assert part == queue
    if budget == 200 and 0 < position < 99:
        assert offset < position


def test_what_json_writes_longer_counts_longer() -> None:
    queue = tuple('"\\"é' * 10 for _ in range(100))
    _, part = order.window(queue, 50, 2_000)
    assert len(part) > 1
    assert len(json.dumps(part, separators=(",", ":"))) <= 2_000


class Looked(tuple[str, ...]):  # noqa: SLOT001 (it counts)
    """A queue that counts at how many of its tracks somebody looks."""

    at = 0

    def __iter__(self) -> Iterator[str]:
        for track in super().__iter__():
            self.at += 1
            yield track


def test_of_a_long_queue_no_more_is_looked_at_than_fits() -> None:
    """It is asked at every event of a user, also at those that are over the rates."""
    queue = Looked(TRACKS)
    _, part = order.window(queue, 5_000, 200)
    assert len(part) > 5
    assert queue.at < 50
