"""From the words of an address to a filter over the clips, and the choices that a form offers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from redact.review.columns import STATES, Filter
from redact.review.guard import RefusedError
from redact.review.index import KIND_BITS, METHOD_BITS, REVIEWS, Index

QUERY = (
    "state", "kind", "method", "policy", "model", "domain", "licence", "reason", "since", "until",
    "score", "review", "q", "before",
)  # fmt: skip
PAGE = 50


def wanted(query: dict[str, str], index: Index) -> Filter:
    """The filter that an address asks for; raises RefusedError for what no form of ours says."""
    asked = {name: value for name, value in query.items() if value}
    values: dict[str, Any] = {}
    for name, choices in (("state", STATES), ("review", REVIEWS)):
        if name in asked:
            values[name] = choices.index(_of(asked[name], choices, name))
    for name, field, bits in (("kind", "kinds", KIND_BITS), ("method", "methods", METHOD_BITS)):
        if name in asked:
            values[field] = bits[_of(asked[name], bits, name)]
    for name in ("policy", "domain", "licence", "reason"):
        if name in asked:
            values[name] = index.code(name, asked[name])
    if "model" in asked:
        sets = index.words("models").items()
        values["models"] = tuple(code for code, word in sets if asked["model"] in word.split(" "))
    if "since" in asked:
        values["since"] = _day(asked["since"])
    if "until" in asked:
        values["until"] = _day(asked["until"], days=1)
    if "score" in asked:
        values["score_below"] = _number(asked["score"], 100) * 10_000
    return Filter(**values)


def choices(index: Index) -> dict[str, list[str]]:
    """What can be asked for."""
    models = {model for word in index.words("models").values() for model in word.split(" ")}
    return {
        "state": list(STATES),
        "kind": list(KIND_BITS),
        "method": list(METHOD_BITS),
        "policy": list(index.words("policy").values()),
        "model": sorted(models),
        "licence": list(index.words("licence").values()),
        "reason": list(index.words("reason").values()),
        "review": list(REVIEWS),
    }


def before(query: dict[str, str]) -> int | None:
    """Where the list goes on, if it is not to begin at its top."""
    return _number(query["before"], 1 << 53) if query.get("before") else None


def _of(value: str, choices: Any, name: str) -> str:
    if value not in choices:
        raise RefusedError(400, f"There is no such {name}.")
    return value


def _number(text: str, largest: int) -> int:
    if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > largest:
        raise RefusedError(400, f"A whole number up to {largest} is wanted.")
    return int(text)


def _day(text: str, days: int = 0) -> int:
    """Midnight in UTC at the start of a day, `days` later; microseconds."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
    except (ValueError, OverflowError) as error:
        raise RefusedError(400, "A day is wanted, as in 2026-11-26.") from error
    return int(day.timestamp()) * 1_000_000
