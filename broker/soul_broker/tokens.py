"""Tokens at CONNECT: is this JWT ours, in time, not revoked, and for this client?

Only ES256 is admitted, whatever a token's header says: neither `none` nor an HMAC with
the public key as its secret gets through. Keys come from outside, the newest first.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import ValidationError

from soul_broker.errors import CertificateError, RefusedTokenError
from soul_broker.revocations import LONGEST_LIFETIME, Revocations
from soul_protocol.roles import Identity, Role, Scope
from soul_protocol.tokens import ALGORITHM, AUDIENCE, TokenClaims
from soul_protocol.topics import is_device

_MAX_BYTES: Final = 8_192
_NO_SCOPE: Final[frozenset[Scope]] = frozenset()
"""One for all: an empty frozenset has 216 bytes."""

ISSUED_AHEAD: Final = 1
"""Seconds that `iat` may lie ahead, for a token dated past a deletion in the same second."""


def load_public_key(path: Path) -> EllipticCurvePublicKey:
    """A P-256 public key from a PEM file.

    Raises:
        CertificateError: there is none, or one of another kind.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{path} holds no public key: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise CertificateError(f"{path} holds no P-256 key")
    return key


class TokenVerifier:
    """Verifies tokens with any of `keys`. `clock` gives seconds since the Unix epoch."""

    def __init__(
        self,
        keys: Iterable[EllipticCurvePublicKey],
        *,
        clock: Callable[[], float] = time.time,
        revocations: Revocations | None = None,
    ) -> None:
        self._keys = tuple(keys)
        self.clock = clock
        self.revocations = revocations or Revocations(None, clock)

    def verify(self, username: str | None, password: bytes | None, client_id: str) -> TokenClaims:
        """The claims of the token in `password`, used by `username` as `client_id`.

        Raises:
            RefusedTokenError: it does not admit; the message says why without quoting it.
        """
        if not username or not password:
            raise RefusedTokenError("no user name or no token")
        if len(password) > _MAX_BYTES:
            raise RefusedTokenError("the token is too long")
        claims = self._claims(password)
        now = self.clock()
        if claims.exp <= now:
            raise RefusedTokenError("the token has expired")
        if claims.iat > now + ISSUED_AHEAD:
            raise RefusedTokenError("the token was issued in the future")
        if claims.exp - claims.iat > LONGEST_LIFETIME:
            raise RefusedTokenError("the token lives too long")
        if claims.sub != username:
            raise RefusedTokenError("the user name is not the token's")
        if claims.device is not None and claims.device != client_id:
            raise RefusedTokenError("the client id is not the token's device")
        if claims.role in (Role.DEVICE, Role.GUEST) and not is_device(client_id):
            raise RefusedTokenError("the client id is no device id")
        if self.revocations.refuses(claims, client_id):
            raise RefusedTokenError("the token was revoked")
        return claims

    def _claims(self, token: bytes) -> TokenClaims:
        for key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    audience=AUDIENCE,
                    options={
                        "require": ["exp", "iat", "sub", "jti", "aud"],
                        # By the injected clock, in `verify`.
                        "verify_exp": False,
                        "verify_iat": False,
                    },
                )
                return TokenClaims.model_validate(claims)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValidationError, ValueError) as error:
                raise RefusedTokenError(f"the token is not valid ({type(error).__name__})") from None
        raise RefusedTokenError("the token's signature is none of ours")


def identity_of(claims: TokenClaims, client_id: str) -> Identity:
    """Who bears a verified token as `client_id`."""
    bound = claims.role in (Role.DEVICE, Role.GUEST)
    scope = claims.scope or _NO_SCOPE
    return Identity(claims.sub, claims.role, client_id if bound else None, scope)
