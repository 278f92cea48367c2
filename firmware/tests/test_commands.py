"""Every command of the contract, executed once, in its time, and reported."""

from rig import BASE, DEVICE, OTHER, Rig, state_of

TRACKS = ["a", "b", "c", "d"]


def table(rig):
    return rig.dap.renderer.table


def applied(rig):
    return [id for report in rig.heard("state") for id in report.get("applied", ())]


def refused(rig):
    return {one["id"]: one["code"] for report in rig.heard("state") for one in report.get("refused", ())}


def test_a_queue_and_play_make_it_the_active_one_and_are_reported_at_once():
    rig = Rig()
    rig.arrive()
    first = rig.command("set_queue", tracks=TRACKS, start_index=1, queue_rev=3)
    second = rig.command("play")
    rig.run(20)
    assert applied(rig) == [first, second]
    report = rig.last_state()
    assert report["epoch"] == 1 and report["conn"] == rig.conn
    state = report["state"]
    assert state["is_playing"] and state["track_id"] == "b" and state["queue_position"] == 1
    assert state["duration_ms"] == 180_000 and "queue" not in state
    assert abs(state["position_at"] - rig.server()) <= 20


def test_a_queue_that_was_cleared_is_not_played():
    rig = Rig()
    rig.arrive(state_of(DEVICE, TRACKS, epoch=1))
    rig.run(20)
    rig.command("set_queue", tracks=[], start_index=0, queue_rev=2)
    id = rig.command("play")
    assert refused(rig) == {id: "unsupported"} and table(rig).track is None


def test_seq_counts_from_1_in_each_conn():
    rig = Rig()
    rig.playing()
    rig.run(3_000)
    seqs = [report["seq"] for report in rig.heard("state")]
    assert seqs == list(range(1, len(seqs) + 1))
    rig.dap.down(True)
    count = len(seqs)
    rig.arrive(state_of(DEVICE, ["a", "b", "c"], epoch=1, is_playing=True))
    assert rig.heard("state")[count]["seq"] == 1


def test_a_tick_each_second_while_playing_and_no_other_time():
    rig = Rig()
    rig.playing()
    before = len(rig.heard("state", qos=0))
    rig.run(5_000)
    ticks = rig.heard("state", qos=0)[before:]
    assert len(ticks) == 5
    assert abs(ticks[-1]["state"]["position_ms"] - ticks[0]["state"]["position_ms"] - 4_000) <= 20
    rig.command("pause")
    before = len(rig.heard("state"))
    rig.run(10_000)
    assert len(rig.heard("state")) == before


def test_pause_play_seek_stop():
    rig = Rig()
    rig.playing()
    rig.run(1_000)
    rig.command("pause")
    held = rig.last_state()["state"]
    assert not held["is_playing"] and 950 <= held["position_ms"] <= 1_100
    rig.run(1_000)
    rig.command("seek", position_ms=60_000)
    assert rig.last_state()["state"]["position_ms"] == 60_000
    rig.command("seek", position_ms=999_000)
    assert rig.last_state()["state"]["position_ms"] == 180_000  # beyond the end is the end
    rig.command("seek", position_ms=5_000)
    rig.command("play")
    rig.run(500)
    assert 5_400 <= table(rig).position_ms() <= 5_600
    rig.command("stop")
    state = rig.last_state()["state"]
    assert not state["is_playing"] and state["position_ms"] == 0 and state["track_id"] == "a"
    assert rig.dap.renderer.epoch == 1  # still the active one


def test_next_and_previous_go_where_the_coordinator_says():
    rig = Rig()
    rig.playing(TRACKS)
    rig.command("next", queue_position=2)
    rig.run(20)
    assert rig.last_state()["state"]["track_id"] == "c" and table(rig).playing
    rig.command("previous", queue_position=1)
    rig.run(20)
    assert rig.last_state()["state"]["queue_position"] == 1
    rig.command("next", queue_position=3, is_playing=False)
    rig.run(20)
    assert not table(rig).playing and table(rig).deck.index == 3
    bad = rig.command("next", queue_position=4)
    assert refused(rig)[bad] == "invalid_command" and table(rig).deck.index == 3


def test_volume_is_its_own_in_any_epoch_and_idle():
    rig = Rig()
    rig.arrive()
    id = rig.command("set_volume", epoch=0, volume=0.25)
    report = rig.last_state()
    assert report["applied"] == [id] and report["volume"] == 0.25
    assert "state" not in report and "epoch" not in report
    rig.command("set_volume", volume=1)
    assert rig.last_state()["volume"] == 1


