"""Durable writes, locks between processes, and one way to say that a write failed."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from redact.errors import LedgerCorruptError, StoreError

CORRUPT = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
LOCK_SECONDS = 60.0


@contextmanager
def writing(what: str) -> Iterator[None]:
    """
    Turns what the disk or the database raises into one error of ours; `what` names the failure.

    Raises StoreError, or LedgerCorruptError where the database says that its file is damaged.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror or type(error).__name__}.",
            todo="See to the disk (space, rights, health), then run again: the run goes on.",
        ) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # The base code: SQLITE_CORRUPT_INDEX and its like begin with it. SQLite quotes what it
        # could not read of a damaged schema, and that need not be text.
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(CORRUPT) or isinstance(error, UnicodeDecodeError):
            raise LedgerCorruptError(
                f"{what}: the ledger's database is damaged ({type(error).__name__}).",
                todo="Restore the ledger from its last good copy.",
            ) from error
        raise StoreError(
            f"{what}: the ledger's database says: {error}.",
            todo="See to the disk (space, rights, health), then run again: the run goes on.",
        ) from error


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write the whole file or leave the old one, and return once it is on disk. Raises OSError."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    move_durably(temporary, path)


def move_durably(source: Path, target: Path) -> None:
    """Rename within a file system, and return once the new name is on disk. Raises OSError."""
    os.replace(source, target)
    sync_folder(target.parent)


def digest(path: Path) -> str:
    """The sha256 of a file, hex. Raises OSError."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Return once what was written to the file is on disk. Raises OSError."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Return once the names in the folder are on disk. Raises OSError."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(path: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """
    Hold the lock of this file, alone among all threads and processes of the machine.

    The operating system frees it when a process dies. Raises StoreError, with the holder's process
    id, when it is not free within `seconds`.
    """
    with writing(f"the lock {path.name} could not be taken"):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with writing(f"the lock {path.name} could not be taken"):
            _wait(fd, path, seconds)
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d" % os.getpid(), 0)
        yield
    finally:
        try:
            # A forked child may hold a copy, which close alone would leave locked.
            fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)


def _wait(fd: int, path: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not try_lock(fd):
        if time.monotonic() > until:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace") or "unknown"
            raise StoreError(
                f"{path.parent}: process {holder} has been writing to it for {seconds:.0f} s.",
                todo="Wait for that process to end, or end it, then run again.",
            )
        time.sleep(0.01)


def try_lock(fd: int) -> bool:
    """Take the lock of an open file if it is free. Raises OSError for anything but "taken"."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
