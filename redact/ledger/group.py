"""
How entries are written: one transaction for all that threads want to append at the same time.

It holds the entries, the new nodes of the tree, what they are looked up by and the signed
checkpoint, and costs one sync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import StoreError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import database, index, merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import Database, TakenError, packed
from redact.ledger.entry import Entry

Draft = Mapping[str, Any]


class Request:
    """What one thread wants appended, and what became of it."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.drafts = drafts
        self.entries: list[Entry] = []
        self.error: BaseException | None = None
        self.ready = threading.Event()  # done, or its turn to write for all who wait
        self.done = False


class Group:
    """Whoever comes first writes; those who come meanwhile are written together, by one of them."""

    def __init__(self, write: Callable[[Sequence[Request]], None]) -> None:
        """`write` fills in `entries` or `error` of each request, or raises what failed for all."""
        self._write, self._mutex = write, threading.Lock()
        self._waiting: list[Request] = []
        self._busy = False

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        request = Request(drafts)
        with self._mutex:
            self._waiting.append(request)
            if not self._busy:
                self._busy = True
                request.ready.set()
        request.ready.wait()
        if not request.done:
            self._serve()
        if request.error is not None:
            raise request.error
        return request.entries

    def _serve(self) -> None:
        with self._mutex:
            served, self._waiting = self._waiting, []
        try:
            self._write(served)
        except BaseException as error:  # noqa: BLE001  # each of them raises it
            for request in served:
                request.error = error
        finally:
            for request in served:
                request.done = True
                request.ready.set()
            with self._mutex:
                self._busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].ready.set()


@dataclass(frozen=True, slots=True)
class Written:
    """How a log stands after a transaction."""

    note: bytes  # the checkpoint, signed
    root: bytes
    tail: list[int]  # the words of its index after the last block, in order


def write(
    db: Database,
    read_head: Callable[[], Checkpoint],
    stored: merkle.Node,
    requests: Sequence[Request],
    signer: Ed25519PrivateKey,
) -> Written:
    """
    Append what each request wants, or say in it why not.

    `read_head` gives the checkpoint that they follow, `stored` the nodes of its tree. Raises what
    the database raises; then nothing was appended.
    """
    db.begin_writing()
    try:
        batch = _Batch(read_head(), stored)
        for request in requests:
            _add(db, request, batch)
        tail = index.extend(db, batch.entries)
        head = batch.head()
        note = checkpoints.sign(head, signer)
        db.rows("UPDATE meta SET value = ? WHERE name = 'checkpoint'", (note.decode(),))
        signed = checkpoints.sign_index(head, index.root_of(db, head.root), signer)
        db.rows("UPDATE meta SET value = ? WHERE name = 'index'", (signed.decode(),))
        if batch.ends_with_key:
            db.insert("handovers", [(head.size - 1, note.decode())])
        database.commit(db)
    except BaseException:
        db.rollback()
        raise
    return Written(note, head.root, sorted(tail))


def _add(db: Database, request: Request, batch: _Batch) -> None:
    """Insert what a request wants; if that fails, only this request is taken back."""
    db.rows("SAVEPOINT request")
    try:
        entries = [_complete(draft, batch.size + i) for i, draft in enumerate(request.drafts)]
        written = [entry.to_bytes() for entry in entries]
        nodes = batch.grown(written)
        rows = [
            (entry.seq, packed(data), entry.kind)
            for entry, data in zip(entries, written, strict=True)
        ]
        db.insert("entries", rows)
        db.insert("once", [(index.key(*it.once), it.seq) for it in entries if it.once])
        db.insert("nodes", [(*place, value) for place, value in nodes.items()])
    except (StoreError, TakenError) as error:
        db.rows("ROLLBACK TO request")
        request.error = error if isinstance(error, StoreError) else _taken()
    else:
        batch.accept(entries, nodes)
        request.entries = entries
    db.rows("RELEASE request")


class _Batch:
    """The log as the transaction makes it: the new nodes stay at hand until it is committed."""

    def __init__(self, head: Checkpoint, stored: merkle.Node) -> None:
        self.size, self.entries = head.size, list[Entry]()
        self._origin, self._stored = head.origin, stored
        self._nodes: dict[tuple[int, int], bytes] = {}

    def head(self) -> Checkpoint:
        root = merkle.root(self.size, lambda level, place: self._node(level, place, {}))
        return Checkpoint(self._origin, self.size, root)

    def grown(self, entries: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
        """The nodes that these entries would add, by level and place."""
        new: dict[tuple[int, int], bytes] = {}
        for seq, data in enumerate(entries, self.size):
            leaf = merkle.leaf_hash(data)
            for *place, value in merkle.grown(
                seq, leaf, lambda level, at: self._node(level, at, new)
            ):
                new[place[0], place[1]] = value
        return new

    def accept(self, entries: Sequence[Entry], nodes: Mapping[tuple[int, int], bytes]) -> None:
        self._nodes.update(nodes)
        self.size += len(entries)
        self.entries += entries

    @property
    def ends_with_key(self) -> bool:
        return bool(self.entries) and self.entries[-1].kind == "key"

    def _node(self, level: int, place: int, new: Mapping[tuple[int, int], bytes]) -> bytes:
        known = new.get((level, place)) or self._nodes.get((level, place))
        return known or self._stored(level, place)


def _complete(draft: Draft, seq: int) -> Entry:
    return Entry({**draft, "seq": seq, "t_utc_us": time.time_ns() // 1000})


def _taken() -> StoreError:
    return StoreError(
        "the ledger has such an entry already: a clip is published once.",
        todo="Run again: what was published is found.",
    )
