"""What a token claims (a JWT, RFC 7519; "Roles and ACL" in docs/protocol.md)."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from soul_protocol.ids import DeviceId
from soul_protocol.roles import Role, Scope
from soul_protocol.topics import is_user
from soul_protocol.units import Seconds, SecondsAndMs

AUDIENCE: Final = "soul-connect"
ALGORITHM: Final = "ES256"
SERVICE_USER: Final = "coordinator"
"""The `sub` of the coordinator's own token: reserved, so that no account can have it."""


class TokenClaims(BaseModel):
    """The claims of a token, checked beyond its signature.

    `auth_time` (as in OpenID Connect) is when somebody proved who they are, where that was not
    at `iat`: a refreshed token is as old as the first one when it comes to deletions.

    Raises:
        pydantic.ValidationError: a claim is missing or bad.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sub: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    role: Role = Role.DEVICE
    iat: SecondsAndMs
    auth_time: SecondsAndMs | None = None
    exp: Seconds
    jti: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    aud: Literal["soul-connect"]
    device: DeviceId | None = None
    scope: frozenset[Scope] = Field(default=frozenset())

    @property
    def proved_at(self) -> float:
        """When its holder was known to be who they are, in seconds since the Unix epoch."""
        return self.iat if self.auth_time is None else min(self.iat, self.auth_time)

    @model_validator(mode="after")
    def _coherent(self) -> "TokenClaims":
        if self.role is Role.SERVICE:
            if self.sub != SERVICE_USER:
                raise ValueError("a service token belongs to the coordinator")
        elif not is_user(self.sub):
            raise ValueError("this user name is reserved")
        if self.role is Role.GUEST and self.device is None:
            raise ValueError("a guest's token names its device")
        return self
