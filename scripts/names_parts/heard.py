"""Who else can still hear a name: recognisers that took no part in the removal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import jellyfish
import numpy as np
from numpy.typing import NDArray
from samples_parts.packages import Package, Shelf

from redact.detectors.lexicon import fold

MOONSHINE = Package(
    "moonshine-voice",
    "0.0.49",
    "moonshine_voice-0.0.49-py3-none-manylinux_2_34_x86_64.whl",
    "03edc378e5236832421ccd382b267e43b95af8008137ad6643f5baf5ba31b579",
)
RATE = 16_000
AROUND = 1.0
"""Seconds on either side of a name that are listened to with it."""
ALIKE = 0.92
"""Similarity (Jaro and Winkler's) of two spellings of one word."""

Sound = NDArray[np.float32]
Listener = Callable[[Sound], str]
"""What a recogniser writes for float32 (n,) mono at 16 kHz."""


@contextmanager
def moonshine(folder: Path) -> Iterator[Listener]:
    """Moonshine tiny (MIT), another family than Whisper: from its wheel, which is not installed."""
    Shelf(folder / "wheels").unpack(MOONSHINE, folder / "moonshine")
    sys.path.insert(0, str(folder / "moonshine"))
    try:
        package = import_module("moonshine_voice.transcriber")
        kinds = import_module("moonshine_voice.moonshine_api").ModelArch
    finally:
        sys.path.remove(str(folder / "moonshine"))
    model = folder / "moonshine" / "moonshine_voice" / "assets" / "tiny-en"
    with package.Transcriber(str(model), kinds.TINY) as transcriber:

        def listen(sound: Sound) -> str:
            lines = transcriber.transcribe_without_streaming(sound.tolist(), RATE).lines
            return " ".join(line.text for line in lines)

        yield listen


def is_heard(listener: Listener, sound: Sound, start: float, end: float, name: str) -> bool:
    """Whether every word of the name is in what the listener writes for the sound around it."""
    first, last = max(0, int((start - AROUND) * RATE)), int((end + AROUND) * RATE)
    window = sound[first:last]
    if not window.any():
        return False
    written = _words(listener(window))
    letters = "".join(written)
    wanted = _words(name)
    if all(len(word) == 1 for word in wanted):  # spelled
        return "".join(wanted) in letters
    return all(any(_same(word, other) for other in written) for word in wanted)


def _words(text: str) -> list[str]:
    words = re.findall(r"[a-z']+", fold(text))
    return [word.removesuffix("'s").strip("'") for word in words]


def _same(word: str, other: str) -> bool:
    return word == other or bool(jellyfish.jaro_winkler_similarity(word, other) >= ALIKE)
