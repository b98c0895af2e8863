"""
Which samples of a plane a region covers, and which it may touch.

Everything inside a region's box is covered. The soft edge lies around it: its sides are `margin`
pixels wide, its corners are quarters of an ellipse. All of it is whole numbers, so that a kernel
can match it bit for bit; `//` rounds down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from redact.errors import InputError
from redact.types import Box, Frame, Plane

STEPS = (1, 2, 4)
"""How many luma pixels one chroma sample may stand for, in each direction."""
OPAQUE = 128
"""The weight of a covered sample. (128, so that 8-bit sums fit 16 bits.)"""


def margin(length: int) -> int:
    """
    The width of the soft edge beside a box that is `length` pixels long, in pixels.

    About an eighth, from 4 to 64: a multiple of 4, so that it is whole on every plane.
    """
    return 4 * min(16, max(1, (length + 16) // 32))


def touched(box: Box, width: int, height: int) -> Box:
    """
    The outermost pixels that covering `box` may change, in a width x height frame.

    The box, rounded outward to multiples of 4 (whole chroma samples) and grown by `margin`.
    """
    x, y, grid = margin(box.width), margin(box.height), STEPS[-1]
    return Box(
        max(0, box.x0 // grid * grid - x),
        max(0, box.y0 // grid * grid - y),
        min(width, -(-box.x1 // grid) * grid + x),
        min(height, -(-box.y1 // grid) * grid + y),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One direction of a region on one plane: first <= start < stop <= end, in samples."""

    start: int  # the first covered sample
    stop: int
    first: int  # the first touched sample
    end: int
    far: NDArray[np.uint16]
    """(end - first,) in 0..OPAQUE: the squared distance to the box, OPAQUE past the soft edge."""

    @property
    def covered(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def touched(self) -> slice:
        return slice(self.first, self.end)


def axis(start: int, stop: int, length: int, step: int) -> Axis:
    """The pixels start..stop of a frame `length` pixels long, one sample per `step` of them."""
    soft = margin(stop - start)
    covered = start // step, -(-stop // step)
    first = max(0, covered[0] - soft // step)
    end = min(-(-length // step), covered[1] + soft // step)
    far = _far(covered[0] - first, covered[1] - covered[0], end - covered[1], soft, step)
    return Axis(*covered, first, end, far)


@lru_cache(maxsize=1024)
def _far(before: int, covered: int, after: int, soft: int, step: int) -> NDArray[np.uint16]:
    """A sample d samples off the covered ones is as far as (d * step)**2 * 128 // (soft + 1)**2."""
    off = [*range(before, 0, -1), *[0] * covered, *range(1, after + 1)]
    square = (np.array(off, np.int64) * step) ** 2
    far: NDArray[np.uint16] = (square * OPAQUE // (soft + 1) ** 2).astype(np.uint16)
    far.flags.writeable = False  # shared by every caller with these numbers
    return far


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A region on one plane."""

    x: Axis
    y: Axis
    weights: NDArray[np.uint16]
    """(rows, columns) of the touched samples, 0..OPAQUE: (128 - far)**2 // 128, far of both axes
    together and OPAQUE at most."""

    @property
    def covered(self) -> tuple[slice, slice]:
        return self.y.covered, self.x.covered

    @property
    def touched(self) -> tuple[slice, slice]:
        return self.y.touched, self.x.touched


def area(box: Box, frame: Frame, plane: Plane) -> Area:
    """`box`, in luma pixels, on one of the frame's planes: rounded outward to whole samples."""
    rows, columns = plane.shape
    x = axis(box.x0, box.x1, frame.width, step(frame.width, columns))
    y = axis(box.y0, box.y1, frame.height, step(frame.height, rows))
    near: NDArray[np.uint16] = OPAQUE - np.minimum(y.far[:, None] + x.far, np.uint16(OPAQUE))
    near *= near
    near >>= 7
    return Area(x, y, near)


def step(luma: int, samples: int) -> int:
    """
    How many luma pixels one sample stands for.

    Raises InputError for a layout that redact does not know: what it covered would be wrong.
    """
    for each in STEPS:
        if -(-luma // each) == samples:
            return each
    raise InputError(f"a colour plane has {samples} samples for {luma} pixels: unknown layout.")
