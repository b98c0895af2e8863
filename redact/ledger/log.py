"""
The log as it is written: entries, tree and index in one database, and the checkpoint beside it.

One append is one transaction that holds the entries, the new nodes of the tree, what the entries
are looked up by and the signed checkpoint; only then is the checkpoint copied to its own file, for
others. So a crash can leave a file that is older than the database, never a newer one, and nothing
in the database is unsigned: the next open shows that the newer checkpoint continues the older one,
and copies it. A file that is newer than the database means that the database was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import StoreError
from redact.ledger import begin, index, kinds, merkle
from redact.ledger import checkpoint as checkpoints
from redact.ledger.begin import CHECKPOINT, DATABASE, corrupt
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.files import write_durably, writing
from redact.ledger.group import Draft, Group, Request, write
from redact.ledger.reader import Reader

Signer = Ed25519PrivateKey
Signers = Callable[[str, str], Signer]
"""Gives the private key of an origin and a verification key, or raises StoreError."""


class Log(Reader):
    """
    An append-only log. Any number of readers; one writer at a time, the others wait.

    Without its signing key it can be read and verified, not appended to. May be shared by threads.
    """

    def __init__(
        self,
        folder: Path,
        signers: Signers | None = None,
        *,
        vkey: str | None = None,
        proving: bool = False,
    ) -> None:
        """
        Open an existing log; see `create` and `Reader`. A crash of the last writer is repaired.

        Raises StoreError when the signing key is not there.
        """
        self._group = Group(self._write)
        self._tail_known: tuple[bytes, list[int]] = (b"", [])  # what this log wrote last
        super().__init__(folder, vkey=vkey, proving=proving)
        try:
            with writing(f"the ledger in {folder} could not be opened"):
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
            try:
                done = write(self._db, self._followed, self.node, requests, self._signer)
            except ValueError as error:
                raise corrupt(f"{self._folder}: its index was changed: {error}.") from error
            self._tail_known = done.root, done.tail
            write_durably(self._folder / CHECKPOINT, done.note)

    def _followed(self) -> Checkpoint:
        """
        The head, once it is known that what is looked up there is what was signed with it.

        It is signed again with what is added: without this, what was taken out of the index by
        someone without the key would be signed by who has it.
        """
        head = self._head()
        root, tail = self._tail_known
        if root != head.root:
            tail = self._tail(head)
        same = index.root_of(self._db, head.root) == self.index_root(head)
        if not same or sorted(index.tail_of(self._db)) != tail:
            raise corrupt(f"{self._folder}: its index was changed; nothing was added to it.")
        return head

    def _head(self) -> Checkpoint:
        """The head that the next entries follow, if the signing key is still the one we have."""
        if len(self.rows("SELECT seq FROM handovers")) != len(self.chain.handed_over):
            raise StoreError(
                f"{self._folder}: its signing key was replaced while this process ran.",
                todo="Start again: the run goes on with the new key.",
            )
        head = self.checkpoint()
        if merkle.root(head.size, self.node) != head.root or self.origin != head.origin:
            raise corrupt(f"{self._folder}: its {head.size} entries do not match the checkpoint.")
        return head

    def _repair(self) -> None:
        """Bring the checkpoint file up to the database, which is known to continue it."""
        if self._signer is not None and self.published_note() != self.note():
            with self._db.alone():
                write_durably(self._folder / CHECKPOINT, self.note())
