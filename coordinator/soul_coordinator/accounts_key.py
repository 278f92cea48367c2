"""The data directory, and the key in it that signs tokens.

`signing-key.pem` is the P-256 private key (mode 0600), `signing-key.pub.pem` its public half,
which is all that a broker needs. Both are made on first use; processes that start at once
end with the same pair.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from soul_protocol.private_file import write_privately

PRIVATE_KEY: Final = "signing-key.pem"
PUBLIC_KEY: Final = "signing-key.pub.pem"


class DataDirectoryError(Exception):
    """The data directory or a key in it cannot be used; one sentence for an operator."""


def prepare_data_dir(data_dir: Path) -> Path:
    """Make the directory, with mode 0700, if it is missing; return it.

    One that is there keeps its mode: it may be anyone's, and holds files of mode 0600.

    Raises:
        DataDirectoryError: it cannot be made, or is no directory that we may write to.
    """
    try:
        if not data_dir.is_dir():
            data_dir.parent.mkdir(parents=True, exist_ok=True)
            data_dir.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DataDirectoryError(f"{data_dir} cannot be made: {error.strerror}.") from None
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise DataDirectoryError(f"{data_dir} cannot be written by this user.")
    return data_dir


def signing_key(data_dir: Path) -> ec.EllipticCurvePrivateKey:
    """The private key of a data directory that is there; made, with the public one, on first use.

    Raises:
        DataDirectoryError: a file cannot be read or written, or holds no P-256 key.
    """
    private = data_dir / PRIVATE_KEY
    try:
        if not private.exists():
            write_privately(
                private, _private_pem(ec.generate_private_key(ec.SECP256R1())), 0o600, _first_wins
            )
        key = _read(private)
        public = public_pem(key)
        # Always what belongs to the private key, also where only that one was restored.
        if not (data_dir / PUBLIC_KEY).exists() or (data_dir / PUBLIC_KEY).read_bytes() != public:
            write_privately(data_dir / PUBLIC_KEY, public, 0o644, os.replace)
    except OSError as error:
        raise DataDirectoryError(f"{private} cannot be read or written: {error.strerror}.") from None
    return key


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, as PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise DataDirectoryError(f"{file} is not a P-256 private key: restore it, or move it away.")
    return key


def _first_wins(made: str, file: Path) -> None:
    # A link fails where the name is taken: then the other process's key is the key.
    with contextlib.suppress(FileExistsError):
        os.link(made, file)
