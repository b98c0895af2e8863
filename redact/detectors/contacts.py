"""Numbers of phones and cards, e-mail and street addresses in what was said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from redact.detectors import lexicon
from redact.detectors.tokens import Token, Tokens
from redact.types import Kind

# Presidio's recognisers are not used: they accept a number only if it is valid (Luhn's digit, a
# plan of numbering), and one digit misheard lets it through; they know no street address; and
# the one for e-mail asks a network for a list of domains.


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


ONES = _listed("zero oh o one two three four five six seven eight nine")
TENS = _listed(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty"
    " forty fifty sixty seventy eighty ninety"
)
DIGITS = dict.fromkeys(ONES, 1) | dict.fromkeys(TENS, 2)
"""How many digits a word stands for."""
BETWEEN = _listed("and dash hyphen plus double triple hundred thousand then area code um uh")
"""What may stand between the digits of one number."""
PHONE = 7
CARD = 12
"""Digits from which on a run of them is taken for one. Digits get lost: a card has 13 to 19."""
DOMAINS = _listed("com org net edu gov io info co uk de fr eu us ca au mail example")
STOPS = _listed("is to email e-mail mail address me at us on or the my him her them write send")
STREETS = _listed(
    "street st avenue ave road rd lane drive boulevard square court terrace crescent close highway"
    " parkway place way row mews circle"
)
ROOMS = _listed("apartment apt flat suite unit floor room number")

Found = tuple[Kind, int, int]
"""What it is, its first word, and one past its last."""


def contacts(tokens: Tokens, wanted: frozenset[Kind]) -> list[Found]:
    """Everything of the wanted kinds, in any order; they may overlap."""
    found = [*_numbers(tokens), *_mails(tokens), *_addresses(tokens)]
    cards = Kind.SPOKEN_CARD in wanted
    return [
        (Kind.SPOKEN_CARD, first, last)
        if kind is Kind.SPOKEN_PHONE and cards and _digits(tokens[first:last]) >= CARD
        else (kind, first, last)
        for kind, first, last in found
        if kind in wanted or (cards and _digits(tokens[first:last]) >= CARD)
    ]


def _digits(tokens: Sequence[Token]) -> int:
    return sum(_digits_of(token) for token in tokens)


def _digits_of(token: Token) -> int:
    written = sum(letter.isdigit() for letter in token.text)
    spoken = sum(DIGITS.get(part, 0) for part in token.lower.split("-"))
    return written or spoken


def _numbers(tokens: Tokens) -> Iterator[Found]:
    """Runs of digits as long as a phone number's, words between them taken in."""
    first: int | None = None
    last = 0
    for index, token in enumerate([*tokens, Token("|", 1.0, starts=True, ends=True)]):
        if _digits_of(token):
            first, last = (index if first is None else first), index + 1
        elif first is not None and token.lower not in BETWEEN:
            if _digits(tokens[first:last]) >= PHONE:
                yield Kind.SPOKEN_PHONE, first, last
            first = None


def _mails(tokens: Tokens) -> Iterator[Found]:
    """What has an @, and what ends in "dot com" after an "at"."""
    for index, token in enumerate(tokens):
        if "@" in token.text:
            yield Kind.SPOKEN_EMAIL, _begin(tokens, index), index + 1
            continue
        dotted = index and tokens[index - 1].lower == "dot" and token.lower in DOMAINS
        written = re.search(r"\w\.(\w+)\W*$", token.lower)
        if not dotted and not (written and written[1] in DOMAINS):
            continue
        for at in range(index - 1, max(-1, index - 8), -1):
            if tokens[at].lower == "at":
                yield Kind.SPOKEN_EMAIL, _begin(tokens, at), index + 1
                break


def _begin(tokens: Tokens, at: int) -> int:
    """Where the part before the "at" begins: after the last word that introduces it."""
    first = at
    while first and at - first < 8 and tokens[first - 1].lower not in STOPS:
        first -= 1
        if tokens[first].starts:
            break
    return first


def _addresses(tokens: Tokens) -> Iterator[Found]:
    """A house number, a name of one to four words, "street", and the rooms and towns after it."""
    for index, token in enumerate(tokens):
        if token.lower not in STREETS:
            continue
        for house in range(index - 2, max(-1, index - 6), -1):
            if _digits_of(tokens[house]):
                while house and _digits_of(tokens[house - 1]):
                    house -= 1
                yield Kind.SPOKEN_ADDRESS, house, _beyond(tokens, index + 1)
                break


def _beyond(tokens: Tokens, index: int) -> int:
    """One past the last word after a street that is still of the address."""
    last = index
    while last < len(tokens) and last - index < 8:
        token = tokens[last]
        of_it = token.capital or _digits_of(token) or token.lower in ROOMS
        if not of_it or (token.starts and lexicon.is_function_word(token.lower)):
            break
        last += 1
    return last
