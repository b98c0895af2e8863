"""
The public way in: a file goes in, a published file (or a held clip) comes out, and it is recorded.

The work on a clip happens in a child process; recording and publishing happen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

from redact import arrays
from redact.arrays import FramesReport
from redact.check import Verdict
from redact.detectors.opened import Detectors
from redact.errors import RedactError
from redact.media.probe import Clip
from redact.origin import Origin, check_outside, origin, restate
from redact.pipeline import Made
from redact.plan import Plan
from redact.policy import Policy
from redact.record import detail_of, media_of, published_facts, removed_from, work_of
from redact.sources import Manifest
from redact.sources import manifest as manifests
from redact.store import Store
from redact.worker import Worker, fault

START_SECONDS = 120.0
"""Of a clip's time limit, whatever its duration; also the limit for probing it."""


class Status(StrEnum):
    """What became of a clip."""

    PUBLISHED = "published"
    ALREADY = "already"  # published by an earlier run, with the same policy and engine
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one clip."""

    source: Path
    status: Status
    output: Path | None = None  # in the store's clips/; None if it is held
    record: str = ""  # the ledger's opaque name for it
    removed: dict[str, int] = field(default_factory=dict)  # how many of each kind
    seconds: float = 0.0  # of footage
    notes: tuple[str, ...] = ()  # what ran on the CPU, where a GPU was to be used
    error: RedactError | None = None  # why it is held


Progress = Callable[[float], None]

Finish = Callable[[Path, str], str | None]
"""
Called with a finished output and its media type before it is hashed and recorded.

