"""A client's session with the coordinator, without I/O.

Events come in as method calls, with the local time in ms of a clock that never goes back;
what is to be done comes out as actions (`soul_connect.actions`), in order. The caller:

- calls `connected` after CONNACK and SUBACK of `identity.filters`, with the `conn` that the
  will of that connection named;
- publishes every `Publish` in order, and nothing on its own;
- calls `received` for each message, `disconnected` when the connection is gone, for whatever
  reason, and `failed` when one could not be made;
- calls `wake` at `next_deadline()`, connected or not; earlier or later does no harm.

How it registers is in `arrival`, what becomes of requests in `requests`, the clock in `clock`
and `pulse`, what is known in `picture`, what to show of that in `view`. This file joins them.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from soul_connect.actions import (
    Action,
    Answer,
    Away,
    DevicesChanged,
    Ended,
    Probe,
    Publish,
    RolledBack,
    Settled,
    StateChanged,
)
from soul_connect.arrival import Arrival, Phase
from soul_connect.clock import ServerClock
from soul_connect.errors import (
    DeviceInUseError,
    ExpiredError,
    NoAnswerError,
    RateLimitedError,
    RejectedError,
    RequestError,
    WithdrawnError,
)
from soul_connect.identity import DeviceIdentity
from soul_connect.inbound import Inbound
from soul_connect.overlay import Guess
from soul_connect.picture import Picture
from soul_connect.pulse import OVERSLEPT, Pulse
from soul_connect.requests import DEFAULT_LIFETIME, HELD, Ask, Rename, Request, Requests, Wish
from soul_connect.view import View
from soul_protocol import codec
from soul_protocol.down import CommandResult, ResultStatus
from soul_protocol.errors import Code
from soul_protocol.limits import REREGISTER_SPREAD
from soul_protocol.models import LastKnownState, Refusal, ReportedState
from soul_protocol.topics import UpChannel
from soul_protocol.up import (
    ConnectionLost,
    Disconnect,
    Ping,
    PlaybackFailed,
    PlaybackReady,
    PlaybackStarted,
    Register,
    StateUpdate,
    UpMessage,
    channel_of,
)

PROBE_WITHIN: Final = 4_000
"""How long (ms) the broker may take to prove that it is there."""

ARRIVING_SPREAD: Final = 1_000
"""How long (ms) those who wait for a coordinator may wait once it is there: they have waited."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a renderer brings along when it registers.

    `last_known_state` with `is_playing` says that it has gone on playing without us. Without
    `resume` no music starts by itself: what was done at the device meanwhile stands.
    """

    volume: float
    last_known_state: LastKnownState | None
    resume: bool = True


class Session:
    """One client's session, through all its connections."""

    def __init__(self, identity: DeviceIdentity, *, rng: random.Random) -> None:
        self.identity = identity
        self.clock = ServerClock()
        self.picture = Picture()
        self.view = View(self.picture)
        self.arrival = Arrival()
        self.requests = Requests()
        self.pulse = Pulse()
        self.offer: Callable[[float], Offer] | None = None
        """Set by a renderer: what to bring along, at a local moment."""
        self._rng = rng
        self._inbound = Inbound(self)
        self._seq = 0
        self._out: list[Action] = []
        self.register_sent: float | None = None

    # Events

    @staticmethod
    def will(conn: str) -> bytes:
        """The payload of the last will for a connection; its topic is `identity.topic(WILL)`."""
        return codec.encode(ConnectionLost(conn=conn))

    def connected(self, conn: str, *, now: float) -> list[Action]:
        """Connected and subscribed; `conn` is 16 hex digits, fresh, as in the will."""
        if self.identity.watches_only:
            self.arrival.conn = conn
            return self._flush()
        self._seq = 0
        self.arrival.connected(conn, now)
        self.pulse.start(now)
        return self.wake(now=now)

    def received(self, topic: str, payload: bytes, *, now: float, retained: bool = False) -> list[Action]:
        """A message came. What breaks the contract is ignored: it cannot be answered."""
        self._inbound.receive(topic, payload, now, retained=retained)
        return self._flush()

    def failed(self) -> list[Action]:
        """A connection could not be made."""
        self.arrival.failed()
        return self._flush()

    def disconnected(self, *, now: float, by_peer: bool) -> list[Action]:
        """The connection is gone. `by_peer`: the other side closed it."""
        was_online = self.arrival.phase is Phase.ONLINE
        give_up = self.arrival.disconnected(now, by_peer=by_peer)
        self.pulse.stop()
        self.register_sent = None
        if was_online:
            self.tell(Away())
        if give_up:
            self.tell(Ended(DeviceInUseError("this device id is in use elsewhere")))
        return self._flush()

    def wake(self, *, now: float) -> list[Action]:
        """Time has passed."""
        due = self.next_deadline()
        if due is not None and now - due > OVERSLEPT and self.arrival.phase is not Phase.AWAY:
            self.pulse.soon(now)
            self.tell(Probe(within_ms=PROBE_WITHIN // 2))
        if self.arrival.deadline is not None and self.arrival.deadline <= now:
            self._register(now)
        t0 = self.pulse.due(now)
        if t0 is not None:
            self.say(Ping(t0=t0), qos=0)
        if self.pulse.unanswered(now):
            self.tell(Probe(within_ms=PROBE_WITHIN))
        for request in self.requests.overdue(now):
            self._give_up(request)
        if self.view.overlay.pass_time(now):
            self.redraw()
        return self._flush()

    def next_deadline(self) -> float | None:
        """When to call `wake`; None: not before something else happens."""
        moments = (
            self.arrival.deadline,
            self.pulse.deadline,
            self.requests.next_deadline(),
            self.view.overlay.deadline,
        )
        return min((moment for moment in moments if moment is not None), default=None)

    # Requests

    def request(
        self,
        id: str,  # noqa: A002 (the wire's word)
        wish: Wish,
        *,
        now: float,
        lifetime_ms: int = DEFAULT_LIFETIME,
    ) -> list[Action]:
        """Make a request under a fresh UUID: at once if online, else as soon as that comes true.

        Exactly one `Settled` with this id follows, now or later.

        Raises:
            ValueError: the id is under way already, or the lifetime is not 1 ms to 30 s.
        """
        request = self.requests.add(id, wish, now=now, lifetime_ms=lifetime_ms)
        if not self.identity.may_use(request.channel()):
            self.settle(id, RejectedError("the token does not allow this", id=id, code=Code.NOT_AUTHORIZED))
            return self._flush()
        if len(self.requests) > HELD:
            self.settle(id, RateLimitedError("too many requests are under way", id=id, retry_after_ms=None))
            return self._flush()
        if isinstance(wish, Ask):
            at = self.clock.at(now)
            self.view.overlay.add(Guess(id, wish.command, wish.target_device, at, request.answer_by))
        old = self.requests.outdated_by(request)
        if old is not None:
            self.settle(old.id, CommandResult(id=old.id, status=ResultStatus.SUPERSEDED))
        if self.arrival.phase is Phase.ARRIVING and self.arrival.registration and self.register_sent is None:
            # Registering again was put off to spread the load; somebody is waiting now.
            self.arrival.register_again(now)
        self.send_open()
        self.redraw()
        return self.wake(now=now)

    def cancel(self, id: str) -> list[Action]:  # noqa: A002 (the wire's word)
        """Withdraw a request that has not been sent; one that was sent goes its way."""
        request = self.requests.get(id)
        if request is not None and not request.was_sent:
            self.settle(id, WithdrawnError("cancelled before it was sent", id=id))
        return self._flush()

    def end(self) -> list[Action]:
        """The client ends: settle all that is open."""
        for request in self.requests:
            self.settle(request.id, WithdrawnError("the client ended", id=request.id))
        return self._flush()

    def goodbye(self, reason: str) -> Publish | None:
        """What to publish, and see acknowledged, before DISCONNECT; None where there is nothing to say."""
        if self.identity.watches_only or not self.arrival.conn:
            return None
        message = Disconnect(conn=self.arrival.conn, reason=reason)
        return Publish(self.identity.topic(UpChannel.DISCONNECT), codec.encode(message), 1)

    # The renderer's side

    def report(
        self,
        *,
        epoch: int | None,
        state: ReportedState | None = None,
        volume: float | None = None,
        applied: Iterable[str] = (),
        refused: Iterable[Refusal] = (),
        tick: bool = False,
    ) -> list[Action] | None:
        """A report: of a renderer (`state` with its `epoch`), or of an idle device (`volume`).

        None while not registered: nothing was said, and a full report is due after arrival.
        """
        if self.arrival.phase is not Phase.ONLINE:
            return None
        update = StateUpdate(
            conn=self.arrival.conn,
            seq=self._seq + 1,
            epoch=epoch,
            state=state,
            volume=volume,
            applied=tuple(applied) or None,
            refused=tuple(refused) or None,
        )
        self._seq += 1
        self.say(update, qos=0 if tick else 1)
        return self._flush()

    def outcome(self, message: PlaybackReady | PlaybackStarted | PlaybackFailed) -> list[Action]:
        """How a step of a transfer went; lost while away, for the coordinator asks again."""
        if self.arrival.phase is Phase.ONLINE:
            self.say(message, qos=1)
        return self._flush()

    # For `inbound`

    def tell(self, *actions: Action) -> None:
        """Append to what comes out of the current event."""
        self._out += actions

    def say(self, message: UpMessage, *, qos: int) -> None:
        """Publish a message where it belongs."""
        topic = self.identity.topic(channel_of(message))
        self._out.append(Publish(topic, codec.encode(message), qos))

    def settle(self, id: str, outcome: Answer | RequestError) -> Request | None:  # noqa: A002
        """End a request, unless it has ended already (or was never made)."""
        request = self.requests.take(id)
        if request is not None:
            self._end(id, outcome)
        return request

    def send_open(self) -> None:
        """Send what has not been sent in this registration."""
        if self.arrival.phase is Phase.ONLINE:
            ready = list(self.requests)
        elif self.arrival.phase is Phase.HINDERED:
            ready = [request for request in self.requests if _works_hindered(request)]
        else:
            return
        for request in ready:
            if request.sent_in != self.arrival.registration:
                request.sent_in = self.arrival.registration
                topic = self.identity.topic(request.channel())
                self._out.append(Publish(topic, request.encoded(self.clock), 1))

    def redraw(self, *, state: bool = False, devices: bool = False) -> None:
        """Tell what is to be drawn anew: the canonical `state` or `devices` changed, or the overlay."""
        shown, shown_devices = self.view.refresh()
        if (state or shown) and self.picture.state is not None and self.view.state is not None:
            self.tell(StateChanged(self.picture.state, self.view.state))
        if devices or shown_devices:
            self.tell(DevicesChanged(self.view.devices))

    def coordinator_started(self, now: float, *, live: bool) -> None:
        """Another coordinator, or ours after it was away: register again, not all at the same moment.

        While arriving only `live` news count: what was said to an absent coordinator is lost.
        """
        if self.arrival.phase is Phase.ONLINE:
            self.register_sent = None
            self.arrival.register_again(now + self._rng.uniform(0, REREGISTER_SPREAD))
            self.tell(Away())
        elif self.arrival.phase is Phase.ARRIVING and live:
            self.arrival.register_again(now + self._rng.uniform(0, ARRIVING_SPREAD))

    def register_now(self, now: float) -> None:
        """The coordinator does not know us."""
        if self.arrival.phase is Phase.ONLINE:
            self.arrival.register_again(now)
            self.tell(Away())
            self._register(now)

    # Inside

    def _register(self, now: float) -> None:
        description, last, resume = self.identity.description, None, False
        if self.offer is not None:
            offer = self.offer(now)
            description = description.model_copy(update={"volume": offer.volume})
            last, resume = offer.last_known_state, offer.resume
        self.register_sent = now
        self.arrival.sent(now)
        self.say(
            Register(
                conn=self.arrival.conn,
                device=description,
                resume=resume or None,
                last_known_state=last,
                ephemeral=True if self.identity.ephemeral else None,
            ),
            qos=1,
        )

    def _give_up(self, request: Request) -> None:
        name = request.id
        if not request.was_sent:
            error: RequestError = ExpiredError("there was no connection in time", id=name, sent=False)
        else:
            error = NoAnswerError("the server did not answer in time", id=name)
        self._end(name, error)

    def _end(self, id: str, outcome: Answer | RequestError) -> None:  # noqa: A002 (the wire's word)
        """A request has ended: what was shown of it is kept, or taken back."""
        self.tell(Settled(id, outcome))
        if isinstance(outcome, CommandResult) and outcome.status is ResultStatus.APPLIED:
            self.view.overlay.applied(id, (outcome.epoch or 0, outcome.sequence or 0))
            if self.picture.state is not None:
                self.view.overlay.saw_state(self.picture.state)
        elif (taken := self.view.overlay.take_back(id)) is not None:
            guess, hidden = taken
            if not hidden:
                error = outcome if isinstance(outcome, RequestError) else None
                self.tell(RolledBack(id, guess.command, guess.target_device, _reason(error), error))
        self.redraw()

    def _flush(self) -> list[Action]:
        out, self._out = self._out, []
        return out


def _reason(error: RequestError | None) -> str:
    match error:
        case None:
            return ResultStatus.SUPERSEDED
        case ExpiredError():
            return ResultStatus.EXPIRED
        case WithdrawnError():
            return "withdrawn"
        case _:
            return error.code or Code.UNAVAILABLE


def _works_hindered(request: Request) -> bool:
    return not isinstance(request.wish, Rename) and request.channel() in {
        UpChannel.QUERY,
        UpChannel.MANAGE,
    }
