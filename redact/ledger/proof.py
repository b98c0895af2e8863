"""
Proofs that others check offline, with the public key alone.

A proof is a C2SP tlog-proof (https://c2sp.org/tlog-proof) whose extra data is the entry itself: its
hash is the leaf, so nothing has to be believed. It shows that the entry is in the log of the
checkpoint; a later entry may have withdrawn the clip.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass

from redact.errors import LedgerCorruptError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.reader import Reader

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """That `entry` (bytes) is at `index` of the log whose signed checkpoint is `note`."""

    entry: bytes
    index: int
    hashes: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        lines = [HEADER, f"extra {_base64(self.entry)}", f"index {self.index}"]
        lines += [_base64(value) for value in self.hashes]
        return "\n".join([*lines, "", ""]).encode() + self.note

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """Raises LedgerCorruptError unless these are bytes that `to_bytes` writes."""
        try:
            head, _, note = data.partition(b"\n\n")
            _, extra, index, *hashes = head.decode("ascii").split("\n")
            values = [b64decode(line, validate=True) for line in (extra.partition(" ")[2], *hashes)]
            proof = cls(values[0], int(index.partition(" ")[2]), tuple(values[1:]), note)
        except ValueError as error:
            raise _no_proof() from error
        if proof.to_bytes() != data:
            raise _no_proof()
        return proof


def prove(log: Reader, entry: Entry) -> bytes:
    """The proof that an entry of a log is in it, as it stands now."""
    with log.snapshot():
        head = log.checkpoint()
        hashes = merkle.inclusion_proof(entry.seq, head.size, log.node)
        return Proof(entry.to_bytes(), entry.seq, tuple(hashes), log.note()).to_bytes()


def verify(data: bytes, *vkeys: str) -> tuple[Entry, Checkpoint]:
    """
    The entry that a proof shows to be in the log that one of these keys signs.

    Needs nothing but the two. Raises LedgerCorruptError for anything else.
    """
    proof = Proof.from_bytes(data)
    head = checkpoints.verify(proof.note, *vkeys)
    entry = Entry.from_bytes(proof.entry)
    leaf = merkle.leaf_hash(proof.entry)
    if entry.seq != proof.index or not merkle.verify_inclusion(
        leaf, proof.index, head.size, proof.hashes, head.root
    ):
        raise _no_proof()
    return entry, head


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _no_proof() -> LedgerCorruptError:
    return LedgerCorruptError(
        "this is no proof that the log holds the entry.",
        means="It shows nothing.",
        todo="Ask for the proof again (redact ledger prove).",
    )