def test_repeat_and_what_follows():
    rig = Rig()
    rig.playing(["a?duration_ms=1000", "b?duration_ms=1000"])
    rig.command("set_repeat", mode="one")
    rig.run(1_500)
    assert table(rig).deck.index == 0
    rig.command("set_repeat", mode="all")
    rig.run(1_000)
    assert table(rig).deck.index == 1
    rig.run(1_000)
    assert table(rig).deck.index == 0 and table(rig).playing
    rig.command("set_repeat", mode="off")
    rig.run(3_000)
    # Past the end: paused at 0 of the last track.
    state = rig.last_state()["state"]
    assert not state["is_playing"] and state["position_ms"] == 0 and state["queue_position"] == 1
    bad = rig.command("set_repeat", mode="twice")
    assert refused(rig)[bad] == "invalid_command"


def test_the_next_track_comes_without_a_gap():
    rig = Rig()
    rig.playing(["a?duration_ms=1000", "b?duration_ms=1000", "c"])
    start = rig.clock.ms
    while table(rig).deck.index < 2:
        rig.run(10)
    assert 1_900 <= rig.clock.ms - start + 50 <= 2_060
    changes = rig.heard("state", qos=1)
    assert [one["state"]["track_id"][0] for one in changes[-2:]] == ["b", "c"]


def test_shuffle_comes_with_the_queue_and_the_music_goes_on():
    rig = Rig()
    rig.playing(TRACKS)
    rig.run(1_000)
    rig.command("set_shuffle", enabled=True, queue=["a", "d", "b", "c"], queue_position=0, queue_rev=2)
    state = rig.last_state()["state"]
    assert state["shuffle"] and state["track_id"] == "a" and state["position_ms"] > 900
    rig.command("next", queue_position=1)
    rig.run(20)
    assert table(rig).track == "d"


def test_keep_position_adds_to_the_queue_and_an_empty_one_clears():
    rig = Rig()
    rig.playing(["a"])
    rig.run(1_000)
    rig.command("set_queue", tracks=["x", "a", "y"], start_index=1, keep_position=True, queue_rev=2)
    assert table(rig).track == "a" and table(rig).position_ms() > 900 and table(rig).playing
    rig.command("set_queue", tracks=["x", "q"], start_index=1, keep_position=True, queue_rev=3)
    rig.run(20)
    assert table(rig).track == "q" and table(rig).position_ms() < 100
    rig.command("set_queue", tracks=[], start_index=0, queue_rev=4)
    assert table(rig).track is None and not table(rig).playing and table(rig).deck.rev == 4
    bad = rig.command("play")
    assert refused(rig)[bad] == "unsupported"


def test_a_window_has_absolute_indexes_and_the_next_one_comes_before_its_edge():
    rig = Rig()
    rig.arrive()
    rig.command(
        "set_queue", tracks=["40", "41", "42"], start_index=41, queue_rev=1, queue_offset=40, queue_length=100
    )
    rig.command("play")
    rig.run(20)
    state = rig.last_state()["state"]
    assert state["track_id"] == "41" and state["queue_position"] == 41 and "queue" not in state
    window = ["41", "42", "43"]
    id = rig.command("set_window", queue=window, queue_offset=41, queue_rev=1)
    assert applied(rig)[-1] == id and table(rig).playing and table(rig).deck.length == 100
    rig.command("next", queue_position=43)
    rig.run(20)
    assert table(rig).track == "43"
    late = rig.command("set_window", queue=["1"], queue_offset=1, queue_rev=0)
    assert refused(rig)[late] == "invalid_command" and table(rig).deck.track() == "43"


def test_at_the_edge_it_waits_for_the_window_and_goes_on():
    rig = Rig()
    rig.arrive()
    short = ["0?duration_ms=500", "1?duration_ms=500"]
    rig.command("set_queue", tracks=short, start_index=0, queue_rev=1, queue_offset=0, queue_length=4)
    rig.command("play")
    rig.run(1_500)
    assert table(rig).deck.index == 2 and table(rig).track is None
    assert rig.last_state()["state"]["queue_position"] == 2
    rig.command("set_window", queue=["2", "3"], queue_offset=2, queue_rev=1)
    rig.run(20)
    assert table(rig).track == "2" and table(rig).playing


def test_a_repeated_id_is_answered_and_not_done_twice():
    rig = Rig()
    rig.playing(TRACKS)
    id = rig.command("next", queue_position=1)
    rig.command("next", queue_position=1, id=id)
    rig.run(20)
    rig.command("next", queue_position=2)
    rig.run(20)
    before = table(rig).deck.index
    rig.command("next", queue_position=1, id=id)
    assert table(rig).deck.index == before
    assert applied(rig).count(id) >= 2
    # The ring holds 64: an older id is new again, and has expired by then.
    for _ in range(64):
        rig.command("set_volume", volume=0.5)
    assert id not in rig.dap.renderer._ledger
    assert len(rig.dap.renderer._ledger._done) == 64


