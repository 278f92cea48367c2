"""Where a story is played: the real core, a store, clients, and one kill of the coordinator.

What the coordinator does is a row of steps: one commit, which SQLite makes whole or not at all,
then one publish after the other. A kill comes instead of one step: everything before it was
done - saved rows are kept, publishes are delivered - and nothing after it; whatever is on its
way to the coordinator is lost.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from coordinator.restart.client import Client
from simulator.links import Time
from soul_coordinator.core import events
from soul_coordinator.core.coordinator import Coordinator
from soul_coordinator.core.effects import (
    CloseConnection,
    Effect,
    Execute,
    ForgetDevice,
    Publish,
    Reply,
    Save,
    SavePlayback,
    Tell,
)
from soul_coordinator.core.records import GuestPass, UserRecord
from soul_coordinator.core.values import Address, Message

START = 1_700_000_000_000
WAY = 1
"""ms from a client to the coordinator, and back."""
DOWN = 300
"""ms from the kill to the next start."""
REST = 20_000
"""ms in which whatever a kill left behind comes to its end: 3 s of grace, 15 s more after a start."""
APART = 40
"""ms between the devices' arrivals after it."""

Kill = Literal["the server", "the coordinator"]
"""With the server the broker dies too, and everyone connects anew; alone, connections stay.

The one decides what comes at the same moment as one batch, the other each event for itself.
"""

Story = Callable[["Stage"], Iterator[int]]
"""Does things, and yields for how long (ms) nobody does anything."""


class Shelf(Protocol):
    """A store, and the accounts beside it."""

    def commit(self, saves: list[Save]) -> None:
        """All or nothing."""

    def start(self) -> list[UserRecord]:
        """Open it, after a kill, too; what it holds."""

    def load(self) -> list[UserRecord]:
        """What it holds."""

    def allow(self, user: str, device: str, scope: frozenset[str], lasts: int) -> GuestPass:
        """A guest's token is made; it lasts so many ms."""

    def take_back(self, user: str, device: str) -> None:
        """A guest's token is revoked."""

    def close(self) -> None:
        """The stage is over."""


MakeShelf = Callable[[Callable[[], int]], Shelf]
"""From a clock (ms)."""


