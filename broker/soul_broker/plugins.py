"""Our rules as plugins for a stock amqtt broker: thin over `tokens` and `acl`.

In amqtt's configuration:

    plugins:
      soul_broker.plugins.JwtAuthPlugin: {public_keys: [/path/signing-key.pub.pem]}
      soul_broker.plugins.AclTopicPlugin: {}

`SoulBroker` does not need them: it applies the same rules itself where it is given a verifier.
A stock amqtt still has its own faults: it changes sessions before it authenticates, and asks
nobody about wills.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from soul_broker.acl import Permissions, compile_grant
from soul_broker.errors import RefusedTokenError
from soul_broker.tokens import TokenVerifier, load_public_key
from soul_protocol.roles import grant_for

PERMISSIONS = "soul_broker.permissions"
"""Where an authenticated session keeps its compiled grant, in `session.attributes`."""


class JwtAuthPlugin(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Admits who shows a token of ours as the password.

    Raises:
        CertificateError: a key file holds no P-256 public key.
    """

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        keys = [load_public_key(Path(path)) for path in self._get_config_option("public_keys", [])]
        self._verifier = TokenVerifier(keys, clock=time.time)

    async def authenticate(self, *, session: Session) -> bool | None:
        """True for a token that admits, else False."""
        password = session.password.encode() if isinstance(session.password, str) else session.password
        client_id = session.client_id or ""
        try:
            token = self._verifier.verify(session.username, password, client_id)
        except RefusedTokenError as error:
            self.context.logger.info("refused: %s", error)
            return False
        session.attributes[PERMISSIONS] = compile_grant(grant_for(token.identity(client_id)))
        return True

    @dataclass
    class Config:
        """`public_keys`: PEM files, the newest first."""

        public_keys: list[str] = field(default_factory=list)


class AclTopicPlugin(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Grants what the token's role grants; nothing to who came without `JwtAuthPlugin`."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether this session may do this."""
        permissions = session.attributes.get(PERMISSIONS) if session is not None else None
        if not isinstance(permissions, Permissions) or not topic:
            return False
        match action:
            case Action.PUBLISH:
                return permissions.may_publish(topic)
            case Action.SUBSCRIBE:
                return permissions.may_subscribe(topic)
            case Action.RECEIVE:
                return permissions.may_receive(topic)
            case _:
                return False

    @dataclass
    class Config:
        """Nothing to configure: the token says it."""
