"""CONNECT: who is admitted, as whom, and with which rights. Nothing is changed here.

A refusal by the token, or of a will, is CONNACK 5; an empty client id with a session
to keep, or one that is very long, is CONNACK 2 [MQTT-3.1.3-8]; too many connections of one user is CONNACK 3.

Most who come were here before: a network was gone for a moment, a laptop slept. A verified
token is remembered with the rights that follow from it, so that a crowd that comes back costs no
signatures. What changes with time is asked at every CONNECT: its end, revocations, deletions.
"""

import hashlib
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from soul_broker.acl import EVERYTHING, Rules, compile_grant
from soul_broker.errors import RefusedTokenError
from soul_broker.packets import IDENTIFIER_REJECTED, NOT_AUTHORIZED, Connect, Will
from soul_broker.session import SessionKey
from soul_broker.tokens import Token, TokenVerifier
from soul_broker.topics import within_bounds
from soul_protocol.roles import Role, grant_for

ANYBODY = "plugin"
"""In place of a role, where plugins alone authenticate."""

_CLIENT_ID = 256
"""Characters. Sessions and verified tokens are kept by it; the contract's own have 36."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted client. `token` is None where plugins alone authenticate."""

    key: SessionKey
    rules: Rules
    token: Token | None = None
    service: bool = False
    """Whether it is a service, such as the coordinator."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that is not admitted: the CONNACK code, and why, for the log."""

    code: int
    reason: str


class Admissions:
    """Judges CONNECT by its token; without a verifier, plugins have to judge it.

    Args:
        verifier: of tokens.
        remembered: for how many pairs of token and client id a verification is remembered, the
            latest. A token is kept as a hash only.
    """

    __slots__ = ("_known", "_remembered", "_verifier")

    def __init__(self, verifier: TokenVerifier | None, remembered: int) -> None:
        self._verifier = verifier
        self._remembered = remembered
        self._known: OrderedDict[bytes, Admission] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def admit(self, connect: Connect) -> Admission | Refusal:
        """The client of a CONNECT with its rights, or why there is none."""
        client_id = connect.client_id
        if len(client_id) > _CLIENT_ID:
            return Refusal(IDENTIFIER_REJECTED, "the client id is too long")
        if self._verifier is None:
            key = SessionKey(connect.username or "", ANYBODY, client_id or _made_id())
            admission = Admission(key, EVERYTHING)
        else:
            try:
                admission = self._verified(self._verifier, connect)
            except RefusedTokenError as error:
                return Refusal(NOT_AUTHORIZED, str(error))
        if connect.will is not None and not may_leave(admission.rules, connect.will):
            return Refusal(NOT_AUTHORIZED, "its will is not allowed")
        if not client_id and not connect.clean_session:
            return Refusal(IDENTIFIER_REJECTED, "no client id, and a session to keep")
        return admission

    def forget(self, user: str, device: str | None) -> None:
        """Keep nothing of a user, or of one of its devices, that was deleted."""
        for place, admission in list(self._known.items()):
            key = admission.key
            if key.user == user and device in {None, key.client_id}:
                del self._known[place]

    def _verified(self, verifier: TokenVerifier, connect: Connect) -> Admission:
        client_id, username, password = connect.client_id, connect.username, connect.password
        if not client_id or not username or not password:
            return self._verify(verifier, connect)
        # No client id has a NUL [MQTT-1.5.3-2].
        place = hashlib.sha256(b"%b\0%b" % (client_id.encode(), password)).digest()
        known = self._known.get(place)
        if known is None or known.token is None or known.key.user != username:
            admission = self._known[place] = self._verify(verifier, connect)
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
            return admission
        verifier.check(known.token, client_id)
        self._known.move_to_end(place)
        return known

    @staticmethod
    def _verify(verifier: TokenVerifier, connect: Connect) -> Admission:
        token = verifier.verify(connect.username, connect.password, connect.client_id)
        identity = token.identity(connect.client_id)
        key = SessionKey(token.sub, token.role.value, connect.client_id or _made_id())
        return Admission(key, compile_grant(grant_for(identity)), token, token.role is Role.SERVICE)


def may_leave(rules: Rules, will: Will) -> bool:
    """Whether a will is allowed."""
    return (
        rules.will
        and (rules.retain or not will.retain)
        and within_bounds(will.topic)
        and rules.may_publish(will.topic)
    )


def _made_id() -> str:
    return f"auto-{uuid.uuid4().hex}"
