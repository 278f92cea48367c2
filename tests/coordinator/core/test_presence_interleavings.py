"""Presence in every order: every story of four events ends in what the contract's words make of it.

The model below is Presence as docs/protocol.md words it, told a second time and in as few lines.
"""

import itertools

from coordinator.core.kit import House, Player
from soul_coordinator.core.events import TokenEnded
from soul_protocol import limits

FIRST, SECOND = 1, 2
EVENTS = (
    "register first",  # also: repeated, and delayed
    "register second",  # also: a take-over
    "will first",
    "will second",
    "goodbye first",
    "grace",
    "silence",
    "token",
    "restart",
)


class Model:
    """One device's presence."""

    def __init__(self) -> None:
        self.now = 0
        self.current: int | None = None
        self.ended: set[int] = set()
        self.registered = self.online = False
        self.heard = 0
        self.known = False
        self.offline_at: int | None = None
        self.token_at: int | None = None

    def register(self, conn: int) -> bool:
        """Whether it is answered."""
        if conn in self.ended:
            return False
        self.known = True
        if self.current not in {None, conn}:
            self.ended.add(self.current or 0)
        if conn != self.current:
            self.token_at = None
        self.current, self.registered, self.online = conn, True, True
        self.heard, self.offline_at = self.now, None
        return True

    def farewell(self, conn: int, *, clean: bool) -> None:
        self.ended.add(conn)
        if conn != self.current:
            return
        self.current, self.registered = None, False
        closed = self.token_at is not None and self.now - self.token_at <= limits.LOSS_GRACE
        if clean or closed:
            self.online, self.offline_at = False, None
        elif self.online:
            self.offline_at = self.now + limits.LOSS_GRACE

    def token(self) -> None:
        """A token of its is taken back; whether its connection lives by that one, the will says."""
        self.token_at = self.now

    def restart(self) -> None:
        if not self.known:
            self.ended.clear()  # of a device that nobody knows, nothing is saved
        self.token_at = None
        self.registered = False
        self.offline_at = self.now + limits.RESTART_GRACE if self.online else None

    def wait(self, ms: int) -> None:
        self.now += ms
        if self.registered and self.heard + limits.SILENCE <= self.now:
            self.registered = self.online = False
        if self.offline_at is not None and self.offline_at <= self.now:
            self.online, self.offline_at = False, None


def happen(event: str, house: House, device: Player, model: Model) -> None:
    what, _, which = event.partition(" ")
    conn = FIRST if which == "first" else SECOND
    device.conns = conn
    match what:
        case "register":
            assert (device.register(again=True) is not None) == model.register(conn)
        case "will":
            device.lose()
            model.farewell(conn, clean=False)
        case "goodbye":
            device.leave()
            model.farewell(conn, clean=True)
        case "grace":
            house.pass_time(limits.LOSS_GRACE)
            model.wait(limits.LOSS_GRACE)
        case "silence":
            house.pass_time(limits.SILENCE)
            model.wait(limits.SILENCE)
        case "token":
            house.tell(TokenEnded("ann", device.id))
            model.token()
        case _:
            house.start()
            model.restart()


def is_online(house: House, device: Player) -> bool:
    known = house.core.users.get("ann")
    return known is not None and device.id in known.devices and known.devices[device.id].is_online


def told(house: House, device: Player) -> bool:
    """What everyone was told last, in the list and by events."""
    lists = [one["devices"] for one in house.events("devices_update")]
    listed = bool(lists) and any(one["id"] == device.id and one["is_online"] for one in lists[-1])
    events = [one["type"] for one in house.everyone.get("ann", ()) if one["type"].startswith("device_")]
    assert listed == (bool(events) and events[-1] == "device_online")
    return listed


def stories() -> list[tuple[str, ...]]:
    """All of four events in which somebody registers before long, and nothing passes twice running."""
    return [
        story
        for story in itertools.product(EVENTS, repeat=4)
        if any(event.startswith("register") for event in story[:2])
        and not any(one == next_one and " " not in one for one, next_one in itertools.pairwise(story))
    ]


def test_every_story_of_four_events_ends_in_the_true_state() -> None:
    for story in stories():
        house, model = House(), Model()
        device = house.stranger()
        for event in story:
            happen(event, house, device, model)
            assert is_online(house, device) == told(house, device) == model.online, story
        # Only who is registered is answered; anyone else is told to register, and then is.
        answered = len(device.all("playback_state"))
        device.ask("query", "request_state")
        assert (len(device.all("playback_state")) > answered) == model.registered, story
        assert (device.errors()[-1:] == ["not_registered"]) != model.registered, story
        device.conns = 3
        assert device.register(again=True) is not None, story
        assert is_online(house, device), story
        house.pass_time(limits.SILENCE)
        assert not is_online(house, device), story
