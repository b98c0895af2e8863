"""What else may have been said: the texts that came second, laid over the words that came first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from redact.detectors.voice import joined, outside
from redact.detectors.words import Said, Word, runs

GUESSED = 0.5
"""Probability of a word that only another text has."""
DOUBTED = 0.3
"""Score of a word that only other texts have for a name."""
EDGE = 0.2
"""Seconds by which two listens differ on where the same name begins and ends."""
MOMENT = 0.06
"""Seconds that two words may share by chance."""
GUESS = 0.6
"""Probability below which a word is hardly believed in."""
LOST = 0.45
"""The same of two recognisers that hear different words: neither knows what was said."""
BOTH = 0.2
"""Product of two recognisers' probabilities in one place below which a word that the first is not
sure of is not believed, where that STRUGGLES."""
STRUGGLES = 0.8
"""Mean probability of the words around one that a recogniser does not understand well."""
NEIGHBOURS = 8
"""Words on each side whose mean that is."""
IN_A_ROW = 3
"""Words below GUESS that stand for something else than what was heard: a long name, as a rule."""
SLACK = 1.0
"""Seconds by which a word may stand out of the order of the words."""

Found = tuple[float, float, float]
"""Start and end in seconds, and the score."""


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
            found += _in_place(words, first, last, texts[begin:end])
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


def doubted(
    words: Sequence[Word],
    scores: Sequence[float],
    others: Sequence[tuple[Sequence[Word], Sequence[float], int]],
    *,
    votes: int,
    sure: float,
    second: Sequence[Word] | None = None,
) -> list[float]:
    """
    A score for each of `words` that has none and is part of a name in other texts, or guessed.

    Of the words under that name, one at least is not `sure`, or has a score: then the name goes
    on. `others` are such texts with the scores of their words and how many votes each has;
    `second` is all that another recogniser heard where this one was not sure.
    """
    lost = [False] * len(words) if second is None else list(_lost(words, second, sure))
    counts = [votes * (guess or both) for guess, both in zip(_guesses(words), lost, strict=True)]
    for other, found, weight in others:
        names = [other[first:last] for first, last, _ in runs(found)]
        for under in _heard_in(words, names):
            if any(words[index].probability < sure or scores[index] for index in under):
                for index in under:
                    counts[index] += weight
    return [
        0.0 if score or count < votes else DOUBTED
        for score, count in zip(scores, counts, strict=True)
    ]


def _shared(word: Word, start: float, end: float) -> float:
    """Seconds that a word and a stretch share; 0 if that is less than half of the shorter one."""
    shared = min(word.end, end) - max(word.start, start)
    return shared if 2 * shared >= min(word.end - word.start, end - start) else 0.0


def _guesses(words: Sequence[Word]) -> list[bool]:
    """Whether each word is one of several in a row that the recogniser hardly believed in."""
    found = [False] * len(words)
    for first, last, _ in runs([float(word.probability < GUESS) for word in words]):
        if last - first >= IN_A_ROW:
            found[first:last] = [True] * (last - first)
    return found


def _heard_in(words: Sequence[Word], names: Sequence[Sequence[Word]]) -> Iterator[list[int]]:
    """For each name of another text, the indices of the words that it lies over."""
    first = 0
    for name in names:  # both in order, but a beam's order may waver by a word
        start, end = name[0].start, max(word.end for word in name)
        while first < len(words) and words[first].end < start - SLACK:
            first += 1
        under = []
        for index in range(first, len(words)):
            word = words[index]
            if word.start > end:
                break
            if _shared(word, start, end) > MOMENT:
                under.append(index)
        yield under


def _lost(words: Sequence[Word], second: Sequence[Word], sure: float) -> Iterator[bool]:
    """
    Whether each word is a guess of both: the second has another guess in its place, or nothing.

    Where the first struggles the same guess is no better: two that do not know a name write the
    same common word for it.
    """
    first = 0
    for word, clear in zip(words, _clear(words), strict=True):
        while first < len(second) and second[first].end < word.start - SLACK:
            first += 1
        last = first
        while last < len(second) and second[last].start <= word.end:
            last += 1
        there = [one for one in second[first:last] if _shared(one, word.start, word.end) > 0]
        agree = any(_plain(other.text) == _plain(word.text) for other in there)
        least = min((other.probability for other in there), default=0.0)
        unlike = word.probability < LOST and least < LOST and not agree
        alike = bool(there) and word.probability < sure and word.probability * least < BOTH
        yield unlike or (alike and not clear)


def _clear(words: Sequence[Word]) -> Iterator[bool]:
    """Whether the recogniser understands what is said around each word."""
    for index in range(len(words)):
        near = words[max(0, index - NEIGHBOURS) : index + NEIGHBOURS + 1]
        yield sum(word.probability for word in near) >= STRUGGLES * len(near)


def moved(words: Sequence[Word], seconds: float) -> list[Word]:
    """The words, so much later."""
    return [
        Word(word.text, word.start + seconds, word.end + seconds, word.probability, word.first)
        for word in words
    ]


def beyond(best: Sequence[Found], more: Sequence[Found]) -> list[Found]:
    """What `more` adds to `best`: the parts outside it, but for the width of an edge."""
    found = []
    for start, end, score in more:
        left = outside([(start, end)], joined((first, last) for first, last, _ in best))
        found += [(first, last, score) for first, last in left if last - first > EDGE]
    return found


def _beam(said: Said, beam: int) -> int:
    return beam if beam <= len(said.others) else 0


def _in_place(words: Sequence[Word], first: int, last: int, texts: Sequence[str]) -> Iterator[Word]:
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
