"""OpenAI's own Whisper on PyTorch, for GPUs on which CTranslate2 does not run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import whisper
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as faster-whisper has it: begins with a space unless it goes on with the last one."""

    word: str = field(repr=False)
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    text: str = field(repr=False)
    start: float
    end: float
    compression_ratio: float
    avg_logprob: float
    words: tuple[Piece, ...]


class TorchWhisper:
    """
    Does what redact.detectors.whisper.Whisper does, without the texts of the other beams.

    Args:
        file: NAME.pt as OpenAI publishes it; the name tells which of its attention heads follow
            the sound (all of the upper half, for an unknown one).
        device: "cpu" or "cuda".

    One passage at a time: word times are read from hooks in the network.
    """

    whole = True
    """A passage is padded to 30 seconds."""

    def __init__(self, file: Path, *, device: str) -> None:
        self._whisper = whisper.load_model(str(file), device=device)
        if file.stem in whisper._ALIGNMENT_HEADS:
            self._whisper.set_alignment_heads(whisper._ALIGNMENT_HEADS[file.stem])
        self._half = device != "cpu"
        self._turn = threading.Lock()
        self.model = SimpleNamespace(is_multilingual=self._whisper.is_multilingual)

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """Layer and number of each attention head that follows the sound."""
        pairs = self._whisper.alignment_heads.indices().T.tolist()
        return tuple(sorted((int(layer), int(head)) for layer, head in pairs))

    def others(self) -> list[str]:
        """Nothing: openai-whisper gives the best beam alone."""
        return []

    def expect(self, sounds: Sequence[NDArray[np.float32]]) -> None:
        """Nothing: each is decoded when its turn comes."""

    def tell_language(self, sound: NDArray[np.float32]) -> tuple[str, float]:
        """The most likely language (ISO 639-1) of float32 (n,) mono at 16 kHz, its probability."""
        mels = self._whisper.dims.n_mels
        features = whisper.log_mel_spectrogram(whisper.pad_or_trim(sound), n_mels=mels)
        with self._turn:
            _, found = self._whisper.detect_language(features.to(self._whisper.device))
        language = max(found, key=found.__getitem__)
        return language, float(found[language])

    def transcribe(
        self, sound: NDArray[np.float32], *, log_prob_threshold: float, **options: Any
    ) -> tuple[list[Segment], None]:
        """Segments of `sound`, as faster-whisper has them. The same sound gives the same words."""
        options["logprob_threshold"] = log_prob_threshold  # each has its own word for it
        devices = [self._whisper.device] if self._half else []
        with self._turn, torch.random.fork_rng(devices):
            torch.manual_seed(0)
            result = self._whisper.transcribe(sound, verbose=None, fp16=self._half, **options)
        return [_segment(one) for one in result["segments"]], None


def _segment(one: dict[str, Any]) -> Segment:
    words = tuple(
        Piece(word["word"], float(word["start"]), float(word["end"]), float(word["probability"]))
        for word in one.get("words", ())
    )
    ratio = float(one["compression_ratio"])
    sense = float(one["avg_logprob"])
    return Segment(one["text"], float(one["start"]), float(one["end"]), ratio, sense, words)
