"""Where the sound of a name begins and ends: a padded stretch gives back the silence around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from redact.detectors.voice import RATE, Stretch
from redact.types import Samples

FRAME = RATE // 100  # 10 ms
SOFT = 0.03
"""Share of the name's loudest frame below which nothing of it is heard (-30 dB)."""
PAUSE_BEFORE = 0.06
"""Seconds of silence that part a name from what was said before it."""
PAUSE_AFTER = 0.1
"""The same after it: longer than the closure before a "t" or a "k" inside a name."""
DIP = 0.1
"""Share of the loudest frame of NEAR below which the voice falls between two words (-20 dB)."""
NEAR = 50
"""Frames at that end of the name."""
DIP_FROM = 0.16
"""Seconds after the end that was heard in which a fall of the voice is still one of the name's."""
DIP_INTO = 0.03
"""Seconds into what was heard in which the word before may still end."""
KEEP = 0.03
"""Seconds of the silence that go with the name: a breath or a soft consonant may lie there."""
AROUND = 0.4
"""Seconds outside the padded stretch in which a silence is followed."""


def trimmed(
    samples: Samples,
    heard: Stretch,
    padded: Stretch,
    *,
    sure_of_start: bool = True,
    sure_of_end: bool = True,
) -> Stretch:
    """
    `padded` without the silence at its ends, in seconds of `samples` (16 kHz).

    `heard` is where the recogniser heard the name; a pause inside it stays. Where there is no
    silence, the stretch begins and ends where the voice falls off between two words, if such a
    fall is surely none of the name's own. In noise nothing is silent, and nothing is given back.
    """
    origin = max(0.0, padded[0] - AROUND)
    level = _level(samples[round(origin * RATE) : round((padded[1] + AROUND) * RATE)])
    frames = _frame(heard[0] - origin), _frame(padded[1] - origin)
    loudest = float(level[slice(*frames)].max(initial=0.0))
    start, end = padded
    for first, last in _runs(level < SOFT * loudest):
        begins, ends = origin + first / RATE * FRAME, origin + last / RATE * FRAME
        if begins <= heard[0] and ends - begins >= PAUSE_BEFORE:
            start = max(start, ends - KEEP)
        elif begins >= heard[1] and ends - begins >= PAUSE_AFTER:
            end = min(end, begins + KEEP)
            break
    # Of a long stretch what lies at its other end says nothing of how loud this one is.
    near = level[frames[0] : frames[1]]
    if sure_of_start and start == padded[0]:
        most = DIP * float(near[:NEAR].max(initial=0.0))
        dip = _dip(level, (start - origin, heard[0] + DIP_INTO - origin), most)
        start = start if dip is None else max(start, origin + (dip - 1) / RATE * FRAME)
    if sure_of_end and end == padded[1]:
        most = DIP * float(near[-NEAR:].max(initial=0.0))
        dip = _dip(level, (heard[1] + DIP_FROM - origin, end - origin), most)
        end = end if dip is None else min(end, origin + (dip + 2) / RATE * FRAME)
    return start, end


def _frame(seconds: float) -> int:
    return round(seconds * RATE / FRAME)


def _dip(level: NDArray[np.float32], within: Stretch, most: float) -> int | None:
    """The softest frame within these seconds, if it is below `most`."""
    first, last = _frame(within[0]), _frame(within[1])
    softest = first + int(level[first:last].argmin()) if level[first:last].size else 0
    return softest if level[first:last].size and level[softest] < most else None


def _level(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square of each frame; the last one may be short."""
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    level: NDArray[np.float32] = np.sqrt(np.square(padded).reshape(-1, FRAME).mean(axis=1))
    return level


def _runs(quiet: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and one past the last of each run of quiet frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
