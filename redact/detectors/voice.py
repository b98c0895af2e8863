"""Where there is voice, and how it is packed into passages for the recogniser."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from redact.detectors.words import Word
from redact.errors import DetectorError
from redact.types import Samples

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

MIDDLE = (150.0, 3000.0)
"""Hertz: most of a voice, and less of the music or the hum around it."""
PITCH = (60.0, 400.0)
"""Hertz in which the vocal cords move; a telephone passes nothing below 300."""
FAINT = 0.003
"""Noise (root mean square) that goes with a restored voice: exact silence is unlike a room."""
SHORTEST = 0.1
"""Seconds below which nothing is a word."""
FRAME = RATE // 50
WINDOW = 600
"""Seconds of sound in which voice is looked for at once: what that needs is several copies."""
BESIDE = 2
"""Seconds before and after a window that are heard with it: the model has to hear itself in."""

NEAR = 1.0
"""Seconds: a recogniser's times waver."""

FULL = 0.75
"""Share of the longest passage that one has at least where voice goes on without a pause: a
recogniser takes as long for a short one, and errs at its ends."""
LONGEST_PAUSE = 3.0
"""Seconds without voice that part two passages. Whisper invents words in long silence."""


def find_voice(samples: Samples, *, threshold: float, longest: float) -> tuple[Stretch, ...]:
    """
    Where there is voice in `samples`, mono at 16 kHz; no stretch is over `longest` s.

    Several views of the sound are looked at, see `_views`: voice in any is voice. Raises
    DetectorError if the sound is broken or could not be looked at.
    """
    options = VadOptions(
        threshold=threshold,
        min_speech_duration_ms=round(1000 * SHORTEST),
        min_silence_duration_ms=300,
        speech_pad_ms=0,
    )
    voice = joined(
        one
        for start in range(0, len(samples), WINDOW * RATE)
        for one in _in_window(samples, start, options)
    )
    return tuple(piece for one in voice for piece in _shorter(samples, one, longest))


def _in_window(samples: Samples, start: int, options: VadOptions) -> Iterator[Stretch]:
    """The voice of the window that begins at this sample, in seconds of the whole sound."""
    end = min(start + WINDOW * RATE, len(samples))
    first = max(0, start - BESIDE * RATE)
    heard = samples[first : end + BESIDE * RATE]
    if heard.ndim != 1 or heard.dtype != np.float32:
        raise ValueError(f"mono float32 is needed, not {heard.dtype} {heard.shape}")
    if not np.isfinite(heard).all():
        raise DetectorError("the sound holds values that are no numbers.")
    if not heard.any():
        return
    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = pool.map(lambda view: get_speech_timestamps(view, options), _views(heard))
            parts = list(chain.from_iterable(found))
    except Exception as error:
        raise DetectorError("the voice activity model failed.") from error
    for part in parts:
        begins, ends = max(first + part["start"], start), min(first + part["end"], end)
        if begins < ends:
            yield begins / RATE, ends / RATE


def _views(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """
    The sound as the model may understand it best.

    As it is; without what lies below and above a voice, so that a hum does not hide it; and with
    the pitch that a telephone cut off, as the ear restores it: the sound's envelope beats at it. Of
    voices on the telephone the model misses most without.
    """
    yield amplified(samples)
    middle = amplified(_band(samples, MIDDLE))
    yield middle
    restored = _band(np.abs(middle), PITCH)
    draw = np.random.default_rng(0)
    for first in range(0, samples.size, BLOCK):  # float64 of a whole window is 80 MB
        part = slice(first, first + BLOCK)
        noise = draw.normal(0, FAINT, restored[part].size)
        restored[part] = middle[part] + 2 * restored[part] + noise
    yield restored


def _band(samples: NDArray[np.float32], hertz: tuple[float, float]) -> NDArray[np.float32]:
    """What of the samples lies between two frequencies, BLOCK by BLOCK."""
    found = np.empty(samples.size, np.float32)
    for first in range(0, samples.size, BLOCK):
        part = samples[first : first + BLOCK]
        spectrum = np.fft.rfft(part)
        heights = np.fft.rfftfreq(part.size, 1 / RATE)
        spectrum[(heights < hertz[0]) | (heights > hertz[1])] = 0
        found[first : first + BLOCK] = np.fft.irfft(spectrum, part.size)
    return found


def _shorter(samples: Samples, stretch: Stretch, longest: float) -> Iterator[Stretch]:
    """
    The stretch in pieces of FULL to all of `longest` seconds, parted where it is softest.

    The last one may be shorter.
    """
    start, end = stretch
    while end - start > longest:
        earliest = start + FULL * longest
        part = samples[round(earliest * RATE) : round((start + longest) * RATE)]
        frames = np.abs(part[: part.size // FRAME * FRAME]).reshape(-1, FRAME).max(axis=1)
        softest = earliest + (int(frames.argmin()) + 0.5) * FRAME / RATE
        yield start, softest
        start = softest
    yield start, end


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
    louder = np.empty_like(samples)
    for number, part in enumerate(parts):
        gain = np.interp(np.arange(part.size) + number * BLOCK, middles, gains)
        louder[number * BLOCK :][: part.size] = np.clip(part * gain.astype(np.float32), -1, 1)
    return louder


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


def lies_in(stretches: Sequence[Stretch], *moments: float) -> bool:
    """Whether one of the moments is in one of the stretches."""
    return any(start <= one <= end for start, end in stretches for one in moments)
