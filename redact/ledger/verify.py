"""The full check of a log: every entry, every hash of the tree, every signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redact.errors import LedgerCorruptError
from redact.ledger import merkle
from redact.ledger.database import unpacked
from redact.ledger.entry import Entry
from redact.ledger.reader import Reader
from redact.ledger.rebuilt import Rebuilt, mismatch

ENTRIES = "SELECT * FROM entries ORDER BY seq"
NODES = "SELECT place, hash FROM nodes WHERE level = {} ORDER BY place"
LEVELS = 64


def verify(log: Reader) -> int:
    """
    Check that a log is whole, and return how many entries it holds.

    Raises LedgerCorruptError, which names the first entry that does not match.
    """
    return sum(1 for _ in verified(log))


def verified(log: Reader) -> Iterator[Entry]:
    """Every entry of a log, each checked. The log is whole if this comes to its end."""
    log.check_head()
    with log.snapshot():
        if problems := log.problems():
            raise LedgerCorruptError(
                f"the ledger's database is damaged ({problems[0]}).", means="It can't be trusted."
            )
        tree, index, keys = _Tree(log), Rebuilt(log), dict(log.chain.handed_over)
        for seq, row in enumerate(log.stream(ENTRIES)):
            entry, data = _entry(seq, row)
            _check_about(log, entry)
            tree.check(seq, data)
            index.check(entry)
            if (entry.kind == "key") != (keys.pop(seq, None) is not None):
                raise mismatch(seq, "which key signs from there on")
            yield entry
        tree.check_end()
        index.check_end()


class _Tree:
    """The stored nodes, read beside the entries: each must be what the entries make of it."""

    def __init__(self, log: Reader) -> None:
        self._stored = [log.stream(NODES.format(level)) for level in range(LEVELS)]
        self._edge: dict[int, bytes] = {}  # by level, the full subtree that waits for its sibling

    def check(self, seq: int, data: bytes) -> None:
        """What this entry added to the tree is what is stored there."""
        leaf = merkle.leaf_hash(data)
        for level, place, value in merkle.grown(seq, leaf, lambda level, _: self._edge[level]):
            stored = next(self._stored[level], (None, b""))
            if stored[0] != place or bytes(stored[1]) != value:
                raise mismatch(seq, "its place in the tree")
            if place % 2 == 0:
                self._edge[level] = value

    def check_end(self) -> None:
        for level, stored in enumerate(self._stored):
            for place, _ in stored:
                raise mismatch(((place + 1) << level) - 1, "its place in the tree")


def _entry(seq: int, row: tuple[Any, ...]) -> tuple[Entry, bytes]:
    """An entry that follows its schema, and is looked up by what it says; and its bytes."""
    try:
        data = unpacked(row[1])
        entry = Entry.from_bytes(data)
    except LedgerCorruptError as error:
        raise mismatch(seq, "its bytes") from error
    if entry.seq != seq or row[0] != seq or row[2] != entry.kind:
        raise mismatch(seq, "its number or kind")
    return entry, data


def _check_about(log: Reader, entry: Entry) -> None:
    """What an entry is about came before it; what it replaces published the same work."""
    if any(of >= entry.seq for of in entry.refers):
        raise mismatch(entry.seq, "what it is about")
    if entry.replaces is not None:
        old = log.at(entry.replaces) if entry.replaces < entry.seq else None
        if old is None or old.kind != "published" or old.idem != entry.idem:
            raise mismatch(entry.seq, "that a clip is published once")
