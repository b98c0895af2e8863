"""Several detectors as one: all that any of them finds, and an error if one could not look."""

from fractions import Fraction

import numpy as np
import pytest

from redact.detectors.together import together
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

FRAMES = [
    Frame(planes=(np.zeros((8, 8), np.uint8),), depth=8, index=i, pts=i, time_base=Fraction(1, 25))
    for i in range(3)
]


class Finds:
    """Finds a box of one kind in the frames with these numbers."""

    def __init__(self, kind, *where):
        self.name, self._kind, self._where = str(kind), kind, where

    def detect(self, frames):
        return [
            [Detection(self._kind, Box(0, 0, 4, 4), 0.5, self.name)] * (frame.index in self._where)
            for frame in frames
        ]


class Blind:
    name = "blind"

    def detect(self, frames):
        raise DetectorError("it could not look.")


def test_each_frame_has_what_any_of_them_finds():
    found = together([Finds(Kind.FACE, 0, 1), Finds(Kind.PLATE, 1)]).detect(FRAMES)
    assert [[one.kind for one in frame] for frame in found] == [
        [Kind.FACE],
        [Kind.FACE, Kind.PLATE],
        [],
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_if_one_could_not_look_nobody_has(order):
    with pytest.raises(DetectorError):
        together([Finds(Kind.FACE, 0), Blind()][::order]).detect(FRAMES)


def test_a_detector_that_forgets_a_frame_is_noticed():
    class Short(Finds):
        def detect(self, frames):
            return super().detect(frames)[1:]

    with pytest.raises(ValueError, match="shorter"):
        together([Finds(Kind.FACE), Short(Kind.PLATE)]).detect(FRAMES)
