from fractions import Fraction

import numpy as np
import pytest

from redact.detectors.upright import upright
from redact.types import Box, Detection, Frame, Kind
from tests.media_maker import Picture, make_clip
from tests.test_pipeline import made_of, make, quiet

FACE = Box(50, 10, 70, 18)  # of the coded picture, 96 x 64


class Upper:
    """Finds a bright patch if it lies in the upper half of what is shown, and notes the size."""

    name = "upper@0"

    def __init__(self):
        self.shown = []

    def detect(self, frames):
        return [self._look(frame) for frame in frames]

    def _look(self, frame):
        self.shown.append((frame.width, frame.height))
        assert [plane.shape for plane in frame.planes[1:]] == [
            (frame.height // 2, frame.width // 2)
        ] * 2
        y, x = np.nonzero(frame.planes[0] > 200)
        if y.mean() > frame.height / 2:
            return []
        box = Box(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
        return [Detection(Kind.FACE, box, 0.9, self.name)]


def coded(box):
    planes = [np.full(shape, 90, np.uint8) for shape in ((64, 96), (32, 48), (32, 48))]
    planes[0][box.y0 : box.y1, box.x0 : box.x1] = 250
    return Frame(tuple(planes), 8, 3, 3, Fraction(1, 25))


@pytest.mark.parametrize(
    ("rotation", "top"),
    [(0, FACE), (90, Box(80, 30, 90, 44)), (-90, Box(2, 30, 9, 44)), (270, Box(2, 30, 9, 44))],
)
def test_the_detector_sees_what_a_viewer_sees(rotation, top):
    seen = Upper()
    (found,) = upright(seen, rotation).detect([coded(top)])
    assert [one.box for one in found] == [top]
    assert seen.shown == [(96, 64) if rotation == 0 else (64, 96)]


@pytest.mark.parametrize("box", [FACE, Box(50, 50, 70, 60)])
def test_half_a_turn_may_be_a_mirrored_picture_so_both_ways_are_looked_at(box):
    (found,) = upright(Upper(), 180).detect([coded(box)])
    assert [one.box for one in found] == [box]


def test_each_frame_keeps_its_own_findings():
    lower, upper = Box(4, 30, 9, 44), Box(80, 30, 90, 44)
    found = upright(Upper(), 90).detect([coded(upper), coded(lower)])
    assert [[one.box for one in each] for each in found] == [[upper], []]
    assert upright(Upper(), 90).name == "upper@0"


class Sizes:
    """Finds nothing, and notes what it was shown."""

    name = "sizes@0"

    def __init__(self):
        self.shown = set()

    def detect(self, frames):
        self.shown |= {(frame.width, frame.height) for frame in frames}
        return [[] for _ in frames]


def test_every_look_at_a_turned_clip_is_upright(tmp_path):
    path = make_clip(tmp_path / "phone.mp4", Picture(rotation=90, frames=6))
    first, again = Sizes(), Sizes()
    one = made_of(first, again)
    make(one, path)
    assert (first.shown, again.shown) == ({(64, 96)}, {(64, 96)})
    again.shown.clear()
    one.look_again(one.probe(path, quiet), quiet)
    assert again.shown == {(64, 96)}
