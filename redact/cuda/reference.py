"""
What each kernel that looks computes, in NumPy: bit for bit the same.

Whole numbers, and + - * / of float32 that are never fused. The methods' kernels have their truth in
`redact.methods`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.types import Plane

Floats = NDArray[np.float32]


def weights(size: int, resized: int) -> tuple[NDArray[np.int64], int]:
    """
    (resized, size): the whole weight of each sample in each new one; and their sum in a row.

    A side that shrinks: new sample i covers i * size .. (i + 1) * size of a line in which old
    sample s covers s * resized .. (s + 1) * resized. A side that grows, or stays: between the two
    nearest old samples, no further out than the outer ones.
    """
    new, old = np.arange(resized, dtype=np.int64)[:, None], np.arange(size, dtype=np.int64)
    if resized < size:
        low = np.maximum(old * resized, new * size)
        high = np.minimum((old + 1) * resized, (new + 1) * size)
        return np.maximum(high - low, 0), size
    unit = 2 * resized
    at = np.clip((2 * new + 1) * size - resized, 0, (size - 1) * unit)
    first, upper = at // unit, at % unit
    return np.where(old == first, unit - upper, 0) + np.where(old == first + 1, upper, 0), unit


def resized(plane: Plane, width: int, height: int) -> Floats:
    """(height, width) float32: a sum of whole numbers a sample, divided once; no whole samples."""
    down, rows = weights(plane.shape[0], height)
    across, columns = weights(plane.shape[1], width)
    sums = down @ plane.astype(np.int64) @ across.T
    return np.asarray(sums.astype(np.float32) / np.float32(rows * columns), np.float32)


def whole(plane: Plane, width: int, height: int) -> Floats:
    """The same, rounded to whole samples, halves up: as OpenCV leaves them, but for its halves."""
    return np.asarray(np.floor(resized(plane, width, height) + np.float32(0.5)), np.float32)


def shown(planes: Sequence[Plane], row: Any, columns: int, rows: int) -> Floats:
    """
    (3, rows, columns): one frame in the padded input, before border and turns; without `mean`.

    `row` is one of SHOWN: the sizes and the colours.
    """
    width, height = int(row["width"]), int(row["height"])
    upright = [np.rot90(plane, int(row["held"])) for plane in planes]
    small = [whole(plane, width, height) for plane in upright]
    out = np.zeros((3, rows, columns), np.float32)
    out[:, :height, :width] = _colours(small, row)
    return out


def _colours(small: Sequence[Floats], row: Any) -> Floats:
    if row["rgb"]:
        return np.stack([plane * row["gain"] for plane in small])
    luma = (small[0] - row["black"]) * row["gain"]
    if len(small) == 1:
        return _level(np.stack([luma] * 3))
    u, v = small[1] - row["middle"], small[2] - row["middle"]
    green = luma + row["green_u"] * u + row["green_v"] * v
    return _level(np.stack([luma + row["red"] * v, green, luma + row["blue"] * u]))


def _level(value: Floats) -> Floats:
    return np.clip(value, np.float32(0), np.float32(255))


def letterbox(
    frames: Sequence[Sequence[Plane]],
    table: NDArray[Any],
    columns: int,
    rows: int,
    *,
    border: int = 0,
    turns: int = 0,
    half: bool = False,
) -> NDArray[Any]:
    """
    (n, 3, rows', columns') float32 or float16: the network's input for several frames.

    columns x rows is the padded size without the border; turned by numpy.rot90.
    """
    edge = (border, border)
    pictures = []
    for planes, row in zip(frames, table, strict=True):
        padded = np.pad(shown(planes, row, columns, rows), ((0, 0), edge, edge))
        levels = (padded - row["mean"][:, None, None]) * row["scale"][:, None, None]
        pictures.append(np.rot90(levels, turns, axes=(1, 2)))
    return np.stack(pictures).astype(np.float16 if half else np.float32)


def exponential(x: Floats) -> Floats:
    """e^x for x in [-80, 80], by a polynomial: within 2 units in the last place of numpy.exp."""
    f = np.float32
    x = np.clip(x, f(-80), f(80))
    turns = x * f(1.44269504)
    n = (turns + np.where(turns < 0, f(-0.5), f(0.5))).astype(np.int32)
    r = (x - n.astype(f) * f(0.693359375)) - n.astype(f) * f(-2.12194440e-4)
    total = np.full_like(x, f(1) / f(5040))
    for divisor in (720, 120, 24, 6):
        total = total * r + f(1) / f(divisor)
    for summand in (f(0.5), f(1), f(1)):
        total = total * r + summand
    return np.asarray(total * ((n + 127) << 23).view(f), f)


def decode(
    heat: Floats,
    sizes: Floats,
    offsets: Floats | None,
    *,
    stride: int,
    min_score: float,
    unit: float = 1.0,
    peaks: bool = False,
    aspects: tuple[float, float] = (0.0, np.inf),
) -> tuple[Floats, Floats]:
    """
    Boxes (n, 4) in the network's input, and scores, of one picture's heads.

    heat is (rows, columns). With `offsets` (2, rows, columns), down and right, `sizes` are the
    logarithms of height and width in cells; without, how far left, up, right and down of the cell's
    centre the sides lie, in `unit` pixels: (4, rows, columns). With `peaks` only cells that none of
    the 8 around exceeds; `aspects` are the least and the most width by height.
    """
    f = np.float32
    chosen = heat >= f(min_score)
    if peaks:
        padded = np.pad(heat, 1, constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
        chosen &= heat >= windows.max(axis=(2, 3))
    y, x = np.nonzero(chosen)
    if offsets is None:
        boxes = _from_sides(sizes[:, y, x] * f(unit), x, y, f(stride))
    else:
        boxes = _from_centre(sizes[:, y, x], offsets[:, y, x], x, y, f(stride))
    wide, high = np.maximum(boxes[:, 2:] - boxes[:, :2], f(1e-3)).T
    aspect = wide / high
    fits = (aspect >= f(aspects[0])) & (aspect <= f(aspects[1]))
    return boxes[fits], heat[y, x][fits]


def _from_sides(sides: Floats, x: Any, y: Any, stride: np.float32) -> Floats:
    half = np.float32(0.5)
    across, down = (x.astype(np.float32) + half) * stride, (y.astype(np.float32) + half) * stride
    left, up, right, below = sides
    return np.stack([across - left, down - up, across + right, down + below], axis=1)


def _from_centre(logs: Floats, offsets: Floats, x: Any, y: Any, stride: np.float32) -> Floats:
    half = np.float32(0.5)
    height, width = exponential(logs) * stride * half
    down = (y.astype(np.float32) + offsets[0] + half) * stride
    across = (x.astype(np.float32) + offsets[1] + half) * stride
    return np.stack([across - width, down - height, across + width, down + height], axis=1)


def compare(before: Plane, after: Plane, window: tuple[int, int, int, int]) -> tuple[int, ...]:
    """Samples in x0, y0, x1, y1, and the sum, the sum of squares and the largest difference."""
    x0, y0, x1, y1 = window
    difference = np.abs(after[y0:y1, x0:x1].astype(np.int64) - before[y0:y1, x0:x1])
    return (
        difference.size,
        int(difference.sum()),
        int(np.square(difference).sum()),
        int(difference.max(initial=0)),
    )
