"""Where there is voice, and how it is packed into passages for the recogniser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from redact.detectors.words import Word
from redact.errors import DetectorError

RATE = 16_000
"""Samples per second that the models hear."""

Stretch = tuple[float, float]
"""Start and end in seconds from the first sample."""

LOUD = 0.3
"""Loudest sample of sound in which voice is looked for: what is softer is amplified first."""
MOST = 100.0
"""By which it is amplified at most (40 dB): below -70 dB is the noise of the microphone."""
BLOCK = 10 * RATE
"""Samples whose loudest one decides how much they are amplified."""

WINDOW = 600
"""Seconds of sound in which voice is looked for at once: what that needs is several copies."""
ENTRY = 2
"""Seconds by which a window starts before what is asked of it: the model has to hear itself in."""

NEAR = 1.0
"""Seconds: a recogniser's times waver."""

LONGEST_PAUSE = 3.0
"""Seconds without voice that part two passages. Whisper invents words in long silence."""


def find_voice(
    samples: NDArray[np.float32], *, threshold: float, longest: float
) -> tuple[Stretch, ...]:
    """
    Where there is voice in `samples`, float32 (n,) mono at 16 kHz; no stretch over `longest` s.

    Raises DetectorError if the sound is broken or could not be looked at.
    """
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise ValueError(f"mono float32 is needed, not {samples.dtype} {samples.shape}")
    if not np.isfinite(samples).all():
        raise DetectorError("the sound holds values that are no numbers.")
    options = VadOptions(
        threshold=threshold,
        max_speech_duration_s=longest,
        min_silence_duration_ms=300,
        speech_pad_ms=0,
    )
    found: list[Stretch] = []
    start, seconds = 0.0, samples.size / RATE
    while start < seconds:
        voice, start = _window(samples, start, longest, options)
        found += voice
    return tuple(found)


def _window(
    samples: NDArray[np.float32], start: float, longest: float, options: VadOptions
) -> tuple[list[Stretch], float]:
    """The voice of one window from `start` on, and where the next one has to start."""
    first = max(0, int(start - ENTRY)) * RATE
    window = samples[first : first + WINDOW * RATE]
    if not window.any():
        found = []
    else:
        try:
            found = get_speech_timestamps(amplified(window), options)
        except Exception as error:
            raise DetectorError("the voice activity model failed.") from error
    end = (first + window.size) / RATE
    voice = [((first + one["start"]) / RATE, (first + one["end"]) / RATE) for one in found]
    voice = [(max(start, one), end) for one, end in voice if end > start]
    if first + window.size == samples.size:
        return voice, end
    # What starts later may go on behind the window's end: the next one has all of it.
    whole = [one for one in voice if one[0] < end - longest - 1]
    return whole, max(end - longest - 1, whole[-1][1] if whole else 0.0)


def amplified(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    `samples`, the soft parts of them louder: a whisper is voice too.

    Each BLOCK by its own loudest sample and its neighbours', and smoothly from one to the next.
    """
    parts = np.split(samples, range(BLOCK, samples.size, BLOCK))
    peaks = [float(np.abs(part).max()) for part in parts]
    around = [max(peaks[max(0, number - 1) : number + 2]) for number in range(len(peaks))]
    gains = [min(max(LOUD / max(peak, 1e-9), 1.0), MOST) for peak in around]
    if max(gains) == 1.0:
        return samples
    middles = (np.arange(len(gains)) + 0.5) * BLOCK
    for number, part in enumerate(parts):
        gain = np.interp(np.arange(part.size) + number * BLOCK, middles, gains)
        parts[number] = np.clip(part * gain.astype(np.float32), -1, 1)
    return np.concatenate(parts)


def passages(voice: Sequence[Stretch], longest: float) -> list[Stretch]:
    """Neighbouring stretches of voice packed into passages of at most `longest` seconds."""
    packed: list[Stretch] = []
    for start, end in voice:
        if packed and start - packed[-1][1] < LONGEST_PAUSE and end - packed[-1][0] <= longest:
            packed[-1] = (packed[-1][0], end)
        else:
            packed.append((start, end))
    return packed


def around(voice: Sequence[Stretch], words: Iterable[Word]) -> list[Stretch]:
    """The stretches of voice that hold any of `words`, or lie within a second of one."""
    near = joined((word.start - NEAR, word.end + NEAR) for word in words)
    return [one for one in voice if any(one[0] < end and start < one[1] for start, end in near)]


def joined(stretches: Iterable[Stretch], gap: float = 0.0) -> list[Stretch]:
    """Stretches in order, those that overlap or lie within `gap` seconds made one."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1] + gap:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def outside(stretches: Iterable[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """The parts of `stretches` that no one of `others` (in order, disjoint) covers."""
    edges = [-np.inf, *(edge for other in others for edge in other), np.inf]
    gaps = list(pairwise(edges))[::2]
    return [
        (max(start, gap_start), min(end, gap_end))
        for start, end in stretches
        for gap_start, gap_end in gaps
        if max(start, gap_start) < min(end, gap_end)
    ]
