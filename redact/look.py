"""Look at the picture of one clip: every face in it, as tracks through all of its frames."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from redact.detectors import PictureDetector
from redact.errors import InputError, Reason
from redact.media.decode import frames
from redact.media.probe import Clip
from redact.tracking import SceneCuts, link
from redact.types import Box, Detection, Frame, Track

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""

BATCH = 4
"""Frames that the detector sees in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at a picture stream found, and how much of it was looked at."""

    tracks: tuple[Track, ...]
    frames: int
    frames_scanned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which frames a detector looks at: the first and last of each scene, and at this pace."""

    looks_per_second: float
    phase: float = 0.0
    """Shifts the looks by this share of the pace, so that a second look sees other frames."""


def look_at_picture(
    clip: Clip, detector: PictureDetector, schedule: Schedule, progress: Progress
) -> Seen:
    """
    Every face in the clip's picture, as tracks through all of its frames.

    Raises InputError where the picture does not decode, DetectorError where the detector could
    not look.
    """
    assert clip.picture is not None
    looker = Looker(detector, schedule)
    expected = max(clip.picture.frames, 1)
    for frame in ahead(frames(clip)):
        looker.take(frame)
        progress(min(frame.index / expected, 1.0))
    return looker.seen(rate=float(clip.picture.rate or 25))


class Looker:
    """Takes the frames of one stream in order; looks at some, fills the others by tracking."""

    def __init__(
        self,
        detector: PictureDetector,
        schedule: Schedule,
        *,
        ignore: Callable[[int, Box], bool] = lambda _index, _box: False,
    ) -> None:
        """`ignore` says of a frame's index and a box whether that is known already."""
        self._detector, self._schedule, self._ignore = detector, schedule, ignore
        self._pace = Fraction(schedule.looks_per_second).limit_denominator(1000)
        self._scene_starts = SceneCuts()
        self._looks: dict[int, Sequence[Detection]] = {}
        self._cuts: list[int] = []
        self._waiting: list[Frame] = []
        self._next = Fraction(0)
        self._last: Frame | None = None

    def take(self, frame: Frame) -> None:
        if self._scene_starts(frame) and self._last is not None:
            self._cuts.append(frame.index)
            self._look(self._last)
            self._look(frame)
        elif self._last is None or self._due(frame):
            self._look(frame)
        self._last = frame

    def seen(self, *, rate: float) -> Seen:
        """What was found, once every frame was taken."""
        last = self._last
        if last is None:
            raise InputError("the picture has no frame at all.", reason=Reason.EMPTY)
        self._look(last)
        self._flush()
        tracks = link(
            self._looks,
            frames=last.index + 1,
            rate=rate,
            width=last.width,
            height=last.height,
            cuts=self._cuts,
        )
        return Seen(tracks=tuple(tracks), frames=last.index + 1, frames_scanned=len(self._looks))

    def _due(self, frame: Frame) -> bool:
        return frame.pts * frame.time_base >= self._next

    def _look(self, frame: Frame) -> None:
        time = frame.pts * frame.time_base
        self._next = (time * self._pace).__floor__() / self._pace
        self._next += (1 + Fraction(self._schedule.phase).limit_denominator(1000)) / self._pace
        if frame.index in self._looks or any(frame.index == one.index for one in self._waiting):
            return
        self._waiting.append(frame)
        if len(self._waiting) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        found = self._detector.detect(self._waiting)
        for frame, detections in zip(self._waiting, found, strict=True):
            self._looks[frame.index] = [
                one for one in detections if not self._ignore(frame.index, one.box)
            ]
        self._waiting = []


def ahead(source: Iterator[Frame], *, depth: int = 8) -> Iterator[Frame]:
    """The same frames, decoded in a thread while the detector looks at earlier ones."""
    ready: queue.Queue[Frame | BaseException | None] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: Frame | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def decode() -> None:
        try:
            for frame in source:
                put(frame)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001  # raised again by the reader below
            put(error)

    thread = threading.Thread(target=decode, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
