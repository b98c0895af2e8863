"""Look at the picture of one clip: all that is found in it, as tracks through all its frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from redact.detectors import PictureDetector
from redact.errors import InputError, Reason
from redact.media.ahead import ahead
from redact.media.decode import frames
from redact.media.probe import Clip
from redact.schedule import Chooser, Schedule
from redact.tracking import link
from redact.types import Box, Detection, Frame, Track

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""

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

    `again` looks at the frames too, for as long as nothing is surely found: where nothing is, the
    picture is copied as it is, and a second look at these frames is one at the copy's. From then on
    it passes them by. `source` decodes the clip.

    Raises InputError where the picture does not decode, DetectorError where the detector could
    not look.
    """
    assert clip.picture is not None
    looker = Looker(detector, schedule, quick=quick, pool=pool)
    expected = max(clip.picture.frames, 1)
    for frame in ahead(source(clip)):
        looker.take(frame)
        if again is not None:
            (again.pass_by if looker.found else again.take)(frame)
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
        keep: int = 0,
    ) -> None:
        """
        `quick` takes looks in the place of `detector` until THOROUGH_SECONDS after its last one,
        every second look at least, and none at the first or last frame of a scene. It can't say of
        what it never found that it is gone.

        The threads of `pool` look at a frame each, while more frames are taken; without one, taking
        a frame waits for the detector, which is shown BATCH of them at once.
        """
        self._detectors = (detector, quick or detector)
        self._chooser = Chooser(schedule, alternates=quick is not None, keep=keep)
        self._looks: dict[int, list[Detection]] = {}
        self._waiting: tuple[list[Frame], list[Frame]] = ([], [])  # for each detector
        self._pool, self._asked = pool, deque[tuple[Frame, Future[list[list[Detection]]]]]()
        self.found = False
        """Whether anything was surely found up to here, in the frames that were looked at."""

    def take(self, frame: Frame) -> None:
        for chosen, quick in self._chooser.take(frame):
            self._look(chosen, quick=quick)

    def pass_by(self, frame: Frame) -> None:
        """Take a frame to keep it, if anything is kept, and not to look at it."""
        if self._chooser.kept is not None:
            self._chooser.take(frame)

    def kept(self) -> Chooser | None:
        """What to look at in the frames that were taken or passed by; None if it is not kept."""
        return None if self._chooser.kept is None else self._chooser

    def look_at(self, chooser: Chooser) -> None:
        """Take what another looker has kept of all frames, instead of the frames."""
        self._chooser = chooser
        for chosen, quick in chooser.kept or ():
            self._look(chosen, quick=quick)

    def seen(
        self, *, rate: float, ignore: Callable[[int, Box], bool] = lambda _index, _box: False
    ) -> Seen:
        """
        What was found, once every frame was taken.

        `ignore` says of a frame's index and a box whether that is known already.
        """
        last = self._chooser.last
        if last is None:
            raise InputError("the picture has no frame at all.", reason=Reason.EMPTY)
        for chosen, quick in self._chooser.end():
            self._look(chosen, quick=quick)
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
            cuts=self._chooser.cuts,
            thorough=self._chooser.thorough,
        )
        return Seen(tracks=tuple(tracks), frames=last.index + 1, frames_scanned=len(self._looks))

    def _look(self, frame: Frame, *, quick: bool) -> None:
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
