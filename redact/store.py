"""
The store: what a run leaves behind, and the order in which it is written.

    clips/        redacted clips, each named after its entry's `rec`; nothing else, ever
    ledger/       the log (see redact.ledger)
    restricted/   the encrypted details of published clips
    held/         the encrypted details of held clips
    .work/        what is being made: a desk for each process, gone when it ends

A clip's output and detail are written and synced in .work/; then its entry and the checkpoint are
made durable; then the files get their names, the one in clips/ last. A crash before the entry
leaves rubbish in .work/, which the next writer deletes; a crash after it leaves an entry whose
files lie in .work/, and the next look-up or writer gives them their names. A published file that
was lost later is made again under a new entry that says which one it `replaces`: so every piece of
work has one standing entry, and every file in clips/ is that of a standing entry.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from redact.errors import LedgerCorruptError, Reason, StoreError
from redact.ledger import detail as details
from redact.ledger import entry as entries
from redact.ledger import keys as keyring
from redact.ledger.detail import Detail, Sealed
from redact.ledger.entry import Entry
from redact.ledger.facts import SUFFIX, Clip, Facts
from redact.ledger.files import (
    locked,
    move_durably,
    sync_file,
    sync_folder,
    try_lock,
    write_durably,
    writing,
)
from redact.ledger.log import CHECKPOINT, Log
from redact.ledger.verify import verify as verify_log

FAILED = "the clip could not be published"


@dataclass(frozen=True, slots=True)
class Summary:
    """What `verify` saw: a store that is whole."""

    entries: int
    published: int  # clips with a standing entry; as many files were checked
    held: int  # clips whose last entry says that they were held
    root: str  # of the log's tree, hex
    origin: str


class Store:
    """
    A store open for writing. Several processes may have it open; threads may share it.

    Close it (or use `with`): what was left unfinished is then settled. Start child processes by
    spawn: a forked one would keep this process's desk locked after its death.
    """

    def __init__(self, root: Path, keys: Path | None = None) -> None:
        """
        Open the store at `root`, made if there is none, and finish what a crash left.

        `keys` is the folder of its keys, outside it; without one, REDACT_KEYS or the user's own.
        Raises StoreError when it can't be written or a key is missing or wrong, and
        LedgerCorruptError when its ledger does not match its checkpoint.
        """
        self.root, self._left = root, set[Path]()
        folder = keys or keyring.default_folder()
        if folder.resolve().is_relative_to(root.resolve()):
            raise StoreError(f"the keys would lie inside the store {root}.", todo="Move them out.")
        with writing(f"the store {root} could not be opened"):
            for name in ("", "clips", "ledger", "restricted", "held", ".work"):
                (root / name).mkdir(parents=True, exist_ok=True)
            for name in ("restricted", "held", ".work"):
                (root / name).chmod(0o700)
            with locked(root / ".work" / "lock"):
                self._keys, self.log = _open_log(root, folder)
                self._desk, lock = _make_desk(root / ".work")
                self._desk_lock: int | None = lock
            with self._locked():
                pass

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Settle what this process left unfinished, and give up its desk."""
        with writing(f"the store {self.root} could not be closed"):
            if self._desk_lock is None:
                return
            lock, self._desk_lock = self._desk_lock, None
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)
            with self._locked():
                self.log.close()

    def find(self, clip: Clip) -> Entry | None:
        """
        The entry under which this clip stands published, its file in place; else None.

        None means: do it (a clip that was held may be tried again).
        """
        key = self._idem(clip)
        if (entry := self._standing(key)) is None or self._in_place(entry):
            return entry
        with writing(FAILED), self._locked():  # a writer may have died before it gave the name
            entry = self._standing(key)
            return entry if entry and self._in_place(entry) else None

    def path(self, entry: Entry) -> Path:
        """Where the file of a published entry is."""
        return self.root / "clips" / entry.file_name

    def workspace(self, clip: Clip, media: str) -> Path:
        """
        Where to write the output of a clip, of this media type (see entry.SUFFIX).

        The folder around it is this clip's alone, for whatever else is needed on the way.
        """
        if media not in SUFFIX or clip.source is None:
            raise StoreError("a clip of unknown content or type can't be published.")
        with writing("there is no place to work"):
            return self._job(self._rec(clip)) / f"output{SUFFIX[media]}"

    def publish(self, output: Path, clip: Clip, facts: Facts, sidecar: bytes) -> Path:
        """
        Record a clip and give its output its name in clips/; returns that path, durable.

        `output` is what `workspace` gave; `sidecar` is the restricted detail. If the clip stands
        published by now (another run was faster), this output is discarded, and no entry added.
        Raises StoreError; then either nothing was recorded or the next look-up finishes the work.
        """
        job, rec = output.parent, self._rec(clip)
        if job.parent != self._desk or clip.source is None:
            raise StoreError("an output must be made in the workspace of its clip.")
        try:
            with writing(FAILED):
                digest, size = _digest(output), output.stat().st_size
                commit, nonce = details.source_commitment(clip.source)
                sealed = self._seal(job, rec, Detail(sidecar, nonce))
                sync_file(output)
                sync_folder(job)
                stated: dict[str, Any] = {"rec": rec, "commit": commit, "detail": sealed.public}
                stated |= {"sha256": digest, "bytes": size}
                with self._locked():
                    entry = self._record(clip, facts, stated)
                    self._name(entry, job, output)
                    shutil.rmtree(job)
        except BaseException:
            self._left.add(job)  # settled by the next writer: finished if recorded, else deleted
            raise
        return self.path(entry)

    def _record(self, clip: Clip, facts: Facts, stated: dict[str, Any]) -> Entry:
        """The entry under which the clip now stands: a new one, unless another run was faster."""
        key = self._idem(clip)
        standing = self._standing(key)
        if standing and self._in_place(standing):
            return standing
        stated |= {"idem": key, "replaces": standing.seq if standing else None}
        return self.log.append([entries.published(clip, facts, **stated)])[0]

    def hold(
        self, clip: Clip, policy_id: str, reason: Reason, sidecar: bytes | None = None
    ) -> Entry:
        """
        Record that a clip was not published, and why. The same again adds no entry.

        `sidecar` is the restricted detail (where the source is), if any. If the clip stands
        published by now, returns that entry instead: look at its `kind`.
        """
        key, rec = self._idem(clip), self._rec(clip)
        with writing("a held clip could not be recorded"), self._locked():
            standing = self._standing(key)
            if standing and self._in_place(standing):
                return standing
            last = self.log.by_idem(key)[-1:] if key else []
            if last and last[0].value.get("reason") == reason.value:
                return last[0]
            job = self._job(rec)
            self._left.add(job)
            stated: dict[str, Any] = {"rec": rec, "idem": key, "commit": None, "detail": None}
            nonce = b"\0" * details.NONCE
            if clip.source is not None:
                stated["commit"], nonce = details.source_commitment(clip.source)
            if sidecar is not None:
                stated["detail"] = self._seal(job, rec, Detail(sidecar, nonce)).public
                sync_folder(job)
            entry = self.log.append([entries.held(clip, policy_id, reason, **stated)])[0]
            self._name(entry, job, None)
            shutil.rmtree(job)
            self._left.discard(job)
            return entry

    def recall(self, entry: Entry) -> Detail:
        """An entry's restricted detail. Raises LedgerCorruptError if it is gone or changed."""
        place, kid = self._detail_place(entry), entry.value["detail"]["kid"]
        try:
            files = [(place / f"{kid}.{name}").read_bytes() for name in ("key", "detail")]
        except FileNotFoundError as error:
            raise LedgerCorruptError(
                f"the restricted detail of entry {entry.seq} is gone.",
                means="What was removed there can't be looked up any more; the entry stands.",
                todo="Restore it from its backup.",
            ) from error
        sealed = Sealed(files[0], files[1], entry.value["detail"])
        return details.unseal(entry.rec, sealed, self._keys.wrapping)

    def verify(self) -> Summary:
        """
        Check everything: the log, each file in clips/ against its entry, each restricted detail.

        Raises LedgerCorruptError, which names the first entry or file that does not match.
        """
        with writing(f"the store {self.root} could not be read"):
            verify_log(self.log)
            with self._locked():
                names, head = set(os.listdir(self.root / "clips")), self.log.checkpoint()
                standing, held = self._standings()
            for name in sorted(names ^ standing.keys()):
                raise _mismatch(name, standing.get(name, (None, ""))[0])
            for name, (seq, digest) in standing.items():
                path = self.root / "clips" / name
                if path.is_symlink() or _digest(path) != digest:
                    raise _mismatch(name, seq)
            for entry in self.log.entries():
                if "detail" in entry.value:
                    self.recall(entry)
        return Summary(head.size, len(standing), held, head.root.hex(), head.origin)

    def _standings(self) -> tuple[dict[str, tuple[int, str]], int]:
        """The seq and sha256 of each file that should be in clips/, and how many clips are held."""
        standing, held = {}, set()
        for entry in self.log.entries():
            if entry.kind == "published":
                standing[entry.file_name] = entry.seq, str(entry.output)
                held.discard(entry.rec)
            elif entry.kind == "held":
                held.add(entry.rec)
        return standing, len(held)

    def _idem(self, clip: Clip) -> str | None:
        return entries.idem(clip, self._keys.idem, self._keys.ids["idem"])

    def _rec(self, clip: Clip) -> str:
        """Derived from the idem, so that a piece of work has one name; random without a source."""
        key = self._idem(clip)
        number = bytes.fromhex(key.rpartition(":")[2])[:16] if key else secrets.token_bytes(16)
        return entries.record_name(number)

    def _standing(self, key: str | None) -> Entry | None:
        """The last publication of a piece of work."""
        history = self.log.by_idem(key) if key else []
        return next((entry for entry in reversed(history) if entry.kind == "published"), None)

    def _in_place(self, entry: Entry) -> bool:
        """Whether its file is there, by name and size; `verify` reads it."""
        path = self.path(entry)
        return path.is_file() and path.stat().st_size == entry.value["out"]["bytes"]

    def _job(self, rec: str) -> Path:
        job = self._desk / f"{rec}.{secrets.token_hex(4)}"
        job.mkdir()
        sync_folder(self._desk)
        return job

    def _seal(self, job: Path, rec: str, detail: Detail) -> Sealed:
        sealed = details.seal(rec, detail, self._keys.wrapping)
        write_durably(job / f"{sealed.public['kid']}.key", sealed.key, mode=0o600)
        write_durably(job / f"{sealed.public['kid']}.detail", sealed.detail, mode=0o600)
        return sealed

    def _detail_place(self, entry: Entry) -> Path:
        return self.root / ("restricted" if entry.kind == "published" else "held")

    def _name(self, entry: Entry, job: Path, output: Path | None) -> None:
        """Give the files of a recorded job their names, the output last."""
        kid = entry.value.get("detail", {}).get("kid")
        for path in [job / f"{kid}.key", job / f"{kid}.detail"]:
            if path.exists():
                move_durably(path, self._detail_place(entry) / path.name)
        if output is not None and not self._in_place(entry):
            move_durably(output, self.path(entry))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all writers, with everything settled that dead ones have left."""
        with locked(self.root / ".work" / "lock"):
            for desk in [path for path in (self.root / ".work").iterdir() if path.is_dir()]:
                if _is_abandoned(desk):
                    for job in [path for path in desk.iterdir() if path.is_dir()]:
                        self._settle(job)
                    shutil.rmtree(desk)
            for job in list(self._left):
                self._settle(job)
                self._left.discard(job)
            yield

    def _settle(self, job: Path) -> None:
        """Finish a job that was recorded; then delete what is left of it."""
        if not job.exists():
            return
        rec = job.name.partition(".")[0]
        for entry in self.log.by_rec(rec):
            standing = self._standing(entry.idem) == entry
            outputs = job.glob("output.*") if standing else ()
            matching = (path for path in outputs if _digest(path) == entry.output)
            self._name(entry, job, next(matching, None))
        shutil.rmtree(job)


def _open_log(root: Path, folder: Path) -> tuple[keyring.Keys, Log]:
    """The store's keys and log; both are made for a store that is new."""
    new = not (root / "ledger" / CHECKPOINT).exists()
    if new and any((root / "clips").iterdir()):
        raise LedgerCorruptError(
            f"{root}: there are clips, but their ledger is gone.",
            todo="Restore the ledger from its last good copy.",
        )
    keys = keyring.load(folder, make=new)
    ids = {f"{name}_key": value for name, value in keys.ids.items()}
    if new:
        Log.create(root / "ledger", keys.signer, f"redact/{secrets.token_hex(8)}", **ids)
    log = Log(root / "ledger", keys.signer)
    if any(log.meta.get(name) != value for name, value in ids.items()):
        log.close()
        raise StoreError(
            f"{root}: the keys are not those that this store was begun with.",
            todo="Say where its keys are (REDACT_KEYS).",
        )
    return keys, log


def _make_desk(work: Path) -> tuple[Path, int]:
    """A folder for this process's work, and its lock, which dies with the process."""
    desk = work / secrets.token_hex(8)
    desk.mkdir()
    lock = os.open(desk / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try_lock(lock)
    sync_folder(work)
    return desk, lock


def _is_abandoned(desk: Path) -> bool:
    """Whether the process that worked here is gone."""
    lock = os.open(desk / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return try_lock(lock)
    finally:
        os.close(lock)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _mismatch(name: str, seq: int | None) -> LedgerCorruptError:
    if seq is None:
        return LedgerCorruptError(
            f"clips/{name} has no entry in the ledger.",
            means="Nothing says that it was redacted.",
            todo="Take it out of the store; it must not be trained on.",
        )
    return LedgerCorruptError(
        f"clips/{name} is not the file that entry {seq} published, or is gone.",
        means="That clip must not be trained on; the others are not affected.",
        todo="Delete the file, if it is there, and run its source again.",
    )
