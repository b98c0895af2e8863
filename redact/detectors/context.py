"""What the words around a word say of it: introduced, related, spoken to; or a place, a firm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from redact.detectors import lexicon
from redact.detectors.tokens import UNSURE, USUAL, Tokens


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# "My brother Chidi", "his teacher, Ramirez": whom somebody is to somebody.
RELATIONS = _listed(
    "brother brothers sister sisters mother mom mum mommy mummy father dad daddy son sons daughter"
    " daughters wife husband spouse partner fiance fiancee girlfriend boyfriend uncle aunt auntie"
    " cousin cousins nephew niece grandson granddaughter grandmother grandfather grandma grandpa"
    " stepmother stepfather stepbrother stepsister godmother godfather twin baby friend friends"
    " colleague colleagues coworker co-worker boss manager supervisor assistant secretary"
    " neighbour neighbor neighbours neighbors teacher tutor professor student pupil classmate"
    " roommate flatmate housemate landlord landlady doctor dentist nurse therapist lawyer agent"
    " guest host hostess client customer patient coach trainer babysitter nanny driver"
)
OWNERS = _listed("my your his her our their")
# A capitalised word after these is a name unless a list says otherwise; with doubt, any word.
SPOKEN_TO = tuple(
    phrase.split()
    for phrase in (
        "met",
        "know",
        "knew",
        "remember",
        "thank",
        "thanked",
        "invite",
        "invited",
        "called",
        "speak to",
        "speak with",
        "spoke to",
        "spoke with",
        "speaking to",
        "talk to",
        "talk with",
        "talked to",
        "talked with",
        "talking to",
        "talking with",
        "heard from",
        "married",
        "marry",
    )
)
SOUND_LIKE_LETTERS = frozenset(ascii_lowercase) | _listed(
    "ay be bee we see sea the he me dee ef eff gee hey age eye high jay kay el ell em am an and in"
    " end oh owe pea pee cue queue are our ess tea tee you vee ex why zed zee at it if"
)
"""Letters, and the words that a recogniser takes them for: "we are I am" for "B R I A N"."""
NAME_WORDS = 6
"""Words at most that a name after "my name is" becomes when it is misheard."""
CALLED_WORDS = 3
"""The same after a greeting, between commas."""
CALLED = 0.6
"""Probability of a word there from which on it is no misheard name."""
FORMS = ("ly", "ing", "ed", "s")
"""Endings of verbs and adverbs: "my brother kneeled" names nobody."""
RARE_HERE = 3.0
"""Frequency below which a word in lower case after "my brother" stands for his name."""


def misspelled(tokens: Tokens, index: int) -> int:
    """How many words from here on are letters, some taken for words, after "write it as"; or 0."""
    before = index - 1 if index and tokens[index - 1].lower == "as" else index
    if tokens[index].starts or not follows_any(tokens, before, lexicon.SPELLING):
        return 0
    run = index
    while run < len(tokens) and tokens[run].lower in SOUND_LIKE_LETTERS:
        run += 1
        if run < len(tokens) and tokens[run].starts:
            break
    some = tokens[index:run]
    unsure = any(token.probability < UNSURE for token in some)
    return len(some) if len(some) > 2 and unsure else 0


def misheard(tokens: Tokens, index: int) -> int:
    """
    How many words from here on stand for a name, where one has to, and they are unsure; or 0.

    That is after "my name is", and between commas after a greeting.
    """
    here = tokens[index]
    if here.starts:
        return 0
    if follows_any(tokens, index, lexicon.NAMING):
        some = _as_far_as_a_comma(tokens, index, NAME_WORDS)
        return len(some) if here.excluded and here.probability < UNSURE else 0
    called = follows_any(tokens, index, lexicon.OPENINGS)
    if not (called and tokens[index - 1].text.endswith(",")):
        return 0
    some = _as_far_as_a_comma(tokens, index, CALLED_WORDS)
    if some[-1].text.endswith(",") and min(token.probability for token in some) < UNSURE:
        return len(some)
    return int(here.probability < CALLED)


def _as_far_as_a_comma(tokens: Tokens, index: int, most: int) -> Tokens:
    some = tokens[index : index + most]
    return some[: next((number for number, token in enumerate(some, 1) if token.ends), most)]


def follows(tokens: Tokens, index: int, phrase: Sequence[str]) -> bool:
    """Whether the words before `index` are `phrase`."""
    before = tokens[max(0, index - len(phrase)) : index]
    return [token.spoken for token in before] == list(phrase)


def follows_any(tokens: Tokens, index: int, phrases: Iterable[Sequence[str]]) -> bool:
    """Whether the words before `index` are one of the phrases."""
    return any(follows(tokens, index, phrase) for phrase in phrases)


def introduced(tokens: Tokens, index: int) -> bool:
    """After a title, an introduction, a greeting, or the word for whom it is."""
    token = tokens[index]
    title = tokens[index - 1].lower if index and not tokens[index - 1].ends else ""
    if title in lexicon.TITLES or (token.capital and title in lexicon.WEAK_TITLES):
        return True
    if follows_any(tokens, index, lexicon.INTRODUCTIONS):
        return True
    if token.starts or token.place or token.acronym:
        return False
    if related(tokens, index):
        return True
    named = token.capital or (token.first_name and token.frequency < USUAL)
    return named and spoken_to(tokens, index)


def spoken_to(tokens: Tokens, index: int) -> bool:
    """After a greeting, or a verb whose object is a person more often than not."""
    phrases = (*lexicon.GREETINGS, *SPOKEN_TO)
    return follows_any(tokens, index, phrases)


def related(tokens: Tokens, index: int) -> bool:
    """After the word for a relation: with a capital, or a word too rare or unsure to be another."""
    token = tokens[index]
    before = tokens[index - 1] if index else None
    if before is None or before.spoken not in RELATIONS or token.starts:
        return False
    if token.capital:
        return True
    owned = index > 1 and (tokens[index - 2].lower in OWNERS or tokens[index - 2].possessive)
    if not owned or before.ends or token.lower.endswith(FORMS):
        return False
    return token.frequency < RARE_HERE or (token.probability < UNSURE and token.frequency < USUAL)


def elsewhere(tokens: Tokens, index: int) -> bool:
    """Whether the sentence says that this is a place, a street, a firm."""
    token = tokens[index]
    before = tokens[index - 1] if index and not token.starts else None
    after = tokens[index + 1] if index + 1 < len(tokens) and not token.ends else None
    if after and after.capital and after.lower in lexicon.SUFFIXES:
        return True
    if token.only_place:
        return True
    if before is None:
        return False
    if token.lower in lexicon.SUFFIXES and before.capital and not before.ends:
        return True
    if token.place and before.lower in lexicon.LOCATIVES:
        return True
    return token.place and before.capital and before.lower in lexicon.PLACE_HEADS


def take_in_titles(tokens: Tokens, scores: list[float]) -> None:
    """A title is part of the name after it, in place: "Mister" or "Doctor" tells who it was."""
    for index in reversed(range(len(tokens) - 1)):
        token, after = tokens[index], tokens[index + 1]
        title = token.lower in lexicon.TITLES
        title = title or (token.capital == after.capital and token.lower in lexicon.WEAK_TITLES)
        if title and scores[index + 1] and not (scores[index] or token.ends or after.starts):
            scores[index] = scores[index + 1]
