"""Scores the removal of names from the spoken sentences: what is left, what is lost, how fast."""

from __future__ import annotations

import random
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from redact.errors import RedactError
from redact.evaluate import Share, sound_leaked

from .heard import Listener, is_heard, moonshine
from .takes import HALVES, RATE, SPLIT, Take, takes
from .voices import readers

FRAME = RATE // 50  # 20 ms
VOICED = 0.03
"""A frame is voiced if its level is over this share of the clip's loud frames' level (-30 dB)."""

Sound = NDArray[np.float32]
Redact = Callable[[Sound], Sound]
"""Sound to redacted sound; raises RedactError where it is held."""
Part = tuple[int, int]
"""Which one, of how many equal parts."""
GROUPS = ("plain", "rare")
ROBOTIC = "espeak"


def kind_of(voice: str) -> str:
    """espeak-ng puts sounds in a row; the others are networks that learned from a person."""
    return "robotic voices" if voice.startswith(ROBOTIC) else "natural voices"


@dataclass(frozen=True, slots=True)
class Score:
    """Of one clip: names by group, frames of other speech. Shares add up."""

    clips: int
    held: int  # not published, so nothing leaks; not counted below
    seconds: float
    work: float  # seconds of processor time
    shares: dict[str, Share]

    def __add__(self, other: Score) -> Score:
        keys = self.shares.keys() | other.shares.keys()
        none = Share(0, 0)
        return Score(
            self.clips + other.clips,
            self.held + other.held,
            self.seconds + other.seconds,
            self.work + other.work,
            {key: self.shares.get(key, none) + other.shares.get(key, none) for key in sorted(keys)},
        )


NOTHING = Score(0, 0, 0.0, 0.0, {})


def score(take: Take, output: Sound, work: float, listener: Listener | None) -> Score:
    """What is left of the names of a clip, and how much of its other speech is gone."""
    shares: dict[str, Share] = {}
    for name in take.names:
        span = (name.start, name.end)
        leaked = sound_leaked(take.sound, output, RATE, span)
        key = f"leaked {GROUPS[name.rare]}"
        shares[key] = shares.get(key, Share(0, 0)) + Share(int(leaked), 1)
        if listener is not None:
            heard = [is_heard(listener, one, *span, name.text) for one in (take.sound, output)]
            for key, one in zip(("heard before", "heard after"), heard, strict=True):
                shares[key] = shares.get(key, Share(0, 0)) + Share(int(one), 1)
    group = "other speech, with names" if take.names else "other speech, without"
    shares[group] = _lost(take, output)
    return Score(1, 0, len(take.sound) / RATE, work, shares)


def _lost(take: Take, output: Sound) -> Share:
    """Of the voiced frames outside names, those that are silent now."""
    whole = len(take.clean) // FRAME
    clean, left = (sound[: whole * FRAME].reshape(-1, FRAME) for sound in (take.clean, output))
    level = np.sqrt((clean**2).mean(axis=1))
    other = level > VOICED * np.quantile(level, 0.95)
    for name in take.names:
        other[int(name.start * 50) : int(np.ceil(name.end * 50))] = False
    gone = np.abs(left).max(axis=1) < 1e-3
    return Share(int((other & gone).sum()), int(other.sum()))


def measure(
    redacts: dict[str, Redact],
    folder: Path,
    *,
    halves: Iterable[str] = HALVES,
    number: int = 1,
    share: float = 1.0,
    part: Part = (1, 1),
    hear: bool = False,
    minutes: float = 600.0,
) -> dict[str, Score]:
    """
    The scores of a half, by way to redact and kind of voice: "aside, normal, natural voices".

    Args:
        redacts: the ways by name. Where they share what was heard, the first one does the work.
        folder: for the voices' wheels and what is unpacked of them.
        number: how often each sentence is spoken, each time by another voice.
        share: of the clips, evenly spread.
        part: (1, 4) is the first quarter of them; the four quarters are all.
        hear: listen to every name with a recogniser of another family, before and after.
        minutes: after so many of them no other clip is begun; they come in a random order.
    """
    until = time.monotonic() + 60 * minutes
    voices = readers(folder)
    scores: dict[str, Score] = {}
    with ExitStack() as stack:
        listener = stack.enter_context(moonshine(folder)) if hear else None
        for half in halves:
            every = [take for each in range(number) for take in takes(voices, half, each, share)]
            random.Random(SPLIT).shuffle(every)
            for take in tqdm(every[part[0] - 1 :: part[1]], desc=half, unit="clip"):
                if time.monotonic() > until:
                    break
                for name, redact in redacts.items():
                    key = f"{half}, {name}, {kind_of(take.voice)}"
                    ear = listener if name == next(iter(redacts)) else None
                    scores[key] = scores.get(key, NOTHING) + _scored(redact, take, ear)
    return scores


def _scored(redact: Redact, take: Take, listener: Listener | None) -> Score:
    begun = time.process_time()
    try:
        output = redact(take.sound)
    except RedactError:
        return Score(1, 1, 0.0, 0.0, {})
    return score(take, output, time.process_time() - begun, listener)


def lines(scores: dict[str, Score], share: Callable[[int, int], str]) -> Iterator[str]:
    """The scores to read; `share` writes one with its interval."""
    for half, one in scores.items():
        yield f"{half}: {one.clips} clips ({one.held} held), {one.seconds:.0f} s"
        for key, of in one.shares.items():
            yield f"  {key:<26} {share(of.part, of.whole)}"


def as_json(scores: dict[str, Score]) -> dict[str, Any]:
    return {
        key: {
            "clips": one.clips,
            "held": one.held,
            "seconds": round(one.seconds, 1),
            "work": round(one.work, 1),
            "shares": {key: [of.part, of.whole] for key, of in one.shares.items()},
        }
        for key, one in scores.items()
    }


def write(path: Path, sound: Sound) -> None:
    """A sound file of 16 bits, mono, 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
