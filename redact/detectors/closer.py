"""Looks closer at what may be a plate: cut out, and shown at a size that the network knows well."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from redact.detectors.runtime import Network, letterbox
from redact.errors import DetectorError
from redact.types import Box, Frame

SIDE = 128
"""Pixels of the square that is shown, with the candidate in its middle."""

WIDE = 92
"""How wide the candidate is in it, or twice as high as it is, if that is more."""

AROUND = (5, 4)
"""So many cells of the network's map from the middle, over and down, may hold the peak."""


def closer(network: Network, frame: Frame, box: Box) -> float:
    """
    How sure the network is of a plate in the middle of `box`, in [0, 1], if that is all it sees.

    What looks like a plate from afar and is a badge or a word does so less from near, however
    small it is. Raises DetectorError if the network fails or returns what is no map.
    """
    region, long_side = region_of(box, frame.width, frame.height)
    shown, scale = letterbox(_part(frame, region), long_side, enlarge=math.inf)
    outputs = network(shown[np.newaxis])
    if len(outputs) != 2:
        raise DetectorError(f"{network.name} has {len(outputs)} outputs, not heat and edges.")
    return peak_near(outputs[0][0, 0], box, region, scale, shown.shape[1])


def region_of(box: Box, width: int, height: int) -> tuple[Box, int]:
    """
    The square about a box as far as a width x height frame goes; its long side when it is shown.

    It begins at even pixels.
    """
    side = max(box.width, 2 * box.height) * SIDE / WIDE
    x, y, half = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, side / 2
    square = Box.covering(x - half, y - half, x + half, y + half)
    inside = square.clip(width, height) or box
    region = replace(inside, x0=inside.x0 // 2 * 2, y0=inside.y0 // 2 * 2)
    return region, max(round(SIDE * max(region.width, region.height) / side), 1)


def peak_near(heat: NDArray[np.float32], box: Box, region: Box, scale: float, height: int) -> float:
    """The peak of heat (rows, columns) near the middle of the box, of an input of this height."""
    cell = height / heat.shape[0]
    x, y = (box.x0 + box.x1) / 2 - region.x0, (box.y0 + box.y1) / 2 - region.y0
    column, row = (round(middle * scale / cell) for middle in (x, y))
    over, down = AROUND
    near = heat[max(row - down, 0) : row + down, max(column - over, 0) : column + over]
    return float((near if near.size else heat).max())  # outside the map: the surest of all


def _part(frame: Frame, region: Box) -> Frame:
    """What of the frame is in the region; its subsampled planes begin where it does."""
    colours = 3 if len(frame.planes) >= 3 else 1
    planes = []
    for plane in frame.planes[:colours]:
        down, over = (1 + (plane.shape[0] < frame.height)), (1 + (plane.shape[1] < frame.width))
        rows = slice(region.y0 // down, math.ceil(region.y1 / down))
        planes.append(plane[rows, region.x0 // over : math.ceil(region.x1 / over)])
    return replace(frame, planes=tuple(planes))
