"""Sound tracks that carry the same sound: what is removed from one goes from the others too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from redact.types import Samples, Span

FRAME_US = 10_000
AROUND_US = 1_000_000
"""Of the sound beside a span that is compared with it."""
AT_ONCE = 6000
"""Frames whose samples are in memory: a minute."""
LATE = 5
"""Frames by which the same sound may come earlier or later in another track: a codec's delay."""
ALIKE = 0.8
"""Correlation of two levels from which on they are of the same sound, whatever its loudness."""

Levels = NDArray[np.float32]
"""(n,) root mean square of each FRAME_US of a track, from the clip's time 0."""


def levels(samples: Samples, rate: int, start_us: int) -> Levels:
    """How loud `samples` are; `start_us` is when they begin on the clip's clock."""
    size = rate * FRAME_US // 1_000_000
    whole = len(samples) // size * size
    loud = np.zeros(whole // size, np.float32)
    for first in range(0, loud.size, AT_ONCE):
        part = samples[first * size : min((first + AT_ONCE) * size, whole)].reshape(-1, size)
        squares = np.einsum("ij,ij->i", part, part)
        loud[first : first + AT_ONCE] = np.sqrt(squares / np.float32(size))
    late = round(start_us / FRAME_US)
    return np.pad(loud, (late, 0)) if late >= 0 else loud[-late:]


def echoes(spans: list[Span], tracks: dict[int, Levels]) -> list[Span]:
    """The same spans in every other track (by stream index) that sounds alike around them."""
    return [
        replace(span, stream=other)
        for span in spans
        for other in tracks
        if other != span.stream and _alike(span, tracks[span.stream], tracks[other])
    ]


def _alike(span: Span, here: Levels, there: Levels) -> bool:
    first = max(0, (span.start_us - AROUND_US) // FRAME_US)
    last = (span.end_us + AROUND_US) // FRAME_US
    ours = here[first:last]
    for late in range(-LATE, LATE + 1):
        theirs = there[max(0, first + late) : last + late]
        size = min(len(ours), len(theirs))
        if size and _correlation(ours[:size], theirs[:size]) > ALIKE:
            return True
    return False


def _correlation(one: Levels, other: Levels) -> float:
    """-1 to 1; 0 where one of them does not change."""
    one, other = one - one.mean(), other - other.mean()
    whole = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / whole if whole > 0 else 0.0
