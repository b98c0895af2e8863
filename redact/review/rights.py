"""
The page for requests of people: by the address of a source and a time, never by who they are.

Nobody's face, name or plate can be searched for, here or anywhere in redact (GDPR Art. 11).
"""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from redact.errors import UsageError
from redact.ledger import kinds
from redact.ledger.entry import Entry
from redact.review import decisions
from redact.review.asking import Ask, Moved, Page
from redact.review.guard import RefusedError
from redact.review.opened import Opened
from redact.review.where import how_shown, outlined
from redact.review.words import WITHDRAWALS
from redact.sources.address import normal
from redact.store import Store
from redact.store.standing import last_published
from redact.withdraw import withdraw as take_back

RIGHTS = {
    "eu-gdpr:A17": "erasure (Art. 17)",
    "eu-gdpr:A21": "objection (Art. 21)",
    "eu-gdpr:A15": "access (Art. 15)",
    "eu-gdpr:A18": "restriction (Art. 18)",
    "opt_out": "opt-out of a rights holder",
}
CLOSED = ("done", "refused")
"""The states of a case after which nobody has to do anything."""
DAYS = 30
"""To answer a request within (Art. 12(3): one month)."""
LARGEST = 2048
"""A rights case names so many clips at most; a source with more is found all the same."""


def show(ask: Ask) -> Page:
    return _page(ask, None)


def _page(ask: Ask, found: dict[str, Any] | None) -> Page:
    cases = cases_of(ask.opened)[:50]
    return Page(
        "rights.html",
        {"cases": cases, "found": found, "rights": RIGHTS, "reasons": WITHDRAWALS},
    )


def cases_of(opened: Opened) -> list[dict[str, Any]]:
    """Every case as it stands now, the newest first."""
    last: dict[str, dict[str, Any]] = {}
    for value in reversed(opened.index.others("rights_case")):
        last[value["case"]] = last.get(value["case"], {}) | value
    return sorted(last.values(), key=lambda one: -int(one["seq"]))


def waiting(opened: Opened) -> list[dict[str, Any]]:
    """Cases that nobody has answered yet, the one that is due first at the top."""
    found = [one for one in cases_of(opened) if one["state"] in ("opened", "found")]
    return sorted(found, key=lambda one: str(one.get("due", "")))


def find(ask: Ask) -> Page:
    """Which clips came from an address, what became of them, and who was given them."""
    store, url = ask.store(), _url(ask)
    right, span = ask.form.get("right", ""), _span(ask)
    if right and right not in RIGHTS:
        raise RefusedError(400, "There is no such right.")
    published = _published(store, url)
    case = str(uuid.uuid4()) if right else None
    if case:
        _record_case(ask, store, case, right, published, url)
    clips = [_clip(ask, store, entry) for entry in published]
    if span:
        _look_at(ask, store, published, clips, span, case)
    return _page(ask, {"url": url, "case": case, "right": right, "span": span, "clips": clips,
                       "withdrawn": None, "suppressed": False})  # fmt: skip


def withdraw(ask: Ask) -> Page:
    """Close the gate for all clips of an address; nothing of it is published again."""
    store, url, reason = ask.store(), _url(ask), ask.form.get("reason", "")
    case, right = ask.form.get("case") or None, ask.form.get("right", "")
    if reason not in WITHDRAWALS:
        raise RefusedError(400, "Say why: choose a reason.", "Nothing was withdrawn.")
    if case is not None and not ask.opened.index.others("rights_case", about=case, limit=1):
        raise RefusedError(404, "There is no such case.", "Nothing was withdrawn.")
    try:
        done = take_back(store, reason=reason, url=url, case=case, who=ask.session.who)
    except UsageError as error:
        raise RefusedError(409, error.what, f"{error.means} {error.todo}") from error
    ask.opened.refresh()
    published = [standing for rec in done.records if (standing := _last(store, rec))]
    if case and right in RIGHTS:
        more = {"clips": [entry.seq for entry in published][:LARGEST] or None}
        decisions.record(ask, kinds.rights_case(case, right, "done", who=ask.session.who, **more))
    clips = [_clip(ask, store, entry) for entry in published]
    return _page(ask, {"url": url, "case": case, "right": right, "span": None, "clips": clips,
                       "withdrawn": done.new, "suppressed": done.suppressed})  # fmt: skip


