"""What the sound methods write in the place of a name: silence, or a tone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from redact.errors import UsageError

METHODS = ("silence", "tone")

MICRO = 1_000_000
FADE_US = 10_000
"""The fades on either side of a cut. They lie outside it: inside nothing of the sound is left."""
TONE_HERTZ = 1000
TONE_LEVEL = 0.1  # -20 dB of full scale: heard, and no fright in headphones


def remove(
    samples: NDArray[np.float32],
    time: Fraction,
    rate: int,
    cuts: Sequence[tuple[int, int]],
    *,
    method: str,
) -> None:
    """
    Remove the cuts from one block of a stream, in place.

    Args:
        samples: float32 (channels, n) in [-1, 1].
        time: seconds of the first sample on the clip's clock. Where blocks follow each other
            exactly (this one's time is the last one's, plus its n / rate), the result does not
            depend on where they begin and end.
        rate: samples per second.
        cuts: (start, end) in whole microseconds on the same clock, in any order; they may overlap
            and reach outside the block. A sample lasts 1 / rate, and goes if any of it is in a cut.
        method: "silence" or "tone". Each channel gets the same.

    Raises UsageError for an unknown method, and for a cut that ends before it starts.
    """
    if method not in METHODS:
        raise UsageError(f"no method of sound is called {method!r}.")
    near = _near(samples.shape[1], time, rate, cuts)
    if not near:
        return
    kept = _kept(samples.shape[1], rate, near)
    sound = _tone(samples.shape[1], time, rate) if method == "tone" else np.zeros_like(kept)
    changed, gone = kept < 1, kept == 0
    # What is cut is assigned, not multiplied by 0: a NaN would stay, and a zero's sign.
    mixed = samples[:, changed] * kept[changed] + (sound * (1 - kept))[changed]
    samples[:, changed] = mixed
    samples[:, gone] = sound[gone]


def _near(
    length: int, time: Fraction, rate: int, cuts: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The cuts that reach into a block, fades included: as samples of it, rounded outward."""
    first_us = time.numerator * MICRO // time.denominator - FADE_US
    last_us = first_us + 2 * FADE_US + MICRO + length * MICRO // rate
    near = []
    for start, end in cuts:
        if start >= end:
            raise UsageError("a cut ends before it starts.")
        if start < last_us and end > first_us:
            near.append((_sample(start, time, rate), -_sample(-end, -time, rate)))
    return near


def _sample(us: int, time: Fraction, rate: int) -> int:
    """The sample of a block that is under way at `us`: rounded down."""
    since = us * time.denominator - time.numerator * MICRO
    return since * rate // (MICRO * time.denominator)


def _kept(length: int, rate: int, cuts: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """(length,): the share of each sample's sound that is left, 0 in a cut, 1 past its fades."""
    at = np.arange(length)
    off = np.full(length, np.iinfo(np.int64).max)
    for start, end in cuts:
        np.minimum(off, np.maximum(np.maximum(start - at, at - (end - 1)), 0), out=off)
    steps = FADE_US * rate // MICRO + 1
    return np.minimum(off / steps, 1).astype(np.float32)


def _tone(length: int, time: Fraction, rate: int) -> NDArray[np.float32]:
    """
    (length,): a sine whose phase is a function of time alone.

    The phase is counted in whole parts of a turn, so that a long clip does not go out of tune.
    """
    turns, each = time * TONE_HERTZ % 1, Fraction(TONE_HERTZ, rate) % 1
    whole = turns.denominator * each.denominator
    parts = np.arange(length) * each.numerator % each.denominator
    phase = (turns.numerator * each.denominator + parts * turns.denominator) % whole
    wave = TONE_LEVEL * np.sin(2 * np.pi * (phase / whole))
    return wave.astype(np.float32)
