"""What scripts/bench.py makes of faces: its footage, its groups, its tables and its chart."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from bench_parts.footage import HIDDEN, _inside, _lit, _shot, _turned, is_aside
from bench_parts.leaks import _kinds
from bench_parts.recognition import Face, _alone, _nearest, _redacted, recognition_table
from bench_parts.trade import SCHEDULES, SCORES, _cost, _frame, trade_chart, trade_table

from redact.evaluate.report import Row
from redact.evaluate.truth import Label
from redact.types import Box, Kind, Track


def test_a_label_goes_where_the_camera_takes_its_face():
    """A white square on black, labelled: after pan, zoom and roll the label is still around it."""
    picture = np.zeros((400, 600, 3), np.uint8)
    picture[150:230, 250:330] = 255
    shot = [(picture, [[250, 150, 80, 80]])] * 12

    for view, boxes in _shot(shot, np.random.default_rng(3), lambda time: time):
        ((x, y, width, height),) = boxes
        rows, columns = np.nonzero(view[..., 0] > 128)
        assert abs(x + width / 2 - columns.mean()) < 2
        assert abs(y + height / 2 - rows.mean()) < 2


def test_of_less_than_a_third_of_a_face_nothing_is_labelled():
    assert _inside([[-60, 10, 100, 40]]) == [[0, 10, 40, 40]]
    assert _inside([[-70, 10, 100, 40]]) == []


def test_a_turned_label_is_around_the_ellipse():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])

    assert _turned([10, 20, 30, 60], quarter) == pytest.approx([-80, 10, 60, 30])


def test_light_is_a_share_of_each_colour():
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    light = np.array([0.5, 1.0, 2.0])

    assert (_lit(picture, light) == np.clip(picture * light, 0, 255).astype(np.uint8)).all()


@pytest.mark.shared
def test_what_is_hidden_is_labelled(shared):
    assert set(json.loads((shared / "truth.json").read_text())["faces"]) > HIDDEN


def test_halves_are_told_by_the_recording():
    assert is_aside("faceseq_no_mask.mp4")
    assert is_aside("aside-wall-3.mp4")
    assert not is_aside("faceseq_mask_no_mask.mp4")
    assert not is_aside("tuned-wall-3.mp4")


def test_hidden_faces_are_in_no_sum():
    kinds = ("sequence", "wall", "hidden")
    rows = [Row(name=f"tuned-{kind}-0.mp4", section="video") for kind in kinds]

    groups = {name: [row.name for row in of] for name, of in _kinds(rows).items()}

    assert groups["all of these"] == ["tuned-sequence-0.mp4", "tuned-wall-0.mp4"]
    assert groups["hidden"] == ["tuned-hidden-0.mp4"]


def test_a_frame_of_the_trade():
    labels = [Label(Kind.FACE, Box(10, 10, 40, 40)), Label(Kind.FACE, Box(60, 10, 90, 40))]
    track = Track(kind=Kind.FACE, first=5, boxes=(Box(10, 10, 40, 40),), score=0.9, detector="x")

    missed, faces, over, whole = _frame(labels, 5, [track], (200, 100))
    assert (missed, faces, over) == (1, 2, 0)
    assert whole == 200 * 100 - 101 * 51  # both grown by 35 %, cut off at the top and the left
    assert _frame(labels, 6, [track], (200, 100))[:3] == (2, 2, 0)


def test_cost_counts_thorough_and_quick_looks():
    assert _cost((1, 1), 0.1, 0.02) == pytest.approx(1000)
    assert _cost((1, 4), 0.1, 0.02) == pytest.approx(400)
    assert _cost((2, 2), 0.1, 0.02) == pytest.approx(300)


def test_table_and_chart_show_every_point():
    rows = [
        {
            "schedule": schedule,
            "min_score": score,
            "leaked": [round(40 * score), 100],
            "over_redaction": [round(100 - 90 * score), 1000],
            "network_ms_a_second": 300.5,
        }
        for schedule in SCHEDULES
        for score in SCORES
    ]

    drawn = ElementTree.fromstring(trade_chart({"rows": rows}))

    assert len(drawn.findall("{*}circle")) == len(rows)
    assert len(trade_table({"rows": rows}).splitlines()) == 2 + len(rows)


def test_a_redacted_face_for_the_recogniser():
    picture = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    face = Face(picture, Box(30, 30, 60, 60), None, np.zeros(3))

    for method, cells in (("grey box", 0), ("fill", 4), ("pixelate", 8)):
        redacted = _redacted(face, method, cells)
        assert not np.array_equal(redacted[30:60, 30:60], picture[30:60, 30:60])
        assert np.array_equal(redacted[:10], picture[:10])
    assert np.array_equal(_redacted(face, "none", 0), picture)


def test_the_covered_part_alone_shows_nothing_else():
    class Recogniser:
        def vector(self, picture, points):
            return np.array([picture.mean()])

    picture = np.random.default_rng(0).integers(1, 255, (90, 90, 3), dtype=np.uint8)
    face = Face(picture, Box(30, 30, 60, 60), None, np.zeros(3))

    alone = _alone(face, Recogniser())

    covered = (_redacted(face, "grey box", 0) != picture).any(axis=2)
    for method, cells in (("none", 0), ("grey box", 0), ("fill", 4), ("blur", 8)):
        shown = _redacted(alone, method, cells)
        assert np.array_equal(shown[covered], _redacted(face, method, cells)[covered])
        assert not shown[:20].any()
    assert alone.vector == _redacted(alone, "none", 0).mean()


def test_nearest_of_a_gallery():
    assert _nearest(np.array([[0.0, 1.0]]), np.array([[3.0, 3.0], [0.0, 0.9]])).tolist() == [1]


def test_the_table_says_what_chance_is():
    row = {"method": "fill", "cells": 4, "asked": 10}
    row |= {"accepted": 0, "rank1_clean": 2, "rank1_same_way": 3}
    of = {"people": 5, "gallery": 15, "probes": 10, "rows": [row]}

    said = recognition_table({"portraits": of})

    assert "chance is 20.0%" in said
    assert "| fill 4 | 0.0% (0% to 28%, n=10) |" in said