def test_a_command_that_comes_too_late_or_in_an_old_epoch_is_refused():
    rig = Rig()
    rig.playing()
    rig.run(1_000)
    late = rig.command("pause", expires_in=-1)
    old = rig.command("pause", epoch=0)
    assert refused(rig)[late] == "timeout" and refused(rig)[old] == "not_active"
    assert table(rig).playing


def test_a_command_in_an_epoch_of_somebody_else_is_refused():
    rig = Rig()
    rig.arrive(state_of(OTHER, ["z"], epoch=3))
    bad = rig.command("play", epoch=3)
    assert refused(rig)[bad] == "not_active" and rig.dap.renderer.epoch is None


def test_bad_tracks_are_named_and_skipped():
    rig = Rig()
    rig.playing(["a?duration_ms=500", "b?error=not_found", "c?error=bad_format", "d"])
    rig.run(700)
    state = rig.last_state()["state"]
    assert state["track_id"] == "d" and state["is_playing"]
    assert state["error"] == {"code": "bad_format", "track_id": "c?error=bad_format"}
    rig.command("set_queue", tracks=["x?break_ms=300", "y"], start_index=0, queue_rev=2)
    rig.run(500)
    state = rig.last_state()["state"]
    assert state["track_id"] == "y" and state["error"]["code"] == "bad_format"


def test_where_nothing_can_be_played_it_ends_silent_and_says_why():
    rig = Rig()
    rig.arrive()
    rig.command("set_queue", tracks=["x?error=not_found"] * 30, start_index=0, queue_rev=1)
    rig.command("play")
    rig.run(2_000)
    assert not table(rig).playing and rig.last_state()["state"]["error"]["code"] == "not_found"
    # A server that is not there is not asked for each of the tracks.
    rig.command("set_queue", tracks=["x?error=unreachable", "y"], start_index=0, queue_rev=2)
    rig.command("play")
    rig.run(100)
    assert table(rig).track is None and table(rig).deck.index == 0


def test_a_report_waits_for_the_load_but_not_for_ever():
    rig = Rig()
    rig.arrive()
    id = rig.command("set_queue", tracks=["a?load_ms=400"], start_index=0, queue_rev=1)
    rig.run(300)
    assert id not in applied(rig)
    rig.run(200)
    assert id in applied(rig) and rig.last_state()["state"]["duration_ms"] == 180_000
    slow = rig.command("set_queue", tracks=["a?load_ms=60000"], start_index=0, queue_rev=2)
    rig.run(1_600)
    assert slow in applied(rig)


def test_malformed_messages_change_nothing_and_never_stop_it():
    rig = Rig()
    rig.playing()
    before = rig.last_state()["state"]["track_id"]
    execute, reply = BASE + "/down/execute", BASE + "/down/reply"
    bad = [
        b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"{}", b'{"type":1}', b'{"type":"nothing"}',
        b'{"type":"execute_command"}', b'{"type":"execute_command","id":1,"command":{},"epoch":1}',
        b'{"type":"stop_playback","epoch":-1,"reason":"claimed"}',
        b'{"type":"stop_playback","epoch":true,"reason":"claimed"}',
        b'{"type":"stop_playback","epoch":1.5,"reason":"claimed"}',
        b'{"type":"start_playback","transfer_id":"t","epoch":9,"state":[]}',
        b'{"type":"registered"}', b'{"type":"stop_playback","epoch":9,"reason":"claimed"',
        b"[" * 2000, b'{"a":' * 500,
    ]  # fmt: skip
    for payload in bad:
        for topic in (execute, reply, "soul/v1/alice/all/position", "soul/v1/coordinator", "elsewhere"):
            rig.dap.received(topic, payload)
    rig.dap.received(reply, b'{"type":"stop_playback","epoch":9,"reason":"claimed"}')  # the wrong place
    stop = b'{"type":"stop_playback","epoch":9,"reason":"claimed"}'
    rig.dap.received(execute, stop, retained=True)  # nothing said to a device is
    assert rig.dap.malformed > 80
    assert table(rig).playing and table(rig).track == before
    wrong = {"type": "set_queue", "tracks": ["a", 7], "start_index": 0, "queue_rev": 9}
    for command in (wrong, {"type": "seek", "position_ms": "1"}, {"type": "dance"}, {}, {"type": ["play"]}):
        rig.ids += 1
        id = "00000000-0000-4000-8000-%012x" % rig.ids
        fields = {"id": id, "command": command, "from_device": OTHER, "epoch": 1}
        rig.order("execute_command", expires_at=rig.server() + 5_000, **fields)
        assert refused(rig)[id] == "invalid_command", command
    assert table(rig).playing and table(rig).track == before
