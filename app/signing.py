"""Who made a bundle: an Ed25519 signature (RFC 8032) of model.json, which holds the digests of all other files.

Keys are PEM, as `servefn key` or `openssl genpkey -algorithm ed25519` write them, and the signature is its 64 bytes as
they are, so that this verifies one without servefn:

    openssl pkeyutl -verify -pubin -inkey release.pub -rawin -in model.json -sigfile model.json.sig

Name and version are the directory's and are not signed: a signature says who made a bundle, not where it may stand.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from app.errors import BundleError
from app.extras import ed25519, serialization

SEAL = "model.json.sig"
"""The file of the signature."""

_BLOCK = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class BadKey(ValueError):
    """A file of keys that cannot be used."""


@dataclass(frozen=True)
class Trust:
    """The public keys whose bundles are taken, as text: PEM, one after the other. Raises BadKey if there are none."""

    pem: str

    def __post_init__(self) -> None:
        if not self._keys:
            raise BadKey("there is no public key; servefn key makes one, and its .pub file belongs here")

    def signer(self, contract: bytes, signature: bytes | None) -> str:
        """The fingerprint of the key that signed a contract. Raises BundleError if none of these did."""
        if signature is None:
            raise BundleError(f"it is not signed ({SEAL} is missing), and only signed bundles are taken")
        for name, key in self._keys.items():
            if _holds(key, signature, contract):
                return name
        raise BundleError(f"it is not signed by a key that is trusted ({', '.join(self._keys)})")

    @cached_property
    def _keys(self) -> dict[str, Any]:
        keys = [_public(block) for block in _BLOCK.findall(self.pem)]
        return {fingerprint(key): key for key in keys}


def trusted(file: Path) -> Trust:
    """The public keys of a file. Raises BadKey."""
    try:
        return Trust(_text(file))
    except BadKey as error:
        raise BadKey(f"{file}: {error}") from error


def fingerprint(key: Any) -> str:
    """What a public key is called: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


@dataclass(frozen=True)
class Signer:
    """A private key."""

    _key: Any

    @property
    def fingerprint(self) -> str:
        return fingerprint(self._key.public_key())

    def sign(self, bundle: Path, contract: bytes) -> None:
        """Put the signature into a bundle's directory."""
        (bundle / SEAL).write_bytes(self._key.sign(contract))


def signer(file: Path) -> Signer:
    """The private key of a file. Raises BadKey."""
    _check_installed()
    pem = _text(file).encode()
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, ValueError) as error:
        raise BadKey(f"{file} is not a private key in PEM without a password") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise BadKey(f"{file} is a private key, but not of Ed25519")
    return Signer(key)


def make(file: Path) -> tuple[Path, str]:
    """A new private key in a file that only its owner reads, and the public one beside it: its file and fingerprint.

    Raises BadKey; never overwrites.
    """
    _check_installed()
    key = ed25519.Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    beside = file.with_name(f"{file.name}.pub")
    for target, text, mode in ((file, private, 0o600), (beside, public, 0o644)):
        try:
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
                opened.write(text)
        except OSError as error:
            raise BadKey(f"cannot write {target}: {error.strerror}") from error
    return beside, fingerprint(key.public_key())


def _holds(key: Any, signature: bytes, contract: bytes) -> bool:
    try:
        key.verify(signature, contract)
    except Exception:  # whatever is wrong with it
        return False
    return True


def _public(block: str) -> Any:
    _check_installed()
    try:
        key = serialization.load_pem_public_key(block.encode())
    except ValueError as error:
        raise BadKey("what looks like a public key is none") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise BadKey("a public key is not of Ed25519")
    return key


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKey(f"cannot read {file}: {getattr(error, 'strerror', 'it is not text')}") from error


def _check_installed() -> None:
    if not ed25519:
        raise BadKey("signatures need the extra signing: pip install 'servefn[signing]'")
