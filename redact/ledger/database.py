"""The SQLite file of a log: its tables, how it is opened, and how a change becomes durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, kind TEXT NOT NULL, rec TEXT,
    idem TEXT, output TEXT, replaces INTEGER, file TEXT, url TEXT
);
CREATE INDEX by_kind ON entries (kind);
CREATE INDEX by_rec ON entries (rec);
CREATE INDEX by_idem ON entries (idem);
CREATE INDEX by_output ON entries (output);
CREATE INDEX by_file ON entries (file) WHERE file IS NOT NULL;
CREATE INDEX by_url ON entries (url) WHERE url IS NOT NULL;
-- Exactly once: one publication for each piece of work, and one that replaces it if it is lost.
CREATE UNIQUE INDEX once ON entries (idem) WHERE kind = 'published' AND replaces IS NULL;
CREATE UNIQUE INDEX replaced_once ON entries (replaces) WHERE replaces IS NOT NULL;
-- Which later entries are about an entry: withdrawals, verdicts, who was given it.
CREATE TABLE refers (entry INTEGER, seq INTEGER, PRIMARY KEY (entry, seq)) WITHOUT ROWID;
CREATE TABLE nodes (
    level INTEGER, place INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, place)
) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    # Text that a damaged file makes of anything must reach `verify`, which compares it.
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # NORMAL may lose an acknowledged commit
    return db


def commit(db: sqlite3.Connection) -> None:
    """The moment from which an append has happened."""
    db.execute("COMMIT")


def fill(db: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    """Make the tables of a new log and put in what is known of it, in one transaction."""
    db.executescript(f"BEGIN IMMEDIATE; {TABLES}")
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    commit(db)
