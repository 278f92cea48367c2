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
