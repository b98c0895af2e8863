"""Finds what a network takes for plates where there are none, to learn from it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from tqdm import tqdm

from redact.detectors.plates import PlateDetector
from redact.methods import cover_all
from redact.types import Box, Frame

from .sources import Labelled, Photo, Sources
from .surroundings import Edges

MIN_SCORE = 0.2
PERHAPS_REAL = {"ro": 0.3, "id": 0.6}
"""By source: what scores more and is not labelled may be a plate that nobody labelled. Seen by
eye: in the dashcam's streets most of it is, in the phone's pictures hardly any."""

EACH = 8  # windows of one picture, the surest first
AROUND = (1.5, 12.0)  # sides of a window, in widths of what was found


def detector(model: Path, min_score: float) -> PlateDetector:
    return PlateDetector(
        model.read_bytes(), label="plates", min_score=min_score, long_side=1280, threads=1
    )


def as_frame(photo: Photo) -> Frame:
    """R G B (rows, columns, 3) as a frame."""
    planes = tuple(np.ascontiguousarray(photo[:, :, channel]) for channel in range(3))
    return Frame(planes, 8, 0, 0, Fraction(1), rgb=True, full_range=True)


def mine(model: Path, sources: Sources) -> list[Labelled]:
    """
    Windows on the training pictures around what is found there and is no plate.

    What may be a plate that is not labelled is covered in the picture, in place: it would teach
    that plates are none.
    """
    finds = detector(model, MIN_SCORE)
    pictures = [*sources.labelled, *(Labelled("", one, np.zeros((0, 4))) for one in sources.plain)]
    windows = []
    for number, one in enumerate(tqdm(pictures, desc="mistakes", mininterval=5)):
        rng = np.random.default_rng([17, number])
        most = PERHAPS_REAL.get(one.name[:2], 1.0)
        (found,) = finds.detect([as_frame(one.photo)])
        wrong = [each for each in found if not _known(each.box, one.plates)]
        _cover(one.photo, [each.box for each in wrong if each.score >= most])
        wrong = [each for each in wrong if each.score < most]
        for each in sorted(wrong, key=lambda each: -each.score)[:EACH]:
            windows.append(_window(one, each.box, rng))
    return windows


def _cover(photo: Photo, boxes: list[Box]) -> None:
    """Cover these places as redact would, in place."""
    frame = as_frame(photo)
    grown = (box.grow(0.15).clip(frame.width, frame.height) for box in boxes)
    cover_all(frame, [(box, "fill", 1) for box in grown if box])
    photo[:] = np.stack(frame.planes[:3], axis=2)


def _known(box: Box, plates: Edges) -> bool:
    """Whether it meets any labelled plate."""
    found = np.array([box.x0, box.y0, box.x1, box.y1], float)
    low, high = np.maximum(found[:2], plates[:, :2]), np.minimum(found[2:], plates[:, 2:])
    return bool((low < high).all(axis=1).any())


def _window(one: Labelled, box: Box, rng: np.random.Generator) -> Labelled:
    side = max(box.width, box.height) * np.exp(rng.uniform(*np.log(AROUND)))
    middle = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2
    high, wide = one.photo.shape[:2]
    x0, y0 = np.clip(np.floor(middle - side / 2), 0, (wide - 2, high - 2)).astype(int)
    x1, y1 = np.minimum(np.ceil(middle + side / 2), (wide, high)).astype(int)
    plates = one.plates - np.array([x0, y0, x0, y0])
    return Labelled(one.name, one.photo[y0:y1, x0:x1].copy(), plates)
