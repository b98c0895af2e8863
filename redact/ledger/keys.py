"""
The three secrets of a log, kept outside the store: who has the store alone can forge nothing.

* signing.key   signs checkpoints (Ed25519); signing-*.key are later ones, of logs whose key changed
* idem.key      names clips, so that a name says nothing of the source to those who lack the key
* wrapping.key  wraps the key of each restricted detail
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import StoreError
from redact.ledger.checkpoint import verification_key
from redact.ledger.files import locked, sync_folder, write_durably, writing

NAMES = ("signing", "idem", "wrapping")


@dataclass(frozen=True, slots=True)
class Keys:
    """32 secret bytes each; never printed."""

    signing: tuple[bytes, ...] = field(repr=False)  # a new log's first
    idem: bytes = field(repr=False)
    wrapping: bytes = field(repr=False)

    @property
    def first_signer(self) -> Ed25519PrivateKey:
        """What a new log is begun with."""
        return Ed25519PrivateKey.from_private_bytes(self.signing[0])

    def signer(self, origin: str, vkey: str) -> Ed25519PrivateKey:
        """The private key of a log's verification key. Raises StoreError if it is not here."""
        for secret in self.signing:
            key = Ed25519PrivateKey.from_private_bytes(secret)
            if verification_key(origin, key.public_key()) == vkey:
                return key
        raise StoreError(
            f"the signing key is not the one of the ledger {origin}.",
            todo="Say where its keys are (REDACT_KEYS).",
        )

    @property
    def ids(self) -> dict[str, str]:
        """What tells a key from another without giving it away: 8 hex digits each."""
        return {
            name: sha256(f"redact {name} key\n".encode() + getattr(self, name)).hexdigest()[:8]
            for name in ("idem", "wrapping")
        }


def default_folder() -> Path:
    """REDACT_KEYS, else the platform's folder for a program's data."""
    chosen = os.environ.get("REDACT_KEYS")
    return Path(chosen) if chosen else platformdirs.user_data_path("redact") / "keys"


def load(folder: Path, *, make: bool) -> Keys:
    """
    The keys in this folder; with `make`, those that are missing are made first.

    Raises StoreError when one is missing, damaged, or open to others.
    """
    with writing(f"the keys in {folder} could not be read"):
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise _missing(folder)
        _check_private(folder)
        if make:
            with locked(folder / "lock"):
                for name in NAMES:
                    _make(folder / f"{name}.key")
                sync_folder(folder.parent)
        later = sorted(folder.glob("signing-*.key"))
        first = folder / "signing.key"
        signing = [first, *later] if first.exists() or not later else later
        idem, wrapping = (_read(folder / f"{name}.key") for name in NAMES[1:])
        return Keys(tuple(_read(path) for path in signing), idem, wrapping)


def add_signing_key(folder: Path) -> Ed25519PrivateKey:
    """Make one more signing key beside the others, durably. Raises StoreError."""
    secret = secrets.token_bytes(32)
    key = Ed25519PrivateKey.from_private_bytes(secret)
    name = sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]
    with writing(f"the keys in {folder} could not be written"), locked(folder / "lock"):
        data = secret.hex().encode() + b"\n"
        write_durably(folder / f"signing-{name}.key", data, mode=0o600)
    return key


def _make(path: Path) -> None:
    if not path.exists():
        write_durably(path, secrets.token_bytes(32).hex().encode() + b"\n", mode=0o600)


def _read(path: Path) -> bytes:
    if not path.exists():
        raise _missing(path)
    _check_private(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise StoreError(f"{path} is not a key.", todo="Restore it from its backup.")
    return key


def _check_private(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to another user.", todo="Keep keys of your own.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise StoreError(
            f"{path} can be opened by other users of this machine.",
            todo=f"Close it (chmod go= {path}); if others may have read it, start a new store.",
        )


def _missing(path: Path) -> StoreError:
    return StoreError(
        f"{path} is missing, and the ledger was begun with it.",
        todo="Restore the keys from their backup, or say where they are (REDACT_KEYS).",
    )
