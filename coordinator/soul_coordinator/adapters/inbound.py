"""From the wire to the core: what a device said, as an event."""

from collections.abc import Callable
from functools import lru_cache
from typing import assert_never

from soul_coordinator.core import events
from soul_coordinator.core.values import (
    Address,
    Capabilities,
    Description,
    LastKnown,
    Report,
    TrackError,
)
from soul_protocol import models, up
from soul_protocol.codec import decode_up
from soul_protocol.errors import ContractError
from soul_protocol.topics import UpChannel, parse_up


def event_of(topic: str, payload: bytes, entropy: Callable[[], int]) -> events.Event | None:
    """The event that a message is; None where the topic is not ours, or the payload is empty."""
    place = _place(topic)
    if place is None or not payload:
        return None
    sender, channel = place
    try:
        message = decode_up(channel, payload)
    except ContractError as error:
        return events.MessageRefused(sender, channel, error.code, error.message, error.id)
    return _event(sender, message, entropy)


@lru_cache(4_096)
def _place(topic: str) -> tuple[Address, UpChannel] | None:
    """Who speaks, and on which channel; the same few topics come again and again."""
    place = parse_up(topic)
    return None if place is None else (Address(place.user, place.node, place.device), place.channel)


def _event(sender: Address, message: up.UpMessage, entropy: Callable[[], int]) -> events.Event:
    match message:
        case up.StateUpdate():
            return events.StateReported(
                sender,
                message.conn,
                message.seq,
                message.epoch,
                None if message.state is None else _report(message.state),
                message.volume,
                message.applied or (),
                tuple((one.id, str(one.code)) for one in message.refused or ()),
            )
        case up.Ping():
            return events.Pinged(sender, message.t0)
        case up.PlaybackCommand() | up.QueueCommand():
            return events.CommandRequested(
                sender,
                message.id,
                message.target_device,
                {name: value for name, value in vars(message.command).items() if value is not None},
                message.issued_at,
                message.expires_at,
                entropy(),
            )
        case up.Register():
            return _registered(sender, message)
        case up.ConnectionLost():
            return events.ConnectionLost(sender, message.conn)
        case up.Disconnect():
            return events.SaidGoodbye(sender, message.conn, message.reason)
        case up.RequestDevices():
            return events.DevicesQueried(sender, message.id)
        case up.RequestState():
            return events.StateQueried(sender, message.id)
        case up.TransferPlayback():
            options = message.options or up.TransferOptions()
            return events.TransferRequested(
                sender, message.id, message.to_device, str(options.play), options.position_ms
            )
        case up.ClaimPlayback():
            return events.PlaybackClaimed(sender, message.id, _report(message.state), message.issued_at)
        case up.RenameDevice():
            return events.RenameRequested(sender, message.id, message.device_id, message.name)
        case up.DeleteDevice():
            return events.DeletionRequested(sender, message.id, message.device_id)
        case up.PlaybackReady():
            return events.TransferAnswered(sender, message.transfer_id, "ready", message.reason)
        case up.PlaybackStarted():
            return events.TransferAnswered(sender, message.transfer_id, "started", message.reason)
        case up.PlaybackFailed():
            return events.TransferAnswered(sender, message.transfer_id, "failed", message.reason)
        case _:
            assert_never(message)


def _registered(sender: Address, message: up.Register) -> events.Registered:
    able = message.device.capabilities
    known = message.last_known_state
    return events.Registered(
        sender,
        message.conn,
        Description(
            name=message.device.name,
            device_type=str(message.device.device_type),
            capabilities=Capabilities(
                can_render=able.can_render,
                can_control=able.can_control,
                can_host_jam=able.can_host_jam,
                supported_formats=able.supported_formats,
                max_sample_rate=able.max_sample_rate,
                max_payload_bytes=able.max_payload_bytes,
            ),
            volume=message.device.volume,
        ),
        resume=bool(message.resume),
        last_known=None if known is None else LastKnown(_report(known), known.epoch),
        ephemeral=bool(message.ephemeral),
    )


def _report(state: models.ReportedState) -> Report:
    return Report(
        track_id=state.track_id,
        position_ms=state.position_ms,
        position_at=state.position_at,
        is_playing=state.is_playing,
        queue=state.queue,
        queue_position=state.queue_position,
        volume=state.volume,
        shuffle=state.shuffle,
        repeat_mode=str(state.repeat_mode),
        duration_ms=state.duration_ms,
        error=None if state.error is None else TrackError(state.error.code, state.error.track_id),
    )
