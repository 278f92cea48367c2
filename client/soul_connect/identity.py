"""Who this client is: from its token, which the server checks and the client only reads."""

import base64
import binascii
import json
import uuid
from dataclasses import dataclass, field

from soul_protocol.models import Capabilities, DeviceDescription, DeviceType
from soul_protocol.roles import Identity, Role, Scope, grant_for
from soul_protocol.topics import (
    COORDINATOR,
    AllChannel,
    UpChannel,
    all_topic,
    down_filter,
    is_device,
    is_user,
    up_topic,
)

CONTROLLER = Capabilities.model_construct(  # not validated: no model is built while modules are imported
    can_render=False, can_control=True, can_host_jam=False, supported_formats=(), max_sample_rate=0
)
"""What a remote control can do."""


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says of its holder. Nothing is verified here: that is the server's part."""

    user: str
    role: Role = Role.DEVICE
    device: str | None = None
    scope: frozenset[Scope] = field(default_factory=frozenset)


def read_token(token: str) -> TokenFacts:
    """The claims of a JWT that matter to its holder (RFC 7519, section 3).

    Raises:
        ValueError: this is no token of Soul Connect. The message never contains it.
    """
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        facts = TokenFacts(
            user=claims["sub"],
            role=Role(claims.get("role", Role.DEVICE)),
            device=claims.get("device"),
            scope=frozenset(Scope(scope) for scope in claims.get("scope") or ()),
        )
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, binascii.Error):
        raise ValueError("this is not a token of Soul Connect") from None
    if not isinstance(facts.user, str) or (facts.role is not Role.SERVICE and not is_user(facts.user)):
        raise ValueError("the token names no user")
    if facts.role is Role.SERVICE:
        raise ValueError("a service token is not for devices")
    return facts


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """A user's device: its topics, and how it describes itself.

    `device_id` of an observer names nothing on the wire but its MQTT client id.
    """

    user: str
    role: Role
    device_id: str
    description: DeviceDescription
    ephemeral: bool = False
    scope: frozenset[Scope] = field(default_factory=frozenset)

    @property
    def watches_only(self) -> bool:
        """An observer: it may look, and say nothing."""
        return self.role is Role.OBSERVER

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to. A device with a payload limit leaves out what carries whole queues."""
        if self.watches_only:
            return all_topic(self.user, "+"), COORDINATOR
        mine = down_filter(self.user, self.role, self.device_id)
        if self.description.capabilities.max_payload_bytes is None:
            return mine, all_topic(self.user, "+"), COORDINATOR
        small = (AllChannel.POSITION, AllChannel.EVENT)
        return mine, *(all_topic(self.user, channel) for channel in small), COORDINATOR

    def topic(self, channel: UpChannel) -> str:
        """Where to say something."""
        return up_topic(self.user, self.role, self.device_id, channel)

    def may_use(self, channel: UpChannel) -> bool:
        """Whether the token lets this client speak there."""
        if self.role is Role.DEVICE:
            return True
        who = Identity(self.user, self.role, self.device_id, self.scope)
        return self.topic(channel) in grant_for(who).publish


def identify(
    token: str,
    *,
    device_id: str | None,
    name: str,
    device_type: DeviceType,
    capabilities: Capabilities,
    volume: float | None,
    ephemeral: bool,
) -> DeviceIdentity:
    """The identity that a token and the program's own words make up.

    The device id is the one given, else the token's; an ephemeral client or an observer
    may go without and gets a random one.

    Raises:
        ValueError: the parts do not fit together.
    """
    facts = read_token(token)
    device = device_id or facts.device
    if device is None and (ephemeral or facts.role is Role.OBSERVER):
        device = str(uuid.uuid4())
    if device is None:
        raise ValueError("a device needs a device_id, which it makes once and keeps")
    if not is_device(device):
        raise ValueError("a device_id is a UUID in lower case")
    if facts.device is not None and facts.device != device:
        raise ValueError("the token belongs to another device")
    return DeviceIdentity(
        user=facts.user,
        role=facts.role,
        device_id=device,
        description=DeviceDescription(
            name=name, device_type=device_type, capabilities=capabilities, volume=volume
        ),
        ephemeral=ephemeral,
        scope=facts.scope,
    )
