"""The overview: what there is, what is open, and whether the ledger is sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from redact.review import ledger, quality, rights
from redact.review.asking import Ask, Page
from redact.review.columns import STATES, Filter
from redact.review.index import REVIEWS


def show(ask: Ask) -> Page:
    index = ask.opened.index
    columns = index.columns
    counts = {state: columns.count(Filter(state=place)) for place, state in enumerate(STATES)}
    open_reviews = Filter(state=STATES.index("published"), review=REVIEWS.index("not_yet"))
    data: dict[str, Any] = {
        "clips": counts,
        "removed": _removed(ask),
        "not_reviewed": columns.count(open_reviews),
        "oldest_not_reviewed": _oldest(ask, open_reviews),
        "held_reasons": _reasons(ask),
        "ledger": ledger.state(ask.opened),
        "lots": quality.open_lots(ask)[:5],
        "bound": quality.last_bound(ask.opened),
        "cases": rights.waiting(ask.opened)[:5],
    }
    return Page("overview.html", data)


def _removed(ask: Ask) -> dict[str, int]:
    """Sums over the clips that stand published: how many of each, and how long the footage is."""
    columns = ask.opened.index.columns
    standing = columns.matching(Filter(state=STATES.index("published")))
    size = len(standing)
    names = ("faces", "plates", "names", "others", "dur_us")
    return {name: int(np.sum(columns[name][:size][standing], dtype=np.int64)) for name in names}


def _oldest(ask: Ask, wanted: Filter) -> int | None:
    """When the clip was published that has waited longest for a reviewer, microseconds."""
    columns = ask.opened.index.columns
    mask = columns.matching(wanted)
    times = columns["t"][: len(mask)][mask]
    return int(times.min()) if times.size else None


def _reasons(ask: Ask) -> list[dict[str, Any]]:
    """Why clips are held, the most frequent reason first."""
    index = ask.opened.index
    mask = index.columns.matching(Filter(state=STATES.index("held")))
    counts = np.bincount(index.columns["reason"][: len(mask)][mask])
    found = [(int(count), index.word(code)) for code, count in enumerate(counts) if count]
    return [{"reason": word, "count": count} for count, word in sorted(found, reverse=True)]
