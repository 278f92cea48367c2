"""Handing the music over, losing it, and coming back to it."""

from rig import DEVICE, OTHER, SERVER_AT_0, Rig, state_of

TRACKS = ["a", "b", "c"]
T1 = "00000000-0000-4000-9000-000000000001"
T2 = "00000000-0000-4000-9000-000000000002"


def table(rig):
    return rig.dap.renderer.table


def elsewhere(rig, **more):
    """Music that plays on another device since 10 s, in epoch 1."""
    fields = {"position_ms": 10_000, "position_at": rig.server(), "is_playing": True, "epoch": 1}
    fields.update(more)
    return state_of(OTHER, TRACKS, 1, **fields)


def test_prepared_in_silence_and_started_at_its_moment():
    rig = Rig()
    rig.arrive(elsewhere(rig))
    rig.order("prepare_playback", transfer_id=T1, epoch=1, state=elsewhere(rig))
    assert rig.heard("outcome") == []
    rig.run(20)
    assert rig.heard("outcome") == [{"type": "playback_ready", "transfer_id": T1}]
    assert table(rig).track == "b" and not table(rig).playing
    rig.run(500)
    state = elsewhere(rig, epoch=2, device_id=DEVICE, position_ms=10_520, position_at=rig.server())
    rig.order("start_playback", transfer_id=T1, epoch=2, state=state)
    rig.run(100)
    assert not table(rig).playing  # the old renderer falls silent first
    rig.run(40)
    assert table(rig).playing and rig.heard("outcome")[-1]["type"] == "playback_started"
    assert rig.dap.renderer.epoch == 2
    rig.run(1_000)
    expected = 10_520 + rig.server() - state["position_at"]
    assert abs(table(rig).position_ms() - expected) <= 20
    report = rig.last_state()
    assert report["epoch"] == 2 and report["state"]["is_playing"]
    # Told again after a restart of the coordinator: answered, not done.
    before = table(rig).position_ms()
    rig.order("start_playback", transfer_id=T1, epoch=2, state=state)
    assert rig.heard("outcome")[-1]["type"] == "playback_started" and table(rig).position_ms() == before


def test_a_slow_load_is_ready_late_and_starts_where_the_music_is():
    rig = Rig()
    rig.arrive()
    slow = ["a?load_ms=800"]
    fields = {"position_ms": 5_000, "position_at": rig.server(), "is_playing": True, "epoch": 2}
    state = state_of(DEVICE, slow, **fields)
    rig.order("start_playback", transfer_id=T1, epoch=2, state=state)  # never prepared
    rig.run(700)
    assert rig.heard("outcome") == []
    rig.run(300)
    assert rig.heard("outcome")[-1]["type"] == "playback_started"
    assert abs(table(rig).position_ms() - 6_000) <= 30


def test_started_paused_and_started_empty():
    rig = Rig()
    rig.arrive()
    state = state_of(DEVICE, TRACKS, 2, position_ms=7_000, epoch=2)
    rig.order("start_playback", transfer_id=T1, epoch=2, state=state)
    rig.run(20)
    assert rig.heard("outcome")[-1]["type"] == "playback_started"
    assert not table(rig).playing and table(rig).position_ms() == 7_000
    rig.order("start_playback", transfer_id=T2, epoch=3, state=state_of(DEVICE, epoch=3))
    assert rig.heard("outcome")[-1] == {"type": "playback_started", "transfer_id": T2}
    assert table(rig).track is None


def test_what_cannot_be_played_fails_the_transfer():
    rig = Rig()
    rig.arrive()
    bad = state_of(OTHER, ["x?error=not_found", "y"], epoch=1)
    rig.order("prepare_playback", transfer_id=T1, epoch=1, state=bad)
    rig.run(20)
    failed = {"type": "playback_failed", "transfer_id": T1, "reason": "not_found"}
    assert rig.heard("outcome") == [failed]
    rig.order("prepare_playback", transfer_id=T2, epoch=1, state={"queue": 7})
    assert rig.heard("outcome")[-1]["type"] == "playback_failed"
    assert table(rig).track is None


def test_what_was_prepared_is_dropped_when_aborted_late_or_registered_again():
    for end in ("aborted", "late", "registered"):
        rig = Rig()
        rig.arrive(elsewhere(rig))
        rig.order("prepare_playback", transfer_id=T1, epoch=1, state=elsewhere(rig))
        rig.run(100)
        assert table(rig).track == "b"
        if end == "aborted":
            rig.order("stop_playback", transfer_id=T2, epoch=1, reason="aborted")
            assert table(rig).track == "b"
            rig.order("stop_playback", transfer_id=T1, epoch=1, reason="aborted")
        elif end == "late":
            rig.run(10_000)
        else:
            rig.register(elsewhere(rig))
        assert table(rig).track is None, end