What it returns is the entry's `c2pa`. It must not change what is seen or heard.
"""


def _quiet(_share: float) -> None:
    """Nobody watches."""


class Redactor:
    """
    Redacts clips one after the other, with the models open once. Also a context manager.

    Args:
        policy: a Policy, the name of one, or the path of a TOML file.
        device: "cpu", "cuda" or "tensorrt" (raise DetectorError where there is none) or "auto".
        threads: of the models and codecs; 0 takes every core.
        strict: with "cuda" or "tensorrt", a clip is held rather than that what is for the GPU
            runs on the CPU.
        manifest: where clips come from: a file (CSV, JSON Lines, Croissant), or what was read of
            one. A clip that it does not allow to be used is held before any work is done.
        worker: one of a crew of the same policy and settings, instead of one of its own.
        finish: what is done to an output before it is recorded (see provenance.manifests).
    """

    def __init__(
        self,
        policy: str | Path | Policy = "strict",
        *,
        device: str = "auto",
        threads: int = 0,
        strict: bool = False,
        manifest: str | Path | Manifest | None = None,
        worker: Worker | None = None,
        finish: Finish | None = None,
    ) -> None:
        self._finish = finish
        self.policy = Policy.load(policy)
        if isinstance(manifest, str | Path):
            manifest = manifests.read(Path(manifest))
        self._manifest = manifest
        self._device, self._threads = device, threads
        self._worker = worker or Worker(self.policy, device=device, threads=threads, strict=strict)
        self._stores: dict[Path, Store] = {}
        self._detectors: Detectors | None = None

    def __enter__(self) -> Redactor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the models now rather than with the first clip; raises what is wrong with them."""
        self._worker.start()

    def close(self) -> None:
        """End the child process and settle the stores. The next call opens them anew."""
        self._worker.close()
        while self._stores:
            self._stores.popitem()[1].close()

    def run(
        self,
        path: str | PathLike[str],
        store: str | PathLike[str] | Store,
        *,
        progress: Progress = _quiet,
    ) -> Result:
        """
        Redact one file into the store, unless an earlier run with the same settings has.

        Raises the RedactError that held the clip, once the hold is recorded.
        """
        return self._into(Path(path), self._store(store), None, False, progress)

    def plan(self, path: str | PathLike[str], *, progress: Progress = _quiet) -> Plan:
        """What has to go from the file, as plain data. Changes nothing."""
        clip = self._probe(Path(path))
        plan: Plan = self._worker.do(
            "plan", clip, progress=progress, seconds=self._time_limit(clip)
        )
        return plan

    def apply(
        self,
        path: str | PathLike[str],
        plan: Plan,
        store: str | PathLike[str] | Store,
        *,
        trust_plan: bool = False,
        progress: Progress = _quiet,
    ) -> Result:
        """
        Redact one file by a plan that was made for it, exactly as the plan says.

        What the second look still finds holds the clip; with `trust_plan` it is published all
        the same, and its entry says that a person overruled the second look.
        """
        return self._into(Path(path), self._store(store), plan, trust_plan, progress)

    def redact_frames(
        self, frames: Any, fps: float, *, stream: int | None = None
    ) -> tuple[Any, FramesReport]:
        """
        A copy of the frames with everything found in them covered, and what was covered.

        Works in this process. Frames on the GPU stay there; what comes back speaks DLPack too:
        `torch.from_dlpack(covered)`.

        Args:
            frames: uint8, of one clip in order: a NumPy array (frames, height, width, 3), R G B; or
                on the GPU an array of torch, CuPy or another library that speaks DLPack, of the
                same form or NV12 (frames, height * 3 / 2, width).
            fps: frames per second.
            stream: the CUDA stream to work on, by its handle
                (`torch.cuda.current_stream().cuda_stream`); None: one of redact's own.

        Raises UsageError for arrays of another form, DetectorError where a detector could not
        look, ResidualError where the second look still finds something. See `redact.arrays`.
        """
        if self._detectors is None:
            self._detectors = Detectors.open(
                self.policy, device=self._device, threads=self._threads
            )
        return arrays.redact_frames(frames, fps, self._detectors, self.policy, stream=stream)

    def check(self, path: str | PathLike[str], *, progress: Progress = _quiet) -> Verdict:
        """What can still be seen and heard in a file, ours or not."""
        clip = self._probe(Path(path))
        verdict: Verdict = self._worker.do(
            "look_again", clip, progress=progress, seconds=self._time_limit(clip)
        )
        return verdict

    def _store(self, store: str | PathLike[str] | Store) -> Store:
        if isinstance(store, Store):
            return store
        root = Path(store).absolute()
        if root not in self._stores:
            self._stores[root] = Store(root)
        return self._stores[root]

    def _probe(self, path: Path) -> Clip:
        try:
            size = path.stat().st_size
        except OSError:  # the child says what is wrong with it
            size = 0
        limit = START_SECONDS + size / 10e6  # 10 MB/s: a slow disk
        clip: Clip = self._worker.do("probe", path, progress=_quiet, seconds=limit)
        return clip

    def _time_limit(self, clip: Clip) -> float:
        factor = self.policy.limits.seconds_per_second
        return START_SECONDS + factor * clip.duration_us / 1_000_000

    def _into(
        self, path: Path, store: Store, plan: Plan | None, trust: bool, progress: Progress
    ) -> Result:
        clip, source = None, Origin()
        try:
            check_outside(path, store)
            clip = self._probe(path)
            source = origin(path, clip.sha256, self._manifest, self.policy, store)
            restate(source, clip.sha256, store)
            source.check(path)
            store.check_source(source.url_hmac)
            return self._make(clip, source, store, plan, trust, progress)
        except Exception as error:
            why = error if isinstance(error, RedactError) else fault(error)
            work = work_of(clip.sha256 if clip else None, self.policy, plan)
            held = store.hold(work, self.policy.name, why.reason, source.sidecar, source.listing)
            why.record = held.rec
            raise why from error

    def _make(
        self,
        clip: Clip,
        source: Origin,
        store: Store,
        plan: Plan | None,
        trust: bool,
        progress: Progress,
    ) -> Result:
        work = work_of(clip.sha256, self.policy, plan)
        if (entry := store.find(work)) is not None:
            removed = {line["k"]: line["count"] for line in entry.value["sum"]}
            return _result(clip, Status.ALREADY, store.path(entry), removed)
        target, limit = store.workspace(work, media_of(clip)), self._time_limit(clip)
        try:
            made: Made = self._worker.do(
                "make", clip, target, plan, trust, progress=progress, seconds=limit
            )
            signed = self._finish(target, media_of(clip)) if self._finish else None
        except BaseException:
            store.discard(target)
            raise
        facts = replace(published_facts(made, self.policy, source.listing), c2pa=signed)
        output = store.publish(target, work, facts, detail_of(made, source.detail))
        result = _result(clip, Status.PUBLISHED, output, removed_from(made.plan))
        return replace(result, notes=made.notes)


def run(
    path: str | PathLike[str],
    store: str | PathLike[str],
    *,
    policy: str | Path | Policy = "strict",
    device: str = "auto",
    manifest: str | Path | None = None,
) -> Result:
    """Redact one file into a store; see `Redactor.run`. For many files, keep a Redactor open."""
    with Redactor(policy, device=device, manifest=manifest) as redactor:
        return redactor.run(path, store)


def redact_frames(
    frames: Any, fps: float, *, policy: str | Path | Policy = "strict", device: str = "auto"
) -> tuple[Any, FramesReport]:
    """A copy of the frames with everything found covered; see `Redactor.redact_frames`."""
    return Redactor(policy, device=device).redact_frames(frames, fps)


def _result(clip: Clip, status: Status, output: Path, removed: dict[str, int]) -> Result:
    return Result(
        source=clip.path,
        status=status,
        output=output,
        record=output.stem,
        removed=removed,
        seconds=clip.duration_us / 1_000_000,
    )
