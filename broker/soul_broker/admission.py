"""CONNECT: who is admitted, as whom, and with which rights. Nothing is changed here.

A refusal by the token, or of a will, is CONNACK 5; an empty client id with a session
to keep is CONNACK 2 [MQTT-3.1.3-8]; too many connections of one user is CONNACK 3.
"""

import uuid
from dataclasses import dataclass

from soul_broker.acl import EVERYTHING, Rules, compile_grant
from soul_broker.errors import RefusedTokenError
from soul_broker.packets import IDENTIFIER_REJECTED, NOT_AUTHORIZED, Connect, Will
from soul_broker.session import SessionKey
from soul_broker.tokens import TokenVerifier, identity_of
from soul_broker.topics import within_bounds
from soul_protocol.roles import Identity, Role, grant_for

ANYBODY = "plugin"
"""In place of a role, where plugins alone authenticate."""


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted client. `expires` is in seconds since the Unix epoch."""

    key: SessionKey
    rules: Rules
    identity: Identity | None = None
    jti: str | None = None
    expires: int | None = None

    @property
    def service(self) -> bool:
        """Whether it is a service, such as the coordinator."""
        return self.identity is not None and self.identity.role is Role.SERVICE


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that is not admitted: the CONNACK code, and why, for the log."""

    code: int
    reason: str


def admit(connect: Connect, verifier: TokenVerifier | None) -> Admission | Refusal:
    """Judge a CONNECT by its token; without a verifier, plugins have to judge it."""
    client_id = connect.client_id
    admission: Admission
    if verifier is None:
        client_id = client_id or _made_id()
        admission = Admission(SessionKey(connect.username or "", ANYBODY, client_id), EVERYTHING)
    else:
        try:
            claims = verifier.verify(connect.username, connect.password, client_id)
        except RefusedTokenError as error:
            return Refusal(NOT_AUTHORIZED, str(error))
        identity = identity_of(claims, client_id)
        key = SessionKey(claims.sub, claims.role.value, client_id or _made_id())
        admission = Admission(key, compile_grant(grant_for(identity)), identity, claims.jti, claims.exp)
    if connect.will is not None and not may_leave(admission.rules, connect.will):
        return Refusal(NOT_AUTHORIZED, "its will is not allowed")
    if not connect.client_id and not connect.clean_session:
        return Refusal(IDENTIFIER_REJECTED, "no client id, and a session to keep")
    return admission


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
