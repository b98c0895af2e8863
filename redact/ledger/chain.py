"""
Which key signs a log from where on: a `key` entry hands over from one signing key to the next.

The checkpoint that ends with a key entry is the last that the old key signs; it is kept, so that
who knows the old key can follow to the new one. What an old key signs later counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redact.errors import LedgerCorruptError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.merkle import Node


@dataclass(frozen=True, slots=True)
class Chain:
    """The keys of a log, oldest first, each with the size of the last checkpoint before it."""

    links: tuple[tuple[int, str], ...]

    @property
    def first(self) -> str:
        return self.links[0][1]

    @property
    def last(self) -> str:
        return self.links[-1][1]

    @property
    def handed_over(self) -> dict[int, str]:
        """By the seq of each key entry, the key that it names."""
        return {size - 1: vkey for size, vkey in self.links[1:]}

    def key_for(self, size: int) -> str:
        """The key that signs the checkpoint of this size."""
        return next(vkey for start, vkey in reversed(self.links) if start < max(size, 1))

    def verify(self, note: bytes) -> Checkpoint:
        """Raises LedgerCorruptError unless the key of its size signed this checkpoint."""
        claimed = note.split(b"\n")[1:2]
        size = int(claimed[0]) if claimed and claimed[0].isdigit() and len(claimed[0]) < 20 else 0
        return checkpoints.verify(note, self.key_for(size))


def follow(first: str, handovers: Iterable[tuple[Entry, bytes]], node: Node) -> Chain:
    """
    The chain that begins with the key `first`: each key entry, and the checkpoint kept with it.

    Raises LedgerCorruptError where one does not lead to the next.
    """
    links: Sequence[tuple[int, str]] = [(-1, first)]
    for entry, note in handovers:
        head = checkpoints.verify(note, links[-1][1])
        sound = entry.kind == "key" and entry.value["old"] == links[-1][1]
        if not sound or head.size != entry.seq + 1 or head.root != merkle.root(head.size, node):
            raise LedgerCorruptError(
                f"entry {entry.seq} does not hand the log over from one signing key to the next.",
                means="Nothing from this entry on can be trusted.",
            )
        links = [*links, (head.size, entry.value["new"])]
    return Chain(tuple(links))
