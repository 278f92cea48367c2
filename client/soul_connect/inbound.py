"""What a session makes of each message that comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from soul_connect.actions import Accepted, Arrived, Hindered, Noticed, Ordered
from soul_connect.arrival import Phase
from soul_connect.errors import DeviceLimitError, ExpiredError, RateLimitedError, RejectedError
from soul_connect.pulse import GOOD_CLOCK
from soul_connect.requests import Forget
from soul_protocol import codec
from soul_protocol.down import (
    CommandResult,
    CoordinatorStatus,
    DeviceOffline,
    DeviceOnline,
    DevicesUpdate,
    DownMessage,
    Error,
    ExecuteCommand,
    Notice,
    OfflineReason,
    PlaybackStateMessage,
    Pong,
    Position,
    PreparePlayback,
    Registered,
    ResultStatus,
    StartPlayback,
    StopPlayback,
)
from soul_protocol.errors import MEANING, Code, ContractError
from soul_protocol.topics import COORDINATOR, AllChannel, DownChannel, all_topic, down_topic

if TYPE_CHECKING:
    from soul_connect.session import Session


class Inbound:
    """The receiving half of a session."""

    def __init__(self, session: Session) -> None:
        who = session.identity
        self._session = session
        self._coordinator_gone = False
        self._channels: dict[str, DownChannel | AllChannel] = {
            all_topic(who.user, channel): channel for channel in AllChannel
        }
        if not who.watches_only:
            self._channels |= {
                down_topic(who.user, who.role, who.device_id, channel): channel for channel in DownChannel
            }

    def receive(self, topic: str, payload: bytes, now: float, *, retained: bool) -> None:
        """Decode and act. Empty payloads are cleared retained messages and say nothing."""
        if not payload:
            return
        channel = self._channels.get(topic)
        try:
            if topic == COORDINATOR:
                self._status(codec.decode_status(payload), now, live=not retained)
            elif retained and isinstance(channel, DownChannel):
                return  # what is said to one device is never retained
            elif channel is not None:
                self._act(codec.decode_down(channel, payload), now)
        except ContractError:
            return

    def _act(self, message: DownMessage, now: float) -> None:
        session = self._session
        match message:
            case Registered():
                self._registered(message, now)
            case Pong():
                sent = session.pulse.answered(message.t0)
                if sent is not None:
                    session.clock.sample(sent=sent, received=now, t1=message.t1, t2=message.t2)
                    if (session.clock.uncertainty_ms(now) or 0.0) <= GOOD_CLOCK:
                        session.pulse.clock_is_good(now)
            case CommandResult():
                self._result(message, now)
            case Error():
                self._error(message, now)
            case DevicesUpdate():
                self._heard_devices(changed=session.picture.offer_devices(message.devices))
                if message.id is not None:
                    session.settle(message.id, message)
            case PlaybackStateMessage():
                changed = session.picture.offer_state(message.state, now=now)
                session.view.overlay.saw_state(message.state)
                session.redraw(state=changed)
                if message.id is not None:
                    session.settle(message.id, message)
            case Position():
                if session.picture.offer_position(message, now=now):
                    session.redraw(state=True)
            case DeviceOnline():
                self._heard_devices(changed=session.picture.offer_device(message.device))
            case DeviceOffline():
                self._offline(message, now)
            case Notice():
                session.tell(Noticed(message))
            case CoordinatorStatus():
                return  # pragma: no cover (it comes on a topic of its own)
            case ExecuteCommand() | PreparePlayback() | StartPlayback() | StopPlayback():
                session.tell(Ordered(message))
            case _:
                assert_never(message)

    def _registered(self, message: Registered, now: float) -> None:
        session = self._session
        anew = session.arrival.coordinator not in {None, message.coordinator}
        repeated = session.arrival.phase is Phase.ONLINE
        if not session.arrival.registered(message.conn, message.coordinator, now):
            return
        if session.register_sent is not None:
            session.clock.sample(
                sent=session.register_sent, received=now, t1=message.server_time, t2=message.server_time
            )
        changed = session.picture.offer_state(message.current_state, now=now, anew=anew)
        devices = session.picture.offer_devices(message.devices)
        session.view.overlay.saw_state(message.current_state, complete=True)
        if not repeated:
            # Whoever arrived has loaded what it was to load, and may have been told to play since.
            session.tell(Arrived(message))
        session.redraw(state=changed, devices=devices)
        session.send_open()

    def _offline(self, message: DeviceOffline, now: float) -> None:
        session = self._session
        if message.device_id == session.identity.device_id and message.reason is OfflineReason.TIMEOUT:
            # The connection is there, and what it carried was lost: by silence alone nobody is gone.
            session.register_now(now)
        deleted = message.reason is OfflineReason.DELETED
        self._heard_devices(changed=session.picture.lose_device(message.device_id, deleted=deleted))

    def _heard_devices(self, *, changed: bool) -> None:
        """Devices came: they may show the volumes that were asked for."""
        session = self._session
        session.view.overlay.saw_devices(session.picture.state)
        session.redraw(devices=changed)

    def _result(self, message: CommandResult, now: float) -> None:
        session = self._session
        request = session.requests.get(message.id)
        if request is None:
            return
        match message.status:
            case ResultStatus.ACCEPTED:
                if not request.accepted:
                    request.accepted = True
                    session.tell(Accepted(message))
            case ResultStatus.APPLIED | ResultStatus.SUPERSEDED:
                session.settle(message.id, message)
                if isinstance(request.wish, Forget) and session.arrival.phase is Phase.HINDERED:
                    session.arrival.register_again(now)
            case ResultStatus.EXPIRED:
                text = message.message or "the command was too old"
                session.settle(message.id, ExpiredError(text, id=message.id, sent=True))
            case ResultStatus.REJECTED:
                self._rejected(message.id, message.code or Code.UNAVAILABLE, message.message, now)
            case _:
                assert_never(message.status)

    def _error(self, message: Error, now: float) -> None:
        session = self._session
        if message.code is Code.NOT_REGISTERED:
            session.register_now(now)
        elif message.code is Code.DEVICE_LIMIT_REACHED and session.arrival.hindered():
            session.tell(Hindered(DeviceLimitError(message.message or MEANING[message.code])))
            session.send_open()
        elif message.id is None:
            return
        elif message.code is Code.RATE_LIMITED:
            error = RateLimitedError(
                message.message or MEANING[message.code],
                id=message.id,
                retry_after_ms=message.retry_after_ms,
            )
            session.settle(message.id, error)
        else:
            self._rejected(message.id, message.code, message.message, now)

    def _rejected(self, id: str, code: Code, text: str | None, now: float) -> None:  # noqa: A002
        if code is Code.NOT_REGISTERED:
            # No answer to the request: it goes out again once we are registered.
            self._session.register_now(now)
            return
        self._session.settle(id, RejectedError(text or MEANING[code], id=id, code=code))

    def _status(self, message: CoordinatorStatus, now: float, *, live: bool) -> None:
        session = self._session
        if not message.online:
            self._coordinator_gone = True
        elif live or message.coordinator != session.arrival.coordinator:
            if self._coordinator_gone or message.coordinator != session.arrival.coordinator:
                session.coordinator_started(now, live=live)
            self._coordinator_gone = False
