"""
Checkpoints: what a log's owner signs to say "these entries, in this order, and no others".

The formats are C2SP's: https://c2sp.org/tlog-checkpoint in a https://c2sp.org/signed-note, with one
Ed25519 signature. Lines of other keys (a witness's, say) are ignored, as the format asks.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from redact.errors import LedgerCorruptError

ED25519 = b"\x01"  # signed-note's signature type
DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` entries of the log `origin` hash to `root` (32 bytes)."""

    origin: str  # no spaces, no "+"
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Raises ValueError for a text that `text` would not have written."""
        origin, size, root = text.removesuffix("\n").split("\n")
        checkpoint = cls(origin, int(size), b64decode(root, validate=True))
        if checkpoint.text != text or len(checkpoint.root) != 32:
            raise ValueError("not a checkpoint in its one form")
        return checkpoint


def verification_key(name: str, public: Ed25519PublicKey) -> str:
    """The public key as others are given it: name+id+key, as in signed-note's reference code."""
    return f"{name}+{_key_id(name, public).hex()}+{b64encode(ED25519 + _raw(public)).decode()}"


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    signature = b64encode(_key_id(name, key.public_key()) + key.sign(text.encode()))
    return f"{text}\n{DASH}{name} {signature.decode()}\n".encode()


def open_note(note: bytes, vkey: str) -> str:
    """
    The text of a note that this key signed.

    Raises LedgerCorruptError when it did not, or when the note or the key is not well formed.
    """
    try:
        name, public = _parse_key(vkey)
        text, _, lines = note.decode("utf-8").rpartition("\n\n")
        text += "\n"
        for line in lines.removesuffix("\n").split("\n"):
            if signature := _signature(line, name, public):
                public.verify(signature, text.encode())
                return text
    except (ValueError, InvalidSignature) as error:
        raise LedgerCorruptError(
            "a checkpoint is not what the key signed.",
            means="Nothing that it covers can be trusted.",
            todo="Compare the key with the one that you were given, and restore the checkpoint.",
        ) from error
    raise LedgerCorruptError(
        "a checkpoint carries no signature of the key.",
        means="Nothing that it covers can be trusted.",
        todo="Compare the key with the one that you were given, and restore the checkpoint.",
    )


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    return sign_note(checkpoint.text, checkpoint.origin, key)


def verify(note: bytes, *vkeys: str) -> Checkpoint:
    """
    Raises LedgerCorruptError unless `note` is a checkpoint that one of these keys signed.

    More than one are those that a log has had: each must be its.
    """
    for vkey in vkeys[1:]:
        with suppress(LedgerCorruptError):
            return verify(note, vkey)
    return _parsed(open_note(note, vkeys[0]), vkeys[0].partition("+")[0])


def _parsed(text: str, origin: str) -> Checkpoint:
    try:
        checkpoint = Checkpoint.parse(text)
    except ValueError as error:
        raise _no_checkpoint(str(error)) from error
    if checkpoint.origin != origin:
        raise _no_checkpoint("it is about another thing")
    return checkpoint


def _no_checkpoint(why: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"a signed note is no checkpoint: {why}.", means="It proves nothing of a log."
    )


def sign_index(head: Checkpoint, root: bytes, key: Ed25519PrivateKey) -> bytes:
    """A note over the index of the log at this head (see ledger.index): no checkpoint of it."""
    text = Checkpoint(f"{head.origin}/index", head.size, root).text
    return sign_note(text, head.origin, key)


def verify_index(note: bytes, vkey: str, head: Checkpoint) -> bytes:
    """The root of the index at this head. Raises LedgerCorruptError unless the key signed it."""
    signed = _parsed(open_note(note, vkey), f"{head.origin}/index")
    if signed.size != head.size:
        raise _no_checkpoint("it is about another state of the log")
    return signed.root


def _signature(line: str, name: str, public: Ed25519PublicKey) -> bytes:
    """The signature of this line if its name and id are the key's; else nothing."""
    start = f"{DASH}{name} "
    if not line.startswith(start):
        return b""
    encoded = line.removeprefix(start)
    value = b64decode(encoded, validate=True)
    if b64encode(value).decode() != encoded:
        raise ValueError("base64 in another than its one form")
    return value[4:] if value[:4] == _key_id(name, public) else b""


def _parse_key(vkey: str) -> tuple[str, Ed25519PublicKey]:
    try:
        name, _, rest = vkey.strip().partition("+")
        _, _, encoded = rest.partition("+")
        raw = b64decode(encoded, validate=True)
        public = Ed25519PublicKey.from_public_bytes(raw[1:])
    except binascii.Error as error:
        raise ValueError("not a verification key") from error
    if raw[:1] != ED25519 or verification_key(name, public) != vkey.strip():
        raise ValueError("not a verification key")
    return name, public


def _key_id(name: str, public: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + _raw(public)).digest()[:4]


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes_raw()
