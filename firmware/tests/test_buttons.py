"""What people press on the device itself."""

from rig import DEVICE, OTHER, Rig, state_of

TRACKS = ["a", "b", "c"]


def table(rig):
    return rig.dap.renderer.table


def test_play_asks_for_the_music_of_another_device_and_goes_on_with_it():
    rig = Rig()
    music = state_of(OTHER, TRACKS, 1, position_ms=8_000, is_playing=True, epoch=4)
    rig.arrive(music)
    rig.dap.pressed("play")
    (asked,) = rig.heard("query")
    assert asked["type"] == "request_state"
    music["position_at"] = rig.server()
    rig.reply("playback_state", state=music, id=asked["id"])
    rig.run(20)
    assert table(rig).playing and table(rig).track == "b"
    (claim,) = rig.heard("transfer")
    assert claim["type"] == "claim_playback" and claim["state"]["track_id"] == "b"
    assert claim["state"]["queue"] == TRACKS and claim["state"]["position_ms"] == 8_000
    assert claim["issued_at"] <= rig.server()
    assert rig.heard("state") == []  # not ours yet: no report of it
    rig.reply("command_result", id=claim["id"], status="applied", epoch=5, sequence=9)
    assert rig.dap.renderer.epoch == 5 and rig.last_state()["epoch"] == 5


def test_a_window_is_claimed_without_its_queue():
    rig = Rig()
    more = {"queue_offset": 5, "queue_length": 100, "queue_position": 6}
    rig.arrive(state_of(OTHER, TRACKS, 1, epoch=4, **more))
    rig.dap.pressed("play")
    rig.run(1_100)  # nobody answers: with what was known
    (claim,) = rig.heard("transfer")
    assert "queue" not in claim["state"] and claim["state"]["queue_position"] == 6


def test_a_long_queue_is_not_sent_along_and_plays_all_the_same():
    rig = Rig()
    tracks = ["%08d-0000-4000-8000" % n for n in range(300)]
    rig.arrive(state_of(OTHER, tracks, 7, epoch=4))
    rig.dap.pressed("play")
    rig.run(1_100)
    (claim,) = rig.heard("transfer")
    assert "queue" not in claim["state"] and claim["state"]["queue_position"] == 7
    assert table(rig).playing and table(rig).track == tracks[7]


def test_a_claim_is_repeated_at_arrival_and_given_up_in_time():
    rig = Rig()
    rig.arrive(state_of(OTHER, TRACKS, epoch=4))
    rig.dap.down(True)
    rig.dap.pressed("play")
    rig.run(20)
    assert table(rig).playing and rig.heard("transfer") == []
    rig.arrive(state_of(OTHER, TRACKS, epoch=4))
    rig.reply("error", code="not_registered", message="register first")
    rig.register(state_of(OTHER, TRACKS, epoch=4))
    claims = rig.heard("transfer")
    assert len(claims) == 2 and claims[0]["id"] == claims[1]["id"]
    rig.run(5_100)
    rig.register(state_of(OTHER, TRACKS, epoch=4))
    again = rig.heard("transfer")[-1]
    assert again["id"] != claims[0]["id"] and again["state"]["position_ms"] > 5_000


def test_a_refused_claim_is_silent_and_one_too_soon_is_repeated():
    rig = Rig()
    rig.arrive(state_of(OTHER, TRACKS, epoch=4))
    rig.dap.pressed("play")
    rig.run(1_100)
    claim = rig.heard("transfer")[-1]
    rig.reply("error", code="rate_limited", message="slower", id=claim["id"], retry_after_ms=300)
    rig.run(400)
    second = rig.heard("transfer")[-1]
    assert second["id"] != claim["id"] and table(rig).playing
    rig.reply("command_result", id=second["id"], status="rejected", code="unsupported")
    assert not table(rig).playing and rig.dap.renderer.epoch is None


def test_play_and_pause_on_the_active_one_are_local_and_reported():
    rig = Rig()
    rig.playing()
    rig.dap.pressed("play")
    assert not table(rig).playing and not rig.last_state()["state"]["is_playing"]
    rig.dap.pressed("play")
    assert table(rig).playing and rig.last_state()["state"]["is_playing"]
    assert rig.heard("transfer") == [] and rig.heard("query") == []


def test_what_is_pressed_while_nobody_can_be_told_is_not_undone_by_music_that_starts_by_itself():
    for buttons, resumes in (
        ((), True),
        (("play",), False),  # paused
        (("play", "next"), False),
        (("play", "play"), True),
        (("louder",), True),
    ):
        rig = Rig()
        rig.playing(TRACKS)
        rig.dap.down(True)
        for button in buttons:
            rig.run(100)
            rig.dap.pressed(button)
        rig.connect()
        assert rig.heard("register")[-1]["resume"] is resumes, buttons
        rig.register(state_of(DEVICE, TRACKS, epoch=1, position_ms=50))
        rig.dap.down(True)
        rig.connect()
        assert rig.heard("register")[-1]["resume"] is True, "told by now"


def test_a_queue_that_came_to_its_end_while_away_is_over():
    rig = Rig()
    rig.playing(["a?duration_ms=2000"])
    rig.dap.down(True)
    rig.run(3_000)
    rig.connect()
    assert rig.heard("register")[-1]["resume"] is False
    rig = Rig()
    rig.playing(["a?break_ms=2000"])
    rig.dap.down(True)
    rig.run(3_000)
    rig.connect()
    assert not table(rig).playing and rig.heard("register")[-1]["resume"] is True


def test_next_and_previous():
    rig = Rig()
    rig.playing(TRACKS)
    rig.dap.pressed("next")
    rig.run(20)
    assert rig.last_state()["state"]["track_id"] == "b" and table(rig).playing
    rig.run(4_000)
    rig.dap.pressed("previous")  # after 3 s: to its beginning
    assert table(rig).track == "b" and table(rig).position_ms() == 0
    rig.dap.pressed("previous")
    rig.run(20)
    assert table(rig).track == "a"
    rig.dap.pressed("previous")
    assert table(rig).track == "a" and table(rig).position_ms() == 0
    rig.dap.pressed("next")
    rig.dap.pressed("next")
    rig.run(20)
    rig.dap.pressed("next")  # past the end
    assert table(rig).track == "c" and not table(rig).playing and table(rig).position_ms() == 0


def test_beyond_the_window_the_coordinator_is_asked():
    rig = Rig()
    rig.arrive()
    rig.command("set_queue", tracks=TRACKS, start_index=12, queue_rev=1, queue_offset=10, queue_length=50)
    rig.command("play")
    rig.run(20)
    rig.dap.pressed("next")
    (asked,) = rig.heard("command")
    assert asked["command"] == {"type": "next", "expect_position": 12}
    assert table(rig).deck.index == 12


def test_volume_has_twenty_steps_and_two_ends():
    rig = Rig()
    rig.arrive()
    rig.dap.pressed("louder")
    assert rig.last_state()["volume"] == 0.55
    for _ in range(30):
        rig.dap.pressed("softer")
    assert rig.last_state()["volume"] == 0
    for _ in range(30):
        rig.dap.pressed("louder")
    assert rig.last_state()["volume"] == 1


def test_with_nothing_to_play_it_says_so():
    rig = Rig()
    rig.dap.pressed("play")
    assert "nothing to play" in rig.dap.notice
    rig.dap.pressed("next")
    assert "press play" in rig.dap.notice
    rig.arrive(state_of(DEVICE, epoch=1))
    rig.dap.pressed("play")
    assert not table(rig).playing
