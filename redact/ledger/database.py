"""
The databases that can hold a log, each with the same few calls: SQLite in a file, or PostgreSQL.

Statements are written once, in the SQL that both understand, with "?" for a value.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger.files import locked

LAYOUT = "3"
"""Of the tables below. A log of another layout is not opened."""

Row = tuple[Any, ...]

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE entries (seq {number} PRIMARY KEY, bytes {bytes} NOT NULL, kind TEXT NOT NULL);
CREATE INDEX by_kind ON entries (kind, seq);
-- Exactly once: one publication for each piece of work, and one that replaces it if it is lost.
CREATE TABLE once (key {number} PRIMARY KEY, seq {number} NOT NULL);
CREATE TABLE nodes (
    level INTEGER, place {number}, hash {bytes} NOT NULL, PRIMARY KEY (level, place)
) {packed};
-- The last checkpoint of each signing key that was replaced, by the seq of its key entry.
CREATE TABLE handovers (seq {number} PRIMARY KEY, note TEXT NOT NULL);
-- What entries are looked up by: see redact.ledger.index.
CREATE TABLE tail (word {number} PRIMARY KEY);
CREATE TABLE small (block {number} PRIMARY KEY, digest {bytes} NOT NULL, words {bytes} NOT NULL);
CREATE TABLE large (block {number} PRIMARY KEY, digest {bytes} NOT NULL, sums {bytes} NOT NULL);
CREATE TABLE pages (place {number} PRIMARY KEY, words {bytes} NOT NULL);
"""


class Database(Protocol):
    """One connection to a log's database. Not for several threads at once."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query; also for statements without rows."""

    def stream(self, query: str) -> Iterator[list[Row]]:
        """The rows of a query, some at a time, inside `begin_reading`; several at once."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows. A row that is there already raises TakenError."""

    def begin_reading(self) -> None:
        """What is read from here to the `rollback` is one state of the log."""

    def begin_writing(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None:
        """Also when the transaction has ended by itself."""

    @property
    def reading(self) -> bool:
        """Whether a transaction is open."""

    def alone(self) -> AbstractContextManager[None]:
        """
        Without any other writer of this log, on whatever machine.

        Raises StoreError, with who holds it, when the others take too long.
        """

    def everywhere(self) -> AbstractContextManager[None]:
        """Without any writer on another machine; those on this one have locks of their own."""

    def problems(self) -> list[str]:
        """What the database itself finds wrong with its file."""

    def fill(self, meta: Mapping[str, str]) -> None:
        """Make the tables of a new log and put in what is known of it, in one transaction."""

    def is_filled(self) -> bool: ...
    def close(self) -> None: ...


def packed(entry: bytes) -> bytes:
    """An entry as its column keeps it: zlib, a third of the size, and a check sum of that."""
    data = zlib.compress(entry, 1)
    return data + zlib.crc32(data).to_bytes(4, "big")


def unpacked(column: object) -> bytes:
    """
    The entry of a column. Raises LedgerCorruptError for one with any bit changed.

    The check sum is for bits that mean nothing to zlib; what they mean is the tree's to prove.
    """
    try:
        data = bytes(column)  # type: ignore[call-overload]
        stream, check = zlib.decompressobj(), zlib.crc32(data[:-4]).to_bytes(4, "big")
        entry = stream.decompress(data[:-4])
    except (zlib.error, TypeError, ValueError) as error:
        raise _damaged() from error
    if check != data[-4:] or not stream.eof or stream.unused_data:
        raise _damaged()
    return entry


def _damaged() -> LedgerCorruptError:
    return LedgerCorruptError(
        "the ledger's database holds bytes that are no entry.",
        means="Nothing that it says can be trusted.",
        todo="Restore the ledger from its last good copy.",
    )


class TakenError(Exception):
    """A row that may be there once is there already."""


def commit(database: Database) -> None:
    """The moment from which an append has happened."""
    database.commit()


class Sqlite:
    """A file beside the checkpoint, for writers on one machine."""

    def __init__(self, path: Path) -> None:
        self._lock = path.with_name("lock")
        self._db = sqlite3.connect(
            path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        # Text that a damaged file makes of anything must reach `verify`, which compares it.
        self._db.text_factory = lambda text: text.decode("utf-8", "replace")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # NORMAL may lose an acknowledged commit
        self._db.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: each copies pages of `once`
        self._db.execute("PRAGMA cache_size = -65536")  # 64 MB: `once` grows anywhere

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(query, values).fetchall()

    def stream(self, query: str) -> Iterator[list[Row]]:
        cursor = self._db.execute(query)
        while batch := cursor.fetchmany(500):
            yield batch

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        try:
            self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        except sqlite3.IntegrityError as error:
            raise TakenError from error

    def begin_reading(self) -> None:
        self._db.execute("BEGIN")

    def begin_writing(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @property
    def reading(self) -> bool:
        return self._db.in_transaction

    def alone(self) -> AbstractContextManager[None]:
        return locked(self._lock)

    def everywhere(self) -> AbstractContextManager[None]:
        return nullcontext()

    def problems(self) -> list[str]:
        return [text for (text,) in self.rows("PRAGMA integrity_check") if text != "ok"]

    def fill(self, meta: Mapping[str, str]) -> None:
        types = {"number": "INTEGER", "bytes": "BLOB", "packed": "WITHOUT ROWID"}
        self._db.executescript(f"BEGIN IMMEDIATE; {TABLES.format(**types)}")
        self.insert("meta", [*meta.items()])
        commit(self)

    def is_filled(self) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'meta'"))

    def close(self) -> None:
        self._db.close()


def open_at(location: str, folder: Path) -> Database:
    """
    The database of a log whose checkpoint lies in `folder`.

    `location` is "log.sqlite", or a URL of one of SCHEMES.
    """
    if location == "log.sqlite":
        return Sqlite(folder / location)
    scheme = location.partition("://")[0]
    if scheme not in SCHEMES:
        raise StoreError("the ledger's address is none that redact knows.", todo=_known())
    return _postgres(location)


def _postgres(url: str) -> Database:
    from redact.ledger.postgres import Postgres  # only who uses it needs its client library

    return Postgres(url)


SCHEMES: Iterable[str] = ("postgresql", "postgres")


def _known() -> str:
    return "Give it as postgresql://USER@HOST/DATABASE, or leave it out for SQLite."
