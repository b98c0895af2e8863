"""The index of a log made anew from its entries, and compared with the one that is kept."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from redact.errors import LedgerCorruptError
from redact.ledger import index
from redact.ledger.entry import Entry
from redact.ledger.index import LARGE, PAGES, PLACE, SMALL, Words, key, packed, paged, place_of
from redact.ledger.reader import Reader

TOGETHER = 1000
"""How many rows of `once` are asked for at a time."""


class Rebuilt:
    """
    The blocks that the entries make, each compared with what is stored in its place.

    Keeps one large block's words: some 12 MB. For use inside a snapshot.
    """

    def __init__(self, log: Reader) -> None:
        self._log, self._size = log, 0
        self._large: list[bytes] = []  # digests of the blocks so far
        self._small: list[bytes] = []  # packed, since the last large block
        self._tail: list[int] = []
        self._once: dict[int, int] = {}
        self._published = 0

    def check(self, entry: Entry) -> None:
        """Take in the next entry. Raises LedgerCorruptError for a block that does not match."""
        self._tail += index.words_of(entry)
        self._size += 1
        if once := entry.once:
            self._once[key(*once)] = entry.seq
            if len(self._once) == TOGETHER:
                self._check_once()
        if self._size % SMALL == 0:
            self._small.append(packed(self._tail))
            self._tail = []
        if self._size % LARGE == 0:
            self._check_large()

    def check_end(self) -> None:
        """Compare what is not in a large block, and that nothing else is stored."""
        self._check_once()
        start = self._size // LARGE * LARGE
        for number, data in enumerate(self._small, start // SMALL):
            self._compare("SELECT words FROM small WHERE block = ?", number, data, start)
            stored = self._log.rows("SELECT digest FROM small WHERE block = ?", number)
            if bytes(stored[0][0]) != sha256(data).digest():
                raise mismatch(start, "what it is looked up by")
        tail = [word for (word,) in self._log.stream("SELECT word FROM tail ORDER BY word")]
        self._differing(sorted(self._tail), tail, start)
        counts = {
            "small": len(self._small),
            "large": len(self._large),
            "pages": len(self._large) * PAGES,
            "once": self._published,
        }
        for table, count in counts.items():
            if [(count,)] != list(self._log.stream(f"SELECT count(*) FROM {table}")):
                raise mismatch(start, "what it is looked up by")
        head = self._log.checkpoint()
        small = [sha256(data).digest() for data in self._small]
        if self._log.index_root(head) != index.root(head.root, self._large, small):
            raise mismatch(start, "the index that was signed")

    def _check_large(self) -> None:
        block = self._size // LARGE - 1
        pages = paged(word for data in self._small for word in index.unpacked(data))
        for number, data in enumerate(pages):
            place = place_of(number, block)
            self._compare("SELECT words FROM pages WHERE place = ?", place, data, block * LARGE)
        sums = b"".join(sha256(page).digest() for page in pages)
        query = f"SELECT digest, sums FROM large WHERE block = {block:d}"
        stored = [(bytes(digest), bytes(data)) for digest, data in self._log.stream(query)]
        if stored != [(sha256(sums).digest(), sums)]:
            raise mismatch(block * LARGE, "what it is looked up by")
        self._large.append(sha256(sums).digest())
        self._small = []

    def _compare(self, query: str, place: int, expected: bytes, start: int) -> None:
        rows = self._log.rows(query, place)
        stored = bytes(rows[0][0]) if rows else b""
        if stored != expected:
            self._differing(index.unpacked(expected), index.unpacked(stored), start)
            raise mismatch(start, "what it is looked up by")

    def _differing(self, expected: Words, stored: Words, start: int) -> None:
        """Raises LedgerCorruptError, naming the first entry, if the words differ."""
        if differing := {*expected} ^ {*stored}:
            raise mismatch(
                start + min(word & PLACE for word in differing), "what it is looked up by"
            )

    def _check_once(self) -> None:
        keys: Iterable[int] = list(self._once)
        marks = ", ".join("?" * len(self._once))
        query = f"SELECT key, seq FROM once WHERE key IN ({marks})"
        rows = self._log.rows(query, *keys) if self._once else []
        if differing := {*self._once.items()} - {*rows}:
            raise mismatch(min(seq for _, seq in differing), "that a clip is published once")
        self._published += len(self._once)
        self._once = {}


def mismatch(seq: int, what: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"entry {seq} does not match: {what}.",
        means="Nothing from this entry on can be trusted.",
        todo="Restore the ledger from its last good copy; do not append to this one.",
    )
