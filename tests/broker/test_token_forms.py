"""A token in every form but the right one: each is refused, however well it is signed."""

import base64
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from broker.house import KEY, mint, new_device
from soul_broker.errors import RefusedTokenError
from soul_broker.tokens import TokenVerifier

DEVICE: Final = new_device()
HEADER: Final = {"alg": "ES256", "typ": "JWT"}
ALGORITHMS: Final = ("none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES384", "es256", "EdDSA")
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def part(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    fine = {"sub": "alice", "role": "device", "iat": now, "exp": now + 600, "jti": "j", "aud": "soul-connect"}
    return {name: value for name, value in (fine | changes).items() if value is not None}


def numbers(body: bytes) -> tuple[int, int]:
    return decode_dss_signature(KEY.sign(body, ec.ECDSA(SHA256())))


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signed(header: Any = HEADER, payload: Any = None) -> bytes:
    """With our own key, whatever it says; bytes go in as they are."""
    payload = claims() if payload is None else payload
    texts = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload))
    body = b".".join(map(part, texts))
    return body + b"." + part(raw(*numbers(body)))


def other(alg: str, key: Any) -> bytes:
    return jwt.encode(claims(), key, algorithm=alg).encode()


def resigned(change: Any) -> bytes:
    """With the signature's r and s changed."""
    body = signed().rpartition(b".")[0]
    return body + b"." + part(change(*numbers(body)))


def spoilt(at: int, piece: bytes) -> bytes:
    token = signed()
    return token[:at] + piece + token[at:]


def parts() -> list[bytes]:
    return signed().split(b".")


