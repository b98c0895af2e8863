"""Every picture method: it touches its region only, and it forgets what was there."""

from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.errors import InputError, UsageError
from redact.methods import METHODS, cover, cover_all, touched
from redact.methods.geometry import OPAQUE, area, margin
from redact.methods.reference import CELL
from redact.types import Box, Frame

PICTURE = [name for name, method in METHODS.items() if method.medium == "picture"]
KEEPING = [name for name in PICTURE if METHODS[name].averages]
# Luma pixels per chroma sample, across and down; None is gray.
LAYOUTS = {"4:2:0": (2, 2), "4:2:2": (2, 1), "4:4:4": (1, 1), "4:1:1": (4, 1), "gray": None}


def make(width, height, *, layout="4:2:0", depth=8, seed=0, rgb=False, alpha=False):
    random = np.random.default_rng(seed)
    shapes = [(height, width)]
    if step := LAYOUTS[layout]:
        shapes += 2 * [(-(-height // step[1]), -(-width // step[0]))]
    if alpha:
        shapes.append((height, width))
    kind = np.uint8 if depth == 8 else np.uint16
    planes = tuple(random.integers(0, 1 << depth, shape).astype(kind) for shape in shapes)
    return Frame(planes, depth, 0, 0, Fraction(1, 30), rgb=rgb)


def copy(frame):
    planes = tuple(plane.copy() for plane in frame.planes)
    return Frame(planes, frame.depth, frame.index, frame.pts, frame.time_base, rgb=frame.rgb)


def covered(frame, *regions, cells=4):
    after = copy(frame)
    cover_all(after, [(*region, cells) for region in regions])
    return after


def assert_equal(one, other):
    for a, b in zip(one.planes, other.planes, strict=True):
        np.testing.assert_array_equal(a, b)


@st.composite
def boxes(draw, width, height):
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    return Box(x0, y0, x1, y1)


@st.composite
def scenes(draw, most=3):
    """A small frame of noise in any layout, and regions in it that may overlap."""
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    frame = make(
        width,
        height,
        layout=draw(st.sampled_from(sorted(LAYOUTS))),
        depth=draw(st.sampled_from([8, 10, 16])),
        seed=draw(st.integers(0, 2**16)),
    )
    region = st.tuples(boxes(width, height), st.sampled_from(PICTURE))
    return frame, draw(st.lists(region, min_size=1, max_size=most))


def inside_any(frame, plane, regions):
    """Which samples of a plane lie in a box."""
    mask = np.zeros(plane.shape, bool)
    for box, _ in regions:
        mask[area(box, frame, plane).covered] = True
    return mask


def cell_numbers(frame, plane, regions, cells):
    """Two samples have the same number where every averaging region puts them in one cell."""
    numbers = np.zeros(plane.shape, np.int64)
    for box, _ in regions:
        where = area(box, frame, plane)
        local = np.ones(plane.shape, np.int64) * -1
        rows, columns = (side.stop - side.start for side in (where.y, where.x))
        down, across = (max(1, min(cells, size // CELL)) for size in (rows, columns))
        row = np.searchsorted(rows * np.arange(1, down + 1) // down, np.arange(rows), "right")
        column = np.searchsorted(
            columns * np.arange(1, across + 1) // across, np.arange(columns), "right"
        )
        local[where.covered] = row[:, None] * across + column
        numbers = numbers * (cells * cells + 1) + local + 1
    return numbers


@pytest.mark.slow
@given(scenes())
@settings(max_examples=150, deadline=None)
def test_nothing_outside_the_touched_box_changes(scene):
    frame, regions = scene
    after = covered(frame, *regions)
    for before, plane in zip(frame.planes, after.planes, strict=True):
        down, across = (-(-a // b) for a, b in zip(frame.planes[0].shape, plane.shape, strict=True))
        outside = np.ones(plane.shape, bool)
        for box, _ in regions:
            most = touched(box, frame.width, frame.height)
            assert most & box == box
            outside[
                most.y0 // down : -(-most.y1 // down), most.x0 // across : -(-most.x1 // across)
            ] = False
        np.testing.assert_array_equal(plane[outside], before[outside])


@pytest.mark.slow
@given(scenes(), st.integers(0, 2**16))
@settings(max_examples=150, deadline=None)
def test_fill_depends_on_nothing_inside_any_region(scene, seed):
    frame, regions = scene
    regions = [(box, "fill") for box, _ in regions]
    other = copy(frame)
    noise = np.random.default_rng(seed)
    for plane in other.planes:
        inside = inside_any(frame, plane, regions)
        plane[inside] = noise.integers(0, 1 << frame.depth, inside.sum())

    assert_equal(covered(frame, *regions), covered(other, *regions))


@pytest.mark.slow
@given(scenes(), st.integers(1, 6), st.integers(0, 2**16))
@settings(max_examples=150, deadline=None)
def test_methods_forget_the_order_of_pixels_in_a_cell(scene, cells, seed):
    """
    Inside a `fill` region samples become others, elsewhere in a region they change places.

    Samples change places with those that are in the same cell of every region: where regions
    overlap, the averages of both may be kept.
    """
    frame, regions = scene
    fills = [region for region in regions if region[1] == "fill"]
    keeping = [region for region in regions if region[1] != "fill"]
    other = copy(frame)
    random = np.random.default_rng(seed)
    for plane in other.planes:
        filled = inside_any(frame, plane, fills)
        movable = inside_any(frame, plane, keeping) & ~filled
        numbers = cell_numbers(frame, plane, keeping, cells)
        for number in np.unique(numbers[movable]):
            cell = movable & (numbers == number)
            plane[cell] = random.permutation(plane[cell])
        plane[filled] = random.integers(0, 1 << frame.depth, filled.sum())

    assert_equal(covered(frame, *regions, cells=cells), covered(other, *regions, cells=cells))


@given(scenes(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_regions_does_not_matter(scene, random):
    frame, regions = scene
    mixed = [*regions, regions[0]]  # a region twice is one region
    random.shuffle(mixed)
    assert_equal(covered(frame, *regions), covered(frame, *mixed))


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("size", [1, 3, 7, 8, 16, 40, 61])
def test_a_small_region_keeps_no_cell_smaller_than_four_samples(method, size):
    frame = make(80, 80, layout="gray")
    box = Box(10, 10, 10 + size, 10 + size)
    after = covered(frame, (box, method), cells=100)
    values = np.unique(after.planes[0][10 : 10 + size, 10 : 10 + size])
    if method == "pixelate":
        assert len(values) <= max(1, size // CELL) ** 2


@pytest.mark.parametrize("method", PICTURE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_sample_that_shows_the_box_keeps_any_of_its_value(method, layout):
    """Chroma samples that reach over the edge of an odd box count as inside it."""
    frame = make(61, 47, layout=layout, depth=10)
    box = Box(13, 9, 38, 30)
    for plane in frame.planes:
        where = area(box, frame, plane)
        assert (where.weights[where.y.start - where.y.first, where.x.start - where.x.first]) == (
            OPAQUE
        )
        plane[where.covered] = 500
        plane[where.covered][::2, ::2] = 1000
    after = covered(frame, (box, method))
    for plane in after.planes:
        assert not (plane[area(box, frame, plane).covered] == 1000).any()


@pytest.mark.parametrize("method", PICTURE)
@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 1, 1),
        Box(30, 24, 31, 25),
        Box(60, 46, 61, 47),
        Box(0, 0, 20, 20),
        Box(41, 0, 61, 20),
        Box(0, 27, 20, 47),
        Box(41, 27, 61, 47),
        Box(0, 0, 61, 10),
        Box(0, 0, 10, 47),
        Box(0, 0, 61, 47),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_at_every_border(method, box, layout):
    frame = make(61, 47, layout=layout)
    for plane in frame.planes:
        plane[:] = 90
        plane[area(box, frame, plane).covered] = 200
    after = covered(frame, (box, method))
    expected = 200 if METHODS[method].averages else 128 if box.area == 61 * 47 else 90
    for plane in after.planes:
        np.testing.assert_array_equal(plane[area(box, frame, plane).covered], expected)


def test_fill_goes_softly_from_one_side_of_a_large_region_to_the_other():
    frame = make(240, 180, layout="gray")
    frame.planes[0][:] = np.linspace(40, 200, 240).astype(np.uint8)
    after = covered(frame, (Box(60, 40, 180, 140), "fill"))
    row = after.planes[0][90].astype(int)
    assert np.abs(np.diff(row)).max() <= 4
    assert np.abs(row - frame.planes[0][90].astype(int)).max() <= 12


@pytest.mark.parametrize(("height", "colours"), [(95, 1), (96, 30)])
def test_fill_paints_one_colour_over_a_small_region(height, colours):
    frame = make(240, 180, layout="gray")
    frame.planes[0][:] = np.linspace(40, 200, 240).astype(np.uint8)
    after = covered(frame, (Box(60, 40, 180, 40 + height), "fill"))
    inside = after.planes[0][40 : 40 + height, 60:180]
    assert abs(int(inside.mean()) - 120) <= 1
    assert len(np.unique(inside)) >= colours
    assert (len(np.unique(inside)) == 1) == (colours == 1)


def test_small_fills_that_hang_together_have_one_colour():
    """Three in a row whose edges touch; one that a large one alone lies between, and that one."""
    frame = make(400, 300, layout="gray")
    frame.planes[0][:] = np.linspace(40, 200, 400).astype(np.uint8)
    row = [Box(x, 20, x + 30, 60) for x in (20, 55, 90)]
    others = [Box(158, 90, 188, 130), Box(20, 76, 140, 200)]
    after = covered(frame, *((box, "fill") for box in (*row, *others)))
    colours = [set(np.unique(after.planes[0][b.y0 : b.y1, b.x0 : b.x1])) for b in (*row, *others)]
    assert colours[0] == colours[1] == colours[2]
    assert len(colours[0]) == len(colours[3]) == 1
    assert colours[3] != colours[0]
    assert len(colours[4]) > 10


def test_fill_takes_no_colour_from_a_region_beside_it():
    """Two faces cheek by cheek: the skin of one must not come back in the other."""
    frame = make(200, 100)
    for plane in frame.planes:
        plane[:] = 60
    left, right = Box(40, 20, 90, 80), Box(90, 20, 140, 80)
    for plane in frame.planes:
        for box in (left, right):
            plane[area(box, frame, plane).covered] = 220
    after = covered(frame, (left, "fill"), (right, "pixelate"))
    np.testing.assert_array_equal(after.planes[0][30:70, 45:80], 60)


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_fill_of_a_whole_frame_is_the_mid_colour(depth):
    frame = make(33, 21, depth=depth)
    after = covered(frame, (Box(0, 0, 33, 21), "fill"))
    for plane in after.planes:
        np.testing.assert_array_equal(plane, 1 << (depth - 1))


@pytest.mark.parametrize("method", PICTURE)
def test_the_brightest_picture_does_not_overflow(method):
    for depth in (8, 16):
        frame = make(64, 64, depth=depth)
        for plane in frame.planes:
            plane[:] = (1 << depth) - 1
        assert_equal(covered(frame, (Box(9, 9, 50, 50), method)), frame)


@pytest.mark.parametrize("method", PICTURE)
def test_alpha_is_left_alone(method):
    for frame in (make(40, 40, alpha=True), make(40, 40, layout="gray", alpha=True)):
        after = covered(frame, (Box(5, 5, 30, 30), method))
        np.testing.assert_array_equal(after.planes[-1], frame.planes[-1])
        assert (after.planes[0] != frame.planes[0]).any()


@pytest.mark.parametrize("method", PICTURE)
def test_all_of_red_green_and_blue_are_covered(method):
    frame = make(40, 40, layout="4:4:4", rgb=True)
    after = covered(frame, (Box(5, 5, 30, 30), method))
    for before, plane in zip(frame.planes, after.planes, strict=True):
        assert (before[5:30, 5:30] != plane[5:30, 5:30]).mean() > 0.9


@pytest.mark.parametrize("method", PICTURE)
def test_planes_may_be_views_with_a_stride(method):
    """Decoders hand out planes whose rows have padding behind them."""
    frame = make(40, 30, layout="gray")
    padded = np.zeros((30, 64), np.uint8)
    padded[:, :40] = frame.planes[0]
    view = Frame((padded[:, :40],), 8, 0, 0, Fraction(1, 30))
    cover(view, Box(5, 5, 30, 25), method=method)
    assert_equal(view, covered(frame, (Box(5, 5, 30, 25), method)))
    assert not padded[:, 40:].any()


def test_the_soft_edge_is_soft_and_ends():
    frame = make(200, 200, layout="gray")
    where = area(Box(60, 70, 140, 130), frame, frame.planes[0])
    weights = where.weights
    assert weights.min() == 0
    assert weights[30, 60] == OPAQUE
    assert weights[0, 0] == 0  # corners are round
    middle = weights[weights.shape[0] // 2, : margin(80)].astype(int)
    assert (np.diff(middle) >= 0).all()
    assert middle[0] < 10


def test_what_cannot_be_covered_is_refused():
    frame = make(40, 30)
    with pytest.raises(UsageError, match="leaves the picture"):
        cover(frame, Box(5, 5, 41, 20), method="fill")
    with pytest.raises(UsageError, match="no method"):
        cover(frame, Box(5, 5, 20, 20), method="gauss")
    with pytest.raises(UsageError, match="no method"):
        cover(frame, Box(5, 5, 20, 20), method="silence")
    with pytest.raises(UsageError, match="cells"):
        cover(frame, Box(5, 5, 20, 20), method="blur", cells=0)
    odd = Frame((frame.planes[0], frame.planes[1][:, :13]), 8, 0, 0, Fraction(1, 30))
    with pytest.raises(InputError, match="layout"):
        cover(
            Frame((*odd.planes, odd.planes[1]), 8, 0, 0, Fraction(1, 30)),
            Box(0, 0, 9, 9),
            method="fill",
        )


GOLDEN = {
    # One row of Y, one of U, one column of V, around the box of `golden_frame`; then all samples.
    "fill": (
        [40, 64, 96, 124, 139, 143, 143, 143, 143, 143, 143, 143, 143, 143, 143, 148, 165, 195],
        [120, 120, 119, 119, 119, 119, 119, 119, 126, 143],
        [197, 176, 176, 176, 176, 176, 176, 156],
        "759d701a5cef1af137b27fefad6b6ec49d6175cd51c61b9bb128253862f3c389",
    ),
    "pixelate": (
        [40, 62, 91, 114, 127, 130, 130, 130, 130, 130, 185, 185, 185, 185, 185, 187, 195, 212],
        [120, 120, 119, 119, 119, 119, 119, 119, 126, 143],
        [197, 176, 176, 176, 176, 176, 176, 156],
        "95d831c591d531e34a755f5b2fc074b45ac499b6d19aa95bb319c30d7f5efc1b",
    ),
    "blur": (
        [40, 61, 87, 107, 118, 120, 120, 120, 131, 142, 153, 164, 175, 175, 175, 177, 187, 208],
        [120, 120, 119, 119, 119, 119, 119, 119, 126, 143],
        [197, 176, 176, 176, 176, 176, 176, 156],
        "887def5c76e892a3eac1b1b4c08ae8e61f5a6d8c3d52857a096419114aab5355",
    ),
}  # fmt: skip


def golden_frame():
    y, x = np.mgrid[0:16, 0:20]
    small = np.arange(80).reshape(8, 10)
    planes = (x * 11 + y * 5 + x * y % 7, small * 3, 255 - small * 2)
    return Frame(tuple(plane.astype(np.uint8) for plane in planes), 8, 0, 0, Fraction(1, 30))


@pytest.mark.parametrize("method", PICTURE)
def test_golden_values(method):
    """These change in no version without a line in the CHANGELOG: plans rely on them."""
    luma, blue, red, digest = GOLDEN[method]
    after = covered(golden_frame(), (Box(5, 3, 15, 13), method), cells=2)
    assert after.planes[0][8, :18].tolist() == luma
    assert after.planes[1][4].tolist() == blue
    assert after.planes[2][:, 4].tolist() == red
    assert sha256(b"".join(plane.tobytes() for plane in after.planes)).hexdigest() == digest
