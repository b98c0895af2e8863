"""
The schema of entries, made into functions: a log of a million entries is checked in seconds.

The schema in entry.schema.json is JSON Schema (2020-12), and stricter than that standard in one
thing: 1.0 is no whole number. Only the keywords that it uses are known here; another is an error,
so that nothing in the schema can go unchecked. The tests hold this against the jsonschema package.
"""

from __future__ import annotations

import json
import marshal
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

REMEMBERED = 1000
"""How many right values of each definition are known again."""

Check = Callable[[Any], str | None]
"""Where in a value the first breach is ("chk/verdict", "" for the value itself), or None."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of an entry; one definition in `$defs` for each kind."""
    text = files("redact.ledger").joinpath("entry.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def breach(value: Any) -> str:
    """The first place where a value does not follow the schema of its kind, or nothing."""
    kind = value.get("kind") if type(value) is dict else None
    check = _kinds().get(kind) if type(kind) is str else None
    if check is None:
        return "kind"
    place = check(value)
    return "" if place is None else place or "its top level"


@cache
def _kinds() -> dict[str, Check]:
    kinds = [item["$ref"].rpartition("/")[2] for item in schema()["oneOf"]]
    return {kind: _compiled(schema()["$defs"][kind]) for kind in kinds}


@cache
def _definition(reference: str) -> Check:
    return _compiled(schema()["$defs"][reference.removeprefix("#/$defs/")])


def _part(node: Mapping[str, Any]) -> Check:
    """Of an object: a part that is an object or a list itself is often the same in the next."""
    if "$ref" in node:
        node = schema()["$defs"][node["$ref"].removeprefix("#/$defs/")]
    check = _compiled(node)
    return _remembering(check) if node.get("type") in ("object", "array") else check


def _remembering(check: Check) -> Check:
    """The same, quicker for what most entries have in common: models, a policy, a licence."""
    right: set[bytes] = set()

    def remembering(value: Any) -> str | None:
        try:
            said = marshal.dumps(value, 2)  # tells 1 from 1.0 and from true
        except ValueError:  # nothing that JSON has
            return check(value)
        if said in right:
            return None
        place = check(value)
        if place is None:
            if len(right) >= REMEMBERED:
                right.clear()
            right.add(said)
        return place

    return remembering


def _compiled(node: Mapping[str, Any]) -> Check:
    """Raises ValueError for a keyword that is not known."""
    if set(node) == {"$ref"}:
        return _definition(node["$ref"])
    left = dict(node)
    checks = [make(left) for keyword, make in _MAKERS.items() if keyword in left]
    if left:
        raise ValueError(f"the schema has keywords that nothing checks: {sorted(left)}")
    return checks[0] if len(checks) == 1 else _all(checks)


def _all(checks: Sequence[Check]) -> Check:
    def check(value: Any) -> str | None:
        for one in checks:
            if (place := one(value)) is not None:
                return place
        return None

    return check


def _typed(node: dict[str, Any]) -> Check:
    return _TYPES[node.pop("type")](node)


def _integer(node: dict[str, Any]) -> Check:
    low, high = node.pop("minimum"), node.pop("maximum")
    return lambda value: None if type(value) is int and low <= value <= high else ""


def _string(node: dict[str, Any]) -> Check:
    # fullmatch: Python's `$` also matches before a last newline.
    matches, longest = re.compile(node.pop("pattern")).fullmatch, node.pop("maxLength", 2**16)

    def check(value: Any) -> str | None:
        right = type(value) is str and len(value) <= longest and matches(value)
        return None if right else ""

    return check


def _boolean(_: dict[str, Any]) -> Check:
    return lambda value: None if type(value) is bool else ""


def _array(node: dict[str, Any]) -> Check:
    item, unique = _compiled(node.pop("items")), node.pop("uniqueItems", False)
    least, most = node.pop("minItems", 0), node.pop("maxItems", 2**16)

    def check(value: Any) -> str | None:
        if type(value) is not list or not least <= len(value) <= most:
            return ""
        for number, one in enumerate(value):
            if (place := item(one)) is not None:
                return _inside(str(number), place)
        return "" if unique and len(set(value)) < len(value) else None

    return check


def _object(node: dict[str, Any]) -> Check:
    if node.pop("additionalProperties") is not False:
        raise ValueError("an object of the schema is open")
    required = frozenset(node.pop("required"))
    known = {key: _part(value) for key, value in node.pop("properties").items()}

    def check(value: Any) -> str | None:
        if type(value) is not dict or not required <= value.keys():
            return ""
        for key, item in value.items():
            if (inner := known.get(key)) is None:
                return ""
            if (place := inner(item)) is not None:
                return _inside(key, place)
        return None

    return check


def _properties(node: dict[str, Any]) -> Check:
    """Of an object that another keyword closes: each of these is right if it is there."""
    known = {key: _compiled(value) for key, value in node.pop("properties").items()}

    def check(value: Any) -> str | None:
        for key, inner in known.items():
            if key in value and (place := inner(value[key])) is not None:
                return _inside(key, place)
        return None

    return check


def _required(node: dict[str, Any]) -> Check:
    required = frozenset(node.pop("required"))
    return lambda value: None if required <= value.keys() else ""


def _enum(node: dict[str, Any]) -> Check:
    known = frozenset(node.pop("enum"))
    return lambda value: None if type(value) is str and value in known else ""


def _const(node: dict[str, Any]) -> Check:
    only = node.pop("const")
    return lambda value: None if type(value) is type(only) and value == only else ""


def _one_of(node: dict[str, Any]) -> Check:
    ways = [_compiled(way) for way in node.pop("oneOf")]
    return lambda value: None if sum(way(value) is None for way in ways) == 1 else ""


def _any_of(node: dict[str, Any]) -> Check:
    ways = [_compiled(way) for way in node.pop("anyOf")]
    return lambda value: None if any(way(value) is None for way in ways) else ""


def _if(node: dict[str, Any]) -> Check:
    case, then, other = (_compiled(node.pop(name)) for name in ("if", "then", "else"))
    return lambda value: then(value) if case(value) is None else other(value)


def _inside(key: str, place: str) -> str:
    return f"{key}/{place}" if place else key


_MAKERS: dict[str, Callable[[dict[str, Any]], Check]] = {
    "type": _typed,
    "properties": _properties,
    "required": _required,
    "enum": _enum,
    "const": _const,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "if": _if,
}
"""Each takes its keywords out of the node. `type` comes first: the others need not ask again."""

_TYPES: dict[str, Callable[[dict[str, Any]], Check]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "string": _string,
    "boolean": _boolean,
}
