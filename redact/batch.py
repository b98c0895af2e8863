"""Many inputs into one store: files, folders, globs and lists, by several workers at once."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from redact.crew import Crew
from redact.detectors.opened import why_no_gpu
from redact.errors import RedactError, UsageError
from redact.policy import Policy
from redact.redactor import Finish, Redactor, Result, Status
from redact.sources import Manifest
from redact.store import Store
from redact.worker import Worker

_VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts")
_SOUND = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus")
_STILL = (".png", ".jpg", ".jpeg", ".webp")
SUFFIXES = frozenset((*_VIDEO, *_SOUND, *_STILL))
"""What is taken from a folder. A file that is named itself is always tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    paths: tuple[Path, ...]  # each file once, in a stable order
    ignored: int  # files of folders whose suffix is not one of media


def expand(inputs: Sequence[str], *, leave: Path | None = None) -> Inputs:
    """
    The files behind files, folders (with all below), globs and `@list` (a path a line).

    `leave` is the store: a folder that holds it is taken without it. What is named inside it is
    tried, and held.
    Raises UsageError for an input that is nothing of these: a typo must not pass as an empty run.
    """
    paths: dict[Path, None] = {}
    ignored = 0
    for name in inputs:
        for path, taken in _behind(name, leave):
            if taken:
                paths[path] = None
            else:
                ignored += 1
    if not paths:
        raise UsageError("there is no media file in the inputs.")
    return Inputs(paths=tuple(paths), ignored=ignored)


def _behind(name: str, leave: Path | None) -> Iterator[tuple[Path, bool]]:
    """Each file behind one input, and whether it is to be tried."""
    path = Path(name)
    if _same(path, leave):
        return
    if os.path.isdir(path):
        for folder, folders, files in os.walk(path, onerror=_unlisted):
            folders[:] = sorted(one for one in folders if not _same(Path(folder, one), leave))
            for file in sorted(files):
                yield Path(folder, file), Path(file).suffix.lower() in SUFFIXES
    elif os.path.lexists(path):
        yield path, True
    elif name.startswith("@"):
        for line in _lines(Path(name[1:])):
            yield from _behind(line, leave)
    elif found := sorted(glob.glob(name, recursive=True)):
        for one in found:
            yield from _behind(one, leave)
    else:
        raise UsageError(
            f"there is no file, folder or match for {name!r}.",
            todo="Check the path; quote a glob so that the shell leaves it alone.",
        )


def _same(folder: Path, leave: Path | None) -> bool:
    return leave is not None and os.path.realpath(folder) == os.path.realpath(leave)


def _unlisted(error: OSError) -> None:
    raise UsageError(
        f"the folder {str(error.filename)!r} can't be listed ({error.strerror}).",
        todo="Give its files to be read by you, or leave it out.",
    ) from error


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in os.fsdecode(path.read_bytes()).splitlines() if line]
    except OSError as error:
        raise UsageError(f"the list {str(path)!r} can't be read ({error.strerror}).") from error


Watch = Callable[[Path, float], None]
"""Called with a clip and the share of its work that is done."""


def run_all(
    paths: Sequence[Path],
    store: Store,
    policy: Policy,
    *,
    device: str = "auto",
    manifest: Manifest | None = None,
    strict: bool = False,
    workers: int = 1,
    finish: Finish | None = None,
    watch: Watch = lambda _path, _share: None,
) -> Iterator[Result]:
    """
    Redact every file; one result for each, as it is done.

    A clip that fails is held, and the others go on. What stops the whole run (a store that
    can't be written, models that can't be opened) is raised.
    """
    how: dict[str, Any] = {"device": device, "strict": strict}
    idle: SimpleQueue[Redactor] = SimpleQueue()
    crew = [
        Redactor(policy, manifest=manifest, finish=finish, worker=one, **how, threads=threads)
        for one, threads in _workers(policy, workers, **how)
    ]
    for redactor in crew:
        idle.put(redactor)

    pool = ThreadPoolExecutor(workers)
    try:
        crew[0].open()
        yield from _as_done(pool, partial(_redacted, idle, store, watch), paths, ahead=2 * workers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # first, or the next job starts a new child
        for redactor in crew:
            redactor.close()
        pool.shutdown()


def _redacted(idle: SimpleQueue[Redactor], store: Store, watch: Watch, path: Path) -> Result:
    redactor = idle.get()
    try:
        return redactor.run(path, store, progress=lambda share: watch(path, share))
    except RedactError as error:
        return Result(source=path, status=Status.HELD, record=error.record, error=error)
    finally:
        idle.put(redactor)


def _workers(
    policy: Policy, count: int, *, device: str, strict: bool
) -> Iterator[tuple[Worker | None, int]]:
    """Workers that share a GPU, if there is one; None: one of its own. And how many threads."""
    cores = os.cpu_count() or 1
    if count == 1 or device == "cpu" or why_no_gpu():
        yield from [(None, max(1, cores // count))] * count
        return
    # One at a time is listened to, with all cores.
    for one in Crew(policy, count, device=device, strict=strict, threads=cores).workers:
        yield one, cores


def _as_done(
    pool: ThreadPoolExecutor,
    one: Callable[[Path], Result],
    paths: Sequence[Path],
    *,
    ahead: int,
) -> Iterator[Result]:
    """Results in the order in which they are ready; few jobs wait in the pool at any time."""
    todo = iter(paths)
    running: set[Future[Result]] = set()
    while True:
        while len(running) < ahead and (path := next(todo, None)) is not None:
            running.add(pool.submit(one, path))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@dataclass(slots=True)
class Totals:
    """What became of a run's clips, counted: of millions, none is kept."""

    counts: Counter[Status] = field(default_factory=Counter)
    footage: float = 0.0  # seconds that were published
    codes: set[int] = field(default_factory=set)

    def add(self, result: Result) -> None:
        self.counts[result.status] += 1
        if result.status is Status.PUBLISHED:
            self.footage += result.seconds
        if result.error is not None:
            self.codes.add(result.error.exit_code)

    @property
    def exit_code(self) -> int:
        """0 if nothing is held; the code of what held the clips; 1 if those codes differ."""
        return 0 if not self.codes else min(self.codes) if len(self.codes) == 1 else 1
