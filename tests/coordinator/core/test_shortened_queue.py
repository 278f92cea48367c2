"""A report of a local change comes while commands wait that counted on the longer queue."""

from coordinator.core.kit import QUEUE, House


def test_a_step_that_waits_beyond_a_queue_shortened_meanwhile() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE, 6)
    kitchen.command("next")
    assert kitchen.executed()["command"]["queue_position"] == 7
    kitchen.report(queue=QUEUE[:2], queue_position=1)
    request = kitchen.command("set_queue", tracks=[QUEUE[1], "more"], start_index=0, keep_position=True)
    assert kitchen.statuses(request) == ["accepted"]
    assert kitchen.executed()["command"]["keep_position"]


def test_a_local_change_while_queues_are_forwarded_never_gives_a_queue_rev_twice() -> None:
    house = House()
    kitchen = house.device().playing(QUEUE)
    told = house.state()["queue_rev"]
    kitchen.command("set_queue", tracks=QUEUE[:4], start_index=0)
    first = kitchen.executed()
    assert first["command"]["queue_rev"] == told + 1
    # Its own change takes that number before it executes the command.
    kitchen.report(queue=QUEUE[:6])
    assert house.state()["queue_rev"] == told + 1
    kitchen.command("set_queue", tracks=QUEUE[:3], start_index=0)
    second = kitchen.executed()
    kitchen.report(applied=[first["id"]], queue=QUEUE[:4])
    after_first = house.state()["queue_rev"]
    kitchen.report(applied=[second["id"]], queue=QUEUE[:3])
    assert told + 1 < after_first < house.state()["queue_rev"] == second["command"]["queue_rev"]
