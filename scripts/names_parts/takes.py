"""Clips of a few spoken sentences each: which voice says which, how fast, in which noise."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .voices import RATE, Reader, pieces

SENTENCES = Path(__file__).with_name("sentences.txt")
SPLIT = 20261126
"""Seed that parted the sentences into halves before anything was measured on them."""
HALVES = ("tune", "aside")
IN_A_CLIP = 4
NOISES = ("none", "none", "none", "hum", "hiss", "telephone")
SPEEDS = (0.85, 0.95, 1.0, 1.1, 1.2)

Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Name:
    """A spoken name: seconds of its clip, its words, and whether it is a rare or foreign one."""

    start: float
    end: float
    text: str
    rare: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One clip: `sound` as it is listened to, `clean` without its noise; float32 (n,) at RATE."""

    sound: Sound
    clean: Sound
    names: tuple[Name, ...]
    voice: str
    noise: str
    half: str


def sentences() -> list[str]:
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def halves() -> dict[str, list[str]]:
    """Every sentence in one of the halves; those with names and those without parted alike."""
    result: dict[str, list[str]] = {half: [] for half in HALVES}
    draw = random.Random(SPLIT)
    for named in (True, False):
        group = [line for line in sentences() if ("{" in line) == named]
        draw.shuffle(group)
        for number, line in enumerate(group):
            result[HALVES[number % 2]].append(line)
    return result


def scripts(half: str, take: int) -> list[list[str]]:
    """
    The sentences of each clip of a half, in another order for each take.

    Three with names and one without; what is left of those without makes clips of their own.
    """
    draw = random.Random(f"{SPLIT} {half} {take}")
    lines = halves()[half]
    named = [line for line in lines if "{" in line]
    plain = [line for line in lines if "{" not in line]
    draw.shuffle(named)
    draw.shuffle(plain)
    clips = [named[first : first + 3] for first in range(0, len(named), 3)]
    for clip in clips:
        clip.insert(draw.randrange(len(clip) + 1), plain.pop())
    rest = [plain[first : first + IN_A_CLIP] for first in range(0, len(plain), IN_A_CLIP)]
    return clips + rest


def takes(readers: Sequence[Reader], half: str, take: int, share: float = 1.0) -> Iterator[Take]:
    """The clips of one take of a half, or of an evenly spread share of them."""
    every = max(1, round(1 / share))
    for number, lines in enumerate(scripts(half, take)):
        if number % every == 0:
            yield _record(readers, lines, half, f"{SPLIT} {half} {take} {number}")


def _record(readers: Sequence[Reader], lines: Sequence[str], half: str, seed: str) -> Take:
    draw = random.Random(seed)
    onnxruntime.set_seed(draw.randrange(2**31))
    reader, speed, noise = draw.choice(readers), draw.choice(SPEEDS), draw.choice(NOISES)
    parts = [np.zeros(RATE // 4, np.float32)]
    names: list[Name] = []
    for line in lines:
        sound, times = reader.say(line, speed)
        spoken = [text for text, is_name in pieces(line) if is_name]
        rare = [piece.startswith("*") for piece in line.split("{")[1:]]
        begins = sum(map(len, parts)) / RATE
        for (start, end), text, unusual in zip(times, spoken, rare, strict=True):
            names.append(Name(begins + start, begins + end, text, unusual))
        pause = round(RATE * draw.uniform(0.1, 0.6))
        parts += [sound, np.zeros(pause, np.float32)]
    clean = np.concatenate(parts)
    heard = NOISE[noise](clean, np.random.default_rng(draw.randrange(2**31)))
    return Take(
        sound=heard, clean=clean, names=tuple(names), voice=reader.name, noise=noise, half=half
    )


def _hum(sound: Sound, draw: np.random.Generator) -> Sound:
    """The low rumble of a room or a car, 15 dB below the voice."""
    return _with(sound, np.cumsum(draw.normal(size=len(sound))), 15, high_pass=60)


def _hiss(sound: Sound, draw: np.random.Generator) -> Sound:
    """White noise, 18 dB below the voice."""
    return _with(sound, draw.normal(size=len(sound)), 18, high_pass=0)


def _telephone(sound: Sound, _draw: np.random.Generator) -> Sound:
    """300 to 3400 Hz, in steps of 8 bits."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    narrow = np.fft.irfft(spectrum, len(sound))
    return np.asarray(np.round(np.clip(narrow, -1, 1) * 127) / 127, np.float32)


def _with(sound: Sound, noise: NDArray[np.float64], decibels: float, *, high_pass: float) -> Sound:
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(noise), 1 / RATE) < high_pass] = 0
    noise = np.fft.irfft(spectrum, len(sound))
    noise *= 0.1 * 10 ** (-decibels / 20) / np.sqrt(np.mean(noise**2))
    return np.asarray(np.clip(sound + noise, -1, 1), np.float32)


NOISE = {"none": lambda sound, _draw: sound, "hum": _hum, "hiss": _hiss, "telephone": _telephone}
