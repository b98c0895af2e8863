"""
The read index: one row for each clip, made from the log's entries and never believed over them.

It lies in the user's cache, holds nothing that the public entries do not say, and is made again
whenever it does not continue into the log that is there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from redact.reports.later import file_of
from redact.review import origins
from redact.review.columns import COLUMNS, NEVER, NONE, STATES, Columns
from redact.review.tables import open_index
from redact.review.words import KINDS, METHODS

BATCH = 2000
REVIEWS = (
    "not_yet",
    "face_seen",
    "plate_seen",
    "name_heard",
    "broken",
    "too_much_removed",
    "clean",
)
"""What a reviewer can say of a clip, the gravest first; of several answers the first counts."""
KIND_BITS = {kind: 1 << place for place, kind in enumerate(KINDS)}
METHOD_BITS = {method: 1 << place for place, method in enumerate(METHODS)}
SHOWN = ("rec", "seq", "output", "sum", *COLUMNS)
LISTS = ("policy", "models", "media", "domain", "licence", "reason")
"""The columns that hold codes of words."""


class Index:
    """Fed from the log, in order. One thread feeds; any number read."""

    def __init__(self, path: Path | None, log: str) -> None:
        """`log` names the log and its key; an index of another log at `path` is made again."""
        self._mutex = threading.RLock()
        self._db = open_index(path, log)
        self.columns = Columns()
        self._codes: dict[tuple[str, str], int] = {}
        self._words: dict[int, str] = {0: ""}
        for code, name, word in self._db.execute("SELECT code, list, word FROM words"):
            self._remember(code, name, word)
        rows = self._db.execute(f"SELECT key, {', '.join(COLUMNS)} FROM clips")
        while batch := rows.fetchmany(50_000):
            self.columns.put(_numbers(batch))
        self.next = int(self._get("next") or 0)

    def close(self) -> None:
        self._db.close()

    def feed(self, rows: Iterable[tuple[int, bytes]]) -> Iterator[int]:
        """Take in entries, (seq, bytes) from `next` on; yields how many after each batch."""
        batch: list[dict[str, Any]] = []
        try:
            for seq, data in rows:
                if seq != self.next + len(batch):
                    raise ValueError(f"entry {self.next + len(batch)} is missing")
                batch.append(json.loads(bytes(data)))
                if len(batch) == BATCH:
                    self._take(batch)
                    batch = []
                    yield self.next
        finally:
            self._take(batch)  # what comes before an entry that can't be read is shown
        yield self.next

    def _take(self, batch: list[dict[str, Any]]) -> None:
        with self._mutex:
            self._db.execute("BEGIN")
            try:
                changed = {key for value in batch for key in self._one(value)}
                self._set("next", str(self.next + len(batch)))
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self.next += len(batch)
            self.columns.put(
                _numbers(self._rows("key", sorted(changed), f"key, {', '.join(COLUMNS)}"))
            )

    def _one(self, value: dict[str, Any]) -> Iterator[int]:
        """Take in one entry; yields the keys of the clips that it says something of."""
        if value["kind"] in ("published", "held"):
            yield self._put_clip(value)
        else:
            yield from self._put_other(value)
        if "rights" in value:
            yield from origins.restate(self._db, value, self._origin(value))
        yield from origins.close(self._db, value)

    def _put_other(self, value: dict[str, Any]) -> Iterator[int]:
        if value["kind"] == "withdrawn":
            row = (value["seq"], STATES.index("withdrawn"), value["rec"])
            yield from self._change("gone = min(gone, ?), state = ?", *row)
        elif value["kind"] == "verdict" and "rec" in value:
            answer = min(REVIEWS.index(answer) for answer in value["answers"])
            yield from self._change("review = ?", answer, value["rec"])
        names = ("lot", "case", "rec", "file_hmac")
        about = next((value[name] for name in names if name in value), "")
        other = (value["seq"], value["kind"], about, json.dumps(value))
        self._db.execute("INSERT INTO others VALUES (?, ?, ?, ?)", other)

    def _change(self, what: str, *values: Any) -> list[int]:
        query = f"UPDATE clips SET {what} WHERE rec = ? RETURNING key"
        return [int(key) for (key,) in self._db.execute(query, values).fetchall()]

    def _origin(self, value: dict[str, Any]) -> tuple[int, int]:
        """The codes of domain and licence that an entry gives, or that were given before it."""
        if "rights" not in value and value["kind"] in ("published", "held"):
            said = origins.said_before(self._db, value)
            if isinstance(said, tuple):
                return said
            value = json.loads(said) if said else value
        words = origins.words_of(value)
        return self._code("domain", words["domain"]), self._code("licence", words["licence"])

    def _put_clip(self, value: dict[str, Any]) -> int:
        row = {
            "rec": value["rec"],
            "seq": value["seq"],
            "output": value["out"]["sha256"] if "out" in value else None,
            "sum": json.dumps(value.get("sum", [])),
            "file": file_of(value),
            **self._columns_of(value),
        }
        marks = ", ".join("?" * len(row))
        changed = [name for name in row if name not in ("rec", "first", "gone", "review")]
        update = ", ".join(f"{name} = excluded.{name}" for name in changed)
        update += ", first = min(first, excluded.first)"
        cursor = self._db.execute(
            f"INSERT INTO clips (key, {', '.join(row)}) "
            f"VALUES ((SELECT coalesce(max(key) + 1, 0) FROM clips), {marks}) "
            f"ON CONFLICT (rec) DO UPDATE SET {update} RETURNING key",
            tuple(row.values()),
        )
        return int(cursor.fetchone()[0])

    def _columns_of(self, value: dict[str, Any]) -> dict[str, int]:
        lines, out = value.get("sum", []), value.get("out", {})
        counts = {"face": 0, "plate": 0, "spoken_name": 0, "": 0}
        for line in lines:
            heard = line["k"] == "speech" or line["k"].startswith("spoken_")
            kind = "spoken_name" if heard else line["k"]
            counts[kind if kind in counts else ""] += line["count"]
        policy, (domain, licence) = value["pol"], self._origin(value)
        return {
            "t": value["t_utc_us"],
            "dur_us": out.get("dur_us", 0),
            "bytes": out.get("bytes", 0),
            "policy": self._code("policy", f"{policy['id']} {policy['sha256'][:12]}"),
            "models": self._code("models", _models(value)),
            "media": self._code("media", out.get("media", "")),
            "domain": domain,
            "licence": licence,
            "reason": self._code("reason", value.get("reason", "")),
            "score": min((line.get("score_ppm_min", NONE) for line in lines), default=NONE),
            "kinds": sum({KIND_BITS.get(line["k"], 0) for line in lines}),
            "methods": sum({METHOD_BITS.get(line["method"], 0) for line in lines}),
            "state": STATES.index(value["kind"]),
            "first": value["seq"] if value["kind"] == "published" else NEVER,
            "gone": NEVER,
            "review": 0,
            "faces": counts["face"],
            "plates": counts["plate"],
            "names": counts["spoken_name"],
            "others": counts[""],
        }

    def _code(self, name: str, word: str) -> int:
        """The number that stands for a word of a list; 0 for none."""
        if not word:
            return 0
        if (name, word) not in self._codes:
            cursor = self._db.execute("INSERT INTO words (list, word) VALUES (?, ?)", (name, word))
            self._remember(int(cursor.lastrowid or 0), name, word)
        return self._codes[name, word]

    def _remember(self, code: int, name: str, word: str) -> None:
        self._codes[name, word], self._words[code] = code, word

    def code(self, name: str, word: str) -> int:
        """The code of a word that a reader gave; -1, which no clip has, for one never met."""
        return self._codes.get((name, word), -1)

    def word(self, code: int) -> str:
        return self._words[code]

    def words(self, name: str) -> dict[int, str]:
        """Every word of a list, in order, by its code."""
        found = [(word, code) for (of, word), code in list(self._codes.items()) if of == name]
        return {code: word for word, code in sorted(found)}

    def clips(self, keys: list[int]) -> list[dict[str, Any]]:
        """The rows of these keys, in this order, with words for codes."""
        rows = {row[0]: row for row in self._rows("key", keys, ", ".join(("key", *SHOWN)))}
        return [self._shown(rows[key]) for key in keys if key in rows]

    def clip(self, column: str, value: str) -> dict[str, Any] | None:
        """The clip of this `rec` or `output` (sha256), if there is one."""
        rows = self._rows(column, [value], ", ".join(("key", *SHOWN)))
        return self._shown(rows[0]) if rows else None

    def _shown(self, row: tuple[Any, ...]) -> dict[str, Any]:
        value = dict(zip(("key", *SHOWN), row, strict=True))
        value |= {name: self._words[value[name]] for name in LISTS}
        value |= {"state": STATES[value["state"]], "review": REVIEWS[value["review"]]}
        value["score"] = None if value["score"] == NONE else value["score"]
        return value | {"sum": json.loads(value["sum"])}

    def others(
        self, kind: str, *, about: str | None = None, before: int | None = None, limit: int = 10_000
    ) -> list[dict[str, Any]]:
        """The entries of a kind that are no clips, newest first."""
        query = "SELECT value FROM others WHERE kind = ? AND seq < ?"
        values: list[Any] = [kind, before if before is not None else 1 << 62]
        if about is not None:
            query, values = f"{query} AND about = ?", [*values, about]
        with self._mutex:
            rows = self._db.execute(f"{query} ORDER BY seq DESC LIMIT {limit:d}", values).fetchall()
        return [json.loads(row[0]) for row in rows]

    def standing_at(self, size: int, stratum: str = "all") -> list[str]:
        """The records that stood published among the first `size` entries, in order of names."""
        columns = self.columns
        mask = (columns["first"] < size) & (columns["gone"] >= size)
        if stratum != "all":
            mask &= (columns["kinds"] != 0) == (stratum == "something_found")
        with self._mutex:
            rows = self._db.execute("SELECT key, rec FROM clips ORDER BY rec").fetchall()
        return [rec for key, rec in rows if key < len(mask) and mask[key]]

    def _rows(self, column: str, values: list[Any], what: str) -> list[tuple[Any, ...]]:
        """Rows of clips in which a column has one of these values."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(values), 500):
            part = values[start : start + 500]
            query = f"SELECT {what} FROM clips WHERE {column} IN ({', '.join('?' * len(part))})"
            with self._mutex:
                found += self._db.execute(query, part).fetchall()
        return found

    @property
    def root(self) -> str:
        """The log's root over all that was taken in, hex, as it was told; "" if it was not."""
        return self._get("root")

    @root.setter
    def root(self, value: str) -> None:
        with self._mutex:
            self._set("root", value)

    def _get(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _numbers(rows: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    return ((row[0], tuple(row[1:])) for row in rows)


def _models(value: dict[str, Any]) -> str:
    """The models of a clip as one word: "centerface@09189deaaf86 whisper@..."."""
    models = value["eng"].get("models", [])
    return " ".join(sorted({f"{model['name']}@{model['sha256'][:12]}" for model in models}))
