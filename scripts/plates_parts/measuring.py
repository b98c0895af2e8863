"""How many plates are covered, and how much else: counts, from a detector and labelled pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redact.detectors.plates import PlateDetector
from redact.look import Looker
from redact.media.decode import frames
from redact.media.probe import probe
from redact.policy import Limits, Plates
from redact.schedule import Schedule
from redact.types import Box

from .mining import as_frame
from .sources import Photo

SMALLEST = 20
"""Plates less wide (in pixels) are not counted."""

COVERED = 0.8
"""The share of a plate that has to lie under the padded boxes."""

Truth = NDArray[np.float64]
"""Plates x0, y0, x1, y1, (n, 4)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Whole numbers of one group of pictures; every figure is a quotient of two of them."""

    pictures: int = 0
    plates: int = 0
    covered: int = 0
    false: int = 0  # boxes that are on no plate
    pixels: int = 0
    false_pixels: int = 0  # under padded false boxes

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Found:
    """One picture: its size, its plates, and the boxes that were found with their scores."""

    wide: int
    high: int
    plates: Truth
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]


def look(finds: PlateDetector, pictures: Iterable[tuple[Photo, Truth]]) -> list[Found]:
    """What is found in each picture at the threshold of the detector."""
    looked = []
    for photo, plates in pictures:
        (found,) = finds.detect([as_frame(photo)])
        boxes, scores = tuple(one.box for one in found), tuple(one.score for one in found)
        looked.append(Found(photo.shape[1], photo.shape[0], plates, boxes, scores))
    return looked


def count(looked: Sequence[Found], min_score: float) -> Counts:
    """Every plate of SMALLEST and more, at one threshold."""
    return sum((_of(one, min_score) for one in looked), Counts())


def _of(found: Found, min_score: float) -> Counts:
    boxes = _above(found, min_score)
    plates = [plate for plate in found.plates if plate[2] - plate[0] >= SMALLEST]
    hits = [covered(plate, boxes) for plate in plates]
    wrong = [box for box in boxes if not any(_on(box, plate) for plate in found.plates)]
    return Counts(
        pictures=1,
        plates=len(plates),
        covered=sum(hits),
        false=len(wrong),
        pixels=found.wide * found.high,
        false_pixels=sum(_inside(_padded(box), found) for box in wrong),
    )


def by(
    looked: Sequence[Found], min_score: float, axis: int, steps: Sequence[float]
) -> list[Counts]:
    """Counts of plates alone, by width (axis 0) or height (1), between each two steps."""
    counts = [Counts() for _ in steps[1:]]
    for found in looked:
        boxes = _above(found, min_score)
        for plate in found.plates:
            size = plate[2 + axis] - plate[axis]
            group = int(np.searchsorted(steps, size, side="right")) - 1
            if 0 <= group < len(counts):
                counts[group] += Counts(plates=1, covered=covered(plate, boxes))
    return counts


def _above(found: Found, min_score: float) -> list[Box]:
    return [b for b, score in zip(found.boxes, found.scores, strict=True) if score >= min_score]


def covered(plate: NDArray[np.float64], boxes: Sequence[Box]) -> bool:
    """Whether COVERED of the plate lies under the boxes, each grown by the policy's margin."""
    cells = 40
    middles = (np.arange(cells) + 0.5) / cells
    x = plate[0] + middles * (plate[2] - plate[0])
    y = plate[1] + middles * (plate[3] - plate[1])
    under = np.zeros((cells, cells), bool)
    for box in map(_padded, boxes):
        rows = (box.y0 <= y) & (y < box.y1)
        under |= rows[:, np.newaxis] & ((box.x0 <= x) & (x < box.x1))[np.newaxis]
    return bool(under.mean() >= COVERED)


def _padded(box: Box) -> Box:
    return box.grow(Plates().margin)


def _on(box: Box, plate: NDArray[np.float64]) -> bool:
    """Whether a box is of a plate: half of it is on it, or half of both together."""
    wide = max(min(box.x1, plate[2]) - max(box.x0, plate[0]), 0)
    high = max(min(box.y1, plate[3]) - max(box.y0, plate[1]), 0)
    both = wide * high
    union = box.area + (plate[2:] - plate[:2]).prod() - both
    return bool(both >= 0.5 * box.area or both >= 0.5 * union)


def _inside(box: Box, found: Found) -> int:
    part = box.clip(found.wide, found.high)
    return part.area if part else 0


def tracked(finds: PlateDetector, clip: Path, looks_per_second: float) -> Counts:
    """Boxes of each frame of a plate-free clip after tracking: all of them are false."""
    opened = probe(clip, Limits())
    assert opened.picture is not None
    looker = Looker(finds, Schedule(looks_per_second=looks_per_second), quick=finds.quick())
    for frame in frames(opened):
        looker.take(frame)
    seen = looker.seen(rate=float(opened.picture.rate or 25))
    boxes = [box for track in seen.tracks for box in track.boxes]
    area = opened.picture.width * opened.picture.height
    inside = [_padded(box).clip(opened.picture.width, opened.picture.height) for box in boxes]
    return Counts(
        pictures=seen.frames,
        false=len(boxes),
        pixels=seen.frames * area,
        false_pixels=sum(box.area for box in inside if box),
    )
