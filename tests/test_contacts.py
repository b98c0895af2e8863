"""Numbers and addresses in what was said."""

from importlib.resources import files
from typing import get_args

import pytest

from redact.detectors.contacts import contacts
from redact.detectors.tokens import tokens_of
from redact.detectors.words import Word
from redact.errors import UsageError
from redact.policy import Also, Policy
from redact.types import Kind

ALL = frozenset([Kind.SPOKEN_PHONE, Kind.SPOKEN_EMAIL, Kind.SPOKEN_ADDRESS, Kind.SPOKEN_CARD])


def found(sentence, wanted=ALL):
    texts = sentence.split()
    heard = [Word(text, i, i + 1, 0.9, first=not i) for i, text in enumerate(texts)]
    return [
        (str(kind).removeprefix("spoken_"), " ".join(texts[first:last]))
        for kind, first, last in contacts(tokens_of(heard), wanted)
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Call me at 555-0134-22 please.", [("phone", "555-0134-22")]),
        (
            "It is five five five, oh one three four, thanks.",
            [("phone", "five five five, oh one three four,")],
        ),
        ("Dial plus 44 20 79 46 00 and wait.", [("phone", "44 20 79 46 00")]),
        ("It was double 5 1 2 3 4 5 6 then.", [("phone", "5 1 2 3 4 5 6")]),
        (
            "The card is 4111 1111 1111 1111 and expires soon.",
            [("card", "4111 1111 1111 1111")],
        ),
        # one digit misheard, so that it is no valid card
        ("The card is 4111 1111 1111 1112 now.", [("card", "4111 1111 1111 1112")]),
        ("Write to jane.doe@example.com today.", [("email", "jane.doe@example.com")]),
        (
            "My address is jane dot doe at example dot com, thanks.",
            [("email", "jane dot doe at example dot com,")],
        ),
        ("Send it to info at example.org now.", [("email", "info at example.org")]),
        ("I live at 12 Baker Street, Springfield.", [("address", "12 Baker Street, Springfield.")]),
        (
            "She moved to twenty four Old Mill Lane apartment 3 last year.",
            [("address", "twenty four Old Mill Lane apartment 3")],
        ),
        # none of these
        ("In nineteen eighty four we had twenty two cows.", []),
        ("They met on Baker Street at noon.", []),
        ("We looked at the dot on the map.", []),
        ("The year 2024 was warm.", []),
        ("", []),
    ],
)
def test_what_is_found(sentence, expected):
    assert found(sentence) == expected


def test_only_what_is_wanted_is_found():
    said = "Call 555 0134 22 or write to jane@example.com from 12 Baker Street."
    for kind in ALL - {Kind.SPOKEN_CARD}:
        assert [name for name, _ in found(said, frozenset([kind]))] == [
            str(kind).removeprefix("spoken_")
        ]
    assert found(said, frozenset()) == []
    assert found(said, frozenset([Kind.SPOKEN_CARD])) == []


@pytest.mark.parametrize("schema", ["plan.schema.json", "ledger/entry.schema.json"])
def test_plan_and_ledger_know_every_kind_that_a_policy_may_ask_for(schema):
    text = files("redact").joinpath(schema).read_text(encoding="utf-8")
    assert all(f'"{kind}"' in text for kind in get_args(Also))
    assert set(get_args(Also)) <= set(Kind)


def test_a_policy_that_asks_for_something_unknown_is_refused(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text('[names]\nalso = ["spoken_phone", "everything"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match="everything"):
        Policy.load(path)
    path.write_text('[names]\nalso = ["spoken_phone"]\ncaution = "high"\n', encoding="utf-8")
    assert Policy.load(path).names.also == ("spoken_phone",)
