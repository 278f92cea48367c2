"""Tokens as such: claims to a signed JWT (ES256) and back. No database here.

Who may have one, and which were taken back, is the accounts' (`accounts_tokens`).
"""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import ValidationError

from soul_coordinator.accounts_key import prepare_data_dir, signing_key
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import ALGORITHM, AUDIENCE, SERVICE_USER, TokenClaims

_TOKEN_CHARACTERS: Final = 4_096


class BadToken(Exception):  # noqa: N818 (what it is, not who raises it)
    """It is no token of this key and audience, or its claims are bad."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and what it claims. The token itself is never shown by `repr`."""

    token: str = field(repr=False)
    claims: TokenClaims

    @property
    def expires_at(self) -> int:
        """When it ends: ms since the Unix epoch."""
        return self.claims.exp * 1000


class TokenSigner:
    """Signs tokens, and reads those that it signed."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @classmethod
    def of_data_dir(cls, data_dir: Path) -> "TokenSigner":
        """With the key of a data directory; both are made if they are missing.

        Raises:
            DataDirectoryError: they cannot be made or read.
        """
        return cls(signing_key(prepare_data_dir(data_dir)))

    def key_for(self, purpose: str) -> bytes:
        """A secret of 32 bytes for something else, always the same for this key; it says nothing of it."""
        number = self._key.private_numbers().private_value.to_bytes(32, "big")
        info = f"soul-connect {purpose}".encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(number)

    def sign(self, claims: TokenClaims) -> IssuedToken:
        """The token that claims this."""
        plain: dict[str, Any] = {
            "sub": claims.sub,
            "role": claims.role.value,
            "iat": claims.iat,
            "exp": claims.exp,
            "jti": claims.jti,
            "aud": claims.aud,
        }
        if claims.auth_time is not None:
            plain["auth_time"] = claims.auth_time
        if claims.device is not None:
            plain["device"] = claims.device
        if claims.role is Role.GUEST:
            plain["scope"] = sorted(scope.value for scope in claims.scope)
        return IssuedToken(jwt.encode(plain, self._key, algorithm=ALGORITHM), claims)

    def read(self, token: str) -> TokenClaims:
        """The claims of a token with our signature, whether or not it has expired.

        Raises:
            BadToken: anything else.
        """
        if len(token) > _TOKEN_CHARACTERS:
            raise BadToken("it is too long for a token")
        try:
            plain = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"verify_exp": False, "verify_iat": False, "require": ["sub", "iat", "exp", "jti"]},
            )
            return TokenClaims.model_validate(plain)
        except (jwt.InvalidTokenError, ValidationError, ValueError):
            raise BadToken("this is not a token of this server") from None


def new_claims(
    user: str,
    role: Role,
    *,
    now: float,
    exp: int,
    device: str | None = None,
    scope: frozenset[Scope] = frozenset(),
    auth_time: float | None = None,
) -> TokenClaims:
    """Claims with a fresh `jti`; `now` and `exp` in seconds since the Unix epoch.

    A fraction of `now` is kept: a deletion in the same second is then before or after.
    """
    return TokenClaims(
        sub=user,
        role=role,
        iat=now,
        auth_time=auth_time,
        exp=exp,
        jti=uuid.uuid4().hex,
        aud=AUDIENCE,
        device=device,
        scope=scope,
    )


def service_token(signer: TokenSigner, *, now: int, ttl: int) -> IssuedToken:
    """The coordinator's own token: `now` and `ttl` in seconds. It is not recorded anywhere."""
    return signer.sign(new_claims(SERVICE_USER, Role.SERVICE, now=now, exp=now + ttl))
