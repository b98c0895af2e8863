"""Keeps the read index right about sources: what a late manifest says, and what is closed."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from redact.reports.later import closes, file_of, url_of
from redact.review.columns import STATES

PUBLISHED, WITHDRAWN = STATES.index("published"), STATES.index("withdrawn")
SIBLING = "SELECT domain, licence FROM clips WHERE file = ? AND rec <> ? LIMIT 1"
EARLIER = "SELECT value FROM others WHERE kind = 'source' AND about = ? ORDER BY seq DESC"
RESTATE = (
    "UPDATE clips SET domain = ?, licence = ? "
    "WHERE file = ? AND (domain, licence) <> (?, ?) RETURNING key"
)
CLOSE = (
    f"UPDATE clips SET state = {WITHDRAWN}, gone = min(gone, ?) "
    f"WHERE file = ? AND state = {PUBLISHED} RETURNING key"
)


def words_of(value: dict[str, Any]) -> dict[str, str]:
    """What an entry says of a source, as the index lists it."""
    return {
        "domain": value.get("src", {}).get("domain", ""),
        "licence": value.get("rights", {}).get("licence_media", ""),
    }


def said_before(db: sqlite3.Connection, value: dict[str, Any]) -> tuple[int, int] | str | None:
    """
    For a clip that says nothing of its source: what was said of its file before, if anything.

    Another clip's codes of domain and licence, else the last `source` entry, as JSON.
    """
    hmac = value.get("in", {}).get("file_hmac")
    if hmac is None:
        return None
    found = db.execute(SIBLING, (file_of(value), value["rec"])).fetchone()
    if found:
        return int(found[0]), int(found[1])
    said = (row[0] for row in db.execute(EARLIER, (hmac,)))
    return next((one for one in said if "rights" in json.loads(one)), None)


def restate(db: sqlite3.Connection, value: dict[str, Any], said: tuple[int, int]) -> list[int]:
    """Give all clips of an entry's file these codes; the keys of those that change."""
    return _keys(db, RESTATE, (*said, file_of(value), *said))


def close(db: sqlite3.Connection, value: dict[str, Any]) -> list[int]:
    """Withdraw the clips whose source this entry closes, or finds closed; their keys."""
    file, url, seq = file_of(value), url_of(value), value["seq"]
    if file is not None and url is not None:
        db.execute("INSERT OR IGNORE INTO came VALUES (?, ?)", (url, file))
    shut = closes(value)
    if not shut and not _is_closed(db, file, url):
        return []
    files = {file} if file is not None else set()
    for key in shut:
        db.execute("INSERT OR IGNORE INTO closed VALUES (?, ?)", (key, seq))
        came = db.execute("SELECT file FROM came WHERE url = ?", (key,))
        files |= {key, *(row[0] for row in came)}
    for one in files:  # from here on, whatever address it is said to come from
        db.execute("INSERT OR IGNORE INTO closed VALUES (?, ?)", (one, seq))
    return [key for one in sorted(files) for key in _keys(db, CLOSE, (seq, one))]


def _is_closed(db: sqlite3.Connection, file: int | None, url: int | None) -> bool:
    found = db.execute("SELECT 1 FROM closed WHERE key = ? OR key = ?", (file, url))
    return found.fetchone() is not None


def _keys(db: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> list[int]:
    return [int(key) for (key,) in db.execute(query, values).fetchall()]
