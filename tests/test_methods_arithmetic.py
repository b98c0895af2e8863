"""
The arithmetic of the picture methods, sample by sample, as a kernel does it.

Written from the docstrings alone, in whole numbers, without NumPy's arrays: where it differs from
the reference, the docstrings do not say enough to write the kernel.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.methods import METHODS, cover_all
from redact.types import Box
from tests.test_methods import LAYOUTS, PICTURE, boxes, copy, make


def margin(length):
    return 4 * min(16, max(1, (length + 16) // 32))


class Side:
    """One direction of one region on one plane."""

    def __init__(self, start, stop, length, step):
        self.soft, self.step = margin(stop - start), step
        self.start, self.stop = start // step, -(-stop // step)
        self.size = self.stop - self.start
        self.first = max(0, self.start - self.soft // step)
        self.end = min(-(-length // step), self.stop + self.soft // step)

    def far(self, at):
        off = self.step * max(self.start - at, at - (self.stop - 1), 0)
        return off * off * 128 // (self.soft + 1) ** 2

    def part(self, k, parts=8):
        """The samples of a part of the ring."""
        start = self.size * k // parts
        stop = max(start + 1, self.size * (k + 1) // parts)
        return range(self.start + start, self.start + stop)

    def flat(self, at, cells):
        return min(max(((at - self.start + 1) * cells - 1) // self.size, 0), cells - 1)

    def between(self, at, cells):
        place = (2 * (at - self.start) + 1) * cells * 128 // self.size - 128
        place = min(max(place, 0), (cells - 1) * 256)
        return place >> 8, min((place >> 8) + 1, cells - 1), place & 255


def mean(total, count):
    return (2 * total + count) // (2 * count)


def averages(plane, x, y, cells):
    across, down = (max(1, min(cells, side.size // 4)) for side in (x, y))
    colours = []
    for j in range(down):
        rows = range(y.start + y.size * j // down, y.start + y.size * (j + 1) // down)
        colours.append([])
        for i in range(across):
            columns = range(x.start + x.size * i // across, x.start + x.size * (i + 1) // across)
            cell = [plane[row][column] for row in rows for column in columns]
            colours[-1].append(mean(sum(cell), len(cell)))
    return colours


def surroundings(plane, x, y, regions, depth):
    def taken(row, column):
        return any(b.start <= row < b.stop and a.start <= column < a.stop for a, b in regions)

    parts = []
    for rows in (range(y.first, y.start), range(y.stop, y.end)):
        parts += [[(row, column) for row in rows for column in x.part(k)] for k in range(8)]
    for columns in (range(x.first, x.start), range(x.stop, x.end)):
        parts += [[(row, column) for row in y.part(k) for column in columns] for k in range(8)]
    places = [(2 * k + 1, 0) for k in range(8)] + [(2 * k + 1, 16) for k in range(8)]
    places += [(0, 2 * k + 1) for k in range(8)] + [(16, 2 * k + 1) for k in range(8)]
    known = []
    for part, place in zip(parts, places, strict=True):
        values = [plane[row][column] for row, column in part if not taken(row, column)]
        if values:
            known.append((place, mean(sum(values), len(values))))
    if not known:
        return [[1 << (depth - 1)] * 8 for _ in range(8)]
    return [[node(2 * i + 1, 2 * j + 1, known) for i in range(8)] for j in range(8)]


def small(sides):
    return min(side.size for side in sides) < 96


def touch(one, other):
    return all(a.first < b.end and b.first < a.end for a, b in zip(one, other, strict=True))


def flat(plane, group, regions, depth):
    """One colour for regions that hang together: what lies beside them, in no region."""
    beside = []
    for x, y in group:
        above, below = range(y.first, y.start), range(y.stop, y.end)
        left, right = range(x.first, x.start), range(x.stop, x.end)
        beside += [(row, column) for row in (*above, *below) for column in range(x.start, x.stop)]
        beside += [(row, column) for row in range(y.start, y.stop) for column in (*left, *right)]
    values = [
        plane[row][column]
        for row, column in beside
        if not any(b.start <= row < b.stop and a.start <= column < a.stop for a, b in regions)
    ]
    return [[mean(sum(values), len(values)) if values else 1 << (depth - 1)]]


def group_of(one, fills):
    """All small regions that hang together with this one."""
    found = [one]
    for seen in found:
        found += [other for other in fills if other not in found and touch(seen, other)]
    return found


def node(x, y, known):
    weights = [65536 // ((x - a) ** 2 + (y - b) ** 2) for (a, b), _ in known]
    total = sum(weight * value for weight, (_, value) in zip(weights, known, strict=True))
    return mean(total, sum(weights))


def colour(colours, x, y, row, column, *, smooth):
    down, across = len(colours), len(colours[0])
    if not smooth:
        return colours[y.flat(row, down)][x.flat(column, across)]
    i, i1, p = x.between(column, across)
    j, j1, q = y.between(row, down)
    above = (colours[j][i] * (256 - p) + colours[j][i1] * p + 128) >> 8
    below = (colours[j1][i] * (256 - p) + colours[j1][i1] * p + 128) >> 8
    return (above * (256 - q) + below * q + 128) >> 8


def paint(plane, x, y, colours, *, smooth, soft_edge=True):
    for row in range(y.first, y.end):
        for column in range(x.first, x.end):
            inside = y.start <= row < y.stop and x.start <= column < x.stop
            if not (inside or soft_edge):
                continue
            near = 128 - min(x.far(column) + y.far(row), 128)
            weight = near * near >> 7
            new = colour(colours, x, y, row, column, smooth=smooth)
            plane[row][column] = (plane[row][column] * (128 - weight) + new * weight + 64) >> 7


def scalar_cover(frame, plane, regions, cells):
    """What becomes of one plane, as lists of whole numbers."""
    across, down = (
        next(step for step in (1, 2, 4) if -(-luma // step) == samples)
        for luma, samples in ((frame.width, plane.shape[1]), (frame.height, plane.shape[0]))
    )
    values = plane.tolist()
    order = sorted({(b.x0, b.y0, b.x1, b.y1, method) for b, method in regions})
    sides = [
        (Side(x0, x1, frame.width, across), Side(y0, y1, frame.height, down))
        for x0, y0, x1, y1, _ in order
    ]
    methods = [region[4] for region in order]
    pairs = list(zip(sides, methods, strict=True))
    fills = [both for both, method in pairs if method == "fill" and small(both)]
    grids = [
        None
        if method != "fill"
        else flat(values, group_of(both, fills), sides, frame.depth)
        if small(both)
        else surroundings(values, *both, sides, frame.depth)
        for both, method in pairs
    ]
    if len(set(methods) - {"fill"}) > 0:
        for (x, y), known in zip(sides, grids, strict=True):
            if known:
                paint(values, x, y, known, smooth=True, soft_edge=False)
    grids = [
        known or averages(values, x, y, cells) for (x, y), known in zip(sides, grids, strict=True)
    ]
    for (x, y), known, method in zip(sides, grids, methods, strict=True):
        paint(values, x, y, known, smooth=METHODS[method].smooth)
    return values


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_reference_is_what_its_docstrings_say(data):
    width, height = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    frame = make(
        width,
        height,
        layout=data.draw(st.sampled_from(sorted(LAYOUTS))),
        depth=data.draw(st.sampled_from([8, 10, 16])),
        seed=data.draw(st.integers(0, 999)),
    )
    region = st.tuples(boxes(width, height), st.sampled_from(PICTURE))
    regions = data.draw(st.lists(region, min_size=1, max_size=3))
    cells = data.draw(st.integers(1, 6))
    after = copy(frame)
    cover_all(after, [(*region, cells) for region in regions])
    for before, plane in zip(frame.planes, after.planes, strict=True):
        np.testing.assert_array_equal(plane, scalar_cover(frame, before, regions, cells))


@pytest.mark.slow
@pytest.mark.parametrize("method", PICTURE)
def test_large_regions_too(method):
    """Wide margins, many samples to a cell, and a region beside it."""
    frame = make(400, 220, depth=10)
    regions = [(Box(31, 20, 301, 190), method), (Box(310, 50, 371, 151), method)]
    after = copy(frame)
    cover_all(after, [(*region, 4) for region in regions])
    for before, plane in zip(frame.planes, after.planes, strict=True):
        np.testing.assert_array_equal(plane, scalar_cover(frame, before, regions, 4))
