"""Where a process makes what it will publish: its own folder, locked for as long as it lives."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from redact.errors import StoreError
from redact.ledger import detail as details
from redact.ledger.detail import Detail, Sealed
from redact.ledger.files import sync_file, sync_folder, try_lock, write_durably


class Desk:
    """A folder in `work` for this process's jobs; each job is a folder "<rec>.<random>" in it."""

    def __init__(self, work: Path) -> None:
        """Only under the store's lock: until it is locked, a desk looks abandoned."""
        self._folder = work / secrets.token_hex(8)
        self._folder.mkdir()
        self._lock: int | None = _open_lock(self._folder)
        try_lock(self._lock)
        sync_folder(work)
        self._failed: set[Path] = set()

    def close(self) -> None:
        """Leave what is on it to the next writer."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    @property
    def closed(self) -> bool:
        return self._lock is None

    def start(self, rec: str) -> Path:
        """A new folder for a job."""
        job = self._folder / f"{rec}.{secrets.token_hex(4)}"
        job.mkdir()
        sync_folder(self._folder)
        return job

    @contextmanager
    def working(self, job: Path) -> Iterator[None]:
        """If what happens inside fails, the next writer settles the job."""
        if job.parent != self._folder:
            raise StoreError("an output must be made in the workspace of its clip.")
        try:
            yield
        except BaseException:
            self._failed.add(job)
            raise

    def failed(self) -> Generator[Path, None, None]:
        """The jobs of this process that failed, each until it is settled."""
        for job in list(self._failed):
            if job.exists():
                yield job
            self._failed.discard(job)


def abandoned(work: Path) -> Generator[Path, None, None]:
    """The jobs of processes that are gone; their desks are deleted once all of them are settled."""
    for desk in [path for path in work.iterdir() if path.is_dir()]:
        lock = _open_lock(desk)
        try:
            if try_lock(lock):
                yield from [path for path in desk.iterdir() if path.is_dir()]
                shutil.rmtree(desk)
        finally:
            os.close(lock)


def seal(job: Path, rec: str, detail: Detail, wrapping: bytes) -> Sealed:
    """Encrypt a detail into the job's folder, durably."""
    sealed = details.seal(rec, detail, wrapping)
    for path, data in zip(sealed_files(job, sealed.public), sealed.files, strict=True):
        write_durably(path, data, mode=0o600)
    return sealed


def destroy(folder: Path, public: dict[str, str | int]) -> None:
    """
    Destroy a detail, its key first: written over, then deleted, durably. Again does no harm.

    What the disk itself or a snapshot keeps of the old bytes is out of reach; the key alone is
    what has to go from there too.
    """
    for path in sealed_files(folder, public):
        if path.exists():
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
            sync_file(path)
            path.unlink()
            sync_folder(folder)


def sealed_files(folder: Path, public: dict[str, str | int]) -> list[Path]:
    """Where the two files of a detail are, the key first."""
    return [folder / f"{public['kid']}.{name}" for name in ("key", "detail")]


def _open_lock(desk: Path) -> int:
    return os.open(desk / "lock", os.O_RDWR | os.O_CREAT, 0o600)
