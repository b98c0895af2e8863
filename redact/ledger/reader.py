"""
A log as it is read: its keys, its signed head, its entries, and which of them say what.

With `proving`, nothing that a look-up gives rests on the database: every entry is shown to be in
the tree of the signed head, and the index to be the one that was signed with it, so that none is
missing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redact.ledger import begin, checkpoint, database, index, merkle
from redact.ledger.begin import CHECKPOINT, VKEY, corrupt
from redact.ledger.chain import Chain, follow
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import Row, unpacked
from redact.ledger.entry import Entry
from redact.ledger.files import writing
from redact.ledger.index import Index, Sealed


class Reader:
    """A log, to be read. May be shared by threads; any number may read beside a writer."""

    def __init__(self, folder: Path, *, vkey: str | None = None, proving: bool = False) -> None:
        """
        Open an existing log.

        `vkey` is the key that the log must be signed with, as it was given to you, or one that led
        to it; without one the log's own copy is believed. Raises LedgerCorruptError when the log
        does not match its checkpoint.
        """
        self._folder, self._mutex = folder, threading.RLock()
        self._proving, self._sealed = proving, dict[bytes, Sealed]()
        with writing(f"the ledger in {folder} could not be opened"):
            self._db = database.open_at(begin.address(folder), folder)
        self._index = Index(lambda query, *values: self.rows(query, *values))
        try:
            with writing(f"the ledger in {folder} could not be opened"):
                self.meta: dict[str, str] = dict(self.rows("SELECT name, value FROM meta"))
                begin.check_layout(folder, self.meta)
                self.origin = self._file(VKEY).decode("utf-8").partition("+")[0]
                self.chain = self._follow()
                self._check_given(vkey)
                self.check_head()
        except BaseException:
            self.close()
            raise

    @property
    def vkey(self) -> str:
        """The key that signs the log now."""
        return self.chain.last

    def _follow(self) -> Chain:
        """The signing keys from the first, named in its file, to the one that signs now."""
        first = self._file(VKEY).decode("utf-8").strip()
        rows = self.rows("SELECT bytes, note FROM handovers JOIN entries USING (seq) ORDER BY seq")
        notes = [(Entry.from_bytes(unpacked(data)), str(note).encode()) for data, note in rows]
        return follow(first, notes, self.node)

    def _check_given(self, vkey: str | None) -> None:
        if vkey is not None and vkey.strip() not in [known for _, known in self.chain.links]:
            raise corrupt(f"{self._folder}: it is not signed by the key that you gave.")

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        return self.checkpoint().size

    def checkpoint(self) -> Checkpoint:
        """The signed head of the log."""
        return self.chain.verify(self.note())

    def note(self) -> bytes:
        """The checkpoint as it was signed."""
        rows = self.rows("SELECT value FROM meta WHERE name = 'checkpoint'")
        if not rows:
            raise corrupt(f"{self._folder}: its database holds no checkpoint.")
        return str(rows[0][0]).encode()

    def check_head(self) -> None:
        """
        The quick check: database and checkpoint file belong together, and neither was rolled back.

        `verify` reads every entry. Raises LedgerCorruptError.
        """
        # The file first: it is never newer than the database that is read after it.
        seen = self.chain.verify(self.published_note())
        with self.snapshot():
            head = self.checkpoint()
            meta: dict[str, str] = dict(self.rows("SELECT name, value FROM meta"))
            if _begun(meta) != _begun(self.meta):
                raise corrupt(f"{self._folder}: what it was begun with was changed.")
            if meta.get("vkey") != self.chain.first:
                raise corrupt(f"{self._folder}: it was begun with another key than {VKEY} names.")
            held = self.rows("SELECT coalesce(max(seq) + 1, 0) FROM entries")[0][0]
            if seen.size > head.size or held != head.size:
                raise corrupt(
                    f"{self._folder}: it was rolled back or added to: it holds {held} entries, "
                    f"and {max(seen.size, head.size)} were signed."
                )
            for known in (seen, head):
                if merkle.root(known.size, self.node) != known.root or known.origin != self.origin:
                    raise corrupt(
                        f"{self._folder}: it does not match its checkpoint of {known.size} entries."
                    )

    def published_note(self) -> bytes:
        """The checkpoint in its file, for others to see."""
        return self._file(CHECKPOINT)

    def _file(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise corrupt(f"{self._folder}: its {name} is gone.") from error

    def node(self, level: int, place: int) -> bytes:
        """The stored hash of a full subtree: what proofs are made from (see merkle)."""
        rows = self.rows("SELECT hash FROM nodes WHERE level = ? AND place = ?", level, place)
        if not rows:
            raise corrupt(f"{self._folder}: the tree's node {level}/{place} is gone.")
        return bytes(rows[0][0])

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """All entries from `start` on, in order."""
        while rows := self.rows(
            "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000", start
        ):
            yield from (Entry.from_bytes(unpacked(row[0])) for row in rows)
            start += len(rows)

    def leaves(self, start: int = 0) -> Iterator[bytes]:
        """The bytes of all entries from `start` on, in order, unchecked: see ledger.follow."""
        query = "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000"
        while rows := self.rows(query, start):
            yield from (unpacked(row[0]) for row in rows)
            start += len(rows)

    def at(self, seq: int) -> Entry:
        """The entry of this number. Raises LedgerCorruptError if there is none."""
        rows = self.rows("SELECT bytes FROM entries WHERE seq = ?", seq)
        if not rows:
            raise corrupt(f"{self._folder}: its entry {seq} is gone.")
        return Entry.from_bytes(unpacked(rows[0][0]))

    def by_rec(self, rec: str) -> list[Entry]:
        """The history of a clip, oldest first."""
        return self.look_up("rec", rec)

    def by_output(self, sha256: str) -> list[Entry]:
        """The entries that published a file of this sha256 (hex)."""
        return self.look_up("output", sha256)

    def by_file(self, file_hmac: str) -> list[Entry]:
        """The entries about this source file, whatever the policy; oldest first."""
        return self.look_up("file", file_hmac)

    def by_url(self, url_hmac: str) -> list[Entry]:
        """The entries about what came from this URL, oldest first."""
        return self.look_up("url", url_hmac)

    def about(self, seq: int) -> list[Entry]:
        """The later entries that are about this one: withdrawals, verdicts, who was given it."""
        return self.look_up("of", seq)

    def by_kind(self, kind: str) -> list[Entry]:
        """
        The entries of this kind, oldest first. Not for kinds with an entry for each clip.

        What the database says: others than look-ups rest on it, `proving` or not.
        """
        rows = self.rows("SELECT bytes FROM entries WHERE kind = ? ORDER BY seq", kind)
        return [Entry.from_bytes(unpacked(row[0])) for row in rows]

    def look_up(self, name: str, value: str | int) -> list[Entry]:
        """The entries that say this (see Entry.said), oldest first."""
        with self.snapshot():
            head = self.checkpoint()
            try:
                sealed = self._sealed_at(head) if self._proving else None
                seqs = self._index.find(index.key(name, value), head.size, sealed)
            except ValueError as error:
                raise corrupt(f"{self._folder}: its index was changed: {error}.") from error
            found = [self._proved(seq, head) if self._proving else self.at(seq) for seq in seqs]
        return [entry for entry in found if (name, value) in entry.said]

    def _proved(self, seq: int, head: Checkpoint) -> Entry:
        """An entry that the signed head covers, at this very place."""
        entry = self.at(seq)
        leaf = merkle.leaf_hash(entry.to_bytes())
        proof = merkle.inclusion_proof(seq, head.size, self.node)
        if entry.seq != seq or not merkle.verify_inclusion(leaf, seq, head.size, proof, head.root):
            raise corrupt(f"{self._folder}: its entry {seq} is not the one that was signed.")
        return entry

    def _sealed_at(self, head: Checkpoint) -> Sealed:
        """The index that was signed with a head. Raises ValueError if it is not there."""
        if head.root not in self._sealed:
            sealed = self._index.sealed(head, self.index_root(head), self._tail(head))
            self._sealed = {head.root: sealed}
        return self._sealed[head.root]

    def index_root(self, head: Checkpoint) -> bytes:
        """What was signed with this head, of the index. Raises LedgerCorruptError."""
        rows = self.rows("SELECT value FROM meta WHERE name = 'index'")
        note = str(rows[0][0]).encode() if rows else b""
        return checkpoint.verify_index(note, self.chain.key_for(head.size), head)

    def _tail(self, head: Checkpoint) -> list[int]:
        """The words of the entries after the last block: all that the signed tree has there."""
        start = head.size // index.SMALL * index.SMALL
        leaves = list(self.leaves(start))
        hashes = [merkle.leaf_hash(data) for data in leaves]

        def node(level: int, place: int) -> bytes:
            if place << level < start:
                return self.node(level, place)
            if level == 0:
                return hashes[place - start]
            return merkle.node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

        if len(leaves) != head.size - start or merkle.root(head.size, node) != head.root:
            raise corrupt(f"{self._folder}: its last entries do not match the checkpoint.")
        entries = [Entry(json.loads(data)) for data in leaves]
        return sorted(word for entry in entries for word in index.words_of(entry))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the log, whoever appends meanwhile."""
        with self._guard("the ledger could not be read"):
            if self._db.reading:  # inside another snapshot
                yield
                return
            self._db.begin_reading()
            try:
                yield
            finally:
                self._db.rollback()

    def stream(self, query: str) -> Iterator[Row]:
        """Every row of a query, inside a `snapshot`, for `verify`."""
        # Guarded batch by batch: a reader that stops early must not keep the log locked.
        with self._guard("the ledger could not be read"):
            batches = self._db.stream(query)
        while True:
            with self._guard("the ledger could not be read"):
                batch = next(batches, None)
            if batch is None:
                return
            yield from batch

    def problems(self) -> list[str]:
        """What the database finds wrong with itself."""
        with self._guard("the ledger could not be read"):
            return self._db.problems()

    def rows(self, query: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        with self._guard("the ledger could not be read"):
            return self._db.rows(query, values)

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        with self._mutex, writing(f"{self._folder}: {what}"):
            yield


def _begun(meta: dict[str, str]) -> dict[str, str]:
    """What a log was begun with, which never changes."""
    return {name: value for name, value in meta.items() if name not in ("checkpoint", "index")}
