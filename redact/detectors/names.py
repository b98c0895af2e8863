"""Where in a sound names of persons are spoken: words that are names, as padded stretches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redact.detectors.edges import trimmed
from redact.detectors.persons import PersonFinder, runs
from redact.detectors.speech import Recogniser
from redact.detectors.voice import RATE, Stretch
from redact.detectors.words import Word

SLACK = 0.3
"""Seconds by which a name's edge moves out to its neighbour's: nothing was said in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """
    What listening found, in seconds from the first sample, in order; never what was said.

    names: (start, end, score); padded by the model's measured bias, extended to the neighbouring
        words, joined. Empty when `covered` is False means nothing.
    speech: where there is voice.
    unclear: voice of more than 0.6 s that the recogniser put no trustworthy words to.
    language: ISO 639-1; "und" if it can't be told; "" without speech.
    covered: whether names can be found in all of the speech.
    """

    names: tuple[tuple[float, float, float], ...]
    speech: tuple[Stretch, ...]
    unclear: tuple[Stretch, ...]
    language: str
    covered: bool


class NameDetector:
    """
    Finds spoken names with a Whisper and a spaCy model.

    Args:
        speech: folder of a Whisper in CTranslate2's format.
        names: folder of a spaCy model with a "ner" component.
        label: what plan and ledger record, see `name`.
        threads: of the CPU; 0 leaves it to CTranslate2.
        device: "cpu" or "cuda".

    Raises DetectorError if a model can't be opened.
    """

    name: str
    """The models' names and the starts of their sha256."""

    def __init__(
        self, speech: Path, names: Path, *, label: str, threads: int = 0, device: str = "cpu"
    ) -> None:
        self.name = label
        self._recogniser = Recogniser(speech, threads=threads, device=device)
        self._finder = PersonFinder(names)

    def listen(
        self, samples: NDArray[np.float32], *, again: bool = False, language: str = ""
    ) -> Heard:
        """
        Find the names in `samples`, float32 (n,) mono at 16 kHz.

        `again` listens with another setting (passages, voice threshold, beam, temperatures), for
        the second look. `language` is what the samples are known to be in, as an earlier listen
        to more of them told it; it is told anew where it is "", "und" or "mul". No names is
        "listened, and heard none"; DetectorError is raised if it could not listen.
        """
        transcript = self._recogniser.listen(samples, again=again, language=language)
        scores = self._finder.find(transcript.words)
        spans = name_spans(transcript.words, scores, samples, bias=self._recogniser.bias)
        return Heard(
            names=tuple(spans),
            speech=transcript.voice,
            unclear=transcript.unclear,
            language=transcript.language,
            covered=transcript.covered,
        )


def name_spans(
    words: Sequence[Word],
    scores: Sequence[float],
    samples: NDArray[np.float32],
    *,
    bias: tuple[float, float],
) -> list[tuple[float, float, float]]:
    """Stretches (start, end, score) that hold every word with a score, padded and joined."""
    duration = len(samples) / RATE
    found: list[tuple[float, float, float]] = []
    for first, last, score in runs(scores):
        start = min(word.start for word in words[first:last])
        end = max(word.end for word in words[first:last])
        before = words[first - 1].end if first else 0.0
        after = words[last].start if last < len(words) else duration
        # To the neighbour's edge or by the bias, whichever is further.
        padded_start = min(start - bias[0], max(start - SLACK, before))
        padded_end = max(end + bias[1], min(end + SLACK, after))
        padded = max(0.0, padded_start), min(duration, padded_end)
        found.append((*trimmed(samples, (start, end), padded), score))
    return _joined(found)


def _joined(spans: Sequence[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    result: list[tuple[float, float, float]] = []
    for start, end, score in sorted(spans):
        if result and start <= result[-1][1]:
            last = result.pop()
            start, end, score = last[0], max(end, last[1]), max(score, last[2])
        result.append((start, end, score))
    return result
