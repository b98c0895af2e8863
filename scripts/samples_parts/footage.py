"""Where the faces are in the two real clips, marked by eye in a few frames of each."""

from __future__ import annotations

from bisect import bisect_right

from .portrait import TruthBox

Marks = dict[int, list[TruthBox]]  # frame -> faces; in between, boxes move in a straight line

# From the hair's edge over the forehead to the chin, from cheek or ear to cheek or ear, read off
# threefold enlargements with a grid of ten pixels over them; right to about three pixels.
CARPHONE_FACES: Marks = {
    0: [[64, 36, 50, 65]],
    15: [[62, 36, 49, 65]],
    30: [[58, 35, 51, 68]],
    45: [[53, 37, 52, 66]],
    55: [[54, 37, 52, 66]],
    65: [[52, 31, 54, 69]],
    75: [[48, 23, 55, 72]],
    85: [[35, 32, 53, 69]],
    95: [[37, 34, 53, 68]],
    105: [[38, 31, 53, 70]],
    112: [[41, 29, 54, 72]],
    119: [[46, 27, 54, 74]],
}

# A rider in a dark suit; after a cut another with a helmet, hidden for a while by passing cars.
# A passer-by behind him, out of focus and ten pixels high, is not marked.
STREET_FACES: Marks = {
    0: [],
    30: [[271, 13, 49, 62]],
    33: [[312, 10, 50, 62]],
    35: [[346, 8, 54, 66]],
    37: [[390, 6, 53, 68]],
    39: [[444, 5, 53, 68]],
    41: [[501, 4, 57, 72]],
    43: [[566, 2, 60, 74]],
    44: [[601, 1, 39, 75]],
    45: [],
    76: [[421, 72, 25, 25]],
    78: [[422, 67, 24, 25]],
    80: [[422, 63, 24, 25]],
    82: [[422, 60, 24, 25]],
    83: [],
    103: [[404, 54, 24, 27]],
    104: [[405, 51, 24, 27]],
    106: [[405, 46, 24, 26]],
    108: [[405, 42, 24, 25]],
    112: [[407, 38, 24, 24]],
    118: [[412, 35, 25, 24]],
    124: [[413, 27, 25, 24]],
    130: [[412, 25, 25, 24]],
    136: [[413, 23, 25, 24]],
    137: [],
}


def between(marks: Marks, frames: int) -> list[list[TruthBox]]:
    """The boxes of every frame. Where the number of faces changes, the earlier mark holds."""
    order = sorted(marks)
    boxes = []
    for frame in range(frames):
        at = bisect_right(order, frame) - 1
        before, after = order[at], order[min(at + 1, len(order) - 1)]
        boxes.append(_between(marks[before], marks[after], frame - before, after - before))
    return boxes


def _between(
    first: list[TruthBox], second: list[TruthBox], step: int, steps: int
) -> list[TruthBox]:
    if len(first) != len(second) or steps == 0:
        return first
    share = step / steps
    return [
        [round(a + (b - a) * share, 1) for a, b in zip(old, new, strict=True)]
        for old, new in zip(first, second, strict=True)
    ]
