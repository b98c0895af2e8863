"""The full check of a log: every entry, every hash of the tree, every signature."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from redact.errors import LedgerCorruptError
from redact.ledger import merkle
from redact.ledger.entry import Entry
from redact.ledger.log import Log

ENTRIES = "SELECT seq, bytes, kind, rec, idem, output, replaces FROM entries ORDER BY seq"
NODES = "SELECT level, place, hash FROM nodes ORDER BY (place + 1) << level, level"
"""In the order in which appends wrote them."""


def verify(log: Log) -> int:
    """
    Check that a log is whole, and return how many entries it holds.

    Raises LedgerCorruptError, which names the first entry that does not match.
    """
    log.check_head()
    with log.snapshot():
        for (problem,) in log.rows("PRAGMA integrity_check"):
            if problem != "ok":
                raise LedgerCorruptError(
                    f"the ledger's database is damaged ({problem}).", means="It can't be trusted."
                )
        for recomputed, stored in zip_longest(_recomputed(log), log.rows(NODES)):
            if recomputed != stored:
                level, place, _ = recomputed or stored or (0, 0, b"")
                raise _mismatch(((place + 1) << level) - 1, "its place in the tree")
        return len(log)


def _recomputed(log: Log) -> Iterator[tuple[int, int, bytes]]:
    """Every node of the tree, from the bytes of the entries alone."""
    edge: dict[int, bytes] = {}  # by level, the full subtree that waits for its right sibling
    standing: dict[str, int] = {}
    for seq, row in enumerate(log.rows(ENTRIES)):
        data = bytes(row[1])
        _check_row(seq, row)
        _check_once(Entry.from_bytes(data), standing)
        for level, place, value in merkle.grown(
            seq, merkle.leaf_hash(data), lambda level, _: edge[level]
        ):
            if place % 2 == 0:
                edge[level] = value
            yield level, place, value


def _check_row(seq: int, row: tuple[object, ...]) -> None:
    """An entry follows its schema, and what it is looked up by is what it says."""
    try:
        entry = Entry.from_bytes(bytes(row[1]))  # type: ignore[call-overload]
    except LedgerCorruptError as error:
        raise _mismatch(seq, "its bytes") from error
    said = (entry.kind, entry.rec, entry.idem, entry.output, entry.replaces)
    if entry.seq != seq or row[0] != seq or row[2:] != said:
        raise _mismatch(seq, "its number or what it is looked up by")


def _check_once(entry: Entry, standing: dict[str, int]) -> None:
    """One publication for each piece of work, or one that says which lost one it replaces."""
    if entry.kind != "published":
        return
    if standing.get(str(entry.idem)) != entry.replaces:
        raise _mismatch(entry.seq, "that a clip is published once")
    standing[str(entry.idem)] = entry.seq


def _mismatch(seq: int, what: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"entry {seq} does not match: {what}.",
        means="Nothing from this entry on can be trusted.",
        todo="Restore the ledger from its last good copy; do not append to this one.",
    )
