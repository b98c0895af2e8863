"""A name that was found once is found wherever a word is spelled or sounds like it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import jellyfish

from redact.detectors import lexicon
from redact.detectors.tokens import UNSURE, USUAL, Token, Tokens

SURE = 0.5
"""Score from which on a name is looked for elsewhere: doubts do not multiply."""
SAME = 0.9
"""Similarity (Jaro and Winkler's, up to 1) of two spellings of one name."""


def names_in(tokens: Tokens, scores: Sequence[float]) -> frozenset[str]:
    """The names that were surely found, folded. Memory only: nothing of them is ever written."""
    known = {token.lower for token, score in zip(tokens, scores, strict=True) if score >= SURE}
    return frozenset(name for name in known if len(name) > 2 and not lexicon.is_function_word(name))


def everywhere(tokens: Tokens, scores: list[float], known: frozenset[str] = frozenset()) -> None:
    """A name found once, here or `known`, is found wherever a word sounds like it, in place."""
    known = known | names_in(tokens, scores)
    sounds = {key for name in known if len(key := _sound(name)) > 2}
    for index, token in enumerate(tokens):
        if scores[index] or token.excluded or len(token.lower) < 3:
            continue
        exact = token.lower in known and (token.capital or token.frequency < USUAL)
        if exact or (_replaceable(token) and _sounds_like(token.lower, known, sounds)):
            scores[index] = 0.5


def _replaceable(token: Token) -> bool:
    """Whether another word may have been said here than the one that was heard."""
    return (
        token.frequency < 3.5
        or token.probability < UNSURE
        or (token.capital and not token.starts and not token.place)
    )


def _sound(word: str) -> str:
    """How an English ear writes a word down; metaphone takes the "sch" of "Schmidt" for "sk"."""
    return jellyfish.metaphone(word.replace("sch", "sh"))


def _sounds_like(word: str, known: AbstractSet[str], sounds: AbstractSet[str]) -> bool:
    if _sound(word) in sounds:
        return True
    return any(jellyfish.jaro_winkler_similarity(word, name) >= SAME for name in known)
