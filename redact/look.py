"""Look at the picture of one clip: all that is found in it, as tracks through all its frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from fractions import Fraction

from redact.detectors import PictureDetector
from redact.errors import InputError, Reason
from redact.media.ahead import ahead
from redact.media.decode import frames
from redact.media.probe import Clip
from redact.tracking import SceneCuts, Unlike, link
from redact.types import Box, Detection, Frame, Track

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""

MOST_UNSEEN = 11
"""At most so many frames in a row go without a look, however many there are in a second."""

STILL_SECONDS = Fraction(1, 2)
"""Where nothing moves, looks are no farther apart than this either."""

THOROUGH_SECONDS = Fraction(2, 5)
"""So long after a thorough look the next one is due; those between are quick."""

BATCH = 4
"""Frames that the detector sees in one call."""

WAITING = 4
"""Frames that wait at most for threads that look at one each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at a picture stream found, and how much of it was looked at."""

    tracks: tuple[Track, ...]
    frames: int
    frames_scanned: int
    again: Seen | None = None
    """What a second look at the same frames found, if there are no tracks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """
    Which frames a detector looks at: the first and last of each scene, and at this pace.

    Besides, any frame that shows something else than the last one looked at. Where nothing has
    moved since then, one of twelve frames and two a second are enough.
    """

    looks_per_second: float
    phase: float = 0.0
    """Shifts the looks by this share of the pace, so that a second look sees other frames."""


def look_at_picture(
    clip: Clip,
    detector: PictureDetector,
    schedule: Schedule,
    progress: Progress,
    *,
    quick: PictureDetector | None = None,
    again: Looker | None = None,
    source: Callable[[Clip], Iterator[Frame]] = frames,
    pool: Executor | None = None,
) -> Seen:
    """
    All that is found in a clip's picture, as tracks through its frames; `quick` as for a Looker.

    `again` takes the frames too, for as long as nothing is surely found: where nothing is, the
    picture is copied as it is, and a second look at these frames is one at the copy's. `source`
    decodes the clip.

    Raises InputError where the picture does not decode, DetectorError where the detector could
    not look.
    """
    assert clip.picture is not None
    looker = Looker(detector, schedule, quick=quick, pool=pool)
    expected = max(clip.picture.frames, 1)
    for frame in ahead(source(clip)):
        looker.take(frame)
        if again is not None and not looker.found:
            again.take(frame)
        progress(min(frame.index / expected, 1.0))
    rate = float(clip.picture.rate or 25)
    seen = looker.seen(rate=rate)
    if again is None or looker.found or seen.tracks:
        return seen
    return replace(seen, again=again.seen(rate=rate))


