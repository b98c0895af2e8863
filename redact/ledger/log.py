"""
The log on disk: entries and tree in one SQLite file, and the checkpoint beside it for others.

One append is one transaction that holds the entries, the new nodes of the tree and the signed
checkpoint; only then is the checkpoint copied to its own file. So a crash can leave a file that is
older than the database, never a newer one, and nothing in the database is unsigned: the next open
shows that the newer checkpoint continues the older one, and copies it. A file that is newer than
the database means that the database was rolled back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import database, merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.files import locked, write_durably, writing

DATABASE, CHECKPOINT, VKEY, LOCK = "log.sqlite", "checkpoint", "vkey", "lock"


class Log:
    """
    An append-only log. Any number of readers; one writer at a time, the others wait.

    Without a signer it can be read and verified, not appended to. May be shared by threads.
    """

    def __init__(
        self, folder: Path, signer: Ed25519PrivateKey | None = None, *, vkey: str | None = None
    ) -> None:
        """
        Open an existing log; see `create`. A crash of the last writer is repaired.

        `vkey` is the key that the log must be signed with, as it was given to you; without one the
        log's own copy is believed. Raises LedgerCorruptError when the log does not match its
        checkpoint, StoreError when the signer is not the log's.
        """
        self._folder, self._signer, self._mutex = folder, signer, threading.RLock()
        if not (folder / DATABASE).is_file():
            raise _corrupt(f"{folder}: its database {DATABASE} is gone.")
        with writing(f"the ledger in {folder} could not be opened"):
            self._db = database.connect(folder / DATABASE)
        try:
            with writing(f"the ledger in {folder} could not be opened"):
                self.meta = dict(self._db.execute("SELECT name, value FROM meta"))
                self.vkey = vkey or self._file(VKEY).decode("utf-8").strip()
                self.origin = self.vkey.partition("+")[0]
                self._check_signer()
                self._repair()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, signer: Ed25519PrivateKey, origin: str, **meta: str) -> None:
        """
        Start a log in a folder that exists. `meta` is kept with it, and never changes.

        Does nothing where there is one; finishes one that a crash left half made.
        """
        with writing(f"the ledger in {folder} could not be started"):
            if (folder / CHECKPOINT).exists():
                return
            db = database.connect(folder / DATABASE)
            try:
                if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
                    empty = checkpoints.sign(Checkpoint(origin, 0, merkle.EMPTY_ROOT), signer)
                    vkey = checkpoints.verification_key(origin, signer.public_key())
                    database.fill(db, {**meta, "vkey": vkey, "checkpoint": empty.decode()})
                rows = dict(db.execute("SELECT name, value FROM meta"))
                if db.execute("SELECT 1 FROM entries").fetchone():
                    raise _corrupt(f"{folder}: its {CHECKPOINT} is gone.")
            finally:
                db.close()
            write_durably(folder / VKEY, f"{rows['vkey']}\n".encode())
            write_durably(folder / CHECKPOINT, rows["checkpoint"].encode())

    def _check_signer(self) -> None:
        if self._signer is None:
            return
        if checkpoints.verification_key(self.origin, self._signer.public_key()) != self.vkey:
            raise StoreError(
                f"{self._folder}: the signing key is not the one that this ledger was begun with.",
                todo="Say where its keys are (REDACT_KEYS).",
            )

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        return self.checkpoint().size

    def checkpoint(self) -> Checkpoint:
        """The signed head of the log."""
        return checkpoints.verify(self.note(), self.vkey)

    def note(self) -> bytes:
        """The checkpoint as it was signed."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'checkpoint'")
        if not rows:
            raise _corrupt(f"{self._folder}: its database holds no checkpoint.")
        return str(rows[0][0]).encode()

    def append(self, drafts: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """
        Add entries, all or none, and return them once they are on disk.

        The log gives each its `seq` and `t_utc_us`. After an error it holds all of them or none:
        look up which before trying again. Raises StoreError.
        """
        if self._signer is None:
            raise StoreError(f"{self._folder}: the ledger was opened without its signing key.")
        with self._guard("the ledger could not be written"), locked(self._folder / LOCK):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                head = self.checkpoint()
                entries = [_complete(draft, head.size + i) for i, draft in enumerate(drafts)]
                for entry in entries:
                    self._insert(entry)
                note = self._sign(head, head.size + len(entries), self._signer)
                database.commit(self._db)
            except BaseException:
                # A failed commit may have ended the transaction by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            write_durably(self._folder / CHECKPOINT, note)
        return entries

    def _insert(self, entry: Entry) -> None:
        data = entry.to_bytes()
        self._db.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.seq, data, *entry.columns),
        )
        self._db.executemany(
            "INSERT INTO refers VALUES (?, ?)", [(of, entry.seq) for of in set(entry.refers)]
        )
        self._db.executemany(
            "INSERT INTO nodes VALUES (?, ?, ?)",
            merkle.grown(entry.seq, merkle.leaf_hash(data), self.node),
        )

    def _sign(self, old: Checkpoint, size: int, signer: Ed25519PrivateKey) -> bytes:
        """Put the checkpoint of `size` entries into the transaction, if it continues the old."""
        if merkle.root(old.size, self.node) != old.root or self.origin != old.origin:
            raise _corrupt(f"{self._folder}: its {old.size} entries do not match the checkpoint.")
        new = Checkpoint(self.origin, size, merkle.root(size, self.node))
        note = checkpoints.sign(new, signer)
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'checkpoint'", (note.decode(),))
        return note

    def _repair(self) -> None:
        """Bring the checkpoint file up to the database, if the one continues the other."""
        self.check_head()
        if self._signer is not None and self.published_note() != self.note():
            with locked(self._folder / LOCK):
                write_durably(self._folder / CHECKPOINT, self.note())

    def check_head(self) -> None:
        """
        The quick check: database and checkpoint file belong together, and neither was rolled back.

        `verify` reads every entry. Raises LedgerCorruptError.
        """
        # The file first: it is never newer than the database that is read after it.
        seen = checkpoints.verify(self.published_note(), self.vkey)
        with self.snapshot():
            head = self.checkpoint()
            if self._rows("SELECT value FROM meta WHERE name = 'vkey'") != [(self.vkey,)]:
                raise _corrupt(f"{self._folder}: it was begun with another key than {VKEY} names.")
            held = self._rows("SELECT coalesce(max(seq) + 1, 0) FROM entries")[0][0]
            if seen.size > head.size or held != head.size:
                raise _corrupt(
                    f"{self._folder}: it was rolled back or added to: it holds {held} entries, "
                    f"and {max(seen.size, head.size)} were signed."
                )
            for known in (seen, head):
                if merkle.root(known.size, self.node) != known.root or known.origin != self.origin:
                    raise _corrupt(
                        f"{self._folder}: it does not match its checkpoint of {known.size} entries."
                    )

    def published_note(self) -> bytes:
        """The checkpoint in its file, for others to see."""
        return self._file(CHECKPOINT)

    def _file(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise _corrupt(f"{self._folder}: its {name} is gone.") from error

    def node(self, level: int, place: int) -> bytes:
        """The stored hash of a full subtree: what proofs are made from (see merkle)."""
        rows = self._rows("SELECT hash FROM nodes WHERE level = ? AND place = ?", level, place)
        if not rows:
            raise _corrupt(f"{self._folder}: the tree's node {level}/{place} is gone.")
        return bytes(rows[0][0])

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """All entries from `start` on, in order."""
        while rows := self._rows(
            "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000", start
        ):
            yield from (Entry.from_bytes(row[0]) for row in rows)
            start += len(rows)

    def leaves(self, start: int = 0) -> Iterator[bytes]:
        """The bytes of all entries from `start` on, in order, unchecked: see ledger.follow."""
        query = "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000"
        while rows := self._rows(query, start):
            yield from (bytes(row[0]) for row in rows)
            start += len(rows)

    def entry(self, seq: int) -> Entry:
        """The entry of this number. Raises LedgerCorruptError if there is none."""
        found = self._find("seq", seq)
        if not found or found[0].seq != seq:
            raise _corrupt(f"{self._folder}: its entry {seq} is gone.")
        return found[0]

    def by_rec(self, rec: str) -> list[Entry]:
        """The history of a clip, oldest first."""
        return self._find("rec", rec)

    def by_idem(self, idem: str) -> list[Entry]:
        """The history of one piece of work, oldest first."""
        return self._find("idem", idem)

    def by_output(self, sha256: str) -> list[Entry]:
        """The entries that published a file of this sha256 (hex)."""
        return self._find("output", sha256)

    def by_file(self, file_hmac: str) -> list[Entry]:
        """The entries about this source file, whatever the policy; oldest first."""
        return self._find("file", file_hmac)

    def by_url(self, url_hmac: str) -> list[Entry]:
        """The entries about what came from this URL, oldest first."""
        return self._find("url", url_hmac)

    def by_kind(self, kind: str) -> list[Entry]:
        """The entries of this kind, oldest first. Not for kinds with an entry for each clip."""
        return self._find("kind", kind)

    def about(self, seq: int) -> list[Entry]:
        """The later entries that are about this one: withdrawals, verdicts, who was given it."""
        query = "SELECT bytes FROM refers JOIN entries USING (seq) WHERE entry = ? ORDER BY seq"
        return [Entry.from_bytes(row[0]) for row in self._rows(query, seq)]

    def _find(self, column: str, value: str | int) -> list[Entry]:
        rows = self._rows(f"SELECT bytes FROM entries WHERE {column} = ? ORDER BY seq", value)
        return [Entry.from_bytes(row[0]) for row in rows]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the log, whoever appends meanwhile."""
        with self._guard("the ledger could not be read"):
            if self._db.in_transaction:  # inside another snapshot
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Every row of a query, for `verify`."""
        # Guarded batch by batch: a reader that stops early must not keep the log locked.
        with self._guard("the ledger could not be read"):
            cursor = self._db.execute(query)
        while True:
            with self._guard("the ledger could not be read"):
                batch = cursor.fetchmany(100)
            if not batch:
                return
            yield from batch

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._guard("the ledger could not be read"):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        with self._mutex, writing(f"{self._folder}: {what}"):
            yield


def _complete(draft: Mapping[str, Any], seq: int) -> Entry:
    return Entry({**draft, "seq": seq, "t_utc_us": time.time_ns() // 1000})


def _corrupt(what: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        what,
        means="Nothing that it says can be trusted, and nothing was added to it.",
        todo="Restore the ledger from its last good copy; do not append to this one.",
    )
