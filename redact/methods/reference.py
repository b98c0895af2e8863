"""
What each picture method writes, in NumPy: the CPU path, and the truth for the CUDA kernels.

A method turns a region of a plane into a small grid of colours, and `paint` paints that grid.
Whole numbers only, `//` and `>>` round down, sums do not depend on their order: a kernel can match
every sample bit for bit. Samples are uint8, or uint16 for more than 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.methods.geometry import OPAQUE, Area, Axis
from redact.types import Plane

Colours = NDArray[np.int64]
"""(rows, columns): the colours of one plane that are painted over a region."""

CELL = 4
"""A cell is at least this many samples long, so that a small region does not keep its picture."""
NODES = 8
"""`surroundings` is a grid of NODES x NODES colours, made of NODES samples a side."""
FLAT = 96
"""A region whose shorter side has fewer samples is small: it is filled with one colour, and small
ones that it touches with the same. The steps of a soft gradient of whole numbers, and the edge
between two fills, resemble what was there by chance, and count as leaks of small faces."""


def averages(plane: Plane, area: Area, cells: int) -> Colours:
    """
    The mean colour of each cell of a grid of at most cells x cells over the covered samples.

    Cell k of n goes from size * k // n to size * (k + 1) // n; its colour is
    (2 * sum + count) // (2 * count).
    """
    inside = plane[area.covered]
    rows, columns = (_edges(size, grid(size, cells)) for size in inside.shape)
    sums = np.add.reduceat(inside, rows[:-1], axis=0, dtype=np.int64)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    return _mean(sums, np.diff(rows)[:, None] * np.diff(columns))


def surroundings(plane: Plane, area: Area, others: Sequence[Area], depth: int) -> Colours:
    """
    NODES x NODES colours that depend on nothing inside the region, or inside `others`.

    Each side of the covered samples has a band beside it, as wide as the soft edge, cut into NODES
    parts (part k begins at size * k // NODES; an empty one is its first sample). A part's colour is
    the mean of its samples that lie in the plane and in no region. A node's colour is the mean of
    all parts, each by its weight in `_WEIGHTS` (on a circle this is the harmonic function: as soft
    as a soap film). Where no sample is left, it is the mid colour.
    """
    sums, counts = _ring(plane, area, _free(area, others))
    total = _WEIGHTS @ (counts > 0)
    if not total[0]:
        return np.full((NODES, NODES), 1 << (depth - 1), np.int64)
    means = _mean(sums, np.maximum(counts, 1))  # 0 where there is no sample
    return _mean(_WEIGHTS @ means, total).reshape(NODES, NODES)


def groups(sides: Sequence[tuple[Axis, Axis]]) -> list[int]:
    """
    For each region, given by its x and y, the first one of its group; -1 if it is not small.

    Small regions whose touched samples overlap are of one group, and so are all that hang together.
    """
    small = [min(side.stop - side.start for side in both) < FLAT for both in sides]
    apart = ~np.logical_and.outer(small, small)
    for axis in (0, 1):
        first = np.array([both[axis].first for both in sides])
        end = np.array([both[axis].end for both in sides])
        apart |= (first[:, None] >= end) | (first >= end[:, None])
    found = np.arange(len(sides))
    while True:
        further = np.where(apart, len(sides), found).min(axis=1, initial=len(sides))
        further = np.minimum(found, further)
        further = further[further]  # where its own first one belongs by now
        if np.array_equal(further, found):
            return [one if of else -1 for one, of in zip(found.tolist(), small, strict=True)]
        found = further


def flat(plane: Plane, group: Sequence[Area], others: Sequence[Area], depth: int) -> Colours:
    """
    (1, 1): the colour of a group of small regions, which depends on nothing inside of any region.

    The mean of the samples of their bands (see `surroundings`) that lie in the plane and in no
    region; one that lies beside several counts for each. Where none is left, it is the mid colour.
    """
    total = count = 0
    for area in group:
        free = _free(area, others)
        for rows, columns, _ in _bands(area):
            band = plane[rows, columns]
            open_ = np.ones_like(band)
            if free is not None:
                open_ = free[_from(rows, area.y.first), _from(columns, area.x.first)]
            total += int((band * open_).sum(dtype=np.int64))
            count += int(open_.sum(dtype=np.int64))
    colour = (2 * total + count) // (2 * count) if count else 1 << (depth - 1)
    return np.full((1, 1), colour, np.int64)


def paint(
    plane: Plane, area: Area, colours: Colours, *, smooth: bool, soft_edge: bool = True
) -> None:
    """
    Paint a grid of colours over a region and its soft edge, in place.

    `smooth` interpolates between the cells' centres (rounded once along x, then once along y);
    without it each cell is flat. Past the covered samples the outermost colours go on. The colour
    c and the weight a of `Area.weights` make of a sample v: (v * (128 - a) + c * a + 64) >> 7, so
    a covered one becomes c.
    """
    wide = _wide(plane)
    sample = _interpolated if smooth else _flat
    along_x = sample(colours.T.astype(wide), area.x)
    painted = sample(np.ascontiguousarray(along_x.T), area.y)
    if not soft_edge:
        inside = _from(area.y.covered, area.y.first), _from(area.x.covered, area.x.first)
        plane[area.covered] = painted[inside]
        return
    view, weight = plane[area.touched], area.weights.astype(wide, copy=False)
    painted *= weight
    painted += view * (OPAQUE - weight)
    painted += OPAQUE // 2
    painted >>= 7
    view[:] = painted


def grid(size: int, cells: int) -> int:
    """How many cells there are along `size` samples."""
    return max(1, min(cells, size // CELL))


def _wide(plane: Plane) -> type[np.uint16 | np.uint32]:
    """Sums of a few samples, and of one sample by a weight of 256 parts, fit this."""
    return np.uint16 if plane.dtype == np.uint8 else np.uint32


def _flat(colours: NDArray[Any], side: Axis) -> NDArray[Any]:
    """The colour of the cell that each touched sample lies in: (touched, columns)."""
    return colours[_cells(*_shape(side), len(colours))]


def _interpolated(colours: NDArray[Any], side: Axis) -> NDArray[Any]:
    """The colours between the cells' centres at each touched sample: (touched, columns)."""
    low, high, share = _between(*_shape(side), len(colours))
    mixed = colours[high]
    mixed *= share.astype(colours.dtype)
    below = colours[low]
    below *= (256 - share).astype(colours.dtype)
    mixed += below
    mixed += 128
    mixed >>= 8
    return mixed


def _shape(side: Axis) -> tuple[int, int, int]:
    """How many touched samples lie before, in and behind the covered ones."""
    return side.start - side.first, side.stop - side.start, side.end - side.stop


@lru_cache(maxsize=1024)
def _cells(before: int, size: int, after: int, cells: int) -> NDArray[np.int64]:
    """The cell of each touched sample, counted from the first covered one."""
    place = np.arange(-before, size + after)
    return np.clip(((place + 1) * cells - 1) // size, 0, cells - 1)


@lru_cache(maxsize=1024)
def _between(before: int, size: int, after: int, cells: int) -> tuple[NDArray[np.int64], ...]:
    """
    The cells below and above each touched sample, and the share of the upper one in 1/256.

    Sample p of `size` covered ones lies at (2 * p + 1) * cells * 128 // size - 128, in 1/256 of
    a cell from the first centre, and no further out than the outer centres.
    """
    place = (2 * np.arange(-before, size + after) + 1) * cells * 128 // size - 128
    place = np.clip(place, 0, (cells - 1) * 256)
    low = place >> 8
    return low, np.minimum(low + 1, cells - 1), (place & 255)[:, None]


def _ring(
    plane: Plane, area: Area, free: NDArray[np.uint8] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum and count of the free samples of each part: top, bottom, left, right, NODES each."""
    x, y = area.x, area.y
    sums, counts = [], []
    for rows, columns, across in _bands(area):
        band = plane[rows, columns]
        starts, lengths = _parts(band.shape[1 - across])
        if free is None:
            counts.append(lengths * band.shape[across])
        else:
            open_ = free[_from(rows, y.first), _from(columns, x.first)]
            length = np.add.reduce(open_, axis=across, dtype=np.uint8)
            counts.append(np.add.reduceat(length, starts, dtype=np.int64))
            band = band * open_
        # A band is at most 64 samples wide: nothing overflows.
        line = np.add.reduce(band, axis=across, dtype=_wide(plane))
        sums.append(np.add.reduceat(line, starts, dtype=np.int64))
    return np.concatenate(sums), np.concatenate(counts)


def _bands(area: Area) -> tuple[tuple[slice, slice, int], ...]:
    """Rows and columns of the bands beside a region: top, bottom, left, right; and their axis."""
    x, y = area.x, area.y
    return (
        (slice(y.first, y.start), x.covered, 0),
        (slice(y.stop, y.end), x.covered, 0),
        (y.covered, slice(x.first, x.start), 1),
        (y.covered, slice(x.stop, x.end), 1),
    )


@lru_cache(maxsize=1024)
def _parts(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where NODES parts begin, and how long they are: an empty one is its first sample."""
    edges = _edges(size, NODES)
    return edges[:-1], np.maximum(1, np.diff(edges))


def _free(area: Area, others: Sequence[Area]) -> NDArray[np.uint8] | None:
    """1 for the touched samples that lie in no other region, else 0; None: all of them are 1."""
    x, y = area.x, area.y
    free = None
    for other in others:
        if other is area or x.first >= other.x.stop or other.x.start >= x.end:
            continue
        if y.first >= other.y.stop or other.y.start >= y.end:
            continue
        if free is None:
            free = np.ones((y.end - y.first, x.end - x.first), np.uint8)
        free[_from(other.y.covered, y.first), _from(other.x.covered, x.first)] = 0
    return free


def _from(samples: slice, first: int) -> slice:
    """The same samples, counted from `first`; what lies before it is cut off."""
    return slice(max(0, samples.start - first), max(0, samples.stop - first))


def _edges(size: int, parts: int) -> NDArray[np.int64]:
    """Where the parts begin, and where the last one ends: parts + 1 whole numbers."""
    return size * np.arange(parts + 1) // parts


def _mean(sums: NDArray[np.int64], counts: NDArray[np.int64]) -> Colours:
    """To the nearest whole number, halves up."""
    return (2 * sums + counts) // (2 * counts)


def _node_weights() -> NDArray[np.int64]:
    """
    (NODES * NODES, 4 * NODES): the weight of each part of the ring for each node, row by row.

    65536 // the squared distance, where node (i, j) lies at (2 * i + 1, 2 * j + 1) and part k at
    (2 * k + 1, 0) on top, (2 * k + 1, 2 * NODES) below, (0, 2 * k + 1) left, (2 * NODES, 2 * k + 1)
    right.
    """
    middle = 2 * np.arange(NODES, dtype=np.int64) + 1
    near, far = np.zeros_like(middle), np.full_like(middle, 2 * NODES)
    part_x = np.concatenate([middle, middle, near, far])
    part_y = np.concatenate([near, far, middle, middle])
    node_x, node_y = np.tile(middle, NODES)[:, None], np.repeat(middle, NODES)[:, None]
    weights: NDArray[np.int64] = 65536 // ((node_x - part_x) ** 2 + (node_y - part_y) ** 2)
    return weights


_WEIGHTS = _node_weights()
