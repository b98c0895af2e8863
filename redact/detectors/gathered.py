"""Looks of several clips at once, as one: a GPU wants more frames than one clip has waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from redact.detectors import PictureDetector
from redact.types import Detection, Frame

MOST = 64
"""Frames in one call, at most."""

_Found = list[list[Detection]]
_Asked = tuple[Sequence[Frame], Future[_Found]]


class Gathered:
    """
    A detector that many threads may ask at once.

    Whoever finds it idle runs it for all that wait; meanwhile the others queue up, and the next
    one runs it for them. So batches are as large as the clips are many, and nobody waits for one
    to fill. An error goes to each whose frames were in that call.
    """

    def __init__(self, detector: PictureDetector) -> None:
        self.name = detector.name
        self._detector = detector
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._waiting: list[_Asked] = []

    def detect(self, frames: Sequence[Frame]) -> _Found:
        """See PictureDetector.detect."""
        asked: Future[_Found] = Future()
        with self._lock:
            self._waiting.append((frames, asked))
        while not asked.done():
            with self._turn:
                if not asked.done():
                    self._run(self._taken())
        return asked.result()

    def _taken(self) -> list[_Asked]:
        """Of those that wait, the first, and who can be looked at with it: of the same size."""
        with self._lock:
            first, size = self._waiting[0][0], 0
            taken: list[_Asked] = []
            left: list[_Asked] = []
            for frames, asked in self._waiting:
                fits = _shape(frames) == _shape(first) and size + len(frames) <= MOST
                if fits or not taken:
                    taken.append((frames, asked))
                    size += len(frames)
                else:
                    left.append((frames, asked))
            self._waiting = left
        return taken

    def _run(self, taken: list[_Asked]) -> None:
        try:
            found = iter(self._detector.detect([frame for frames, _ in taken for frame in frames]))
            for frames, asked in taken:
                asked.set_result([next(found) for _ in frames])
        except BaseException as error:  # noqa: BLE001  # raised again by each that waits
            for _, asked in taken:
                if not asked.done():
                    asked.set_exception(error)


def _shape(frames: Sequence[Frame]) -> tuple[int, ...]:
    """What frames that are looked at together have in common."""
    if not frames:
        return ()
    return frames[0].width, frames[0].height, getattr(frames[0], "held", 0)
