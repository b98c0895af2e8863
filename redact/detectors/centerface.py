"""Reads what CenterFace returns: boxes, and what about them says how sure it can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRIDE = 4
"""Pixels of the network's input per cell of its heat map."""

SMALL = 32
"""Pixels of the network's input: of a face that is no higher, the network is less sure."""

Scored = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes x0, y0, x1, y1 (n, 4) and scores (n,)."""


def decode(
    heat: NDArray[np.float32],
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    min_score: float,
) -> Scored:
    """
    The faces of one picture, in pixels of the network's input.

    heat is (rows, columns) in [0, 1]; sizes, the logarithms of height and width in cells, and
    offsets of the centre, down and right, are (2, rows, columns).
    """
    rows, columns = np.nonzero(heat >= min_score)
    height, width = np.exp(sizes[:, rows, columns]) * STRIDE
    down, right = offsets[:, rows, columns]
    y, x = (rows + down + 0.5) * STRIDE, (columns + right + 0.5) * STRIDE
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return boxes.astype(np.float32), heat[rows, columns]


def is_small(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes (n, 4), in pixels of a network's input, are no higher than SMALL."""
    return np.asarray(boxes[:, 3] - boxes[:, 1] <= SMALL)


def cut_off(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Which boxes (n, 4) reach one of the edges of a width x height picture."""
    low = (boxes[:, :2] <= 1).any(axis=1)
    high = (boxes[:, 2:] >= np.array([width - 1, height - 1])).any(axis=1)
    return np.asarray(low | high)


def turn_back(
    boxes: NDArray[np.float32], turns: int, height: int, width: int
) -> NDArray[np.float32]:
    """Boxes on a height x width picture, from where they lie once numpy.rot90 has turned it."""
    x0, y0, x1, y1 = boxes.T
    if turns % 4 == 0:
        return boxes
    if turns % 4 == 1:
        return np.stack([width - y1, x0, width - y0, x1], axis=1)
    if turns % 4 == 2:
        return np.stack([width - x1, height - y1, width - x0, height - y0], axis=1)
    return np.stack([y0, height - x1, y1, height - x0], axis=1)