def test_stop_and_a_higher_epoch_silence_it():
    rig = Rig()
    rig.playing()
    rig.order("stop_playback", epoch=0, reason="not_active")
    assert table(rig).playing  # of an epoch long ago
    rig.order("stop_playback", epoch=2, transfer_id=T1, reason="transferred")
    assert table(rig).track is None and rig.dap.renderer.epoch is None
    rig.command("play", epoch=3, tracks=[])
    rig = Rig()
    rig.playing()
    position = {"type": "position", "epoch": 2, "sequence": 9, "device_id": OTHER, "position_ms": 0}
    position.update(position_at=rig.server(), is_playing=True)
    rig.tell("soul/v1/alice/all/position", position)
    assert rig.dap.renderer.epoch is None and not table(rig).playing


def test_a_command_right_after_the_commit_comes_after_the_start():
    rig = Rig()
    rig.arrive()
    state = elsewhere(rig, epoch=2, device_id=DEVICE)
    rig.order("start_playback", transfer_id=T1, epoch=2, state=state)
    rig.run(20)
    rig.command("pause", epoch=2)
    rig.run(500)
    assert rig.heard("outcome")[-1]["type"] == "playback_started" and not table(rig).playing


def test_it_plays_on_through_a_cut_and_says_so():
    rig = Rig()
    rig.playing()
    rig.run(1_000)
    rig.dap.down(True)
    before = len(rig.heard("state"))
    rig.run(5_000)
    assert table(rig).playing and len(rig.heard("state")) == before
    rig.connect()
    known = rig.heard("register")[-1]["last_known_state"]
    assert known["epoch"] == 1 and known["is_playing"] and abs(known["position_ms"] - 6_050) <= 60
    rig.register(state_of(DEVICE, TRACKS, epoch=1, is_playing=True), should_resume=False)
    assert abs(table(rig).position_ms() - 6_050) <= 60 and table(rig).playing
    assert rig.last_state()["state"]["is_playing"]


def test_the_window_told_at_the_return_is_the_one_that_counts():
    rig = Rig()
    rig.arrive()
    rig.command("set_queue", tracks=["0", "1"], start_index=1, queue_rev=1, queue_offset=0, queue_length=9)
    rig.run(20)
    more = {"queue": ["1", "2", "3"], "queue_offset": 1, "queue_length": 9, "queue_position": 1}
    rig.register(state_of(DEVICE, (), epoch=1, track_id="1", **more))
    assert table(rig).deck.track(3) == "3" and table(rig).track == "1" and table(rig).deck.index == 1


def test_after_a_restart_it_loads_at_the_position_and_stays_silent():
    rig = Rig()
    rig.playing()
    rig.run(3_000)
    saved = rig.dap.saved()
    assert saved["last_known_state"]["epoch"] == 1 and saved["last_known_state"]["is_playing"] is False
    again = Rig(saved)
    again.connect()
    register = again.heard("register")[-1]
    assert register["last_known_state"]["position_ms"] == saved["last_known_state"]["position_ms"]
    again.register(state_of(DEVICE, TRACKS, 1, position_ms=3_000, epoch=1), should_resume=True)
    again.run(20)
    assert table(again).track == "b" and not table(again).playing and table(again).position_ms() == 3_000
    assert again.last_state()["state"]["track_id"] == "b"
    # The coordinator's own play, or anyone's, and the music is back; saved only once told.
    again.command("play")
    again.run(100)
    assert table(again).playing
    assert Rig().dap.saved() == {"volume": 0.5}


def test_the_answer_to_a_repetition_stops_nothing_that_began_since():
    rig = Rig()
    rig.connect()
    rig.register(state_of(DEVICE, TRACKS, 1, epoch=1), should_resume=True)
    rig.command("play")
    rig.run(20)
    rig.register(state_of(DEVICE, TRACKS, 1, epoch=1), should_resume=True)
    rig.run(20)
    assert table(rig).playing and table(rig).track == "b"


def test_a_renderer_that_loads_the_canonical_state_forgets_the_ids_it_executed():
    rig = Rig()
    rig.playing()
    id = rig.command("next", queue_position=1)
    rig.run(20)
    rig.dap.down(True)
    rig.connect()
    rig.register(state_of(DEVICE, TRACKS, 0, epoch=1), should_resume=True)
    rig.run(20)
    assert table(rig).track == "a"
    rig.command("next", queue_position=1, id=id)
    rig.run(20)
    assert table(rig).track == "b"


def test_the_music_went_elsewhere_while_it_was_away():
    rig = Rig()
    rig.playing()
    rig.dap.down(True)
    rig.arrive(elsewhere(rig, epoch=2))
    assert rig.dap.renderer.epoch is None and not table(rig).playing


def test_the_clock_of_the_coordinator_may_be_an_hour_off():
    rig = Rig()
    rig.arrive()
    assert abs(rig.dap.server_time(rig.clock.ms) - SERVER_AT_0 - rig.clock.ms) <= 1
