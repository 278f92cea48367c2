"""A renderer's conduct: when it may play, and what it says of it.

    idle --prepare--> prepared --start--> active
    idle --execute (play, set_queue) in a new epoch--> active
    idle --someone presses play here--> claiming --granted--> active
    active --stop, or a higher epoch of somebody else--> idle

It is active in one epoch. Whoever learns of a higher epoch that is not its own stops at
once, so that no two devices ever play. It is authoritative for what it plays: every change
is reported at once with QoS 1, the position each second with QoS 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from soul_connect.actions import Order
from soul_connect.picture import position_at
from soul_connect.players.deck import Deck
from soul_connect.players.engine import (
    Engine,
    EngineError,
    EngineEvent,
    EngineGone,
    PlayingChanged,
    PositionJumped,
    QueueReplaced,
    TrackEnded,
)
from soul_connect.players.execution import RefusedError, execute
from soul_connect.players.handover import START_AFTER, position_now, reported, server_now, sound
from soul_connect.players.ledger import Ledger
from soul_connect.players.station import Station
from soul_connect.players.turntable import Turntable
from soul_connect.session import Offer
from soul_protocol.commands import SetVolume
from soul_protocol.down import (
    ExecuteCommand,
    PreparePlayback,
    Registered,
    StartPlayback,
    StopPlayback,
    StopReason,
)
from soul_protocol.errors import Code
from soul_protocol.limits import PREPARED_DROPPED_AFTER, TICK_EVERY
from soul_protocol.models import LastKnownState, PlaybackState, ReportedState
from soul_protocol.up import PlaybackFailed, PlaybackReady, PlaybackStarted


@dataclass(frozen=True, slots=True)
class _Prepared:
    transfer_id: str
    dropped_at: float


class Renderer:
    """One device that plays. Not for two tasks at once."""

    def __init__(
        self,
        station: Station,
        engine: Engine,
        *,
        volume: float,
        claim: Callable[[ReportedState], None],
        last_known: LastKnownState | None = None,
    ) -> None:
        """`claim` starts a claim, whose end comes back through `claimed`."""
        self.epoch: int | None = None
        """The epoch in which this device is the active one; None: it is not."""
        self.table = Turntable(engine, now=station.now, volume=volume)
        self._station = station
        self._ask_claim = claim
        self._last_known = last_known
        self._ledger = Ledger()
        self._highest = 0
        self._prepared: _Prepared | None = None
        self._started: str | None = None
        self._claiming = 0  # how many claims have not ended
        self._unclaimed = False  # pressed while nobody could be told
        self._stands = False  # done here while nobody could be told: no music starts by itself after it
        self._new_queue = False  # put on here, and not told yet
        self._tick_at: float | None = None

    # From the coordinator

    async def arrived(self, registered: Registered) -> None:
        """Registered, for the first time or again."""
        await self._drop_prepared()
        self._last_known, self._stands = None, False
        state = registered.current_state
        # Not the maximum: a coordinator restored from a backup counts from there.
        self._highest = state.epoch
        if state.device_id == self._station.device_id:
            self.epoch = state.epoch
            if registered.should_resume or self.table.track_id is None:
                # Silent, at the position: whether to go on is for people or the coordinator to say.
                self._ledger.forget()
                self._new_queue = False
                await self.table.put_on(
                    Deck.of(state), position_ms=position_now(self._station, state), play=False
                )
            elif (deck := self.table.deck.seen_in(state)) != self.table.deck:
                # The window that the coordinator counts on from now.
                await self.table.rearrange(deck)
            await self.report()
        elif self.epoch is not None:
            await self._go_idle()
        else:
            await self.claim_again()

    async def saw(self, state: PlaybackState) -> None:
        """The canonical state, as published to all."""
        self._highest = max(self._highest, state.epoch)
        if self.epoch is None or state.epoch <= self.epoch:
            return
        if state.device_id == self._station.device_id:
            self.epoch = state.epoch
        else:
            await self._go_idle()

    async def order(self, order: Order) -> None:
        """Something to do."""
        match order:
            case ExecuteCommand():
                await self._execute(order)
            case PreparePlayback():
                await self._prepare(order)
            case StartPlayback():
                await self._start(order)
            case StopPlayback():
                await self._stop(order)
            case _:
                assert_never(order)
        self._highest = max(self._highest, order.epoch)

    async def claimed(self, epoch: int | None, *, refused: bool) -> None:
        """A claim ended: with its epoch, refused, or (neither) without anybody answering."""
        pending = self._claiming > 0
        self._claiming = max(0, self._claiming - 1)
        if refused:
            if self.epoch is None and not self._claiming:
                await self._go_idle()
        elif epoch is None:
            self._unclaimed = self._unclaimed or pending
        elif epoch < self._highest and self.epoch is None:
            await self._go_idle()
        elif epoch >= self._highest and (pending or self.epoch is not None):
            self._highest = self.epoch = epoch
            await self.report()

    async def claim_again(self) -> None:
        """Claim what is played here, if nobody could be told when it was pressed."""
        if self._unclaimed and self.epoch is None and self.table.playing:
            await self._claim()

    # From this device itself

    async def heard(self, event: EngineEvent) -> None:
        """The engine tells something that it was not asked for.

        Raises:
            EngineError: it is gone.
        """
        if not await self.table.heard(event):
            return
        queue = isinstance(event, QueueReplaced)
        pressed = queue or isinstance(event, PlayingChanged)
        if pressed and self.epoch is None and self.table.playing and not self._claiming:
            await self._claim()
        else:
            self._new_queue = self._new_queue or queue
            told = await self.report()
            ended = isinstance(event, TrackEnded) and not self.table.playing and self.table.error is None
            stands = ended or pressed or isinstance(event, PositionJumped)
            self._stands = self._stands or (stands and not told)
        if isinstance(event, EngineGone):
            raise EngineError("engine_gone", event.message)

    async def play_here(self, deck: Deck | None = None, *, position_ms: int = 0) -> bool:
        """Someone presses play on this device: go on with `deck`, else with what there is.

        False: there is nothing to play.
        """
        if deck is None and self.epoch is None and self.table.track_id is None:
            state = self._station.canonical_state
            if state is None:
                return False
            deck, position_ms = Deck.of(state), position_now(self._station, state)
        if deck is not None and not await self.table.put_on(deck, position_ms=position_ms, play=True):
            return False
        if deck is None and not await self.table.play():
            return False
        self._new_queue = self._new_queue or deck is not None
        if deck is not None or (self.epoch is None and not self._claiming):
            await self._claim()
        await self.report()
        return True

    async def pause_here(self) -> None:
        """Someone presses pause on this device."""
        await self.table.pause()
        self._stands = not await self.report() or self._stands

    # In time

    def outranked_by(self, state: PlaybackState) -> bool:
        """Whether `saw` would make something of this state; most are but positions."""
        return state.epoch > self._highest

    @property
    def deadline(self) -> float | None:
        """When to call `wake`, in ms of the local clock."""
        dropped = None if self._prepared is None else self._prepared.dropped_at
        moments = [moment for moment in (self._tick_at, dropped) if moment is not None]
        return min(moments, default=None)

    async def wake(self) -> None:
        """Time has passed."""
        now = self._station.now()
        if self._prepared is not None and self._prepared.dropped_at <= now:
            await self._drop_prepared()
        if self._tick_at is not None and self._tick_at <= now:
            await self.report(tick=True)

    def offer(self, now: float) -> Offer:
        """What to bring along when registering at a local moment."""
        last = self._last_known
        if self.epoch is not None:
            playing, position = self.table.playing, self.table.guess(now)
            state = reported(self.table, position, self._station.server_time(now) if playing else None)
            last = LastKnownState.model_validate({**dict(state), "epoch": self.epoch})
        resume = self.table.playing or not self._stands
        return Offer(volume=self.table.volume, last_known_state=last, resume=resume)

    async def report(self, *, tick: bool = False) -> bool:
        """Say what is played, or while idle how loud it would be. False: what plays could not be told."""
        self._tick_at = None
        if self.epoch is None:
            if not tick and not self._claiming:
                sent = self._station.report_state(
                    volume=self.table.volume, applied=self._ledger.applied, refused=self._ledger.refused
                )
                self._told(sent)
            return True
        spot = await self.table.where()
        at = self._station.server_time(spot.at)
        state = reported(self.table, spot.position_ms, at, queue=self._new_queue)
        quiet = tick and not (self._new_queue or self._ledger.applied or self._ledger.refused)
        sent = self._station.report_state(
            state,
            epoch=self.epoch,
            applied=self._ledger.applied,
            refused=self._ledger.refused,
            tick=quiet,
        )
        self._told(sent)
        self._new_queue = self._new_queue and not sent
        if self.table.playing:
            self._tick_at = self._station.now() + TICK_EVERY
        return sent

    # Inside

    def _told(self, sent: bool) -> None:
        if sent:
            self._ledger.told()

    async def _execute(self, order: ExecuteCommand) -> None:
        if order.id in self._ledger:
            self._ledger.again(order.id)
        else:
            try:
                await self._obey(order)
                self._ledger.note(order.id)
            except RefusedError as refusal:
                self._ledger.note(order.id, refusal.code)
            except EngineError:
                self._ledger.note(order.id, Code.UNSUPPORTED)
        await self.report()

    async def _obey(self, order: ExecuteCommand) -> None:
        if isinstance(order.command, SetVolume):
            await self.table.set_volume(order.command.volume)
            return
        now = self._station.server_time(self._station.now())
        if now is not None and now > order.expires_at:
            raise RefusedError(Code.TIMEOUT)
        if order.epoch < self._highest:
            raise RefusedError(Code.NOT_ACTIVE)
        state = self._station.canonical_state
        if self.epoch != order.epoch:
            # A command in an epoch that was not ours says that it is ours now.
            if state is not None and state.epoch == order.epoch and not self._may_be_mine(state):
                raise RefusedError(Code.NOT_ACTIVE)
            self.epoch = order.epoch
            self._prepared = None
            if self.table.track_id is None and not self.table.deck.length and state is not None:
                self.table.deck = Deck.of(state)
        await execute(
            order.command, self.table, resume_at=0 if state is None else self._position_of_current(state)
        )

    def _may_be_mine(self, state: PlaybackState) -> bool:
        return state.device_id in {None, self._station.device_id}

    def _position_of_current(self, state: PlaybackState) -> int:
        """Where to go on when the track was not even loaded here."""
        return state.position_ms if state.track_id == self.table.deck.track() else 0

    async def _prepare(self, order: PreparePlayback) -> None:
        if order.epoch < self._highest:
            return
        if self.epoch is not None and order.epoch > self.epoch:
            await self._go_idle()
        if self.epoch is None:
            try:
                await self.table.put_on(
                    Deck.of(order.state),
                    position_ms=position_now(self._station, order.state),
                    play=False,
                    skip=False,
                )
            except EngineError as error:
                self._fail(order.transfer_id, error)
                return
            self._prepared = _Prepared(order.transfer_id, self._station.now() + PREPARED_DROPPED_AFTER)
        self._station.report_outcome(PlaybackReady(transfer_id=order.transfer_id))

    async def _start(self, order: StartPlayback) -> None:
        if order.epoch < self._highest:
            return
        if self._started == order.transfer_id and self.epoch == order.epoch:
            self._station.report_outcome(PlaybackStarted(transfer_id=order.transfer_id))
            return
        prepared, self._prepared = self._prepared, None
        self._claiming, self._unclaimed, self._new_queue = 0, False, False
        self.epoch, self._started = order.epoch, order.transfer_id
        state, deck = order.state, Deck.of(order.state)
        sounds_at = state.position_at + (START_AFTER if state.is_playing else 0)
        at = max(sounds_at, server_now(self._station, state))
        try:
            if (
                prepared is not None
                and self.table.track_id is not None
                and self.table.track_id == deck.track()
            ):
                await self.table.rearrange(deck)
                await self.table.seek(position_at(state, at))
            else:
                await self.table.put_on(deck, position_ms=position_at(state, at), play=False, skip=False)
            if state.is_playing:
                await sound(self._station, self.table, state, at)
        except EngineError as error:
            self._fail(order.transfer_id, error)
        else:
            self._station.report_outcome(PlaybackStarted(transfer_id=order.transfer_id))
        await self.report()

    async def _stop(self, order: StopPlayback) -> None:
        if order.reason is StopReason.ABORTED:
            prepared = self._prepared
            if prepared is not None and order.transfer_id in {None, prepared.transfer_id}:
                await self._drop_prepared()
        elif self.epoch is not None:
            if order.epoch >= self.epoch:
                await self._go_idle()
        elif self._claiming and order.epoch > self._highest:
            await self._go_idle()

    def _fail(self, transfer_id: str, error: EngineError) -> None:
        self._station.report_outcome(
            PlaybackFailed(transfer_id=transfer_id, reason=f"{error.code}: {error}"[:1_024])
        )

    async def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared = None
            if self.epoch is None:
                await self.table.clear()

    async def _go_idle(self) -> None:
        self.epoch = self._prepared = self._started = self._tick_at = None
        self._claiming, self._unclaimed, self._new_queue = 0, False, False
        await self.table.clear()

    async def _claim(self) -> None:
        self._claiming, self._unclaimed = self._claiming + 1, False
        self._prepared = None
        spot = await self.table.where()
        state = reported(self.table, spot.position_ms, self._station.server_time(spot.at), queue=True)
        self._ask_claim(state)
