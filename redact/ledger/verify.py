"""The full check of a log: every entry, every hash of the tree, every signature."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from itertools import islice
from typing import Any

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import merkle
from redact.ledger.database import unpacked
from redact.ledger.entry import Entry
from redact.ledger.reader import Reader
from redact.ledger.rebuilt import Rebuilt, mismatch

ENTRIES = "SELECT * FROM entries ORDER BY seq"
NODES = "SELECT place, hash FROM nodes WHERE level = {} ORDER BY place"
LEVELS = 64

CHUNK = 2000
"""Entries whose bytes another process judges at once."""
LARGE_LOG = 100_000
"""Entries from which on that is worth a process, where there is a second core."""

Row = tuple[Any, ...]


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
        with _second_process(len(log)) as other:
            for seq, (entry, data) in enumerate(_entries(log, other)):
                _check_about(log, entry)
                tree.check(seq, data)
                index.check(entry)
                if (entry.kind == "key") != (keys.pop(seq, None) is not None):
                    raise mismatch(seq, "which key signs from there on")
                yield entry
        tree.check_end()
        index.check_end()


def _second_process(size: int) -> ProcessPoolExecutor | nullcontext[None]:
    """What judges the bytes of a large log's entries; None where one process has to do it all."""
    alone = len(os.sched_getaffinity(0)) == 1 or multiprocessing.current_process().daemon
    if size < LARGE_LOG or alone:
        return nullcontext()
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _entries(log: Reader, other: Executor | None) -> Iterator[tuple[Entry, bytes]]:
    """
    The entries that the rows hold, each judged before it is given; and their bytes.

    Two thirds of the work are the schema and the canonical form: of them `other` takes care.
    """
    asked = deque[tuple[list[tuple[int, Row]], Future[int]]]()
    rows = enumerate(log.stream(ENTRIES))
    if other is None:
        yield from (_entry(seq, row) for seq, row in rows)
        return
    while chunk := list(islice(rows, CHUNK)):
        asked.append((chunk, other.submit(_sound, [row[1] for _, row in chunk])))
        if len(asked) > 2:
            yield from _judged(*asked.popleft())
    while asked:
        yield from _judged(*asked.popleft())


def _judged(chunk: list[tuple[int, Row]], answer: Future[int]) -> Iterator[tuple[Entry, bytes]]:
    try:
        sound = answer.result()
    except BrokenProcessPool as error:
        raise StoreError(
            "the process that checks a ledger's entries ended before it was done.",
            means="Nothing is known of the ledger, and nothing was changed.",
            todo="Check it again, with more memory free.",
        ) from error
    for seq, row in chunk[:sound]:
        data = unpacked(row[1])
        yield _in_place(seq, row, Entry(json.loads(data))), data
    if sound < len(chunk):
        raise mismatch(chunk[sound][0], "its bytes")


def _sound(columns: Sequence[object]) -> int:
    """How many, from the first on, hold the bytes of an entry."""
    for number, column in enumerate(columns):
        try:
            Entry.from_bytes(unpacked(column))
        except LedgerCorruptError:
            return number
    return len(columns)


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


def _entry(seq: int, row: Row) -> tuple[Entry, bytes]:
    """An entry that follows its schema, and is looked up by what it says; and its bytes."""
    try:
        data = unpacked(row[1])
        entry = Entry.from_bytes(data)
    except LedgerCorruptError as error:
        raise mismatch(seq, "its bytes") from error
    return _in_place(seq, row, entry), data


def _in_place(seq: int, row: Row, entry: Entry) -> Entry:
    if entry.seq != seq or row[0] != seq or row[2] != entry.kind:
        raise mismatch(seq, "its number or kind")
    return entry


def _check_about(log: Reader, entry: Entry) -> None:
    """What an entry is about came before it; what it replaces published the same work."""
    if any(of >= entry.seq for of in entry.refers):
        raise mismatch(entry.seq, "what it is about")
    if entry.replaces is not None:
        old = log.at(entry.replaces) if entry.replaces < entry.seq else None
        if old is None or old.kind != "published" or old.idem != entry.idem:
            raise mismatch(entry.seq, "that a clip is published once")
