"""The store that the page shows: open for decisions where it is sound, else for reading."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import platformdirs

from redact.errors import LedgerCorruptError, RedactError
from redact.ledger import merkle
from redact.ledger import verify as whole
from redact.ledger.begin import CHECKPOINT, DATABASE
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import SCHEMA
from redact.ledger.log import Log
from redact.reports.subject import entries
from redact.review.index import Index
from redact.store import Store


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be decided here now: shown at the top of every page."""

    what: str
    means: str
    todo: str

    @classmethod
    def of(cls, error: RedactError) -> Trouble:
        return cls(error.what, "The page is read-only: nothing can be decided here.", error.todo)


class Opened:
    """A store and its read index. Close it, or use `with`."""

    def __init__(self, root: Path, keys: Path | None = None, index: Path | None = None) -> None:
        """
        Opens what can be opened; never makes a store, and never raises for a broken one.

        `index` is the folder of read indexes; without one, the user's cache.
        """
        self.root = root
        self.store, self.log, self.trouble = _open(root, keys)
        self.checked_at_start: str | None = None
        """How the check of the whole log that runs beside the page's start came out."""
        self.samples: dict[str, list[str]] = {}
        """The samples of lots, by the lot's number: drawing one again takes seconds."""
        self._feeding = threading.Lock()
        folder = index or platformdirs.user_cache_path("redact") / "review"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = sha256(self.identity.encode()).hexdigest()[:16]
        path = folder / f"{name}.sqlite" if self.log else None
        self.index = Index(path, self.identity)
        if self.log and self.index.next > len(self.log):  # the log was rolled back, or another's
            self.index.close()
            (folder / f"{name}.sqlite").unlink()
            self.index = Index(path, self.identity)

    @property
    def identity(self) -> str:
        """Names the log and its key."""
        return self.log.vkey if self.log else f"unreadable {self.root}"

    @property
    def writable(self) -> bool:
        return self.store is not None and self.trouble is None

    def close(self) -> None:
        self.index.close()
        if self.store:
            self.store.close()
        elif self.log:
            self.log.close()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> None:
        """
        Take in what the log has gained, a few thousand entries at most.

        What can't be taken in makes the page read-only.
        """
        with self._feeding:
            self._feed()

    def prepare(self) -> None:
        """Take in the whole log, then verify it; beside the page, which shows what is there."""
        while self.behind and self.trouble is None:
            self.refresh()
        self.check()

    @property
    def behind(self) -> int:
        """How many entries of the log are not taken in yet."""
        try:
            return max(len(self.log) - self.index.next, 0) if self.log else 0
        except RedactError as error:
            self.trouble = self.trouble or Trouble.of(error)
            return 0

    def _feed(self) -> None:
        try:
            next(self.index.feed(self._raw(self.index.next)))
        except RedactError as error:
            self.trouble = self.trouble or Trouble.of(error)
        except (ValueError, KeyError, TypeError, zlib.error, sqlite3.Error) as error:
            self.trouble = self.trouble or Trouble(
                f"An entry after number {self.index.next} can't be read ({type(error).__name__}).",
                "The page shows what comes before it, and is read-only.",
                "Run redact ledger verify; restore the ledger from its last good copy.",
            )

    def _raw(self, start: int) -> Iterator[tuple[int, bytes]]:
        for seq, data in entries(self.log, start) if self.log else _salvaged(self.root, start):
            if f'"{SCHEMA}"'.encode() not in data:
                schema = json.loads(data)["schema"]
                self.trouble = self.trouble or Trouble(
                    f"Entry {seq} is of another version of redact ({str(schema)[:40]}).",
                    "The page shows what comes before it, and is read-only.",
                    "Open this store with the version of redact that wrote it, or a newer one.",
                )
                return
            yield seq, data

    def checkpoint(self, size: int) -> Checkpoint:
        """The checkpoint that the log had with its first `size` entries. Raises RedactError."""
        if self.log is None:
            raise LedgerCorruptError("the ledger can't be read.", means="Nothing was changed.")
        return Checkpoint(self.log.origin, size, merkle.root(size, self.log.node))

    @property
    def size(self) -> int:
        """How many entries the page shows."""
        return self.index.next

    def entry(self, seq: int) -> dict[str, Any]:
        """What entry `seq` says."""
        return self._values(f" AND seq = {seq:d}")[0]

    def history(self, rec: str) -> list[dict[str, Any]]:
        """All entries about one record, oldest first, as far as they were taken in."""
        if not re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", rec):
            return []
        if self.log is not None:
            return [one.value for one in self.log.by_rec(rec) if one.seq < self.size]
        values = (json.loads(data) for _, data in _salvaged(self.root, 0))
        return [one for one in values if one.get("rec") == rec and one["seq"] < self.size]

    def _values(self, where: str) -> list[dict[str, Any]]:
        found = entries(self.log, 0, where) if self.log else _salvaged(self.root, 0, where)
        return [json.loads(data) for _, data in found]

    def check(self) -> None:
        """Verify the whole log; if it does not match, the page is read-only from here on."""
        if self.log is None:
            return
        self.checked_at_start = "running"
        try:
            with closing(Log(self.root / "ledger")) as log:
                self.checked_at_start = f"whole: {whole.verify(log)} entries"
        except RedactError as error:
            self.trouble, self.checked_at_start = Trouble.of(error), "broken"


def _open(root: Path, keys: Path | None) -> tuple[Store | None, Log | None, Trouble | None]:
    """The store if it is sound; else its log, if that opens, and what the trouble is."""
    ledger = root / "ledger"
    if not (ledger / CHECKPOINT).is_file():
        half = (ledger / DATABASE).exists()
        trouble = Trouble(
            f"The store {root} is half made." if half else f"There is no store in {root}.",
            "There is nothing to decide, and nothing was made or changed.",
            "Say where the store is (--store), or make one: redact run INPUT --store DIR.",
        )
        return None, None, trouble
    try:
        store = Store(root, keys)
    except RedactError as error:
        try:
            return None, Log(ledger), Trouble.of(error)
        except RedactError:  # then the raw entries are shown, with the first trouble on top
            return None, None, Trouble.of(error)
    return store, store.log, None


def _salvaged(root: Path, start: int, where: str = "") -> Iterator[tuple[int, bytes]]:
    """What can still be read of a log that does not open, as `entries` gives it."""
    path = root / "ledger" / DATABASE
    if path.is_file():
        query = f"SELECT seq, bytes FROM entries WHERE seq >= {start:d}{where} ORDER BY seq"
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            for seq, column in db.execute(query):
                yield seq, zlib.decompressobj().decompress(column)
