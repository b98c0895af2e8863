"""Words that were heard, and when; and whether they are likely to be English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PLAUSIBLE = 0.65
"""Mean word probability that English reaches (0.9 and more) and other languages, heard as English,
do not (0.3 to 0.6, or a loop of one phrase, which the models are sure of)."""
FASTEST = 6.0
"""Words per second that nobody speaks."""
LOOP = 2.4
"""Compression ratio of a text by a decoder that got stuck in a loop at every temperature."""
SENSE = -1.0
"""Mean log-probability of the tokens of a text that makes sense: below, a decoder tries again."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word as Whisper writes it. Its text stays out of repr, so of every log and traceback."""

    text: str = field(repr=False)  # with its punctuation, without spaces
    start: float  # seconds; those of its neighbours, both, where the word could not be aligned
    end: float
    probability: float
    first: bool = False  # of its passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said in a passage, as the best beam has it and as the others have it."""

    words: tuple[Word, ...]
    others: tuple[tuple[Word, ...], ...] = ()
    lost: tuple[tuple[float, float], ...] = ()  # seconds of which no try made sense


def plausible(words: Sequence[Word], seconds: float) -> bool:
    """Whether words heard as English in so many seconds of voice are likely to be English."""
    if not words or len(words) > FASTEST * (seconds + 1):
        return False
    return float(np.mean([word.probability for word in words])) >= PLAUSIBLE


def makes_sense(segment: Any) -> bool:
    """Whether a text is one: not the best of several tries that all failed."""
    return bool(segment.compression_ratio <= LOOP and segment.avg_logprob >= SENSE)


def words_of(segments: Iterable[Any], offset: float) -> Iterator[Word]:
    """The words of a passage, pieces such as "-I" and "'s" put back onto their word."""
    pieces: list[Word] = []
    for segment in segments:
        for text, start, end, probability in _aligned(segment):
            if pieces and not text.startswith(" "):
                last = pieces.pop()
                text, start = last.text + text, last.start
                end, probability = max(last.end, end), min(last.probability, probability)
            pieces.append(Word(text.strip(), start, end, probability, first=not pieces))
    for word in pieces:
        yield Word(word.text, word.start + offset, word.end + offset, word.probability, word.first)


def _aligned(segment: Any) -> Iterator[tuple[str, float, float, float]]:
    """
    Words with times; one that could not be aligned gets those of its neighbours that were, both.

    It was said between them. Given more it would hide voice without words, and lie out of order.
    """
    if not segment.words:
        for text in segment.text.split():
            yield " " + text, segment.start, segment.end, 0.0
    words = segment.words or ()
    begins, ends = segment.start, segment.end
    starts: list[float] = []
    for word in words:
        begins = word.start if word.end > word.start else begins
        starts.append(begins)
    stops: list[float] = []
    for word in reversed(words):
        ends = word.end if word.end > word.start else ends
        stops.append(ends)
    for word, start, end in zip(words, starts, reversed(stops), strict=True):
        yield word.word, start, end, float(word.probability)


def runs(scores: Sequence[float]) -> Iterator[tuple[int, int, float]]:
    """Neighbouring words of a name: first, one past the last, and the highest score."""
    first = 0
    while first < len(scores):
        last = first
        while last < len(scores) and scores[last]:
            last += 1
        if last > first:
            yield first, last, max(scores[first:last])
        first = last + 1
