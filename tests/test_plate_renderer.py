"""The pictures that the plate detector learns from: the same each time, and rightly labelled."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from plates_parts import crops, layouts, paste, plate
from plates_parts.lettering import Lettering
from plates_parts.sources import Sources

STROKES = Lettering(None)


def crop(index, **how):
    return crops.make_crop(index, Sources(), STROKES, **how)


def test_a_crop_is_the_same_each_time_whatever_was_made_before():
    alone = crop(7)
    for index in (3, 5):
        crop(index)
    again = crop(7)
    np.testing.assert_array_equal(alone.picture, again.picture)
    np.testing.assert_array_equal(alone.plates, again.plates)


def test_another_number_or_seed_is_another_crop():
    pictures = [crop(7).picture, crop(8).picture, crop(7, seed=2).picture]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.slow
def test_crops_hold_plates_inside_them_of_all_widths_and_some_hold_none():
    made = [crop(index) for index in range(120)]
    boxes = np.concatenate([one.plates for one in made])
    assert boxes.min() >= 0
    assert boxes.max() <= crops.SIDE
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths.min() < 15
    assert widths.max() > 150
    none = sum(not len(one.plates) and not len(one.ignored) for one in made)
    assert 0.08 < none / len(made) < 0.5


@pytest.mark.parametrize("layout", layouts.LAYOUTS, ids=lambda layout: layout.country)
def test_every_layout_is_drawn_with_letters_that_stand_out(layout):
    """Ink and ground differ: a plate of one colour would teach nothing."""
    rng = np.random.default_rng(1)
    drawn = np.mean([plate.draw_plate(rng, STROKES, layout).std() for _ in range(6)])
    assert drawn > 15


@pytest.mark.parametrize("layout", layouts.LAYOUTS, ids=lambda layout: layout.country)
def test_numbers_are_drawn_anew(layout):
    rng = np.random.default_rng(1)
    row = max(layout.rows, key=lambda row: len(row.pattern))
    assert len({layouts.number(row, rng) for _ in range(20)}) > 5


def test_a_plate_lies_where_its_label_says():
    """White on black: what is bright is inside the corners' bounds, and fills most of them."""
    rng = np.random.default_rng(4)
    for _ in range(40):
        picture = np.zeros((256, 256, 3), np.float32)
        corners = paste.turned(120, 40, rng) + 128
        paste.paste(picture, np.full((96, 288, 3), 255, np.float32), corners, rng)
        rows, columns = np.nonzero(picture.mean(axis=2) > 0.5 * picture.max())
        lit = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(lit - paste.bounds(corners)).max() <= 3


def test_what_is_cut_off_is_clipped_or_ignored():
    wanted, ignored = crops._sorted(
        [
            np.array([-10.0, 20, 50, 40]),  # mostly inside
            np.array([-90.0, 20, 10, 40]),  # hardly
            np.array([300.0, 20, 350, 40]),  # outside
            np.array([20.0, 20, 26, 40]),  # too small
        ]
    )
    assert wanted.tolist() == [[0, 20, 50, 40]]
    assert ignored.tolist() == [[0, 20, 10, 40], [20, 20, 26, 40]]


def test_a_window_maps_boxes_with_the_picture():
    """A white patch on a photo is where its box says, in any window that holds it."""
    rng = np.random.default_rng(2)
    photo = np.zeros((300, 400, 3), np.uint8)
    cv2.rectangle(photo, (200, 100), (259, 119), (255, 255, 255), -1)
    for _ in range(20):
        low, size = rng.uniform((120, 40), (190, 90)), rng.uniform((160, 120), (250, 250))
        picture, start, factor = crops.cut(photo, low, size, np.random.default_rng(0))
        box = (np.array([200, 100, 260, 120]) - np.tile(start, 2)) * np.tile(factor, 2)
        rows, columns = np.nonzero(picture.mean(axis=2) > 127)
        lit = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(lit, box, atol=2.5)
