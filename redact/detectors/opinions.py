"""What else may have been said: the texts that came second, laid over the words that came first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from redact.detectors.words import Said, Word

GUESSED = 0.5
"""Probability of a word that only another text has."""


def laid_over(words: Sequence[Word], texts: Sequence[str]) -> tuple[Word, ...]:
    """
    Another text of the same sound, word by word, with the times of `words`.

    What both have keeps its times and probability; what differs shares the times of the words
    that it stands for, and the lowest of their probabilities.
    """
    ours, theirs = [_plain(word.text) for word in words], [_plain(text) for text in texts]
    matched = SequenceMatcher(None, ours, theirs, autojunk=False)
    found: list[Word] = []
    for operation, first, last, begin, end in matched.get_opcodes():
        if operation == "equal":
            pairs = zip(words[first:last], texts[begin:end], strict=True)
            found += [
                Word(text, word.start, word.end, word.probability, word.first)
                for word, text in pairs
            ]
        else:
            found += _shared(words, first, last, texts[begin:end])
    return tuple(found)


def merged(said: Sequence[Said]) -> Said:
    """Several passages as one, their words in order; one without a beam has its best again."""
    beams = max((len(one.others) for one in said), default=0)
    whole = [
        tuple(
            sorted(
                (word for one in said for word in [one.words, *one.others][_beam(one, beam)]),
                key=lambda word: word.start,
            )
        )
        for beam in range(beams + 1)
    ]
    return Said(words=whole[0], others=tuple(whole[1:]))


def _beam(said: Said, beam: int) -> int:
    return beam if beam <= len(said.others) else 0


def _shared(words: Sequence[Word], first: int, last: int, texts: Sequence[str]) -> Iterator[Word]:
    """`texts` in the place of words[first:last], or between two words where that is empty."""
    if not words:
        return
    replaced = words[first:last]
    if replaced:
        start, end = replaced[0].start, replaced[-1].end
        probability = min(word.probability for word in replaced)
    else:
        start = words[first - 1].end if first else words[0].start
        end = max(words[first].start if first < len(words) else start, start)
        probability = GUESSED
    each = (end - start) / max(len(texts), 1)
    for number, text in enumerate(texts):
        begins = start + number * each
        opens = number == 0 and bool(replaced) and replaced[0].first
        yield Word(text, begins, begins + each, probability, opens)


def _plain(text: str) -> str:
    return text.lower().strip(".,!?;:\"'")