class Looker:
    """Takes the frames of one stream in order; looks at some, fills the others by tracking."""

    def __init__(
        self,
        detector: PictureDetector,
        schedule: Schedule,
        *,
        quick: PictureDetector | None = None,
        pool: Executor | None = None,
    ) -> None:
        """
        `quick` takes looks in the place of `detector` until THOROUGH_SECONDS after its last one,
        every second look at least, and none at the first or last frame of a scene. It can't say of
        what it never found that it is gone.

        The threads of `pool` look at a frame each, while more frames are taken; without one, taking
        a frame waits for the detector, which is shown BATCH of them at once.
        """
        self._detectors = (detector, quick or detector)
        self._schedule = schedule
        self._pace = Fraction(schedule.looks_per_second).limit_denominator(1000)
        self._scene_starts, self._unlike = SceneCuts(), Unlike()
        self._looked = -1  # the index of the frame that was looked at last
        self._looks: dict[int, list[Detection]] = {}
        self._cuts: list[int] = []
        self._waiting: tuple[list[Frame], list[Frame]] = ([], [])  # for each detector
        self._pool, self._asked = pool, deque[tuple[Frame, Future[list[list[Detection]]]]]()
        self._thorough = -1  # the index of the frame that `detector` was shown last
        self._alternates, self._quick_last = quick is not None, True
        self._thorough_looks: list[int] = []
        self._thorough_again = Fraction(0)  # when a thorough look is due
        self._next = self._latest = Fraction(0)
        self.found = False
        """Whether anything was surely found up to here, in the frames that were looked at."""
        self._last: Frame | None = None

    def take(self, frame: Frame) -> None:
        if self._scene_starts(frame) and self._last is not None:
            self._cuts.append(frame.index)
            self._look(self._last)
            self._look(frame)
        elif self._last is None or self._unlike(frame):
            self._look(frame)
        elif self._due(frame):
            self._look(frame, quick=self._is_quick(frame))
        self._last = frame

    def seen(
        self, *, rate: float, ignore: Callable[[int, Box], bool] = lambda _index, _box: False
    ) -> Seen:
        """
        What was found, once every frame was taken.

        `ignore` says of a frame's index and a box whether that is known already.
        """
        last = self._last
        if last is None:
            raise InputError("the picture has no frame at all.", reason=Reason.EMPTY)
        self._look(last)
        self._flush(quick=False)
        self._flush(quick=True)
        self._collect(0)
        tracks = link(
            {
                index: [one for one in found if not ignore(index, one.box)]
                for index, found in self._looks.items()
            },
            frames=last.index + 1,
            rate=rate,
            width=last.width,
            height=last.height,
            cuts=self._cuts,
            thorough=self._thorough_looks,
        )
        return Seen(tracks=tuple(tracks), frames=last.index + 1, frames_scanned=len(self._looks))

    def _due(self, frame: Frame) -> bool:
        time = frame.pts * frame.time_base
        if frame.index - self._looked > MOST_UNSEEN or time >= self._latest:
            return True
        return time >= self._next and not self._unlike.still(frame)

    def _is_quick(self, frame: Frame) -> bool:
        soon = frame.pts * frame.time_base < self._thorough_again
        return self._alternates and (soon or not self._quick_last)

    def _look(self, frame: Frame, *, quick: bool = False) -> None:
        time = frame.pts * frame.time_base
        self._next = (time * self._pace).__floor__() / self._pace
        self._next += (1 + Fraction(self._schedule.phase).limit_denominator(1000)) / self._pace
        self._latest, self._quick_last = time + STILL_SECONDS, quick
        self._unlike.looked(frame)
        self._looked = frame.index
        if frame.index == self._thorough:
            return
        if not quick:
            self._thorough = frame.index
            self._thorough_looks.append(frame.index)
            self._thorough_again = time + THOROUGH_SECONDS
        if self._pool is not None:
            asked = self._pool.submit(_detect, self._detectors[quick], [frame])
            self._asked.append((frame, asked))
            self._collect(WAITING)
            return
        self._waiting[quick].append(frame)
        if len(self._waiting[quick]) == BATCH:
            self._flush(quick=quick)

    def _flush(self, *, quick: bool) -> None:
        waiting = self._waiting[quick]
        if not waiting:
            return
        found = _detect(self._detectors[quick], waiting)
        for frame, detections in zip(waiting, found, strict=True):
            self._keep(frame, detections)
        waiting.clear()

    def _collect(self, most: int) -> None:
        """Wait for the pool's oldest looks until no more than `most` are left."""
        while len(self._asked) > most:
            frame, asked = self._asked.popleft()
            self._keep(frame, asked.result()[0])

    def _keep(self, frame: Frame, detections: Sequence[Detection]) -> None:
        self._looks.setdefault(frame.index, []).extend(detections)
        self.found |= not all(one.doubtful or one.weak for one in detections)


def _detect(detector: PictureDetector, frames: Sequence[Frame]) -> list[list[Detection]]:
    """What is in the colours of each frame, and what is drawn in its alpha plane alone."""
    found = detector.detect(list(frames))
    for frame, detections in zip(frames, found, strict=True):
        if frame.alpha is not None:
            grey = replace(frame, planes=(frame.alpha,), rgb=False, full_range=True)
            detections += detector.detect([grey])[0]
    return found
