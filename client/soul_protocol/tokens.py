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

    Raises:
        pydantic.ValidationError: a claim is missing or bad.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sub: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    role: Role = Role.DEVICE
    iat: SecondsAndMs
    exp: Seconds
    jti: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    aud: Literal["soul-connect"]
    device: DeviceId | None = None
    scope: frozenset[Scope] = Field(default=frozenset())

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