class Stage:
    """Plays a story; the coordinator dies at step `kill_at` (None: it lives)."""

    def __init__(self, shelf: MakeShelf, kill: Kill, kill_at: int | None) -> None:
        self.time = Time(START)
        self.shelf = shelf(lambda: self.time.now)
        self.clients: list[Client] = []
        self.steps = self.starts = 0
        self.killed: str | None = None
        """What the coordinator was about to do when it was killed."""
        self.races: set[str] = set()
        """Requests said at one moment, where the order of arrival decides which one wins."""
        self.lost: list[events.Event] = []
        """What was said and never heard."""
        self.core: Coordinator | None = None
        self._kill, self._kill_at = kill, kill_at
        self._broker_up = True
        self._deleted: set[str] = set()
        self._inbox: list[events.Event] = []
        self._saved: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._sounding: dict[tuple[str, int], str] = {}
        self._start()

    # For the stories

    def device(self, name: str, *, user: str = "ann", node: str = "device", **able: Any) -> Client:
        """A new client, connected."""
        number = f"{len(self.clients) + 1:08x}-0000-4000-8000-000000000000"
        place = Address(user, "guest" if node == "guest" else "device", number)
        client = Client(self, place, name, **able)
        self.clients.append(client)
        if node != "guest":
            client.connect()
        return client

    def guest(self, name: str, *scope: str, lasts: int = 3_600_000) -> Client:
        client = self.device(name, node="guest")
        self.invite(client, *scope, lasts=lasts)
        client.connect()
        return client

    def invite(self, guest: Client, *scope: str, lasts: int = 3_600_000) -> None:
        place = guest.place
        allowed = self.shelf.allow(place.user, place.device, frozenset(scope), lasts)
        self._decide(events.PassIssued(place.user, allowed))
        # The broker, too, knows when a token ends.
        self.time.after(lasts, guest.banish)

    def revoke(self, guest: Client) -> None:
        """Take back a guest's token: the coordinator is told, and the broker closes and refuses."""
        self.shelf.take_back(guest.place.user, guest.id)
        guest.banish()
        self._decide(events.TokenEnded(guest.place.user, guest.id))

    def play(self, story: Story) -> Iterator[None]:
        """Yields in every pause of the story that is long enough for all to come to rest."""
        for pause in story(self):
            self._run(pause)
            if pause >= REST:
                yield

    # The broker

    def carry(self, event: events.Event) -> None:
        if self._broker_up:
            self.time.after(WAY, lambda: self._arrive(event))
        else:
            self.lost.append(event)

    def _deliver(self, client: Client, message: Message) -> None:
        self.time.after(WAY, partial(client.hear, message, client.lives))

    # The coordinator

    def _start(self) -> None:
        self.starts += 1
        self._broker_up = True
        self.core = Coordinator(
            coordinator_id=f"{self.starts:016x}", users=self.shelf.start(), now=self.time.now
        )
        self._carry_out(self.core.start(now=self.time.now), starting=True)
        if self.core is None or self.starts == 1:
            return
        for client in self.clients:
            if client.id in self._deleted and not client.refused:
                client.banish()
        coming = [one for one in self.clients if one.wanted]
        if self._kill_at is not None and self._kill_at % 2:
            coming.reverse()
        for place, client in enumerate(coming):
            again = client.connect if self._kill == "the server" else client.register_again
            self.time.after(APART * (place + 1), partial(_if_wanted, client, again))

    def _die(self, about_to: str) -> None:
        self.core, self.killed = None, about_to
        if self._kill == "the server":
            self._broker_up = False
            for client in self.clients:
                # What was published before arrives before the connection ends.
                self.time.after(2 * WAY, client.cut)
        self.time.after(DOWN, self._start)

    def _arrive(self, event: events.Event) -> None:
        if self._kill == "the coordinator":
            self._decide(event)
            return
        if not self._inbox:
            self.time.after(0, self._decide_inbox)
        self._inbox.append(event)

    def _decide_inbox(self) -> None:
        batch, self._inbox = self._inbox, []
        self._decide(*batch)

    def _decide(self, *batch: events.Event) -> None:
        effects: list[Effect] = []
        steps = self.steps
        if self.core is not None:
            for event in batch:
                effects += self.core.handle(event, now=self.time.now)
            self._carry_out(effects)
        if self.core is None and (not effects or self.steps == steps + 1):
            self.lost += batch

    def _carry_out(self, effects: Sequence[Effect], *, starting: bool = False) -> None:
        saves: list[Save] = []
        tells: list[Tell] = []
        for effect in effects:
            if isinstance(effect, Reply | Execute | Publish | CloseConnection):
                tells.append(effect)
            else:
                saves.append(effect)
        if saves:
            if not self._lives_for("commit", saves):
                return
            self._note_saves(saves)
            self.shelf.commit(saves)
        for tell in tells:
            if not self._lives_for("tell", tell):
                return
            self._tell(tell, starting=starting)

    def _lives_for(self, what: str, of: object) -> bool:
        self.steps += 1
        if self.steps == self._kill_at:
            self._die(f"{what} {of}")
            return False
        return True

    def _note_saves(self, saves: list[Save]) -> None:
        for save in saves:
            if isinstance(save, SavePlayback):
                before = self._saved.get(save.user, 0)
                assert save.playback.sequence == before + 1, f"{before} was saved before {save}"
                self._saved[save.user] = before + 1
            elif isinstance(save, ForgetDevice):
                self._deleted |= {
                    one.id for one in self.clients if one.id == save.device and one.place.node == "device"
                }

    def _tell(self, tell: Tell, *, starting: bool) -> None:
        match tell:
            case Reply(to, message) | Execute(to, message):
                for client in self.clients:
                    if client.place == to and client.linked:
                        self._deliver(client, message)
            case Publish(user, channel, message):
                if channel == "state" and message is not None:
                    self._in_order(user, message["state"]["sequence"], starting=starting)
                for client in self.clients:
                    limited = client.able.max_payload_bytes is not None and channel in {"state", "devices"}
                    if message is not None and client.place.user == user and client.linked and not limited:
                        self._deliver(client, message)
            case CloseConnection(user, device, reason):
                for client in self.clients:
                    if client.place.user == user and device in {None, client.id}:
                        over = reason == "deleted" or client.place.node == "guest"
                        end = client.banish if over else client.cut
                        self.time.after(WAY, end)

    def _in_order(self, user: str, sequence: int, *, starting: bool) -> None:
        told, saved = self._told.get(user, 0), self._saved.get(user, 0)
        if starting:
            # A batch was saved whole, and its first states were not told.
            behind = 1 if self._kill == "the coordinator" else sequence
            assert told <= sequence <= told + behind, f"{told}, then {sequence} at the start"
        else:
            assert sequence == told + 1, f"{told}, then {sequence}"
            assert sequence <= saved, f"{sequence} is told, {saved} is saved"
        self._told[user] = sequence

    # Time

    def _run(self, ms: int) -> None:
        end = self.time.now + ms
        while True:
            due = None if self.core is None else self.core.next_deadline()
            coming = self.time.next
            if due is not None and due <= end and (coming is None or due <= coming):
                self.time.now = max(self.time.now, due)
                self._decide(events.DeadlineReached())
            elif coming is not None and coming <= end:
                self.time.pop()()
            else:
                break
            self._listen()
        self.time.now = end

    def _listen(self) -> None:
        """One device sounds in an epoch."""
        for client in self.clients:
            music = client.music
            if music.playing and music.epoch is not None:
                owner = self._sounding.setdefault((client.place.user, music.epoch), client.id)
                assert owner == client.id, f"{owner} and {client.id} play in epoch {music.epoch}"


def _if_wanted(client: Client, again: Callable[[], None]) -> None:
    if client.wanted:
        again()
