"""Words of a transcript with what the rules for names ask of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from redact.detectors import lexicon
from redact.detectors.words import Word

EDGES = " \t.,;:!?\"'\u2019\u201c\u201d()[]{}\u2026\u2014\u2013-/"
DOTTED = re.compile(r"([A-Z]\.)+|(Mr|Mrs|Ms|Dr|St|Prof|Messrs|Rev|Sgt|Capt|Gen|Sen)\.")

USUAL = 4.3
"""Frequency from which on a word of a list of names is taken for the ordinary word."""
UNSURE = 0.5
"""Word probability below which another word may have been said."""


@dataclass(frozen=True)
class Token:
    """A word with what the rules ask of it. Its text stays out of repr."""

    text: str = field(repr=False)
    probability: float
    starts: bool  # a sentence
    ends: bool  # a phrase: a comma, a full stop or the like follows

    @cached_property
    def core(self) -> str:
        """Without punctuation and possessive, as written."""
        core = self.text.strip(EDGES)
        if core[-2:] in ("'s", "\u2019s"):
            return core[:-2]
        return core

    @cached_property
    def lower(self) -> str:
        return lexicon.fold(self.core)

    @cached_property
    def spoken(self) -> str:
        """Folded, with its possessive: "my name's"."""
        return lexicon.fold(self.text.strip(EDGES))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Of a word with hyphens, those longer than two letters; else the word."""
        return tuple(part for part in self.lower.split("-") if len(part) > 2) or (self.lower,)

    @property
    def possessive(self) -> bool:
        return self.spoken != self.lower or self.text.rstrip(EDGES[:7]).endswith("s'")

    @property
    def capital(self) -> bool:
        return self.core[:1].isupper()

    @property
    def initial(self) -> bool:
        """A single letter, "J." or "J", or several: "J.R."."""
        return bool(re.fullmatch(r"[A-Z](\.?[A-Z])?\.?", self.core)) and self.core not in "IA"

    @property
    def acronym(self) -> bool:
        return len(self.core) > 1 and self.core.isupper()

    @cached_property
    def first_name(self) -> bool:
        return any(part in lexicon.first_names() for part in self.parts)

    @cached_property
    def last_name(self) -> bool:
        return any(part in lexicon.last_names() for part in self.parts)

    @cached_property
    def place(self) -> bool:
        return self.lower in lexicon.places()

    @cached_property
    def only_place(self) -> bool:
        """A place that hardly anybody is named after."""
        return self.place and (not self.first_name or self.lower in lexicon.PLAIN_PLACES)

    @cached_property
    def frequency(self) -> float:
        return min(lexicon.frequency(part) for part in self.parts)

    @cached_property
    def excluded(self) -> bool:
        """Never a name by itself: no letters, a function word, a month, a nation, a brand."""
        return (
            not any(letter.isalpha() for letter in self.core)
            or self.spoken in lexicon.NEVER
            or self.lower in lexicon.NEVER
            or (self.lower != "will" and lexicon.is_function_word(self.lower))
            or self.spoken in lexicon.BRANDS
            or self.lower in lexicon.BRANDS
        )


Tokens = Sequence[Token]


def tokens_of(words: Sequence[Word]) -> list[Token]:
    """The words, each with where it stands in its sentence."""
    tokens: list[Token] = []
    for word in words:
        starts = word.first or not tokens or _ends_sentence(tokens[-1])
        ends = word.text.endswith((",", ".", "!", "?", ";", ":"))
        ends = ends and not DOTTED.fullmatch(word.text)
        tokens.append(Token(word.text, word.probability, starts=starts, ends=ends))
    return tokens


def _ends_sentence(token: Token) -> bool:
    """Whether the full stop after a word is more than that of "Mr." or "J."."""
    text = token.text.rstrip("\"'\u201d)")
    return text.endswith((".", "!", "?")) and not DOTTED.fullmatch(text)
