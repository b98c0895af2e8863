"""Admitted clips for a training job: checked as they are read, in shards, from where it stopped."""

from __future__ import annotations

import os
import random
import re
import secrets
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redact.errors import AdmissionError, LedgerCorruptError, Refusal, UsageError
from redact.gate import Decision, Gate, refused
from redact.handouts import admissible, key64
from redact.ledger import kinds, merkle
from redact.ledger.entry import Entry
from redact.ledger.follow import Follower
from redact.sources.licences import table_sha256
from redact.store import Store

if TYPE_CHECKING:
    _Iterable = object
else:
    try:  # a DataLoader takes an iterable dataset for one by its base class
        from torch.utils.data import IterableDataset as _Iterable
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        _Iterable = object

GROUP = 2048  # clips in one admission entry


@dataclass(frozen=True, slots=True)
class AdmittedClip:
    """One clip, whole: these bytes are the ones that the ledger's entry is about."""

    record: str  # the ledger's opaque name for it
    sha256: str  # of `data`, hex
    media: str  # such as "video/mp4"
    data: bytes


class AdmittedClips(_Iterable):
    """
    The clips of a store that may be used for a purpose, as an iterator and a PyTorch dataset.

    Which clips go to this rank is settled, and recorded in the ledger, when it is made: the store's
    keys are needed for that. Each clip is looked at again when its turn comes: one that was
    withdrawn meanwhile is left out, and one whose file is not what was recorded raises
    AdmissionError. Inside a DataLoader each worker reads a part of the shard.

    Args:
        store: the store's folder.
        purpose: what the clips are for: "commercial-training", "research-training" or "evaluation".
        seed: shuffles the clips; the same seed gives the same order. None keeps the ledger's order.
        rank: of this process, from 0 on, and how many `ranks` there are. Without them, RANK and
            WORLD_SIZE of the environment, as torchrun sets them; else all clips are this one's.
        to: who is given the clips: "op_" and 16 hex digits, an id that says nothing. Without one a
            new id is made; either way it is `self.to`, and stands in the ledger.
        vkey: the key that the ledger must be signed with, as it was given to you.
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        purpose: str,
        seed: int | None = None,
        rank: int | None = None,
        ranks: int | None = None,
        to: str | None = None,
        vkey: str | None = None,
    ) -> None:
        self.rank, self.ranks = _place(rank, ranks)
        self.to = _recipient(to)
        self._gate, self._store = Gate(store, purpose, vkey=vkey), Path(store)
        self.purpose, self._seed, self._epoch = self._gate.purpose, seed, 0
        self._next = 0
        self._read_log(None)
        self._hand_out()
        self._gate.close()

    def __len__(self) -> int:
        """The clips of this rank's shard; of these, withdrawn ones are left out in time."""
        return len(self._shard)

    def __iter__(self) -> Iterator[AdmittedClip]:
        """The clips from where `load_state_dict` said on, else from the first."""
        order = self._order()
        while self._next < len(order):
            seq = order[self._next]
            self._next += 1
            clip = self._clip(seq)
            if clip is not None:
                yield clip
        self._next = 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle this shard anew. Without a seed it changes nothing."""
        self._epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Where this reader is: of this process, or of this worker if it is in one."""
        return {**self._same(), "epoch": self._epoch, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Go on where a reader of the same shard stopped, with the clips that it began with.

        Those that were withdrawn since are left out. Raises UsageError for another shard's state,
        LedgerCorruptError if the ledger does not continue the one that it was read from.
        """
        self._gate.close()
        self._read_log(int(state["size"]))
        if differing := [name for name, value in self._same().items() if state[name] != value]:
            raise UsageError(
                f"the state was not saved by this shard's reader: {', '.join(differing)}.",
                means="Nothing was read.",
                todo="Give the same store, purpose, seed, ranks and workers as before.",
            )
        self._hand_out()
        self._epoch, self._next = int(state["epoch"]), int(state["next"])

    def __getstate__(self) -> dict[str, Any]:
        """For a worker, which opens the ledger itself."""
        return {**self.__dict__, "_gate": (self._store, str(self.purpose), self._gate.vkey)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        store, purpose, vkey = state["_gate"]
        self.__dict__.update(state, _gate=Gate(store, purpose, vkey=vkey))

    def _same(self) -> dict[str, Any]:
        """What has to be the same for a position to mean the same clip."""
        worker, workers = _worker()
        return {
            "size": self._size,
            "root": self._root,
            "shard": self._digest,
            "seed": self._seed,
            "worker": worker,
            "workers": workers,
        }

    def _read_log(self, upto: int | None) -> None:
        """Settle the shard, as the ledger stood at `upto` entries; None is now."""
        self._follower = Follower()
        seqs, self._closed, head = admissible(self._gate.log, self.purpose, self._follower, upto)
        self._size = head.size if upto is None else upto
        self._root = merkle.root(self._size, self._gate.log.node).hex()
        if self._seed is not None:
            random.Random(f"redact/shards/{self._seed}").shuffle(seqs)
        self._shard = seqs[self.rank :: self.ranks]
        self._digest = sha256(array("Q", self._shard).tobytes()).hexdigest()

    def _order(self) -> array[int]:
        """The shard in this epoch's order; in a DataLoader, this worker's part of it."""
        order = self._shard[:]
        if self._seed is not None:
            random.Random(f"redact/order/{self._seed}/{self._epoch}").shuffle(order)
        worker, workers = _worker()
        return order[worker::workers]

    def _hand_out(self) -> None:
        """Record who is given the shard, before any of it is: a group of clips an entry."""
        if not self._shard or self._recorded():
            return
        drafts = [
            kinds.admission(
                self._shard[start : start + GROUP].tolist(),
                "admit",
                purpose=str(self.purpose),
                adm_policy=table_sha256(),
                to=self.to,
                shard=self._digest,
            )
            for start in range(0, len(self._shard), GROUP)
        ]
        with Store(self._store) as store:
            store.append(drafts)

    def _recorded(self) -> bool:
        """Whether an earlier reader of the same shard, for the same recipient and purpose, has."""
        about = self._gate.log.about(self._shard[0])
        same = {"to": self.to, "shard": self._digest, "purpose": str(self.purpose)}
        return any(one.kind == "admission" and same.items() <= one.value.items() for one in about)

    def _clip(self, seq: int) -> AdmittedClip | None:
        """One clip, or None if it was withdrawn since the shard was settled."""
        entry = self._entry(seq)
        if entry is None:
            return None
        path = self._store / "clips" / entry.file_name
        data = _read(path, int(entry.value["out"]["bytes"]))
        digest = "" if data is None else sha256(data).hexdigest()
        if data is None or digest != entry.output:
            if self._entry(seq) is None:  # withdrawn this very moment, its file with it
                return None
            why = Refusal.UNREADABLE if data is None else Refusal.CHANGED
            raise self._refused(path, (why,))
        return AdmittedClip(entry.rec, digest, str(entry.value["out"]["media"]), data)

    def _entry(self, seq: int) -> Entry | None:
        """
        The entry of a clip, proved; None if later entries have closed the gate for it.

        The log is caught up with before each clip, so that a withdrawal counts from the next on.
        """
        try:
            return self._look_up(seq)
        except LedgerCorruptError:
            self._gate.close()  # a key may have been handed over since: once more, from the start
            return self._look_up(seq)

    def _look_up(self, seq: int) -> Entry | None:
        gate = self._gate
        with gate.log.snapshot():
            self._follower.follow(gate.log, lambda value: self._closed.visit(value, self.purpose))
            entry = gate.log.at(seq)
            if self._closed.has(seq, key64(entry.file_hmac)):
                return None
            for holds, why in ((gate.proved, Refusal.PROOF), (gate.has_detail, Refusal.DETAIL)):
                if not holds(entry):
                    raise self._refused(self._store / "clips" / entry.file_name, (why,))
        return entry

    def _refused(self, path: Path, why: tuple[Refusal, ...]) -> AdmissionError:
        return refused(Decision(path=path, purpose=self.purpose, refusals=why))


def _read(path: Path, size: int) -> bytes | None:
    """A file's bytes, if it is a plain one of this size; else None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return None
            return file.read(size + 1)
    except OSError:
        return None


def _place(rank: int | None, ranks: int | None) -> tuple[int, int]:
    """This process's rank and how many there are. Raises UsageError for a place that is none."""
    if rank is None and ranks is None:
        rank, ranks = (int(os.environ.get(name, other)) for name, other in _TORCHRUN)
    if rank is None or ranks is None or not 0 <= rank < ranks:
        raise UsageError(
            f"rank {rank} of {ranks} is no place.",
            means="Nothing was admitted.",
            todo="Give both rank and ranks, with 0 <= rank < ranks.",
        )
    return rank, ranks


_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"))


def _recipient(to: str | None) -> str:
    if to is None:
        return f"op_{secrets.token_hex(8)}"
    if not re.fullmatch(r"op_[0-9a-f]{16}", to):
        raise UsageError(
            "the recipient's id is not 'op_' and 16 hex digits.",
            means="Nothing was admitted.",
            todo="Give it an id that says nothing: the ledger names nobody.",
        )
    return to


def _worker() -> tuple[int, int]:
    """The number of this DataLoader worker, and how many there are; 0 of 1 outside."""
    if _Iterable is object:
        return 0, 1
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


__all__ = ["AdmittedClip", "AdmittedClips"]
