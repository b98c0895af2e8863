"""Which frames of a stream are looked at, and how."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from redact.tracking import SceneCuts, Unlike
from redact.types import Frame

MOST_UNSEEN = 11
"""At most so many frames in a row go without a look, however many there are in a second."""

STILL_SECONDS = Fraction(1, 2)
"""Where nothing moves, looks are no farther apart than this either."""

THOROUGH_SECONDS = Fraction(2, 5)
"""So long after a thorough look the next one is due; those between are quick."""


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


KEPT_BYTES = 192 * 2**20
"""What the frames may take that one pass keeps for the next: some 20 seconds in 1080p."""

Chosen = tuple[Frame, bool]
"""A frame to look at, and whether a quick look is enough."""


class Chooser:
    """Takes the frames of one stream in order, and says which of them to look at."""

    def __init__(self, schedule: Schedule, *, alternates: bool, keep: int = 0) -> None:
        """
        With `alternates`, looks are quick until THOROUGH_SECONDS after the last thorough one, every
        second look at least, and none at the first or last frame of a scene. `keep`: bytes of
        chosen frames that are kept; if they are more, none is.
        """
        self._pace = Fraction(schedule.looks_per_second).limit_denominator(1000)
        self._phase = 1 + Fraction(schedule.phase).limit_denominator(1000)
        self._scene_starts, self._unlike = SceneCuts(), Unlike()
        self._looked = -1  # the index of the frame that was looked at last
        self._alternates, self._quick_last = alternates, True
        self._thorough_again = Fraction(0)  # when a thorough look is due
        self._next = self._latest = Fraction(0)
        self.cuts: list[int] = []
        """The first frame of each scene but the first."""
        self.thorough: list[int] = []
        """The frames whose look is no quick one."""
        self.last: Frame | None = None
        """The frame that was taken last."""
        self.kept: list[Chosen] | None = [] if keep else None
        """All that was chosen; None where it is not kept."""
        self._room = keep

    def take(self, frame: Frame) -> list[Chosen]:
        """What to look at now, in this order: the frame, and the scene's last before a new one."""
        last, self.last = self.last, frame
        if self._scene_starts(frame) and last is not None:
            self.cuts.append(frame.index)
            return self._chosen(last) + self._chosen(frame)
        if last is None or self._unlike(frame):
            return self._chosen(frame)
        return self._chosen(frame, quick=self._is_quick(frame)) if self._due(frame) else []

    def end(self) -> list[Chosen]:
        """What to look at once the last frame was taken: that one, unless it was chosen before."""
        return [] if self.last is None else self._chosen(self.last)

    def _due(self, frame: Frame) -> bool:
        time = frame.pts * frame.time_base
        if frame.index - self._looked > MOST_UNSEEN or time >= self._latest:
            return True
        return time >= self._next and not self._unlike.still(frame)

    def _is_quick(self, frame: Frame) -> bool:
        soon = frame.pts * frame.time_base < self._thorough_again
        return self._alternates and (soon or not self._quick_last)

    def _chosen(self, frame: Frame, *, quick: bool = False) -> list[Chosen]:
        time = frame.pts * frame.time_base
        self._next = ((time * self._pace).__floor__() + self._phase) / self._pace
        self._latest, self._quick_last = time + STILL_SECONDS, quick
        self._unlike.looked(frame)
        self._looked = frame.index
        if self.thorough[-1:] == [frame.index]:
            return []
        if not quick:
            self.thorough.append(frame.index)
            self._thorough_again = time + THOROUGH_SECONDS
        self._keep(frame, quick=quick)
        return [(frame, quick)]

    def _keep(self, frame: Frame, *, quick: bool) -> None:
        self._room -= sum(plane.nbytes for plane in frame.planes)
        if self._room < 0:
            self.kept = None
        elif self.kept is not None:
            self.kept.append((frame, quick))
