"""
Where entries are found by what they say: sorted words in blocks, which the log's key signs.

An entry has a few keys, each 63 bits of the hash of a thing that it says: its record, its file,
an entry that it is about. A word is the upper 47 bits of a key with the entry's place in its large
block (16 bits). Entries are put into small blocks of 256, and 256 of those into a large one, cut by
the words' upper 11 bits into pages. So a look-up reads one page of each large block and the small
ones since, and an append writes at the ends of tables, not all over them, as a tree of keys would.

Words only lead to entries, which are then asked what they say: equal words do no harm.

With each checkpoint the log's key signs a note, `ORIGIN/index`, over the digests of all blocks. Who
believes the blocks for that alone, and reads the entries after the last block, can't be kept from
an entry by whoever has the database without the key.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import Database, Row
from redact.ledger.entry import Entry

SMALL, LARGE = 256, 65_536
"""Entries in a small block; in a large one (SMALL * a whole number, 65,536 at most)."""

PLACE_BITS, PAGES, PAGE_SHIFT = 16, 2048, 52
PLACE = (1 << PLACE_BITS) - 1

_SMALL_BLOCKS = "SELECT digest, words FROM small"

Words = Sequence[int]


def key(name: str, value: str | int) -> int:
    """What an entry that says `value` of `name` is looked up by: 63 bits."""
    return int.from_bytes(sha256(f"{name} {value}".encode()).digest()[:8]) >> 1


def words_of(entry: Entry) -> list[int]:
    """The words of an entry, in no order, each once."""
    place = entry.seq % LARGE
    return list({key(*said) & ~PLACE | place for said in entry.said})


def packed(words: Iterable[int]) -> bytes:
    """A block, or a page of one, as it is kept: sorted, 8 bytes each, little-endian."""
    ordered = sorted(words)
    return struct.pack(f"<{len(ordered)}Q", *ordered)


def unpacked(data: bytes) -> Words:
    """The words of a block; of bytes of a wrong length, as many as there are."""
    return struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])


def paged(words: Iterable[int]) -> list[bytes]:
    """A large block's pages, packed."""
    pages: list[list[int]] = [[] for _ in range(PAGES)]
    for word in words:
        pages[word >> PAGE_SHIFT].append(word)
    return [packed(page) for page in pages]


def place_of(page: int, block: int) -> int:
    """The number of a page of a large block in the database: those of one page are neighbours."""
    return page << 32 | block


