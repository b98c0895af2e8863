"""Of the faces of one frame that score something: which are certain, which doubtful or weak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from redact.types import Box, Detection

LENIENCE = 0.1
"""By this much less is enough for a small face in a crowd, in a first look at the whole picture
upright."""

CROWD = 2
"""So many faces that are sure without LENIENCE make a crowd. Where nobody is, what scores so little
is no face: clips without people were encoded for it, which could be copied."""

CUT_OFF = 0.1
"""A face that the picture's edge cuts off scores lower: by this much less is enough."""

FAINT = 0.075
"""So much less is a doubtful face: one that counts if it is found again within three looks."""

WEAK = 0.15
"""So much less is a weak face: one that counts where a track leads to it. Measured, what bows or
turns away scores that at least; a look's caution is halved, with all of it those are missed."""

APART = 0.3
"""A doubtful face of which more lies in a sure one, or of that in it, is a part of that."""


def counted(
    certain: Sequence[Detection],
    doubtful: Sequence[Detection],
    size: tuple[int, int],
    min_score: float,
    faint: float,
) -> list[Detection]:
    """
    What counts of a frame, `size` wide and high: where there is no crowd, without LENIENCE.

    What was certain by that alone is doubtful then, if it scores what anything doubtful has to.
    """
    width, height = size

    def at_an_edge(box: Box) -> bool:
        return box.x0 <= 1 or box.y0 <= 1 or box.x1 >= width - 1 or box.y1 >= height - 1

    sure = [
        one for one in certain if one.score >= min_score - (CUT_OFF if at_an_edge(one.box) else 0.0)
    ]
    if len(sure) >= CROWD:
        return [*certain, *doubtful]
    others = [replace(one, doubtful=True) for one in certain if one not in sure]
    return sure + [one for one in [*others, *doubtful] if one.score >= min_score - faint]


def apart(
    found: Sequence[Detection], certain: Sequence[Detection], *, weak: bool = False
) -> list[Detection]:
    """Of all that was found, what lies apart from what is certain: that is doubtful, or `weak`."""
    return [
        replace(one, doubtful=not weak, weak=weak)
        for one in found
        if not any(_is_part(one.box, other.box) for other in certain)
    ]


def _is_part(one: Box, other: Box) -> bool:
    shared = one & other
    return shared is not None and shared.area > APART * min(one.area, other.area)
