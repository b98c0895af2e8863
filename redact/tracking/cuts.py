"""Sees hard scene cuts."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.types import Frame

THUMBNAIL = 32
"""Scenes are compared at this many pixels square."""

FLAT = 4.0
"""A thumbnail whose levels spread less than this shows nothing."""

ALIKE = 0.5
"""Two thumbnails that correlate more than this are of one scene."""

CHANGE = 12.0
"""A cut changes the levels by more than this on average."""

BEYOND_USUAL = 2.5
"""And by more than this many times the largest change of the last frames."""

STILL = 3.0
"""Where no part of a thumbnail changes by more levels than this, nothing has moved or come."""

MEMORY = 4
"""How many frames back that goes."""


class SceneCuts:
    """
    Sees hard cuts, given every frame of a clip in order.

    A cut that is not seen costs a patch on the wrong scene for a moment (that the new scene is
    looked at is up to `Unlike`); a cut that is not one ends tracks too early. So it wants to be
    sure: the picture's layout has to differ from each of the last few pictures, and by far more
    than they differed from one another (motion does that all the time). A picture without
    contrast, as in a fade to black, is no scene.
    """

    def __init__(self) -> None:
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=MEMORY)
        self._changes: deque[float] = deque(maxlen=MEMORY)

    def __call__(self, frame: Frame) -> bool:
        """Whether a new scene starts with this frame; never the clip's first."""
        picture = _thumbnail(frame)
        if float(picture.std()) < FLAT:
            return False
        alike = max((_correlation(picture, old) for old in self._recent), default=1.0)
        change = float(np.abs(picture - self._recent[-1]).mean()) if self._recent else 0.0
        usual = max(self._changes) if len(self._changes) > 1 else np.inf
        cut = alike < ALIKE and change > max(CHANGE, BEYOND_USUAL * usual)
        if cut:
            self._recent.clear()
        self._recent.append(picture)
        self._changes.append(change)
        return cut


class Unlike:
    """Tells of a frame whether it shows something else than the frame that was last looked at."""

    def __init__(self) -> None:
        self._looked: NDArray[np.float32] | None = None

    def looked(self, frame: Frame) -> None:
        """This frame is looked at."""
        self._looked = _thumbnail(frame)

    def __call__(self, frame: Frame) -> bool:
        """
        Whether its layout differs as that of two scenes does.

        A flash differs, and so does a scene of one frame: neither may go out unseen.
        """
        if self._looked is None:
            return True
        picture = _thumbnail(frame)
        if float(np.abs(picture - self._looked).mean()) <= CHANGE:
            return False
        if min(float(picture.std()), float(self._looked.std())) < FLAT:
            return True
        return _correlation(picture, self._looked) < ALIKE

    def still(self, frame: Frame) -> bool:
        """Whether no part of the picture has changed since then: what comes, changes it."""
        if self._looked is None:
            return False
        return float(np.abs(_thumbnail(frame) - self._looked).max()) <= STILL


def _thumbnail(frame: Frame) -> NDArray[np.float32]:
    """The first plane as 8-bit levels, small: where light and dark are, and no detail."""
    plane = frame.planes[0]
    step = max(min(plane.shape) // (4 * THUMBNAIL), 1)
    small = cv2.resize(
        np.ascontiguousarray(plane[::step, ::step]),
        (THUMBNAIL, THUMBNAIL),
        interpolation=cv2.INTER_AREA,
    )
    return np.asarray(small, np.float32) / np.float32(1 << (frame.depth - 8))


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))
