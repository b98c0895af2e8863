"""Which words of a transcript are names of persons: NER, gazetteers and the rules of speech."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import spacy

from redact.detectors import lexicon
from redact.detectors.alike import everywhere
from redact.detectors.context import (
    elsewhere,
    follows,
    introduced,
    misheard,
    misspelled,
    spoken_to,
    take_in_titles,
)
from redact.detectors.hearing import without_text
from redact.detectors.tokens import UNSURE, USUAL, Token, Tokens, tokens_of
from redact.detectors.words import Word
from redact.errors import DetectorError

SPELLED = re.compile(r"(?:[a-z][-.\s]+){2,}[a-z]\W*", re.IGNORECASE)
ADJECTIVES = ("ly", "ing", "ed", "ness", "tion", "tions", "able", "ible", "ism", "ist", "ists")

OBJECTS = frozenset(
    ["the", "a", "an", "my", "your", "his", "her", "its", "our", "their", "it", "them", "this"]
)

RARE = 3.3
"""Frequency (as in lexicon.frequency) below which a capitalised word in mid-sentence is a name."""
BATCH = 200
"""Words that spaCy reads at a time, so that an hour takes no more memory than a minute."""
UNHEARD_OF = 0.5
"""Frequency of what no dictionary has, so that even in lower case it stands for a name."""
HALF_SURE = 0.7
"""The same of a common word that is capitalised in mid-sentence: already odd."""
SPELT = 0.9
"""Probability of an acronym, after "heard from", below which it may be a short name."""
BESIDE = 0.4
"""Word probability of a word beside a name that may be a lost part of it."""
GUESS = 0.25
"""Word probability of a wild guess, a hundredth of all words in read speech."""


class PersonFinder:
    """
    Finds names with a spaCy model (its folder) and rules. Raises DetectorError if it can't open it.
    """

    def __init__(self, folder: Path) -> None:
        logging.getLogger("spacy").setLevel(logging.CRITICAL)  # must not begin to quote texts
        try:
            self._nlp = spacy.load(folder, exclude=["lemmatizer", "parser", "senter"])
            self._nlp.get_pipe("ner")
        except Exception as error:
            raise DetectorError(
                f"the names model in {folder} can't be opened ({error}).",
                todo="Check it: redact models verify.",
            ) from error

    def find(self, words: Sequence[Word], known: frozenset[str] = frozenset()) -> list[float]:
        """
        How likely each word is part of a person's name: 0 is "not", else a score in (0, 1].

        `known` are names that were heard elsewhere in the clip, folded.
        """
        tokens = tokens_of(words)
        scores = judge(tokens, self._entities(tokens))
        grow(tokens, scores)
        everywhere(tokens, scores, known)
        take_in_titles(tokens, scores)
        return scores

    def _entities(self, tokens: Tokens) -> set[int]:
        """Indices of the words that spaCy takes for parts of a person's name."""
        found: set[int] = set()
        for first, last in _batches(tokens):
            part = tokens[first:last]
            letters = self._letters(" ".join(token.text for token in part))
            position = 0
            for index, token in enumerate(part, first):
                if not letters.isdisjoint(range(position, position + len(token.text))):
                    found.add(index)
                position += len(token.text) + 1
        return found

    def _letters(self, text: str) -> set[int]:
        """Which letters of a text belong to a person's name."""
        entities = without_text(
            "the names model failed on what was said", lambda: self._nlp(text).ents
        )
        return {
            letter
            for entity in entities
            if entity.label_ == "PERSON"
            for letter in range(entity.start_char, entity.end_char)
        }


def _batches(tokens: Tokens) -> Iterator[tuple[int, int]]:
    """First and one past the last word of whole sentences, about BATCH words at a time."""
    first = 0
    for index, token in enumerate(tokens):
        if token.starts and index - first >= BATCH:
            yield first, index
            first = index
    if first < len(tokens):
        yield first, len(tokens)


def judge(tokens: Tokens, entities: set[int]) -> list[float]:
    """The score of each word by itself and by what stands beside it."""
    scores = [0.0] * len(tokens)
    for index, token in enumerate(tokens):
        if spelled := _spelled(tokens, index):
            scores[index : index + spelled] = [0.8] * spelled
        elif spelled := misspelled(tokens, index):
            scores[index : index + spelled] = [0.5] * spelled
        if lost := misheard(tokens, index):
            scores[index : index + lost] = [0.4] * lost
        if token.excluded:
            continue
        if _commands(tokens, index):
            continue
        if index in entities and token.capital and not elsewhere(tokens, index):
            scores[index] = 0.85
        if introduced(tokens, index):
            scores[index] = 0.95
        elif not elsewhere(tokens, index):
            scores[index] = max(scores[index], _looks_like_a_name(tokens, index))
    return scores


def _commands(tokens: Tokens, index: int) -> bool:
    """A verb that opens a sentence and has its object after it: "Mark the page"."""
    token = tokens[index]
    if not token.starts or token.ends or token.frequency < USUAL or index + 1 == len(tokens):
        return False
    return tokens[index + 1].spoken in OBJECTS


