"""Whisper whose encoder runs once for a passage, and whose decoder once for several."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ctranslate2  # type: ignore[import-untyped]
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from numpy.typing import NDArray

PAUSE = 200
"""Hundredths of a second of silence after the sound: without any, the decoder does not stop."""
LEAST = 2080
"""Hundredths of a second that the encoder is given at least: the further from the 30 seconds of its
training, the likelier the decoder gets stuck. The longest passages of a first look are as long:
only what is of one length can be decoded together."""


class Whisper(WhisperModel):  # type: ignore[misc]  # it comes without types
    """
    faster-whisper's model, which would encode 30 seconds, and twice, however short a passage is.

    The encoder is most of the work, and 20 seconds take it less than half of what 30 do. The
    decoder reads its weights for every word: several passages at once share that. Threads may each
    have passages of their own.
    """

    whole = False
    """Whether a passage is padded to 30 seconds all the same."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._own = _Own()
        self.model: Any = _EveryBeam(self.model, self._own)

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
        told = self._encoded_of(sound)
        self._own.told.append(told)
        token, probability = self.model.detect_language(told.output)[0][0]
        return token.strip("<|>"), float(probability)

    def expect(self, sounds: Sequence[NDArray[np.float32]]) -> None:
        """What this thread is going to `transcribe` next: of equal length it is decoded at once."""
        self._own.expected = [self._encoded_of(sound) for sound in sounds]
        self._own.told = []

    def encode(self, features: NDArray[np.float32]) -> Any:
        """What the encoder makes of (mels, 3000) features; of the thread's own, without a run."""
        known = self._own.known(features)
        return known.output if known else self._encoded(features)

    def _encoded_of(self, sound: NDArray[np.float32]) -> _Encoded:
        # Without the last frame, as `transcribe` cuts them.
        features = pad_or_trim(self.feature_extractor(sound)[:, :-1])
        return self._own.known(features) or _Encoded(features, self._encoded(features))

    def _encoded(self, features: NDArray[np.float32]) -> Any:
        return super().encode(features if self.whole else _without_padding(features))


def _without_padding(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(mels, 3000) features up to a PAUSE after the sound; padding is exactly 0, silence is not."""
    sounding = np.flatnonzero(features.any(axis=0))
    length = max(LEAST, PAUSE + (int(sounding[-1]) + 1 if sounding.size else 0))
    return np.ascontiguousarray(features[:, : length + length % 2])  # the network halves it


@dataclass(slots=True)
class _Encoded:
    """A passage's (mels, 3000) features, what the encoder made of them, and then the decoder."""

    features: NDArray[np.float32]
    output: Any
    decoded: Any = None
    asked: Any = None  # with which prompt and options


class _Own(threading.local):
    """What a thread keeps of its passages."""

    def __init__(self) -> None:
        self.told: list[_Encoded] = []
        """Of these the language was told."""
        self.expected: list[_Encoded] = []
        self.texts: list[list[str]] = []

    def known(self, features: NDArray[np.float32]) -> _Encoded | None:
        """The passage of these features, if it is one of the thread's."""
        found = (
            one for one in [*self.told, *self.expected] if np.array_equal(one.features, features)
        )
        return next(found, None)


class _EveryBeam:
    """
    CTranslate2's network, which returns every beam it kept and not just the best one.

    Nor does it draw: each of its threads would draw something else, from run to run. At a
    temperature of 1 / n, tried where a text looks wrong, it may say no n tokens twice instead: a
    decoder in a loop has to go on.
    """

    def __init__(self, network: Any, own: _Own) -> None:
        self._network, self._own = network, own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def generate(self, output: Any, prompts: list[list[int]], **options: Any) -> Any:
        """As CTranslate2's, of one passage; with it, once, all others that the thread expects."""
        temperature = options.pop("sampling_temperature", 0.0)
        if temperature:
            del options["sampling_topk"]
            options["beam_size"] = options["num_hypotheses"]
            options["no_repeat_ngram_size"] = round(1 / temperature)
        options.setdefault("num_hypotheses", options["beam_size"])
        asked = (prompts, options)
        one = next((one for one in self._own.expected if one.output is output), None)
        if one is None:
            return self._network.generate(output, prompts, **options)
        if one.asked != asked:
            self._decode([one] if one.asked else self._like(one), asked)
        return one.decoded

    def _like(self, one: _Encoded) -> list[_Encoded]:
        """What can be decoded with a passage: nothing where it lies on a GPU."""
        if self._network.device != "cpu":
            return [one]
        return [other for other in self._own.expected if other.output.shape == one.output.shape]

    def _decode(self, passages: Sequence[_Encoded], asked: Any) -> None:
        prompts, options = asked
        outputs = [one.output for one in passages]
        output = outputs[0] if len(outputs) == 1 else _stacked(outputs)
        decoded = self._network.generate(output, prompts * len(outputs), **options)
        for one, words in zip(passages, decoded, strict=True):
            one.asked, one.decoded = asked, [words]


def _stacked(outputs: Sequence[Any]) -> Any:
    """Outputs of the encoder (1, n, width) as one."""
    return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(one) for one in outputs]))
