"""A neural voice that says a script, and when each name in it is heard."""

from __future__ import annotations

import importlib
import json
import re
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from .packages import HIBARI, Shelf

RATE = 24_000
FRAME = 600  # samples of sound in one step of the durations
DURATIONS = "/Clip_output_0"  # inside the network: how many steps each phoneme lasts
EARLY = 0.05  # seconds by which a sound is heard before its step begins (seen in spectrograms)
QUIET = 0.012  # below this, a name has not begun or is over
LOUD = 0.1  # root mean square of a sentence
GAP = 0.3  # seconds of silence between sentences
SEED = 20260101

Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpokenName:
    """A name of the script and the seconds in which it is heard."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound in [-1, 1], float32 (samples,) at RATE, with what is said and the names in it."""

    sound: Sound
    text: str
    names: tuple[SpokenName, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE

    def __add__(self, other: Speech) -> Speech:
        moved = (
            SpokenName(n.name, n.start + self.seconds, n.end + self.seconds) for n in other.names
        )
        return Speech(
            np.concatenate([self.sound, other.sound]),
            f"{self.text} {other.text}".strip(),
            (*self.names, *moved),
        )


def pause(seconds: float) -> Speech:
    """Silence."""
    return Speech(np.zeros(round(seconds * RATE), np.float32), "", ())


@dataclass(frozen=True, slots=True)
class Speaker:
    """How the one voice in the package is bent into another: pitch, and length of the throat."""

    pitch: float = 1.0
    throat: float = 1.0  # above 1: longer, so every resonance lies lower


WOMAN = Speaker()
MAN = Speaker(pitch=0.56, throat=1.17)


class Voice:
    """The network of hibari-tts, run from its unpacked wheel; nothing is installed."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        """Unpacks the wheel into `folder`, which must outlive the voice."""
        shelf.unpack(HIBARI, folder)
        for stale in [name for name in sys.modules if name.partition(".")[0] == "hibari"]:
            del sys.modules[stale]  # it reads its data from the folder of an earlier voice
        sys.path.insert(0, str(folder))
        try:
            self._dsp = importlib.import_module("hibari.dsp")
            self._g2p = importlib.import_module("hibari.g2p").G2P(british=False)
        finally:
            sys.path.remove(str(folder))
        assets = folder / "hibari" / "assets"
        self._vocabulary: dict[str, int] = json.loads((assets / "vocab.json").read_text("utf-8"))
        self._network = _with_durations(assets / "hibari.onnx")

    def say(self, script: str, speaker: Speaker = WOMAN, *, speed: float = 1.0) -> Speech:
        """Say the sentences of `script`; names stand in {braces}."""
        speech = pause(GAP)
        for sentence in re.split(r"(?<=[.?!])\s+", script):
            speech = speech + self._sentence(sentence, speaker, speed) + pause(GAP)
        return speech

    def _sentence(self, script: str, speaker: Speaker, speed: float) -> Speech:
        text = script.replace("{", "").replace("}", "")
        phonemes = [sign for sign in self._g2p(text) if sign in self._vocabulary]
        spectrum, frames = self._run(phonemes, speed)
        sound = self._dsp.synth(*_bent(spectrum, speaker), np.random.default_rng(SEED))
        sound = np.tanh(sound * (LOUD / np.sqrt(np.mean(sound**2))))  # peaks bend, none is cut
        names = _names(script, _words(phonemes, frames))
        return Speech(sound, text, tuple(_audible(name, sound) for name in names))

    def _run(self, phonemes: list[str], speed: float) -> tuple[list[Any], NDArray[np.int64]]:
        ids = [0, *(self._vocabulary[sign] for sign in phonemes), 0]
        feed = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
        *spectrum, durations = self._network.run(None, feed)
        return [part[0] for part in spectrum], durations.ravel().astype(np.int64)


def _with_durations(path: Path) -> onnxruntime.InferenceSession:
    """The network with one output more: how long each phoneme lasts, the truth for the names."""
    model = onnx.load(str(path))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _words(phonemes: list[str], frames: NDArray[np.int64]) -> list[tuple[float, float]]:
    """When each word is heard, in seconds; `frames` counts the silent sign at either end too."""
    ends = np.cumsum(frames) * FRAME / RATE
    breaks = [-1, *(i for i, sign in enumerate(phonemes) if sign == " "), len(phonemes)]
    words = []
    for before, after in pairwise(breaks):
        letters = [i for i in range(before + 1, after) if phonemes[i].isalpha()]
        if letters:
            words.append((float(ends[letters[0]]), float(ends[letters[-1] + 1])))
    return words


def _names(script: str, words: list[tuple[float, float]]) -> tuple[SpokenName, ...]:
    """The times of the {names}: the script's words and the spoken ones come in the same order."""
    written = script.split()
    if len(written) != len(words):
        raise ValueError(f"{len(written)} words written, {len(words)} spoken: avoid signs, numbers")
    names = []
    for found in re.finditer(r"\{(.+?)\}", script):
        first = len(script[: found.start()].split())
        last = first + len(found[1].split()) - 1
        names.append(SpokenName(found[1], words[first][0], words[last][1]))
    return tuple(names)


def _audible(name: SpokenName, sound: Sound) -> SpokenName:
    """The name without the silence that its last phoneme's step runs into."""
    first, last = round((name.start - EARLY) * RATE), round((name.end - EARLY) * RATE)
    loud = np.flatnonzero(np.abs(sound[first:last]) > QUIET)
    return SpokenName(name.name, (first + loud[0]) / RATE, (first + loud[-1] + 1) / RATE)


def _bent(spectrum: list[Any], speaker: Speaker) -> list[Any]:
    """The network's spectrum (five parts of bins x frames, and the pitch) as another speaker's."""
    *parts, pitch = spectrum
    if speaker.throat != 1.0:
        bins = np.arange(parts[0].shape[0])
        source = np.minimum(bins * speaker.throat, bins[-1]).astype(np.int64)
        parts = [part[source] for part in parts]
    return [*parts, pitch * np.float32(speaker.pitch)]
