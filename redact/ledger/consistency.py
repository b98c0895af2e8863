"""
That a log only grew: proofs to check offline with the public key, and a witness that remembers.

The form is that in which witnesses are asked to sign (https://c2sp.org/tlog-witness): the size of
the older log, the hashes of RFC 6962, an empty line, and the newer checkpoint. The older checkpoint
is the reader's own: the newer log begins with exactly the entries that it covers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redact.errors import LedgerCorruptError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.files import write_durably, writing
from redact.ledger.reader import Reader


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the log whose signed checkpoint is `note` begins with the first `old` entries."""

    old: int
    hashes: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        lines = [f"old {self.old}", *(b64encode(value).decode() for value in self.hashes)]
        return "\n".join([*lines, "", ""]).encode() + self.note

    @classmethod
    def from_bytes(cls, data: bytes) -> Consistency:
        """Raises LedgerCorruptError unless these are bytes that `to_bytes` writes."""
        try:
            head, _, note = data.partition(b"\n\n")
            old, *hashes = head.decode("ascii").split("\n")
            values = tuple(b64decode(line, validate=True) for line in hashes)
            proof = cls(int(old.removeprefix("old ")), values, note)
        except ValueError as error:
            raise _no_proof() from error
        if proof.to_bytes() != data:
            raise _no_proof()
        return proof


def prove(log: Reader, since: bytes) -> bytes:
    """
    The proof that a log, as it stands now, continues an older checkpoint of it.

    Raises LedgerCorruptError if it does not: it was rolled back or rewritten, or is another log.
    """
    with log.snapshot():
        old, head = log.chain.verify(since), log.checkpoint()
        hashes = _hashes(log, old, head)
        if not _continues(old, head, hashes):
            raise _broken(old, head)
        return Consistency(old.size, tuple(hashes), log.note()).to_bytes()


def verify(data: bytes, since: bytes, *vkeys: str) -> tuple[Checkpoint, Checkpoint]:
    """
    The older checkpoint and the newer one, which `data` shows to continue it.

    The newer one is signed by the last of `vkeys`, the older one by any: a log's key may have been
    replaced between them, and one that was replaced signs nothing new. Raises LedgerCorruptError
    for anything else.
    """
    proof = Consistency.from_bytes(data)
    old, head = checkpoints.verify(since, *vkeys), checkpoints.verify(proof.note, vkeys[-1])
    if proof.old != old.size or not _continues(old, head, proof.hashes):
        raise _broken(old, head)
    return old, head


def check_witness(log: Reader, witness: Path) -> Checkpoint:
    """
    Check that a log continues the one that was seen last, and remember how it stands now.

    `witness` is a file of yours, out of reach of whoever keeps the log; it is made at the first
    check. Raises LedgerCorruptError, and leaves the file as it is, if the log was rolled back or
    has another history.
    """
    with log.snapshot():
        head, note = log.checkpoint(), log.note()
        seen_by(log, witness)
    with writing(f"the witness {witness.name} could not be written"):
        write_durably(witness, note)
    return head


def seen_by(log: Reader, witness: Path) -> Checkpoint | None:
    """
    The checkpoint that a witness file remembers, which the log continues; None for no file.

    Changes nothing. Raises LedgerCorruptError if the log does not continue it.
    """
    with log.snapshot():
        with writing(f"the witness {witness.name} could not be read"):
            note = witness.read_bytes() if witness.exists() else None
        if note is None:
            return None
        seen = log.chain.verify(note)
        _check_seen(log, seen, log.checkpoint())
        return seen


def _check_seen(log: Reader, seen: Checkpoint, head: Checkpoint) -> None:
    if not _continues(seen, head, _hashes(log, seen, head)):
        raise LedgerCorruptError(
            f"the ledger has {head.size} entries and does not continue the {seen.size} that the "
            "witness saw.",
            means="It was rolled back or rewritten, or it is another log.",
            todo="Ask its keeper which of the two is true, and keep the witness file.",
        )


def _hashes(log: Reader, old: Checkpoint, head: Checkpoint) -> list[bytes]:
    return (
        merkle.consistency_proof(old.size, head.size, log.node) if 0 < old.size < head.size else []
    )


def _continues(old: Checkpoint, head: Checkpoint, hashes: Sequence[bytes]) -> bool:
    return old.origin == head.origin and merkle.verify_consistency(
        old.size, head.size, old.root, head.root, hashes
    )


def _broken(old: Checkpoint, head: Checkpoint) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"the ledger's checkpoint of {head.size} entries is not shown to continue the older one of "
        f"{old.size}.",
        means="It was rolled back or rewritten, or it is another log.",
        todo="Ask its keeper which of the two is true, and keep the older checkpoint.",
    )


def _no_proof() -> LedgerCorruptError:
    return LedgerCorruptError(
        "this is no proof that a log continues another.",
        means="It shows nothing.",
        todo="Ask for the proof again (redact ledger prove --since).",
    )