def _looks_like_a_name(tokens: Tokens, index: int) -> float:
    """The gazetteers, capital letters and rare words."""
    token = tokens[index]
    if not token.capital:
        return _doubtful(tokens, index)
    if token.starts:
        return _opens_as_a_name(tokens, index)
    if token.acronym and not token.first_name:
        unsure = token.probability < SPELT and spoken_to(tokens, index)
        return 0.4 if unsure else 0.0
    if token.first_name:
        return 0.85
    if token.place:
        return 0.0
    if token.frequency < RARE or (token.last_name and token.frequency < USUAL):
        return 0.6
    named = follows(tokens, index, ["by"]) or token.possessive
    return 0.4 if named or token.probability < HALF_SURE else 0.0


def _opens_as_a_name(tokens: Tokens, index: int) -> float:
    """The first word of a sentence is capitalised anyway: more than that is asked of it."""
    token = tokens[index]
    follower = tokens[index + 1] if index + 1 < len(tokens) and not token.ends else None
    surname = follower is not None and follower.capital and not follower.excluded
    called = token.text.endswith((",", "!")) or len(tokens) == 1
    if token.first_name and (token.frequency < USUAL or surname or called or token.possessive):
        return 0.7
    if token.place or token.lower.endswith(ADJECTIVES):
        return 0.0
    if called and token.frequency < RARE:
        return 0.5
    if token.frequency < 2.6 or (token.last_name and token.possessive and token.frequency < USUAL):
        return 0.5
    return 0.0


def _doubtful(tokens: Tokens, index: int) -> float:
    """A word in lower case that may stand for a name that the recogniser could not spell."""
    token = tokens[index]
    if token.first_name and token.frequency < 3.0:
        return 0.5
    if token.frequency < UNHEARD_OF and not token.lower.endswith(ADJECTIVES):
        return 0.4
    if token.first_name and token.probability < HALF_SURE and _joined_to(tokens, index):
        return 0.3
    if token.probability >= UNSURE:
        return 0.0
    if index and tokens[index - 1].lower in lexicon.WEAK_TITLES and not tokens[index - 1].ends:
        return 0.4
    if _guessed(token) and (
        token.frequency < 4.0 or any(_guessed(other) for other in _beside(tokens, index))
    ):
        return 0.3
    likely = _joined_to(tokens, index) or follows(tokens, index, ["and"])
    likely = likely or spoken_to(tokens, index)
    if token.possessive and token.frequency < 4.0:
        return 0.3
    usual = 5.0 if _guessed(token) else 4.0
    return 0.3 if likely and token.frequency < usual else 0.0


def _joined_to(tokens: Tokens, index: int) -> bool:
    """After a word that a person's name follows more often than another."""
    return any(follows(tokens, index, [word]) for word in ("by", "with", "from"))


def _guessed(token: Token) -> bool:
    """A content word that the recogniser wrote for want of a better one."""
    return token.probability < GUESS and not token.excluded


def _beside(tokens: Tokens, index: int) -> list[Token]:
    """The neighbours of a word: a misheard name often becomes several ordinary words."""
    return [*tokens[max(0, index - 1) : index], *tokens[index + 1 : index + 2]]


def _spelled(tokens: Tokens, index: int) -> int:
    """How many words from here on spell something letter by letter; 0 if they do not."""
    if SPELLED.fullmatch(tokens[index].text) and len(tokens[index].lower) > 4:
        return 1
    run = index
    while run < len(tokens) and re.fullmatch(r"[A-Za-z]", tokens[run].core):
        run += 1
    return run - index if run - index >= 3 else 0


def grow(tokens: Tokens, scores: list[float]) -> None:
    """Names take in the initials, particles and capitalised words beside them, in place."""
    order = range(len(tokens))
    for here, step in (*((i, 1) for i in order), *((i, -1) for i in reversed(order))):
        if scores[here] and not _parted(tokens, here, step):
            _take_in(tokens, scores, here, step)


def _parted(tokens: Tokens, here: int, step: int) -> bool:
    """Whether a comma or the end stands between a word and its neighbour."""
    there = here + step
    if not 0 <= there < len(tokens):
        return True
    first, second = min(here, there), max(here, there)
    if step > 0 and tokens[first].text.endswith(",") and tokens[second].probability < BESIDE:
        return False  # the comma is a guess as well: "Jonathan, read the bridge" for "Reed"
    return tokens[first].ends or tokens[second].starts


def _take_in(tokens: Tokens, scores: list[float], here: int, step: int) -> None:
    there = here + step
    if scores[there]:
        return
    token = tokens[there]
    doubtful = token.probability < BESIDE
    if token.initial or doubtful or (token.capital and _may_belong(token, step)):
        scores[there] = min(scores[here], 0.7)
        return
    beyond = there
    while _bridge(tokens[beyond]) and not _parted(tokens, beyond, step):
        beyond += step
    further = tokens[beyond]
    if beyond != there and further.capital and not further.starts and _may_belong(further, step):
        scores[beyond] = max(scores[beyond], 0.6)
        for particle in range(min(there, beyond + 1), max(there, beyond - 1) + 1):
            scores[particle] = 0.6


def _bridge(token: Token) -> bool:
    """A word that may stand between two parts of a name, or between two names."""
    odd = token.capital and token.excluded and not token.starts and token.lower != "i"
    return token.lower in lexicon.PARTICLES or token.lower in ("and", "of") or odd


def _may_belong(token: Token, step: int) -> bool:
    """Whether a capitalised word beside a name may be part of it: a surname after, less before."""
    if token.excluded or token.acronym or token.lower in lexicon.SUFFIXES:
        return False
    if token.only_place and not token.last_name:
        return False
    known = token.first_name or (token.last_name and token.frequency < USUAL)
    return step > 0 or (known and not token.starts)
