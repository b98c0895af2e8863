"""The store that the page shows: open for decisions where it is sound, else for reading."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import platformdirs

from redact.errors import LedgerCorruptError, RedactError, StoreError
from redact.ledger import merkle
from redact.ledger import verify as whole
from redact.ledger.begin import CHECKPOINT, DATABASE
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.consistency import seen_by
from redact.ledger.database import unpacked
from redact.ledger.entry import SCHEMA, Entry
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

    def __init__(
        self,
        root: Path,
        keys: Path | None = None,
        index: Path | None = None,
        witness: Path | None = None,
    ) -> None:
        """
        Opens what can be opened; never makes a store, and never raises for a broken one.

        `index` is the folder of read indexes; without one, the user's cache. `witness` is a file
        that remembers how the log stood, see `ledger.consistency.check_witness`.
        """
        self.root, self._keys, self.witness = root, keys, witness
        self.store, self.log, self._trouble = _open(root, keys)
        self.away: Trouble | None = None
        """Why the log can't be read just now; goes when it can be again."""
        self._before: list[Store] = []
        self.checked_at_start: str | None = None
        """How the check of the whole log that runs beside the page's start came out."""
        self.samples: dict[str, list[str]] = {}
        """The samples of lots, by the lot's number: drawing one again takes seconds."""
        self._feeding = threading.Lock()
        folder = index or platformdirs.user_cache_path("redact") / "review"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{sha256(self.identity.encode()).hexdigest()[:16]}.sqlite"
        self.index = Index(path if self.log is not None else None, self.identity)
        if not self._continues():  # the log was rolled back, or has another history
            self.index.close()
            path.unlink()
            self.index = Index(path, self.identity)

    @property
    def identity(self) -> str:
        """Names the log and its first key, which stays when it hands over to another."""
        return self.log.chain.first if self.log is not None else f"unreadable {self.root}"

    def _continues(self) -> bool:
        """Whether the log begins with all that the index was made from."""
        size = self.index.next
        if self.log is None or size == 0:
            return True
        try:
            return size <= len(self.log) and self.index.root == self._root(self.log, size)
        except RedactError as error:
            self.trouble = Trouble.of(error)
            return False

    @staticmethod
    def _root(log: Log, size: int) -> str:
        return merkle.root(size, log.node).hex()

    @property
    def trouble(self) -> Trouble | None:
        """Why nothing can be decided here now."""
        return self._trouble or self.away

    @trouble.setter
    def trouble(self, found: Trouble) -> None:
        """What was found stays until the page is started again."""
        self._trouble = self._trouble or found

    @property
    def writable(self) -> bool:
        return self.store is not None and self.trouble is None

    def close(self) -> None:
        self.index.close()
        for store in (*self._before, self.store):
            with suppress(RedactError):  # one whose server is away: the next writer tidies up
                if store is not None:
                    store.close()
        if self.log is not None and not self.store:
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
            try:
                before = self.index.next
                self._feed()
                self.away = None
                if self.index.next > before:
                    self._follow_key()
            except RedactError as error:
                self._reopen(error)

    def _follow_key(self) -> None:
        """Raises StoreError if the log was opened with a key that handed over to another since."""
        key = next(iter(self.index.others("key", limit=1)), None)
        if key and self.log is not None and key["new"] != self.log.vkey:
            raise StoreError("the ledger's signing key was replaced.")

    def _reopen(self, error: RedactError) -> None:
        """Once more: the log's key was replaced meanwhile, or its database was away."""
        store, _, trouble = _open(self.root, self._keys)
        if store is None or trouble or self.store is None:
            self.away = Trouble.of(error)
            return
        self._before.append(self.store)  # a request may be using it still
        self.store, self.log, self.away = store, store.log, None
        try:
            self._feed()
        except RedactError as still:
            self.trouble = Trouble.of(still)

    def prepare(self) -> None:
        """Take in the whole log, then verify it; beside the page, which shows what is there."""
        while self.behind and self.trouble is None:
            self.refresh()
        self.check()

    @property
    def behind(self) -> int:
        """How many entries of the log are not taken in yet."""
        try:
            return max(len(self.log) - self.index.next, 0) if self.log is not None else 0
        except RedactError as error:
            self.away = Trouble.of(error)
            return 0

    def _feed(self) -> None:
        """Raises RedactError where the log can't be read; an entry that can't be is said."""
        before = self.index.next
        try:
            next(self.index.feed(self._raw(before)))
            if self.log is not None and self.index.next > before:
                self.index.root = self._root(self.log, self.index.next)
        except (ValueError, KeyError, TypeError, LedgerCorruptError, sqlite3.Error) as error:
            self.trouble = Trouble(
                f"An entry after number {self.index.next} can't be read ({type(error).__name__}).",
                "The page shows what comes before it, and is read-only.",
                "Run redact ledger verify; restore the ledger from its last good copy.",
            )

    def _raw(self, start: int) -> Iterator[tuple[int, bytes]]:
        for seq, data in (
            entries(self.log, start) if self.log is not None else _salvaged(self.root, start)
        ):
            if f'"{SCHEMA}"'.encode() not in data:
                schema = json.loads(data)["schema"]
                self.trouble = Trouble(
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
        """
        All entries about one record and its source file, oldest first, as far as taken in.

        Among them those of other clips of the same file.
        """
        if not re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", rec):
            return []
        own = self._saying("rec", rec)
        found = {value["seq"]: value for value in [*own, *self._of_sources(own)]}
        return [found[seq] for seq in sorted(found) if seq < self.size]

    def _of_sources(self, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What is said of the files that these entries are about, and of where those came from."""
        files = {Entry(one).file_hmac for one in own} - {None}
        same = [value for file in files for value in self._saying("file", str(file))]
        urls = {Entry(one).url_hmac for one in [*own, *same]} - {None}
        told = [value for url in urls for value in self._saying("url", str(url))]
        return [*same, *(value for value in told if value["kind"] == "source")]

    def _saying(self, name: str, said: str) -> list[dict[str, Any]]:
        """The entries that say this, by the log's index; if that is not sound, by reading all."""
        if self.log is not None:
            with suppress(LedgerCorruptError):
                return [entry.value for entry in self.log.look_up(name, said)]
        return [value for value in self._values() if (name, said) in Entry(value).said]

    def _values(self, where: str = "") -> list[dict[str, Any]]:
        found = (
            entries(self.log, 0, where) if self.log is not None else _salvaged(self.root, 0, where)
        )
        return [json.loads(data) for _, data in found]

    def check(self) -> None:
        """Verify the whole log; if it does not match, the page is read-only from here on."""
        if self.log is None:
            return
        self.checked_at_start = "running"
        try:
            with closing(Log(self.root / "ledger")) as log:
                if self.witness:
                    seen_by(log, self.witness)
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
            return None, Log(ledger, proving=True), Trouble.of(error)
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
                yield seq, unpacked(column)
