"""What people decide, as entries of the ledger; each decision is one append, all of it or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from redact.ledger import kinds
from redact.ledger.entry import Entry
from redact.quality import LEAKS
from redact.review.asking import Ask
from redact.review.guard import RefusedError
from redact.review.index import REVIEWS
from redact.review.opened import Opened
from redact.withdraw import withdraw as take_back


def standing(opened: Opened, rec: str) -> Entry:
    """The entry under which a clip stands; raises RefusedError where there is none."""
    clip = opened.index.clip("rec", rec)
    if clip is None or clip["state"] != "published":
        raise RefusedError(404, "No published clip has that name.")
    return Entry(opened.entry(clip["seq"]))


def unchanged(ask: Ask, rec: str) -> Entry:
    """
    The clip's entry, if nothing was recorded of the clip since this person loaded the page.

    Raises RefusedError where something was: two people at one clip must not overwrite each other.
    """
    ask.opened.refresh()
    newest = max((value["seq"] for value in ask.opened.history(rec)), default=-1)
    if ask.form.get("last") != str(newest):
        raise RefusedError(
            409, "Someone else has recorded something about this clip meanwhile.",
            "Nothing of yours was recorded. Load the clip again and look at its history.",
        )  # fmt: skip
    return standing(ask.opened, rec)


def answers_of(form: Mapping[str, str]) -> list[str]:
    """The reason codes that were ticked; raises RefusedError for none, or for a contradiction."""
    answers = [answer for answer in REVIEWS[1:] if form.get(answer) == "yes"]
    if not answers:
        raise RefusedError(400, "Choose at least one answer.", "Nothing was recorded.")
    if "clean" in answers and len(answers) > 1:
        raise RefusedError(400, "A clip is clean, or something is wrong with it; not both.")
    return answers


def leaks(answers: Iterable[str]) -> bool:
    return not LEAKS.isdisjoint(answers)


def record(ask: Ask, *drafts: dict[str, Any]) -> list[Entry]:
    """Append drafts, all or none, and take them in; files of what is withdrawn go."""
    store = ask.store()
    entries = store.append(drafts)
    for entry in entries:
        if entry.kind == "withdrawn":  # the gate is closed for it; this takes its file away
            take_back(store, reason=entry.value["reason"], record=entry.rec)
    ask.opened.refresh()
    return entries


def on_answers(entry: Entry, answers: list[str], who: str, lot: str | None) -> list[kinds.Draft]:
    """What is recorded of a reviewer's answers: a leak withdraws the clip with the same append."""
    drafts = [kinds.verdict(entry, answers, who=who, lot=lot)]
    return [*drafts, kinds.withdrawn(entry, "leak", who=who)] if leaks(answers) else drafts