FORMS: Final[dict[str, Callable[[], bytes]]] = {
    **{f"alg {alg}": partial(signed, {"alg": alg}) for alg in ALGORITHMS},
    "alg is a list": lambda: signed({"alg": ["ES256"]}),
    "alg is null": lambda: signed({"alg": None}),
    "no alg": lambda: signed({"typ": "JWT"}),
    "alg twice, the last is none": lambda: signed(b'{"alg":"ES256","alg":"none"}'),
    "ES384 with a key of its own": lambda: other("ES384", ec.generate_private_key(ec.SECP384R1())),
    "RS256 with a key of its own": lambda: other("RS256", rsa.generate_private_key(65537, 2048)),
    "HS256": lambda: other("HS256", "x" * 64),
    "a critical extension": lambda: signed({**HEADER, "crit": ["exp"], "exp": 1}),
    "crit is no list": lambda: signed({**HEADER, "crit": "b64"}),
    "crit is empty": lambda: signed({**HEADER, "crit": []}),
    "a detached payload": lambda: signed({**HEADER, "crit": ["b64"], "b64": False}),
    "b64 without crit": lambda: signed({**HEADER, "b64": False}),
    "kid is a number": lambda: signed({**HEADER, "kid": 1}),
    "the header is a list": lambda: signed(["ES256"]),
    "the header is no JSON": lambda: signed(b"ES256"),
    "the header is deep": lambda: signed(b"[" * 3_000 + b"]" * 3_000),
    "no header": lambda: b"." + b".".join(parts()[1:]),
    "no payload": lambda: signed(HEADER, b""),
    "the payload is a list": lambda: signed(HEADER, [claims()]),
    "the payload is a string": lambda: signed(HEADER, "alice"),
    "the payload is no JSON": lambda: signed(HEADER, b"{"),
    "the payload is no UTF-8": lambda: signed(HEADER, b'{"sub":"\xff"}'),
    "the payload is deep": lambda: signed(HEADER, b"[" * 3_000 + b"]" * 3_000),
    "something after the payload": lambda: signed(HEADER, json.dumps(claims()).encode() + b"{}"),
    "no signature": lambda: signed().rpartition(b".")[0] + b".",
    "two parts": lambda: signed().rpartition(b".")[0],
    "four parts": lambda: signed() + b".",
    "four parts, one of them empty": lambda: b".".join((parts()[0], b"", *parts()[1:])),
    "five parts": lambda: b".".join((*parts(), b"AA", b"AA")),
    "dots": lambda: b"..",
    "a space before": lambda: b" " + signed(),
    "a newline after": lambda: signed() + b"\n",
    "a newline within": lambda: spoilt(50, b"\n"),
    "a space within": lambda: spoilt(50, b" "),
    "a NUL within": lambda: spoilt(50, b"\0"),
    "a star within": lambda: spoilt(50, b"*"),
    "a letter of another alphabet": lambda: spoilt(50, "é".encode()),
    "bytes that are no text": lambda: spoilt(50, b"\xff"),
    "the ordinary alphabet of base64": lambda: signed()[:-86] + b"+/" * 43,
    "padding within": lambda: spoilt(50, b"=="),
    "too much padding": lambda: signed() + b"===",
    "bits that no byte takes": lambda: signed()[:-1] + _next(signed()[-1:]),
    "a signature in DER": lambda: (
        signed().rpartition(b".")[0] + b"." + part(KEY.sign(b"x", ec.ECDSA(SHA256())))
    ),
    "a signature of 0": lambda: resigned(lambda _r, _s: bytes(64)),
    "r is 0": lambda: resigned(lambda _, s: raw(0, s)),
    "s is 0": lambda: resigned(lambda r, _: raw(r, 0)),
    "r is the order": lambda: resigned(lambda _, s: raw(_P256_ORDER, s)),
    "s is the order": lambda: resigned(lambda r, _: raw(r, _P256_ORDER)),
    "r and s are 1": lambda: resigned(lambda _r, _s: raw(1, 1)),
    "r and s change places": lambda: resigned(lambda r, s: raw(s, r)),
    "a short signature": lambda: resigned(lambda r, s: raw(r, s)[:-1]),
    "a long signature": lambda: resigned(lambda r, s: raw(r, s) + b"\0"),
    "a signature of something else": lambda: b".".join((*parts()[:2], mint().encode().rpartition(b".")[2])),
    "not valid yet": lambda: signed(HEADER, claims(nbf=int(time.time()) + 60)),
    "nbf is no moment": lambda: signed(HEADER, claims(nbf="soon")),
    "another audience beside ours": lambda: signed(HEADER, claims(aud=["soul-connect", "other"])),
    "exp is no number": lambda: signed(HEADER, claims(exp="never")),
    "exp is endless": lambda: signed(
        HEADER, json.dumps(claims()).encode().replace(b'"exp": ', b'"exp": 1e999,"x": ')
    ),
    "exp is NaN": lambda: signed(HEADER, claims(exp=float("nan"))),
    "iat is NaN": lambda: signed(HEADER, claims(iat=float("nan"))),
    "lives for ages": lambda: signed(HEADER, claims(exp=int(time.time()) + 400 * 366 * 86_400)),
    "sub is a number": lambda: signed(HEADER, claims(sub=1)),
    "jti is a number": lambda: signed(HEADER, claims(jti=1)),
    "sub twice, the last is another": lambda: signed(
        HEADER, json.dumps(claims()).encode()[:-1] + b',"sub":"bob"}'
    ),
    "longer than any token": lambda: signed(HEADER, claims(more="x" * 8_192)),
}


def _next(letter: bytes) -> bytes:
    """The letter of base64 after this one: of a signature's last one, only two of its six bits count."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) + 1 :][:1]


@pytest.fixture(scope="module")
def verifier() -> TokenVerifier:
    return TokenVerifier([KEY.public_key()])


@pytest.mark.parametrize("form", FORMS)
def test_refused(verifier: TokenVerifier, form: str) -> None:
    token = FORMS[form]()
    assert token
    with pytest.raises(RefusedTokenError) as refused:
        verifier.verify("alice", token, DEVICE)
    assert not any(each and each.decode("latin-1") in str(refused.value) for each in token.split(b"."))


def test_what_is_not_ours_to_judge_does_not_matter(verifier: TokenVerifier) -> None:
    for header in (
        HEADER,
        {"alg": "ES256"},
        {**HEADER, "kid": "k", "x5u": "https://elsewhere", "typ": "at+jwt"},
    ):
        assert verifier.verify("alice", signed(header), DEVICE).jti == "j"
    assert verifier.verify("alice", signed(HEADER, claims(iss="somebody", nbf=1)), DEVICE).sub == "alice"
