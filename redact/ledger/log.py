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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import StoreError
from redact.ledger import begin, database, kinds, merkle
from redact.ledger import checkpoint as checkpoints
from redact.ledger.begin import CHECKPOINT, DATABASE, VKEY, corrupt
from redact.ledger.chain import Chain, follow
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import Row, unpacked
from redact.ledger.entry import Entry
from redact.ledger.files import write_durably, writing
from redact.ledger.group import Draft, Group, Request, write

Signer = Ed25519PrivateKey
Signers = Callable[[str, str], Signer]
"""Gives the private key of an origin and a verification key, or raises StoreError."""


class Log:
    """
    An append-only log. Any number of readers; one writer at a time, the others wait.

    Without its signing key it can be read and verified, not appended to. May be shared by threads.
    """

    def __init__(
        self, folder: Path, signers: Signers | None = None, *, vkey: str | None = None
    ) -> None:
        """
        Open an existing log; see `create`. A crash of the last writer is repaired.

        `vkey` is the key that the log must be signed with, as it was given to you, or one that led
        to it; without one the log's own copy is believed. Raises LedgerCorruptError when the log
        does not match its checkpoint, StoreError when the signing key is not there.
        """
        self._folder, self._mutex, self._group = folder, threading.RLock(), Group(self._write)
        with writing(f"the ledger in {folder} could not be opened"):
            self._db = database.open_at(begin.address(folder), folder)
        try:
            with writing(f"the ledger in {folder} could not be opened"):
                self.meta: dict[str, str] = dict(self._rows("SELECT name, value FROM meta"))
                begin.check_layout(folder, self.meta)
                self.origin = self._file(VKEY).decode("utf-8").partition("+")[0]
                self.chain = self._follow()
                self._check_given(vkey)
                self._signer = signers(self.origin, self.chain.last) if signers else None
                self._repair()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls, folder: Path, signer: Signer, origin: str, at: str = DATABASE, **meta: str
    ) -> None:
        """
        Start a log in a folder that exists. `meta` is kept with it, and never changes.

        `at` is the database's address (see `database.open_at`). Does nothing where there is a log;
        finishes one that a crash left half made.
        """
        begin.create(folder, signer, origin, at, meta)

    @property
    def vkey(self) -> str:
        """The key that signs the log now."""
        return self.chain.last

    def _follow(self) -> Chain:
        """The signing keys from the first, named in its file, to the one that signs now."""
        first = self._file(VKEY).decode("utf-8").strip()
        rows = self._rows("SELECT bytes, note FROM handovers JOIN entries USING (seq) ORDER BY seq")
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
        rows = self._rows("SELECT value FROM meta WHERE name = 'checkpoint'")
        if not rows:
            raise corrupt(f"{self._folder}: its database holds no checkpoint.")
        return str(rows[0][0]).encode()

    def signing(self) -> tuple[Checkpoint, Signer]:
        """
        The head of the log, and the key that signs it.

        For DSSE envelopes: what they sign can't be taken for a note (see provenance.attest). Sign
        nothing else with it. Raises StoreError without the key, or if it was replaced meanwhile.
        """
        if self._signer is None:
            raise StoreError(f"{self._folder}: the ledger was opened without its signing key.")
        with self.snapshot():
            return self._head(), self._signer

    def everywhere(self) -> AbstractContextManager[None]:
        """Without writers of this log on other machines."""
        return self._db.everywhere()

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        """
        Add entries, all or none, and return them once they are on disk.

        The log gives each its `seq` and `t_utc_us`. Threads that append at the same time share one
        transaction. After an error the log holds all of these entries or none: look up which before
        trying again. Raises StoreError.
        """
        if any(draft.get("kind") == "key" for draft in drafts):
            raise StoreError("a signing key is replaced by `hand_over`.")
        return self._group.append(drafts)

    def hand_over(self, new: Signer, *, who: str | None = None) -> Entry:
        """Replace the signing key: the old one signs that it does. See `chain`."""
        vkey = checkpoints.verification_key(self.origin, new.public_key())
        request = Request([kinds.key(self.chain.last, vkey, who=who)])
        with self._mutex:
            self._write([request])
            if request.error is not None:
                raise request.error
            self.chain, self._signer = self._follow(), new
        return request.entries[0]

    def _write(self, requests: Sequence[Request]) -> None:
        if self._signer is None:
            raise StoreError(f"{self._folder}: the ledger was opened without its signing key.")
        with self._guard("the ledger could not be written"), self._db.alone():
            note = write(self._db, self._head, self.node, requests, self._signer)
            write_durably(self._folder / CHECKPOINT, note)

    def _head(self) -> Checkpoint:
        """The head that the next entries follow, if the signing key is still the one we have."""
        if len(self._rows("SELECT seq FROM handovers")) != len(self.chain.handed_over):
            raise StoreError(
                f"{self._folder}: its signing key was replaced while this process ran.",
                todo="Start again: the run goes on with the new key.",
            )
        head = self.checkpoint()
        if merkle.root(head.size, self.node) != head.root or self.origin != head.origin:
            raise corrupt(f"{self._folder}: its {head.size} entries do not match the checkpoint.")
        return head

    def _repair(self) -> None:
        """Bring the checkpoint file up to the database, if the one continues the other."""
        self.check_head()
        if self._signer is not None and self.published_note() != self.note():
            with self._db.alone():
                write_durably(self._folder / CHECKPOINT, self.note())

    def check_head(self) -> None:
        """
        The quick check: database and checkpoint file belong together, and neither was rolled back.

        `verify` reads every entry. Raises LedgerCorruptError.
        """
        # The file first: it is never newer than the database that is read after it.
        seen = self.chain.verify(self.published_note())
        with self.snapshot():
            head = self.checkpoint()
            meta: dict[str, str] = dict(self._rows("SELECT name, value FROM meta"))
            if {**meta, "checkpoint": ""} != {**self.meta, "checkpoint": ""}:
                raise corrupt(f"{self._folder}: what it was begun with was changed.")
            if meta.get("vkey") != self.chain.first:
                raise corrupt(f"{self._folder}: it was begun with another key than {VKEY} names.")
            held = self._rows("SELECT coalesce(max(seq) + 1, 0) FROM entries")[0][0]
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
        rows = self._rows("SELECT hash FROM nodes WHERE level = ? AND place = ?", level, place)
        if not rows:
            raise corrupt(f"{self._folder}: the tree's node {level}/{place} is gone.")
        return bytes(rows[0][0])

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """All entries from `start` on, in order."""
        while rows := self._rows(
            "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000", start
        ):
            yield from (Entry.from_bytes(unpacked(row[0])) for row in rows)
            start += len(rows)

    def leaves(self, start: int = 0) -> Iterator[bytes]:
        """The bytes of all entries from `start` on, in order, unchecked: see ledger.follow."""
        query = "SELECT bytes FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1000"
        while rows := self._rows(query, start):
            yield from (unpacked(row[0]) for row in rows)
            start += len(rows)

    def at(self, seq: int) -> Entry:
        """The entry of this number. Raises LedgerCorruptError if there is none."""
        rows = self._rows("SELECT bytes FROM entries WHERE seq = ?", seq)
        if not rows:
            raise corrupt(f"{self._folder}: its entry {seq} is gone.")
        return Entry.from_bytes(unpacked(rows[0][0]))

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
        return [Entry.from_bytes(unpacked(row[0])) for row in self._rows(query, seq)]

    def _find(self, column: str, value: str | int) -> list[Entry]:
        rows = self._rows(f"SELECT bytes FROM entries WHERE {column} = ? ORDER BY seq", value)
        return [Entry.from_bytes(unpacked(row[0])) for row in rows]

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

    def _rows(self, query: str, *values: Any) -> list[Row]:
        with self._guard("the ledger could not be read"):
            return self._db.rows(query, values)

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        with self._mutex, writing(f"{self._folder}: {what}"):
            yield
