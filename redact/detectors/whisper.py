"""Whisper whose encoder runs once for a passage: for its language and for its words."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from numpy.typing import NDArray

PAUSE = 200
"""Hundredths of a second of silence after the sound: without any, the decoder does not stop."""
LEAST = 2000
"""Hundredths of a second that the encoder is given at least: the further from the 30 seconds of its
training, the likelier the decoder gets stuck."""


class Whisper(WhisperModel):  # type: ignore[misc]  # it comes without types
    """
    faster-whisper's model, which would encode 30 seconds, and twice, however short a passage is.

    The encoder is most of the work, and 20 seconds take it less than half of what 30 do. Threads
    may each have a passage of their own.
    """

    whole = False
    """Whether a passage is padded to 30 seconds all the same."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.model: Any = _EveryBeam(self.model)
        self._own = _Own()

    def others(self) -> list[str]:
        """What the beams but the best made of the sound transcribed last; told once."""
        texts, self._own.texts = self._own.texts, []
        beams = max(map(len, texts), default=1)
        return [
            "".join(text[beam if beam < len(text) else 0] for text in texts)
            for beam in range(1, beams)
        ]

    def generate_with_fallback(
        self, encoder_output: Any, prompt: list[int], tokenizer: Any, options: Any
    ) -> Any:
        """faster-whisper's, with the texts of every beam kept for `others`."""
        decided = super().generate_with_fallback(encoder_output, prompt, tokenizer, options)
        self._own.texts.append(
            [
                tokenizer.decode([token for token in beam if token < tokenizer.eot])
                for beam in decided[0].sequences_ids
            ]
        )
        return decided

    def tell_language(self, sound: NDArray[np.float32]) -> tuple[str, float]:
        """The most likely language (ISO 639-1) of float32 (n,) mono at 16 kHz, its probability."""
        # Without the last frame, as `transcribe` cuts them.
        features = pad_or_trim(self.feature_extractor(sound)[:, :-1])
        output = self._encoded(features)
        self._own.told = (features, output)
        token, probability = self.model.detect_language(output)[0][0]
        return token.strip("<|>"), float(probability)

    def encode(self, features: NDArray[np.float32]) -> Any:
        """What the encoder makes of (mels, 3000) features; of those told last, without a run."""
        told, self._own.told = self._own.told, None
        if told is not None and np.array_equal(told[0], features):
            return told[1]
        return self._encoded(features)

    def _encoded(self, features: NDArray[np.float32]) -> Any:
        return super().encode(features if self.whole else _without_padding(features))


def _without_padding(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(mels, 3000) features up to a PAUSE after the sound; padding is exactly 0, silence is not."""
    sounding = np.flatnonzero(features.any(axis=0))
    length = max(LEAST, PAUSE + (int(sounding[-1]) + 1 if sounding.size else 0))
    return np.ascontiguousarray(features[:, : length + length % 2])  # the network halves it


class _Own(threading.local):
    """What a thread keeps of its passage."""

    def __init__(self) -> None:
        self.told: tuple[NDArray[np.float32], Any] | None = None
        """The features whose language was told last, and what the encoder made of them."""
        self.texts: list[list[str]] = []


class _EveryBeam:
    """
    CTranslate2's network, which returns every beam it kept and not just the best one.

    Nor does it draw: each of its threads would draw something else, from run to run. At a
    temperature of 1 / n, tried where a text looks wrong, it may say no n tokens twice instead: a
    decoder in a loop has to go on.
    """

    def __init__(self, network: Any) -> None:
        self._network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def generate(self, *args: Any, **options: Any) -> Any:
        temperature = options.pop("sampling_temperature", 0.0)
        if temperature:
            del options["sampling_topk"]
            options["beam_size"] = options["num_hypotheses"]
            options["no_repeat_ngram_size"] = round(1 / temperature)
        options.setdefault("num_hypotheses", options["beam_size"])
        return self._network.generate(*args, **options)
