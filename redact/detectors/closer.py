"""Looks closer at what may be a plate: cut out, and shown at a size that the network knows well."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

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
    side = max(box.width, 2 * box.height) * SIDE / WIDE
    region = _around(box, side, frame)
    long_side = max(round(SIDE * max(region.width, region.height) / side), 1)
    shown, scale = letterbox(_part(frame, region), long_side, enlarge=math.inf)
    outputs = network(shown[np.newaxis])
    if len(outputs) != 2:
        raise DetectorError(f"{network.name} has {len(outputs)} outputs, not heat and edges.")
    heat = outputs[0][0, 0]
    cell = shown.shape[1] / heat.shape[0]
    x, y = (box.x0 + box.x1) / 2 - region.x0, (box.y0 + box.y1) / 2 - region.y0
    column, row = (round(middle * scale / cell) for middle in (x, y))
    over, down = AROUND
    near = heat[max(row - down, 0) : row + down, max(column - over, 0) : column + over]
    return float(near.max(initial=0.0))


def _around(box: Box, side: float, frame: Frame) -> Box:
    """The square about a box as far as the frame goes; it begins at even pixels."""
    x, y, half = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, side / 2
    square = Box.covering(x - half, y - half, x + half, y + half)
    inside = square.clip(frame.width, frame.height) or box
    return replace(inside, x0=inside.x0 // 2 * 2, y0=inside.y0 // 2 * 2)


def _part(frame: Frame, region: Box) -> Frame:
    """What of the frame is in the region; its subsampled planes begin where it does."""
    colours = 3 if len(frame.planes) >= 3 else 1
    planes = []
    for plane in frame.planes[:colours]:
        down, over = (1 + (plane.shape[0] < frame.height)), (1 + (plane.shape[1] < frame.width))
        rows = slice(region.y0 // down, math.ceil(region.y1 / down))
        planes.append(plane[rows, region.x0 // over : math.ceil(region.x1 / over)])
    return replace(frame, planes=tuple(planes))