def extend(db: Database, entries: Sequence[Entry]) -> list[int]:
    """
    Add the entries that follow those of the index, inside a transaction; return the new tail.

    Raises ValueError for a block that is not what its digest says.
    """
    waiting = tail_of(db)
    written = len(waiting)
    for entry in entries:
        waiting += words_of(entry)
        if (entry.seq + 1) % SMALL == 0:
            _close(db, entry.seq // SMALL, waiting)
            waiting, written = [], -1
    if written < 0:
        db.rows("DELETE FROM tail")
    db.insert("tail", [(word,) for word in waiting[max(written, 0) :]])
    return waiting


def tail_of(db: Database) -> list[int]:
    """The words that wait for their block to be full, in no order."""
    return [word for (word,) in db.rows("SELECT word FROM tail")]


def _close(db: Database, block: int, words: Words) -> None:
    data = packed(words)
    db.insert("small", [(block, sha256(data).digest(), data)])
    if (block + 1) % (LARGE // SMALL) == 0:
        _merge(db, (block + 1) * SMALL // LARGE - 1)


def _merge(db: Database, block: int) -> None:
    """The small blocks become one large block."""
    rows = [(bytes(digest), bytes(data)) for digest, data in db.rows(_SMALL_BLOCKS)]
    if any(sha256(data).digest() != digest for digest, data in rows):
        raise ValueError("one of its blocks is not the one that was signed")
    pages = paged(word for _, data in rows for word in unpacked(data))
    sums = b"".join(sha256(page).digest() for page in pages)
    db.insert("large", [(block, sha256(sums).digest(), sums)])
    db.insert("pages", [(place_of(number, block), page) for number, page in enumerate(pages)])
    db.rows("DELETE FROM small")


def root(tree: bytes, large: Iterable[bytes], small: Iterable[bytes]) -> bytes:
    """
    What the log's key signs of an index: the hash over the tree's root and its blocks' digests.

    With the tree's root, so that it belongs to one history: a log that was put back from a copy
    and appended to again has another of the same size.
    """
    return sha256(b"".join([tree, *large, *small])).digest()


def root_of(db: Database, tree: bytes) -> bytes:
    return root(tree, *_digests(db.rows))


def _digests(rows: Callable[[str], list[Row]]) -> tuple[list[bytes], list[bytes]]:
    queries = (f"SELECT digest FROM {table} ORDER BY block" for table in ("large", "small"))
    large, small = ([bytes(digest) for (digest,) in rows(query)] for query in queries)
    return large, small


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the key signed of an index, at one size of its log."""

    size: int
    large: list[bytes]  # the digest of each large block
    small: list[bytes]
    tail: Words  # of the entries after the last block, which were read and found in the tree


class Index:
    """The look-ups of one log, for use inside a snapshot of its database."""

    def __init__(self, rows: Callable[..., list[Row]]) -> None:
        self._rows = rows
        self._small: dict[int, tuple[bytes, Words]] = {}  # by block: its digest, its words
        self._sums: dict[bytes, bytes] = {}  # by a large block's digest: those of its pages

    def sealed(self, head: Checkpoint, signed: bytes, tail: Words) -> Sealed:
        """
        The digests of all blocks, if their hash at this head is `signed` and none is missing.

        Raises ValueError else.
        """
        large, small = _digests(self._rows)
        size = head.size
        right = len(large) == size // LARGE and len(small) == size % LARGE // SMALL
        if not right or root(head.root, large, small) != signed:
            raise ValueError("its blocks are not those that were signed")
        return Sealed(size, large, small, tail)

    def find(self, wanted: int, size: int, sealed: Sealed | None = None) -> list[int]:
        """
        The numbers of the entries that may have this key, in order, of a log of `size` entries.

        With `sealed`, every block that is read is compared with it, and the tail is taken from it:
        no entry is missing. Raises ValueError for a block that is another or is gone.
        """
        last = size // LARGE * LARGE
        found = [
            seq
            for block, words in self._pages(wanted >> PAGE_SHIFT, sealed)
            for seq in _matching(words, wanted, block * LARGE)
        ]
        for words in self._small_blocks(sealed):
            found += _matching(words, wanted, last)
        return sorted([*found, *_matching(self._tail(wanted, sealed), wanted, last)])

    def _pages(self, page: int, sealed: Sealed | None) -> Iterator[tuple[int, Words]]:
        query = "SELECT place, words FROM pages WHERE place >= ? AND place < ? ORDER BY place"
        rows = self._rows(query, place_of(page, 0), place_of(page + 1, 0))
        if sealed is not None and len(rows) != len(sealed.large):
            raise ValueError("a page of its blocks is gone")
        for number, (place, column) in enumerate(rows):
            data, block = bytes(column), place - place_of(page, 0)
            if sealed is not None and (
                block != number or self._sum(block, page, sealed) != sha256(data).digest()
            ):
                raise ValueError(f"block {block} is not the one that was signed")
            yield block, unpacked(data)

    def _sum(self, block: int, page: int, sealed: Sealed) -> bytes:
        """The digest of a page, as its block's digest has it."""
        digest = sealed.large[block]
        if digest not in self._sums:
            rows = self._rows("SELECT sums FROM large WHERE block = ?", block)
            if not rows or sha256(bytes(rows[0][0])).digest() != digest:
                raise ValueError(f"block {block} is not the one that was signed")
            self._sums[digest] = bytes(rows[0][0])
        return self._sums[digest][32 * page : 32 * page + 32]

    def _small_blocks(self, sealed: Sealed | None) -> Iterator[Words]:
        known = {
            block: bytes(digest) for block, digest in self._rows("SELECT block, digest FROM small")
        }
        kept = {block: it for block, it in self._small.items() if it[0] == known.get(block)}
        for block in known.keys() - kept.keys():
            data = bytes(self._rows("SELECT words FROM small WHERE block = ?", block)[0][0])
            kept[block] = sha256(data).digest(), unpacked(data)
        self._small = kept
        if sealed is not None and [kept[block][0] for block in sorted(kept)] != sealed.small:
            raise ValueError("its last blocks are not those that were signed")
        yield from (words for _, words in kept.values())

    def _tail(self, wanted: int, sealed: Sealed | None) -> Words:
        if sealed is not None:
            return sealed.tail
        query = "SELECT word FROM tail WHERE word >= ? AND word <= ? ORDER BY word"
        return [word for (word,) in self._rows(query, wanted & ~PLACE, wanted | PLACE)]


def _matching(words: Words, wanted: int, start: int) -> Iterator[int]:
    """The numbers of the entries with this key in sorted words of a block that begins at start."""
    place = bisect_left(words, wanted & ~PLACE)
    while place < len(words) and words[place] >> PLACE_BITS == wanted >> PLACE_BITS:
        yield start + (words[place] & PLACE)
        place += 1
