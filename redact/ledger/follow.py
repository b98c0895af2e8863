"""Reads a log from its first entry on, and keeps up: nothing changed, left out or rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redact.errors import LedgerCorruptError
from redact.ledger import merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.reader import Reader


@dataclass(slots=True)
class Follower:
    """
    How far a log was read, and the hashes that prove the next part continues it. Plain data.

    Unlike a look-up, it does not rest on the database's indexes: what it was told is every entry
    that the signed checkpoint covers.
    """

    size: int = 0
    edge: dict[int, bytes] = field(default_factory=dict)  # by level, see merkle.grown

    def follow(self, log: Reader, visit: Callable[[dict[str, Any]], None]) -> Checkpoint:
        """
        Visit each entry's value that is new, in order; returns the checkpoint that covers them.

        What was visited counts only once this returns. Raises LedgerCorruptError, and then the
        follower is of no further use, when the log does not continue what was read before.
        """
        with log.snapshot():
            head = log.checkpoint()
            if head.size != self.size:
                for data in log.leaves(self.size):
                    visit(self._add(data))
            if self.size != head.size or self.root() != head.root:
                raise LedgerCorruptError(
                    f"the ledger's {head.size} entries do not match its checkpoint, or do not "
                    "continue those that were read before.",
                    means="Nothing that it says can be trusted.",
                    todo="Restore the ledger from its last good copy; `redact ledger verify` says "
                    "which entry does not match.",
                )
        return head

    def root(self) -> bytes:
        return merkle.root(self.size, lambda level, _: self.edge[level])

    def _add(self, data: bytes) -> dict[str, Any]:
        leaf = merkle.leaf_hash(data)
        for level, place, value in merkle.grown(self.size, leaf, lambda level, _: self.edge[level]):
            if place % 2 == 0:
                self.edge[level] = value
        self.size += 1
        entry: dict[str, Any] = json.loads(data)
        return entry
