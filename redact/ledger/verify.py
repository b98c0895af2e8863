"""The full check of a log: every entry, every hash of the tree, every signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redact.errors import LedgerCorruptError
from redact.ledger import merkle
from redact.ledger.entry import Entry
from redact.ledger.log import Log

ENTRIES = "SELECT * FROM entries ORDER BY seq"
REFERS = "SELECT seq, entry FROM refers ORDER BY seq, entry"
NODES = "SELECT level, place, hash FROM nodes ORDER BY (place + 1) << level, level"
"""In the order in which appends wrote them."""


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
        for (problem,) in log.rows("PRAGMA integrity_check"):
            if problem != "ok":
                raise LedgerCorruptError(
                    f"the ledger's database is damaged ({problem}).", means="It can't be trusted."
                )
        nodes, refers = log.rows(NODES), log.rows(REFERS)
        edge: dict[int, bytes] = {}  # by level, the full subtree that waits for its sibling
        standing: dict[str, int] = {}
        for seq, row in enumerate(log.rows(ENTRIES)):
            entry = _entry(seq, row)
            _check_once(entry, standing)
            _check_refers(entry, refers)
            _check_nodes(seq, bytes(row[1]), nodes, edge)
            yield entry
        for seq, _ in refers:
            raise _mismatch(seq, "what it is about")
        for level, place, _ in nodes:
            raise _mismatch(((place + 1) << level) - 1, "its place in the tree")


def _check_nodes(
    seq: int, data: bytes, nodes: Iterator[tuple[int, int, bytes]], edge: dict[int, bytes]
) -> None:
    """What this entry added to the tree is what is stored there."""
    leaf = merkle.leaf_hash(data)
    for level, place, value in merkle.grown(seq, leaf, lambda level, _: edge[level]):
        if next(nodes, None) != (level, place, value):
            raise _mismatch(seq, "its place in the tree")
        if place % 2 == 0:
            edge[level] = value


def _entry(seq: int, row: tuple[Any, ...]) -> Entry:
    """An entry that follows its schema, and is looked up by what it says."""
    try:
        entry = Entry.from_bytes(bytes(row[1]))
    except LedgerCorruptError as error:
        raise _mismatch(seq, "its bytes") from error
    if entry.seq != seq or row[0] != seq or row[2:] != entry.columns:
        raise _mismatch(seq, "its number or what it is looked up by")
    return entry


def _check_once(entry: Entry, standing: dict[str, int]) -> None:
    """One publication for each piece of work, or one that says which lost one it replaces."""
    if entry.kind != "published":
        return
    if standing.get(str(entry.idem)) != entry.replaces:
        raise _mismatch(entry.seq, "that a clip is published once")
    standing[str(entry.idem)] = entry.seq


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