def close(ask: Ask) -> Moved:
    """Record that a request was answered, or refused, without a withdrawal."""
    case, state = ask.form.get("case", ""), ask.form.get("state", "")
    known = ask.opened.index.others("rights_case", about=case, limit=1)
    if not known:
        raise RefusedError(404, "There is no such case.", "Nothing was recorded.")
    if state not in CLOSED or known[0]["state"] in CLOSED:
        raise RefusedError(409, "That case is closed already, or can't be closed so.")
    decisions.record(ask, kinds.rights_case(case, known[0]["right"], state, who=ask.session.who))
    return Moved("/requests")


def _url(ask: Ask) -> str:
    try:
        return normal(ask.form.get("url", ""))
    except ValueError as error:
        raise RefusedError(
            400, f"That is no address of a source: {error}.", "Nothing was changed."
        ) from error


def _span(ask: Ask) -> tuple[int, int] | None:
    """The stretch that is asked about, microseconds; None for the whole source."""
    start, end = (_moment(ask.form.get(name, "")) for name in ("from", "to"))
    if start is None and end is None:
        return None
    span = start or 0, end if end is not None else (start or 0) + 1_000_000
    if span[0] >= span[1]:
        raise RefusedError(400, "The stretch ends before it begins.", "Nothing was changed.")
    return span


def _moment(text: str) -> int | None:
    """Microseconds for "83", "1:23" or "0:01:23.5"; None for nothing."""
    if not text:
        return None
    found = re.fullmatch(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,6}(?:\.[0-9]{1,3})?)", text)
    if not found:
        raise RefusedError(400, "A time is wanted, as in 1:23 or 0:01:23.5.")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return round((hours * 3600 + minutes * 60 + seconds) * 1_000_000)


def _published(store: Store, url: str) -> list[Entry]:
    """
    The clips that came from an address, each by the entry that published it last.

    Also those of which a manifest said so only after the run.
    """
    about = store.log.by_url(store.url_hmac(url))
    files = sorted({entry.file_hmac for entry in about if entry.file_hmac})
    entries = [*about, *(entry for file in files for entry in store.log.by_file(file))]
    published = [entry for entry in entries if entry.kind == "published"]
    last = {entry.rec: entry for entry in sorted(published, key=lambda entry: entry.seq)}
    return list(last.values())


def _last(store: Store, rec: str) -> Entry | None:
    return last_published(store.log.by_rec(rec))


def _record_case(
    ask: Ask, store: Store, case: str, right: str, published: list[Entry], url: str
) -> None:
    due = datetime.fromtimestamp(time.time(), UTC) + timedelta(days=DAYS)
    state = "found" if published else "not_identifiable"
    draft = kinds.rights_case(
        case, right, state, due=due.strftime("%Y-%m-%d"),
        clips=[entry.seq for entry in published][:LARGEST] or None,
        url_hmac=store.url_hmac(url), who=ask.session.who,
    )  # fmt: skip
    decisions.record(ask, draft)


def _clip(ask: Ask, store: Store, entry: Entry) -> dict[str, Any]:
    """A clip, and everyone to whom the gate gave it."""
    clip = ask.opened.index.clip("rec", entry.rec)
    assert clip is not None  # it is published, and taken in
    later = [one.value for one in store.log.about(entry.seq) if one.kind == "admission"]
    given = [one for one in later if one["decision"] == "admit"]
    shown = [
        {
            "to": one.get("to"),
            "t_utc_us": one["t_utc_us"],
            "purpose": one["purpose"],
            "shard": one.get("shard"),
        }
        for one in given
    ]
    return {**clip, "given": shown, "removed_then": None, "exact": True}


def _look_at(
    ask: Ask,
    store: Store,
    published: list[Entry],
    clips: list[dict[str, Any]],
    span: tuple[int, int],
    case: str | None,
) -> None:
    """How much was removed in the stretch; each look into a restricted detail is recorded first."""
    why = "rights_case" if case else "review"
    kept = [
        (entry, clip)
        for entry, clip in zip(published, clips, strict=True)
        if not any(one.kind == "shredded" for one in store.log.about(entry.seq))
    ]
    if kept:
        looks = [kinds.access(entry, why, who=ask.session.who, case=case) for entry, _ in kept]
        decisions.record(ask, *looks)
    pixels = max((entry.value["in"]["w"] * entry.value["in"]["h"] for entry, _ in kept), default=0)
    shown = how_shown([store.path(entry) for entry, _ in kept], pixels)
    for (entry, clip), how in zip(kept, shown, strict=True):
        found = outlined(store.recall(entry), entry.value, how)
        clip["exact"] = found["exact"]
        clip["removed_then"] = sum(
            one["start_us"] < span[1] and one["end_us"] > span[0] for one in found["spans"]
        )
