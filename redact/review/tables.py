"""The tables of the read index, and how a file of them is opened or made again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from redact.review.columns import COLUMNS

LAYOUT = "2"
"""Of the tables below; another one means: make it again."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE words (code INTEGER PRIMARY KEY, list TEXT, word TEXT, UNIQUE (list, word));
CREATE TABLE clips (
    key INTEGER PRIMARY KEY, rec TEXT UNIQUE, seq INTEGER, output TEXT, sum TEXT, file INTEGER,
    {columns}
);
CREATE INDEX by_output ON clips (output) WHERE output IS NOT NULL;
CREATE INDEX by_file ON clips (file) WHERE file IS NOT NULL;
CREATE TABLE others (seq INTEGER PRIMARY KEY, kind TEXT, about TEXT, value TEXT);
CREATE INDEX by_about ON others (kind, about, seq);
-- Files and addresses are the first bits of their keyed hashes (reports.later.short).
CREATE TABLE came (url INTEGER, file INTEGER, PRIMARY KEY (url, file)) WITHOUT ROWID;
CREATE TABLE closed (key INTEGER PRIMARY KEY, seq INTEGER);
"""


def open_index(path: Path | None, log: str) -> sqlite3.Connection:
    """The database of this log's index; what is there of another log or layout is dropped."""
    mark = f"{LAYOUT} {log}"
    if path is not None and path.exists() and _mark(path) != mark:
        path.unlink()
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # it can be made again
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
        columns = ", ".join(f"{name} INTEGER" for name in COLUMNS)
        db.executescript(f"BEGIN; {TABLES.format(columns=columns)}")
        db.execute("INSERT INTO meta VALUES ('mark', ?)", (mark,))
        db.execute("COMMIT")
    return db


def _mark(path: Path) -> str:
    """What an index says that it is of; nothing if it can't be read."""
    try:
        with closing(sqlite3.connect(path)) as db:
            return str(db.execute("SELECT value FROM meta WHERE name = 'mark'").fetchone()[0])
    except (sqlite3.Error, TypeError):
        return ""
