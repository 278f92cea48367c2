"""Registering, wills, the clock, and a coordinator or another device that gets in the way."""

import json

from rig import BASE, COORDINATOR, DEVICE, OTHER, SERVER_AT_0, Rig, state_of
from soul.clock import ServerClock, Uptime, read_ntp


def test_it_registers_with_what_it_can_do_and_subscribes_to_no_more_than_it_may():
    rig = Rig()
    rig.connect()
    (register,) = rig.heard("register")
    assert register["conn"] == rig.conn and len(rig.conn) == 16
    assert register["device"]["device_type"] == "dap"
    assert register["device"]["capabilities"]["max_payload_bytes"] == 24576
    assert "wav" in register["device"]["capabilities"]["supported_formats"]
    assert register["resume"] is True and register["protocol"] == 1 and "last_known_state" not in register
    names = [name for name, _ in rig.dap.topics]
    down = BASE + "/down/+"
    assert names == [down, "soul/v1/alice/all/position", "soul/v1/alice/all/event", "soul/v1/coordinator"]


def test_it_repeats_with_backoff_until_registered_with_this_conn():
    rig = Rig()
    rig.connect()
    rig.run(4_900)
    assert len(rig.heard("register")) == 1
    rig.run(200)
    assert len(rig.heard("register")) == 2  # 5 s
    rig.run(10_000)
    assert len(rig.heard("register")) == 3  # 15 s
    rig.run(20_000 + 30_000 + 30_000)
    assert len(rig.heard("register")) == 6  # 35, 65, 95
    conn, rig.conn = rig.conn, "0" * 16
    rig.register()
    assert rig.dap.session.phase == "arriving"
    rig.conn = conn
    rig.register()
    assert rig.dap.session.phase == "registered"
    rig.run(40_000)
    assert len(rig.heard("register")) == 6


def test_the_will_and_the_goodbye_name_the_conn_which_is_fresh_each_time():
    rig = Rig()
    topic, payload, qos = rig.dap.will()
    assert (topic, qos) == (BASE + "/up/will", 1)
    rig.arrive()
    assert json.loads(payload)["conn"] != rig.conn
    topic, payload, qos = rig.dap.goodbye()
    assert (topic, qos) == (BASE + "/up/disconnect", 1)
    assert json.loads(payload)["conn"] == rig.conn


def test_pings_are_quick_at_first_then_every_30_s_and_make_the_clock():
    rig = Rig()
    rig.arrive()
    rig.run(5_000)
    pings = rig.heard("ping", qos=0)
    assert len(pings) == 6
    rig.run(30_000)
    assert len(rig.heard("ping")) == 7
    rig.clock.ms += 8
    ping = rig.heard("ping")[-1]
    at = SERVER_AT_0 + 5_000_000 + rig.clock.ms - 4
    rig.reply("pong", t0=ping["t0"], t1=at, t2=at)
    assert rig.dap.server_time(rig.clock.ms) is not None
    # A pong that nobody waits for says nothing.
    before = rig.dap.server_time(0)
    rig.reply("pong", t0=ping["t0"], t1=1, t2=1)
    assert rig.dap.server_time(0) == before


def test_the_sample_with_the_least_round_trip_counts_and_ages():
    clock = ServerClock()
    assert clock.at(0) is None
    clock.sample(0, 100, 1_800_000_000_050, 1_800_000_000_050)
    assert clock.at(0) == 1_800_000_000_000
    clock.sample(1_000, 1_010, 1_800_000_001_025, 1_800_000_001_025)  # much better: off by 20 ms
    assert clock.at(0) == 1_800_000_000_020
    clock.sample(2_000, 2_060, 1_800_000_002_030, 1_800_000_002_030)  # worse, and no contradiction
    assert clock.at(0) == 1_800_000_000_020
    clock.sample(10, 5, 0, 0)  # impossible
    clock.sample(0, 5, 9, 1)
    assert clock.at(0) == 1_800_000_000_020
    clock.sample(3_000, 3_050, 1_900_000_003_025, 1_900_000_003_025)  # the server's clock was set
    assert clock.at(0) == 1_900_000_000_000
    late = 3_050 + 1_000_000
    clock.sample(late, late + 200, 1_900_000_000_110 + late, 1_900_000_000_110 + late)
    assert clock.at(0) == 1_900_000_000_010  # an old sample is worth less


