"""Words that have to go, as padded stretches of the sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redact.detectors.edges import trimmed
from redact.detectors.voice import RATE
from redact.detectors.words import Word, runs
from redact.types import Samples

SLACK = 0.3
"""Seconds by which a name's edge moves out to its neighbour's: nothing was said in between."""

BELIEVED = 0.5
"""Probability of a word from which on it is believed to be where it was heard."""

Found = tuple[float, float, float]
"""Start and end in seconds, and the score."""


@dataclass(frozen=True, slots=True)
class Padding:
    """
    Seconds before and after a name, as a recogniser hears it, in which some of it may lie.

    sure: where the recogniser believes in the words on both sides of that edge.
    unsure: where it does not; a misheard name is often heard in part.
    """

    sure: tuple[float, float]
    unsure: tuple[float, float]
    falls: bool = False
    """Whether a fall of the voice before the name lies outside of it: not where words are late."""


def name_spans(
    words: Sequence[Word],
    scores: Sequence[float],
    samples: Samples,
    padding: Padding,
) -> list[Found]:
    """Stretches (start, end, score) that hold every word with a score, padded and joined."""
    duration = len(samples) / RATE
    found: list[Found] = []
    for first, last, score in runs(scores):
        start = min(word.start for word in words[first:last])
        end = max(word.end for word in words[first:last])
        before = words[first - 1].end if first else 0.0
        after = words[last].start if last < len(words) else duration
        # To the neighbour's edge or by the padding, whichever is further.
        sure = _sure(words, first), _sure(words, last)
        more = [padding.sure if one else padding.unsure for one in sure]
        padded_start = min(start - more[0][0], max(start - SLACK, before))
        padded_end = max(end + more[1][1], min(end + SLACK, after))
        padded = max(0.0, padded_start), min(duration, padded_end)
        edges = {"sure_of_start": padding.falls, "sure_of_end": sure[1]}
        found.append((*trimmed(samples, (start, end), padded, **edges), score))
    return _joined(found)


def _sure(words: Sequence[Word], edge: int) -> bool:
    """Whether the recogniser believes in the words on both sides of the edge before words[edge]."""
    return all(word.probability >= BELIEVED for word in words[max(0, edge - 1) : edge + 1])


def _joined(spans: Sequence[Found]) -> list[Found]:
    result: list[Found] = []
    for start, end, score in sorted(spans):
        if result and start <= result[-1][1]:
            last = result.pop()
            start, end, score = last[0], max(end, last[1]), max(score, last[2])
        result.append((start, end, score))
    return result
