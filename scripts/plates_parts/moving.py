"""Stills that move as a dashcam's picture does, and how much tracking covers of their plates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.detectors import PictureDetector
from redact.detectors.plates import PlateDetector
from redact.look import Looker
from redact.schedule import Schedule
from redact.types import Detection, Frame

from .measuring import SMALLEST, Counts, Truth, covered
from .mining import as_frame
from .sources import Photo

FRAMES, RATE = 45, 30
WIDE, HIGH = 1280, 720


class _Replayed:
    """What a detector said of each frame, said again without a doubt."""

    def __init__(self, finds: PictureDetector, said: dict[int, list[Detection]]) -> None:
        self.name, self._finds, self.said = finds.name, finds, said

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect; a frame that was seen before is not looked at again."""
        new = [frame for frame in frames if frame.index not in self.said]
        for frame, found in zip(new, self._finds.detect(new), strict=True):
            self.said[frame.index] = found
        return [[replace(one, doubtful=False) for one in self.said[f.index]] for f in frames]


class _Noted(_Replayed):
    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """As the detector says it."""
        super().detect(frames)
        return [list(self.said[frame.index]) for frame in frames]


def moved(photo: Photo, plates: Truth, seed: int) -> Iterator[tuple[Frame, Truth]]:
    """
    The still, far away or nearer, shifted, shaken and blurred by that: frames and their plates.

    What is about it is its mirror image, in which plates are not counted.
    """
    rng = np.random.default_rng([5, seed])
    whole = max(WIDE / photo.shape[1], HIGH / photo.shape[0])
    start, end = whole * np.exp(rng.uniform(*np.log((0.15, 1.0)), 2))
    first, last = rng.uniform(0.2, 0.8, (2, 2))
    for index in range(FRAMES):
        share = index / (FRAMES - 1)
        scale = start + (end - start) * share
        slack = np.array(photo.shape[1::-1]) * scale - (WIDE, HIGH)
        corner = slack * (first + (last - first) * share) + rng.normal(0, 1.5, 2)
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shift = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]])
        picture = cv2.warpAffine(small, shift, (WIDE, HIGH), borderMode=cv2.BORDER_REFLECT)
        picture = cv2.blur(picture, (int(rng.integers(1, 5)), int(rng.integers(1, 3))))
        frame = as_frame(_coded(picture, rng))
        there = plates * scale - np.tile(corner, 2)
        yield replace(frame, index=index, pts=index, time_base=Fraction(1, RATE)), there


def _coded(picture: Photo, rng: np.random.Generator) -> NDArray[np.uint8]:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 70))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))


def followed(
    finds: PlateDetector, photo: Photo, plates: Truth, *, seed: int, looks_per_second: float
) -> tuple[Counts, Counts]:
    """
    Plates in frames, and how many of these are covered by tracks.

    Once as they are, and once as if nothing were doubtful: the difference is what is asked of
    doubtful things, to be found twice, costs.
    """
    said: dict[int, list[Detection]] = {}
    frames = list(moved(photo, plates, seed))
    noted, sure = (
        _tracked(kind, finds, said, frames, looks_per_second) for kind in (_Noted, _Replayed)
    )
    return noted, sure


def _tracked(
    kind: type[_Replayed],
    finds: PlateDetector,
    said: dict[int, list[Detection]],
    frames: list[tuple[Frame, Truth]],
    looks_per_second: float,
) -> Counts:
    whole, quick = kind(finds, said), kind(finds.quick(), said)
    looker = Looker(whole, Schedule(looks_per_second=looks_per_second), quick=quick)
    for frame, _ in frames:
        looker.take(frame)
    tracks = looker.seen(rate=RATE).tracks
    total = Counts()
    for frame, plates in frames:
        at = frame.index
        boxes = [t.boxes[at - t.first] for t in tracks if t.first <= at < t.first + len(t.boxes)]
        here = [plate for plate in plates if _is_inside(plate)]
        hits = sum(covered(plate, boxes) for plate in here)
        total += Counts(pictures=1, plates=len(here), covered=hits)
    return total


def _is_inside(plate: NDArray[np.float64]) -> bool:
    """Whether all of it is in the picture, and it is large enough to be counted."""
    inside = plate[0] >= 0 and plate[1] >= 0 and plate[2] <= WIDE and plate[3] <= HIGH
    return bool(inside and plate[2] - plate[0] >= SMALLEST)
