"""Every kind of entry: its bytes never change, and it says nothing that its schema does not."""

import copy
import json
import re
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError, validators

from redact.errors import StoreError
from redact.ledger.entry import Entry
from redact.ledger.schema import _compiled as compiled
from redact.ledger.schema import breach, schema
from tests.kinds import complete, every_draft

GOLDEN = Path(__file__).parent / "data" / "entries.jsonl"
"""Written once from tests.kinds.every_draft(), with rfc8785 0.1.4. Old lines are never edited."""

DRAFTS = every_draft()


@pytest.mark.parametrize("name", DRAFTS)
def test_bytes_never_change(name):
    """Golden: old logs must verify for ever. If this fails, the format needs a new version."""
    golden = dict(zip(DRAFTS, GOLDEN.read_bytes().splitlines(), strict=True))
    assert Entry(complete(DRAFTS[name])).to_bytes() == golden[name]


@pytest.mark.parametrize("name", DRAFTS)
def test_an_entry_comes_back_from_its_bytes(name):
    whole = Entry(complete(DRAFTS[name]))
    assert Entry.from_bytes(whole.to_bytes()) == whole


def test_every_kind_of_the_schema_has_a_draft_and_every_field_a_value():
    whole = schema()
    kinds = [item["$ref"].rpartition("/")[2] for item in whole["oneOf"]]
    assert {draft["kind"] for draft in DRAFTS.values()} == set(kinds)
    for kind in kinds:
        said = {key for it in DRAFTS.values() if it["kind"] == kind for key in complete(it)}
        assert said == set(whole["$defs"][kind]["properties"])


def objects(value, path=()):
    """The path of every object inside a value, itself included."""
    if isinstance(value, dict):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from objects(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("name", DRAFTS)
def test_an_entry_says_nothing_that_the_schema_does_not_know(name):
    for path in objects(complete(DRAFTS[name])):
        more = complete(copy.deepcopy(DRAFTS[name]))
        at(more, path)["note"] = "free text"
        with pytest.raises(StoreError):
            Entry(more).to_bytes()


@pytest.mark.parametrize("name", DRAFTS)
def test_no_field_takes_free_text(name):
    """Every text of an entry, replaced by a sentence, by a line more, by another script."""
    for path in texts(complete(DRAFTS[name])):
        good = at(complete(DRAFTS[name]), path)
        for bad in ("a sentence about someone", good + "\n", good + " ", "\u5f20\u4f1f", ""):
            wrong = complete(copy.deepcopy(DRAFTS[name]))
            at(wrong, path[:-1])[path[-1]] = bad
            with pytest.raises(StoreError):
                Entry(wrong).to_bytes()


def texts(value, path=()):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, str):
            yield (*path, key)
        elif isinstance(item, dict | list):
            yield from texts(item, (*path, key))


def whole_number(_, value):
    """1.0 is a whole number to JSON Schema, and True to Python; to an entry neither is."""
    return type(value) is int


def whole_match(_, pattern, value, __):
    """Python's `$` also matches before a last newline."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("does not match its pattern")


STRICT = validators.extend(
    Draft202012Validator,
    {"pattern": whole_match},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", whole_number),
)(schema())
"""The schema as the jsonschema package reads it: what our own check is held against."""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2**53)
    | st.floats(0, 2)
    | st.text(max_size=3)
    | st.sampled_from(["clean", "ab" * 32, "01" * 16, "2026-11-22", "published", "fill", "a.b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["k", "count", "sha256", "method"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())
    assert all(STRICT.is_valid(complete(draft)) for draft in DRAFTS.values())


@settings(max_examples=500)
@given(st.sampled_from([*DRAFTS]), VALUES, st.data())
def test_the_check_agrees_with_the_jsonschema_package(name, value, data):
    """Anything put anywhere is refused by both or by neither."""
    wrong = complete(copy.deepcopy(DRAFTS[name]))
    inside = at(wrong, data.draw(st.sampled_from([*objects(wrong)])))
    inside[data.draw(st.sampled_from([*inside, "note"]))] = value
    assert (breach(wrong) == "") is STRICT.is_valid(wrong)


@pytest.mark.parametrize("name", DRAFTS)
def test_the_check_agrees_on_what_is_left_out(name):
    for path in objects(complete(DRAFTS[name])):
        for key in at(complete(DRAFTS[name]), path):
            wrong = complete(copy.deepcopy(DRAFTS[name]))
            del at(wrong, path)[key]
            assert (breach(wrong) == "") is STRICT.is_valid(wrong), (path, key)


def test_a_keyword_that_nothing_checks_is_an_error():
    for node in ({"type": "string", "pattern": "a", "format": "date"}, {"not": {}}):
        with pytest.raises(ValueError, match="nothing checks"):
            compiled(node)
    with pytest.raises(ValueError, match="is open"):
        compiled({"type": "object", "additionalProperties": True, "required": [], "properties": {}})


@pytest.mark.parametrize("name", DRAFTS)
def test_the_bytes_are_those_of_rfc_8785(name):
    assert Entry(complete(DRAFTS[name])).to_bytes() == rfc8785.dumps(complete(DRAFTS[name]))


def taken(value):
    try:
        Entry(value).to_bytes()
    except StoreError:
        return False
    return True


def test_an_entry_with_the_most_clips_fits_in_64_kib():
    """The length that tlog-tiles gives an entry."""
    clips = [2**53 - 2048 + number for number in range(2048)]
    for name in ("admission", "rights_case"):
        assert len(Entry({**complete(DRAFTS[name]), "clips": clips}).to_bytes()) < 2**16
        for wrong in ([*clips, 1], [], [1, 1]):
            assert not taken({**complete(DRAFTS[name]), "clips": wrong})


def test_golden_lines_are_text_and_whole_numbers():
    for line in GOLDEN.read_text(encoding="ascii").splitlines():
        numbers = json.loads(line, parse_float=lambda text: pytest.fail(text))
        assert numbers["schema"] == "redact/entry/1"
