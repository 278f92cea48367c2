"""Tokens at CONNECT: is this JWT ours, in time, not revoked, and for this client?

Only ES256 is admitted, whatever a token's header says: neither `none` nor an HMAC with
the public key as its secret gets through. Keys come from outside, the newest first.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from soul_protocol.tokens import ALGORITHM, TokenClaims
from soul_protocol.topics import is_device
from soul_protocol.units import SecondsAndMs

_MAX_BYTES: Final = 8_192
_DEVICES: Final = (Role.DEVICE, Role.GUEST)
"""Roles whose client id is their device id."""
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


_signatures: Final = jwt.PyJWS([ALGORITHM])
"""Knows no other algorithm: there is no table for a token's header to choose from."""


class _Claims(TokenClaims):
    """With `nbf` (RFC 7519, section 4.1.5): ours have none, a host application's may."""

    nbf: SecondsAndMs = 0.0


@dataclass(frozen=True, slots=True)
class Token:
    """What of a verified token counts afterwards; a tenth of the memory that its claims take.

    Times are in seconds since the Unix epoch: from `starts` to `exp` it admits. `proved_at` is
    when its holder was known to be who they are.
    """

    sub: str
    role: Role
    device: str | None
    scope: frozenset[Scope]
    jti: str
    starts: float
    exp: int
    proved_at: float

    def identity(self, client_id: str) -> Identity:
        """Who bears it as `client_id`."""
        bound = self.role in _DEVICES
        return Identity(self.sub, self.role, client_id if bound else None, self.scope)


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

    def verify(self, username: str | None, password: bytes | None, client_id: str) -> Token:
        """The token in `password`, used by `username` as `client_id`.

        Raises:
            RefusedTokenError: it does not admit; the message says why without quoting it.
        """
        if not username or not password:
            raise RefusedTokenError("no user name or no token")
        if len(password) > _MAX_BYTES:
            raise RefusedTokenError("the token is too long")
        token = self._read(password)
        self.check(token, client_id)
        if token.sub != username:
            raise RefusedTokenError("the user name is not the token's")
        if token.device is not None and token.device != client_id:
            raise RefusedTokenError("the client id is not the token's device")
        if token.role in _DEVICES and not is_device(client_id):
            raise RefusedTokenError("the client id is no device id")
        return token

    def check(self, token: Token, client_id: str) -> None:
        """Look at what changes with time: this has to be asked again at every CONNECT.

        Raises:
            RefusedTokenError: a token that was verified admits no longer, or not yet.
        """
        now = self.clock()
        if token.exp <= now:
            raise RefusedTokenError("the token has expired")
        if token.starts > now:
            raise RefusedTokenError("the token was issued in the future")
        if self.revocations.refuses(token, client_id):
            raise RefusedTokenError("the token was revoked")

    def _read(self, password: bytes) -> Token:
        claims = self._claims(password)
        if claims.exp - claims.iat > LONGEST_LIFETIME:
            raise RefusedTokenError("the token lives too long")
        return Token(
            claims.sub,
            claims.role,
            claims.device,
            claims.scope or _NO_SCOPE,
            claims.jti,
            max(claims.iat - ISSUED_AHEAD, claims.nbf),
            claims.exp,
            claims.proved_at,
        )

    def _claims(self, token: bytes) -> _Claims:
        for key in self._keys:
            try:
                signed = _signatures.decode_complete(token, key, [ALGORITHM])
                return _Claims.model_validate_json(signed["payload"])
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValidationError, ValueError) as error:
                raise RefusedTokenError(f"the token is not valid ({type(error).__name__})") from None
        raise RefusedTokenError("the token's signature is none of ours")
