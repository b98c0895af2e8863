"""The full check of a log: every entry, every hash of the tree, every signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redact.errors import LedgerCorruptError
from redact.ledger import merkle
from redact.ledger.database import unpacked
from redact.ledger.entry import Entry
from redact.ledger.log import Log

ENTRIES = "SELECT * FROM entries ORDER BY seq"
REFERS = "SELECT seq, entry FROM refers ORDER BY seq, entry"
NODES = "SELECT place, hash FROM nodes WHERE level = {} ORDER BY place"
LEVELS = 64
TWICE = """
SELECT max(seq) FROM entries WHERE kind = 'published' AND replaces IS NULL
GROUP BY idem HAVING count(*) > 1
"""
REPLACED = """
SELECT new.seq FROM entries AS new LEFT JOIN entries AS old ON old.seq = new.replaces
WHERE new.replaces IS NOT NULL
AND (old.kind IS NULL OR old.kind <> 'published' OR old.idem <> new.idem OR old.seq >= new.seq)
"""
REPLACED_TWICE = """
SELECT max(seq) FROM entries WHERE replaces IS NOT NULL GROUP BY replaces HAVING count(*) > 1
"""


def verify(log: Log) -> int:
    """
    Check that a log is whole, and return how many entries it holds.

    Raises LedgerCorruptError, which names the first entry that does not match.
    """
    return sum(1 for _ in verified(log))


def verified(log: Log) -> Iterator[Entry]:
    """Every entry of a log, each checked. The log is whole if this comes to its end."""
    log.check_head()
    with log.snapshot():
        if problems := log.problems():
            raise LedgerCorruptError(
                f"the ledger's database is damaged ({problems[0]}).", means="It can't be trusted."
            )
        tree, refers, keys = _Tree(log), log.stream(REFERS), dict(log.chain.handed_over)
        for seq, row in enumerate(log.stream(ENTRIES)):
            entry, data = _entry(seq, row)
            _check_refers(entry, refers)
            tree.check(seq, data)
            if (entry.kind == "key") != (keys.pop(seq, None) is not None):
                raise _mismatch(seq, "which key signs from there on")
            yield entry
        for seq, _ in refers:
            raise _mismatch(seq, "what it is about")
        tree.check_end()
        _check_once(log)


class _Tree:
    """The stored nodes, read beside the entries: each must be what the entries make of it."""

    def __init__(self, log: Log) -> None:
        self._stored = [log.stream(NODES.format(level)) for level in range(LEVELS)]
        self._edge: dict[int, bytes] = {}  # by level, the full subtree that waits for its sibling

    def check(self, seq: int, data: bytes) -> None:
        """What this entry added to the tree is what is stored there."""
        leaf = merkle.leaf_hash(data)
        for level, place, value in merkle.grown(seq, leaf, lambda level, _: self._edge[level]):
            stored = next(self._stored[level], (None, b""))
            if stored[0] != place or bytes(stored[1]) != value:
                raise _mismatch(seq, "its place in the tree")
            if place % 2 == 0:
                self._edge[level] = value

    def check_end(self) -> None:
        for level, stored in enumerate(self._stored):
            for place, _ in stored:
                raise _mismatch(((place + 1) << level) - 1, "its place in the tree")


def _check_once(log: Log) -> None:
    """
    One publication for each piece of work, or one that says which lost one it replaces.

    Asked of the columns, which are by now known to say what the entries say.
    """
    for query in (TWICE, REPLACED, REPLACED_TWICE):
        for (seq,) in log.stream(query):
            raise _mismatch(seq, "that a clip is published once")


def _entry(seq: int, row: tuple[Any, ...]) -> tuple[Entry, bytes]:
    """An entry that follows its schema, and is looked up by what it says; and its bytes."""
    try:
        data = unpacked(row[1])
        entry = Entry.from_bytes(data)
    except LedgerCorruptError as error:
        raise _mismatch(seq, "its bytes") from error
    if entry.seq != seq or row[0] != seq or tuple(row[2:]) != entry.columns:
        raise _mismatch(seq, "its number or what it is looked up by")
    return entry, data


def _check_refers(entry: Entry, refers: Iterator[tuple[int, int]]) -> None:
    """What an entry is about came before it, and it is found from there."""
    for of in sorted(set(entry.refers)):
        if of >= entry.seq or next(refers, None) != (entry.seq, of):
            raise _mismatch(entry.seq, "what it is about")


def _mismatch(seq: int, what: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"entry {seq} does not match: {what}.",
        means="Nothing from this entry on can be trusted.",
        todo="Restore the ledger from its last good copy; do not append to this one.",
    )
