"""Licences and the terms of data sets: what they allow, by one table; what is not there is a no."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from redact.sources.source import Purpose

_CONTRACT = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,64}")
_LONGEST = 200  # characters of an expression


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """The terms of a known set. They speak of its labels; footage needs a licence of its own."""

    title: str
    also: tuple[str, ...] = ()
    labels: str  # the licence of its labels, or "unknown"
    footage: str  # what it grants of the footage: one sentence
    purposes: frozenset[Purpose]  # for which its own terms leave it open
    source: str  # where the terms stand
    date: str  # when they were read, YYYY-MM-DD


@lru_cache(maxsize=1024)
def expression(text: str) -> str:
    """
    A licence expression in its one form: SPDX identifiers, and `LicenseRef-...` for a contract.

    Raises ValueError for one with a name that is neither.
    """
    if len(text) > _LONGEST:
        raise ValueError("it is too long")
    try:
        parsed = _licensing().parse(text)
    except ExpressionError as error:
        raise ValueError("it is no SPDX licence expression") from error
    unknown = [] if parsed is None else _licensing().unknown_license_keys(parsed)
    if parsed is None or not all(_CONTRACT.fullmatch(name) for name in unknown):
        raise ValueError("it is no SPDX licence expression")
    return str(parsed)


def allows(text: str, purpose: Purpose) -> bool | None:
    """
    Whether a licence allows a purpose: all sides of an AND, one side of an OR; None is "unknown".

    A `LicenseRef-...` is a contract of yours, and allows what the manifest says it permits.
    """
    return _judge(_licensing().parse(text), purpose)


def known_set(name: str) -> DataSet | None:
    """A set by its name as anyone writes it: case, blanks and dashes make no difference."""
    return _tables()[1].get(_plain(name))


def table_sha256() -> str:
    """Of the table, hex: the rules by which the gate judged, as the ledger names them."""
    return sha256(_text()).hexdigest()


def _judge(parsed: Any, purpose: Purpose) -> bool | None:
    operator = getattr(parsed, "operator", "").strip()
    if operator:
        sides = [_judge(side, purpose) for side in parsed.args]
        decisive = operator == "OR"  # one such side settles it
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    key = str(getattr(parsed, "key", ""))  # one with an exception (WITH) has none
    if _CONTRACT.fullmatch(key) and key not in _licensing().known_symbols:
        return True
    granted = _tables()[0].get(key)
    return None if granted is None else purpose in granted


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@cache
def _text() -> bytes:
    return files("redact.sources").joinpath("dataset_terms.toml").read_bytes()


@cache
def _tables() -> tuple[Mapping[str, frozenset[Purpose]], Mapping[str, DataSet]]:
    """What licences allow, by identifier; and the known sets, by each of their names."""
    values = tomllib.loads(_text().decode())
    licences = {
        name: frozenset(map(Purpose, purposes)) for name, purposes in values["licences"].items()
    }
    sets: dict[str, DataSet] = {}
    for value in values["sets"]:
        known = DataSet(**value | {"purposes": frozenset(map(Purpose, value["purposes"]))})
        sets |= {_plain(name): known for name in (known.title, *known.also)}
    return licences, sets


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).lower()