def test_uptime_goes_on_where_ticks_wrap():
    period = 1 << 30
    ticks = [period - 5]

    def diff(end, start):
        return (end - start + period // 2) % period - period // 2

    uptime = Uptime(lambda: ticks[0], diff)
    assert uptime.now() == 0
    ticks[0] = 7
    assert uptime.now() == 12
    ticks[0] = 6  # back by a tick: never told
    assert uptime.now() == 12
    for turn in range(1, 9):
        ticks[0] = (6 + turn * (period // 4)) % period
        assert uptime.now() == 12 + turn * (period // 4)


def test_an_answer_of_a_time_server():
    def packet(seconds, head=0x24, stratum=2):
        return bytes([head, stratum]) + bytes(38) + seconds.to_bytes(4, "big") + bytes(4)

    assert read_ntp(packet(1_800_000_000 + 2_208_988_800)) == 1_800_000_000
    assert read_ntp(packet((2_100_000_000 + 2_208_988_800) % (1 << 32))) == 2_100_000_000  # after 2036
    assert read_ntp(packet(1_800_000_000 + 2_208_988_800, stratum=0)) is None  # kiss of death
    assert read_ntp(packet(1_800_000_000 + 2_208_988_800, head=0x1B)) is None  # a question
    assert read_ntp(packet(1_000_000_000 + 2_208_988_800)) is None  # long ago
    assert read_ntp(b"short") is None


def test_not_registered_and_another_coordinator_mean_to_register_again():
    rig = Rig()
    rig.arrive()
    rig.reply("error", code="not_registered", message="register first")
    assert len(rig.heard("register")) == 2
    rig.register()
    status = {"type": "coordinator_status", "coordinator": "c2", "online": True, "started_at": 1}
    rig.tell("soul/v1/coordinator", status)
    rig.run(3_010)
    assert len(rig.heard("register")) == 3
    rig.register(coordinator="c2")
    # Ours, after it was away, is as another; said twice, it is not.
    status["online"] = False
    rig.tell("soul/v1/coordinator", status)
    status["online"] = True
    rig.tell("soul/v1/coordinator", status)
    rig.run(3_010)
    assert len(rig.heard("register")) == 4
    rig.register(coordinator="c2")
    rig.tell("soul/v1/coordinator", status)
    rig.run(3_010)
    assert len(rig.heard("register")) == 4


def test_offline_by_silence_alone_is_undone_by_registering_again():
    rig = Rig()
    rig.arrive()
    gone = {"type": "device_offline", "device_id": DEVICE, "reason": "connection_lost"}
    rig.tell("soul/v1/alice/all/event", gone)
    gone["reason"], gone["device_id"] = "timeout", OTHER
    rig.tell("soul/v1/alice/all/event", gone)
    assert len(rig.heard("register")) == 1
    gone["device_id"] = DEVICE
    rig.tell("soul/v1/alice/all/event", gone)
    first, second = rig.heard("register")
    assert first["conn"] == second["conn"]


def test_a_late_snapshot_of_an_earlier_coordinator_is_none():
    rig = Rig()
    rig.arrive()
    rig.register(state_of(OTHER, ["z"], epoch=7), coordinator="older")
    assert rig.dap.renderer.highest == 0


def test_without_a_place_it_stops_asking_and_says_so():
    rig = Rig()
    rig.connect()
    rig.reply("error", code="device_limit_reached", message="all device places of this user are taken")
    rig.run(60_000)
    assert len(rig.heard("register")) == 1
    assert rig.dap.session.phase == "no place" and "places" in rig.dap.notice


def test_three_short_lives_in_a_row_mean_that_somebody_else_is_here():
    rig = Rig()
    for turn in range(3):
        assert rig.dap.session.phase != "in use elsewhere", turn
        rig.arrive()
        rig.run(9_000)
        rig.dap.down(True)
    assert rig.dap.session.phase == "in use elsewhere"


def test_long_lives_and_failed_attempts_are_no_displacement():
    rig = Rig()
    for _ in range(5):
        rig.arrive()
        rig.run(11_000)
        rig.dap.down(True)
    for _ in range(5):
        rig.arrive()
        rig.dap.down(True)
        rig.dap.attempt()  # which comes to nothing
    assert rig.dap.session.phase == "away"


def test_a_network_that_comes_and_goes_is_no_displacement():
    rig = Rig()
    for _ in range(5):
        rig.arrive()
        rig.run(5_000)
        rig.dap.down(False)  # silence, which the link noticed itself
    assert rig.dap.session.phase == "away"


def test_the_name_is_the_one_that_the_coordinator_gave():
    rig = Rig()
    rig.connect()
    rig.reply(
        "registered",
        conn=rig.conn,
        device_id=DEVICE,
        device={"name": "Pocket (2)"},
        devices=[],
        current_state=state_of(),
        should_resume=False,
        server_time=rig.server(),
        coordinator=COORDINATOR,
        limits={},
    )
    assert rig.dap.name == "Pocket (2)"
