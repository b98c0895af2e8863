"""redact evaluate, the whole way: footage in, figures of the published output out."""

import json

import cv2
import numpy as np
import pytest

from tests.command import redact
from tests.media_maker import Picture, make_clip

pytestmark = [pytest.mark.weights, pytest.mark.slow]


@pytest.fixture(scope="module")
def footage(tmp_path_factory, models):
    """A clip and a still without anyone; the truth says that there is someone in the still."""
    folder = tmp_path_factory.mktemp("footage")
    make_clip(folder / "a.mp4", Picture(width=320, height=240, frames=8))
    stripes = np.full((240, 320, 3), 128, np.uint8)
    stripes[:, ::8] = 68  # nothing that a detector takes for a face, at any threshold
    cv2.imwrite(str(folder / "b.png"), stripes)
    truth = {
        "video": {"a.mp4": {"frames": [[]] * 8}, "counted.mp4": {"persons": 2}},
        "faces": {"b.png": {"boxes": [[100, 60, 80, 90]]}},
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    return folder


def test_figures_and_page(footage, tmp_path):
    page = tmp_path / "page.html"
    done = redact(
        "evaluate", footage / "truth.json", "--json", "--html", page, keys=tmp_path / "keys"
    )

    assert done.code == 0, done.err
    (value,) = done.lines
    assert value["leaks"]["face"]["instances"] == [1, 1]
    assert (value["clips"], value["held"], value["not_labelled"]) == (2, 0, 1)
    copied, to_copy = value["copied_bit_for_bit"]
    assert copied == to_copy
    assert value["frames_on_time"] == [9, 9]
    assert value["times_real_time"] > 0
    assert 'class="leaks"' in page.read_text()
    assert not (tmp_path / "keys").exists()  # the store, and its keys, were its own


def test_a_table_of_one_section_and_a_store_that_is_kept(footage, tmp_path):
    store = tmp_path / "store"
    command = ["evaluate", footage / "truth.json", "--only", "video", "--store", store]

    first, again = (redact(*command, keys=tmp_path / "keys") for _ in range(2))

    assert (first.code, again.code) == (0, 0), again.err
    assert b"1 files, 0 held" in first.out
    assert b"real time" in first.out
    assert b"real time" not in again.out  # it was there already: nothing was timed
    assert len(list((store / "clips").iterdir())) == 1


def test_thresholds(footage, tmp_path):
    done = redact(
        "evaluate",
        footage / "truth.json",
        "--suggest-threshold",
        "0.99",
        "--json",
        keys=tmp_path / "keys",
    )

    assert done.code == 0, done.err
    (value,) = done.lines
    assert value["min_score"] is None  # of a face that is none, no threshold finds much
    assert {row["single"]["whole"] for row in value["rows"]} == {1}
    alarms = [row["false_alarms"]["part"] for row in value["rows"]]
    assert alarms == sorted(alarms, reverse=True)


@pytest.mark.parametrize(
    ("truth", "options", "what"),
    [
        ({"video": {"a.mp4": {"frames": [[]] * 7}}}, [], b"7 frames for a.mp4, the file has 8"),
        ({"video": {"a.mp4": {"frames": [[]] * 8}}}, ["--only", "speech"], b"labels nothing in"),
        ({"video": {"z.mp4": {"frames": []}}}, [], b"z.mp4 is labelled, and is neither in"),
        (
            {"video": {"a.mp4": {"frames": [[]] * 8}}},
            ["--suggest-threshold", "0.9"],
            b"nothing is labelled as a face",
        ),
    ],
    ids=["frames", "section", "missing", "no face"],
)
def test_truth_that_does_not_fit(footage, tmp_path, truth, options, what):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))

    done = redact("evaluate", path, "--footage", footage, *options, keys=tmp_path / "keys")

    assert done.code == 2
    assert what in done.err
    assert not done.out
