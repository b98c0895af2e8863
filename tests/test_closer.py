"""The closer look at what may be a plate: what is cut out of which planes, and what comes of it."""

from fractions import Fraction

import numpy as np
import pytest

from redact.detectors import plates
from redact.detectors.closer import SIDE, WIDE, closer
from redact.detectors.plates import LEAST, MOST, SURE, PlateDetector
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

from .test_plates import bright_cells


class Bright:
    """A network whose heat is how bright each 8 x 8 pixels are, in one colour; keeps its input."""

    name = "bright"

    def __init__(self, colour: int = 1) -> None:
        self.colour, self.shown = colour, np.zeros(0)

    def __call__(self, batch):
        self.shown = batch[0]
        rows, columns = batch.shape[2] // 8, batch.shape[3] // 8
        heat = batch[:1, self.colour].reshape(1, rows, 8, columns, 8).mean((2, 4)) / 255
        return [heat[:, np.newaxis], np.zeros((1, 4, rows, columns), np.float32)]


def grey(picture) -> Frame:
    return Frame((picture,), 8, 0, 0, Fraction(1, 25), full_range=True)


def with_plate(box, *, width=400, height=300) -> Frame:
    picture = np.zeros((height, width), np.uint8)
    picture[box.y0 : box.y1, box.x0 : box.x1] = 255
    return grey(picture)


@pytest.mark.parametrize(
    "box",
    [
        Box(201, 101, 257, 115),
        Box(100, 80, 356, 144),
        Box(0, 0, 20, 6),
        Box(380, 294, 400, 300),
        Box(150, 100, 170, 140),
    ],
)
def test_the_candidate_is_shown_alone_and_at_one_size(box):
    network = Bright()

    assert closer(network, with_plate(box), box) > 0.6
    bright = network.shown[0] > 127
    assert max(network.shown.shape[1:]) <= SIDE + 32
    assert max(bright.any(axis=0).sum(), 2 * bright.any(axis=1).sum()) == pytest.approx(WIDE, abs=3)


def test_what_is_bright_elsewhere_does_not_count():
    box = Box(200, 100, 240, 110)
    picture = with_plate(box).planes[0]
    assert closer(Bright(), grey(255 - picture), Box(20, 20, 60, 30)) > 0.9
    picture[:] = 0
    picture[100:110, 262:290] = 255
    assert closer(Bright(), grey(picture), box) < 0.1


@pytest.mark.parametrize("chroma", [(150, 200), (300, 200), (300, 400)])
@pytest.mark.parametrize("box", [Box(201, 101, 241, 111), Box(3, 3, 43, 13)])
def test_the_colours_are_of_the_same_place(chroma, box):
    """Red alone is bright where V is high: there, and nowhere else."""
    down, over = 300 // chroma[0], 400 // chroma[1]
    luma, u, v = np.full((300, 400), 90, np.uint8), *(np.full(chroma, 128, np.uint8),) * 2
    v = v.copy()
    v[box.y0 // down : -(-box.y1 // down), box.x0 // over : -(-box.x1 // over)] = 250
    frame = Frame((luma, u, v), 8, 0, 0, Fraction(1, 25), full_range=True)
    network = Bright(colour=0)

    assert closer(network, frame, box) > 0.9
    red = network.shown[0] > 150
    assert red.any(axis=0).sum() == pytest.approx(WIDE, abs=6)


def test_a_network_of_another_kind_is_an_error():
    with pytest.raises(DetectorError, match="1 outputs"):
        closer(with_one_output(), with_plate(Box(1, 1, 9, 5)), Box(1, 1, 9, 5))


def with_one_output():
    class One(Bright):
        def __call__(self, batch):
            return super().__call__(batch)[:1]

    return One()


class TestJudged:
    def judge(self, monkeypatch, scores, near):
        monkeypatch.setattr(plates, "closer", lambda *_: next(near))
        finds = PlateDetector(
            bright_cells(), label="fake", min_score=0.45, long_side=128, threads=1
        )
        box = Box(1, 1, 9, 5)
        candidates = [Detection(Kind.PLATE, box, score, finds.name) for score in scores]
        return finds.judged(with_plate(box), candidates)

    def test_the_mean_of_afar_and_near_counts(self, monkeypatch):
        found = self.judge(monkeypatch, [0.8, 0.6, LEAST], iter([0.6, 0.29, 0.61]))
        assert [one.score for one in found] == pytest.approx([0.7, 0.455])

    def test_what_scores_little_is_doubtful(self, monkeypatch):
        found = self.judge(monkeypatch, [SURE, SURE], iter([SURE + 0.01, SURE - 0.01]))
        assert [one.doubtful for one in found] == [False, True]

    def test_too_many_candidates_are_kept_not_dropped(self, monkeypatch):
        """Whom nobody looked at again counts as before: it may be a plate."""
        found = self.judge(monkeypatch, [0.5] * (MOST + 3), iter([0.0] * MOST))
        assert [one.score for one in found] == [0.5] * 3

    def test_an_error_of_the_closer_look_is_not_no_plate(self, monkeypatch):
        def failing():
            raise DetectorError("broken")
            yield

        with pytest.raises(DetectorError, match="broken"):
            self.judge(monkeypatch, [0.9], failing())
