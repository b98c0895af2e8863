"""The pages about clips: the list, one clip, its redacted footage, and what is decided of it."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlencode

from redact.ledger import kinds
from redact.ledger.facts import SUFFIX
from redact.ledger.proof import prove
from redact.reports.later import closes, restated
from redact.review import decisions
from redact.review.asking import Ask, Download, Media, Moved, Page, Reply
from redact.review.columns import STATES, Filter
from redact.review.filters import PAGE, QUERY, before, choices, wanted
from redact.review.guard import RefusedError
from redact.review.index import REVIEWS
from redact.review.where import how_shown, outlined
from redact.review.words import WITHDRAWALS
from redact.withdraw import withdraw as take_back

__all__ = ["QUERY", "held", "listed", "media", "one", "proof", "verdict", "where", "withdraw"]

CLAIM_SECONDS = 10 * 60
"""So long a clip counts as being looked at by the one who opened it."""


def listed(ask: Ask) -> Reply:
    """Clips, newest first, as far as they match; or the one that was searched for."""
    if searched := ask.query.get("q"):
        return _search(ask, searched)
    index, query = ask.opened.index, {name: value for name, value in ask.query.items() if value}
    asked = wanted(query, index)
    found = index.columns.find(asked, before=before(query), limit=PAGE + 1)
    more = len(found) > PAGE
    kept = {name: value for name, value in query.items() if name != "before"}
    data: dict[str, Any] = {
        "clips": index.clips(found[:PAGE]),
        "count": index.columns.count(asked),
        "of": len(index.columns),
        "more": urlencode(kept | {"before": found[PAGE - 1]}) if more else None,
        "asked": kept,
        "searched": None,
        "choices": choices(index),
    }
    return Page("clips.html", data)


def _search(ask: Ask, text: str) -> Reply:
    """The clip of a record, a file name or a sha256."""
    word = text.strip().partition(".")[0]
    index, clip = ask.opened.index, None
    if re.fullmatch(r"[0-9A-Za-z]{26}", word):
        clip = index.clip("rec", word.upper())
    elif re.fullmatch(r"[0-9A-Fa-f]{64}", word):
        clip = index.clip("output", word.lower())
    data: dict[str, Any] = {
        "clips": [clip] if clip else [],
        "count": 1 if clip else 0,
        "of": len(index.columns),
        "more": None,
        "asked": {},
        "searched": text,
        "choices": choices(index),
    }
    return Page("clips.html", data, 200 if clip else 404)


def held(ask: Ask) -> Page:
    """Held clips, newest first, each with what to do."""
    index, asked = ask.opened.index, Filter(state=STATES.index("held"))
    found = index.columns.find(asked, before=before(ask.query), limit=PAGE + 1)
    more = urlencode({"before": found[PAGE - 1]}) if len(found) > PAGE else None
    count = index.columns.count(asked)
    return Page("held.html", {"clips": index.clips(found[:PAGE]), "count": count, "more": more})


def one(ask: Ask) -> Page:
    """One clip: all that the ledger says of it."""
    return Page("clip.html", _clip(ask))


def where(ask: Ask) -> Page:
    """The same with outlines and times, once the ledger holds that this person looked."""
    rec = ask.record()
    store, entry = ask.store(), decisions.standing(ask.opened, rec)
    if _shredded(ask.opened.history(rec), entry.seq):
        raise RefusedError(410, "Where it was removed was destroyed; the ledger says when and why.")
    decisions.record(ask, kinds.access(entry, "review", who=ask.session.who))
    source = entry.value["in"]
    (shown,) = how_shown([store.path(entry)], source["w"] * source["h"])
    return Page("clip.html", _clip(ask, outlined(store.recall(entry), entry.value, shown)))


def _clip(ask: Ask, places: dict[str, Any] | None = None) -> dict[str, Any]:
    rec = ask.record()
    clip = ask.opened.index.clip("rec", rec)
    if clip is None:
        raise RefusedError(
            404, "The ledger has no such record.", "Look for it in the list of clips."
        )
    history = [value for value in ask.opened.history(rec) if _concerns(value, rec)]
    own = [value for value in history if value.get("rec") == rec]
    entry = next(value for value in reversed(own) if value["kind"] in ("published", "held"))
    said = next((value for value in reversed(history) if "rights" in value), entry)
    return {
        "clip": clip,
        "entry": restated(entry, said),
        "said_by": said["seq"],
        "shredded": _shredded(own, entry["seq"]),
        "history": history,
        "last": max(value["seq"] for value in history),
        "where": places,
        "other": _claim(ask, rec),
        "playable": clip["state"] == "published" and ask.may("reviewer", "officer", "auditor"),
        "proof_size": ask.opened.size,
        "answers": [answer for answer in REVIEWS if answer != "not_yet"],
        "withdrawals": list(WITHDRAWALS),
    }


def _concerns(value: dict[str, Any], rec: str) -> bool:
    """Whether a clip's page tells of an entry; of other clips of its file, what is about all."""
    about_all = value["kind"] == "source" or "rights" in value or bool(closes(value))
    return value.get("rec") == rec or about_all


def _shredded(history: list[dict[str, Any]], seq: int) -> dict[str, Any] | None:
    """The entry that destroyed the restricted detail of entry `seq`, if one did."""
    found = (one for one in history if one["kind"] == "shredded" and one["of"] == seq)
    return next(found, None)


def _claim(ask: Ask, rec: str) -> str | None:
    """Who else has this clip before them now; from here on, it is this person's as well."""
    now, who = time.monotonic(), ask.session.who
    since, other = ask.site.claims.get(rec, (0.0, who))
    fresh = now - since < CLAIM_SECONDS
    if other != who and fresh:
        return other
    if ask.may("reviewer", "officer"):
        ask.site.claims[rec] = (now, who)
    return None


def media(ask: Ask) -> Media:
    """The redacted file. There is no other."""
    clip = ask.opened.index.clip("rec", ask.record())
    if clip is None or clip["state"] != "published":
        raise RefusedError(404, "There is no published file of that name.")
    path = ask.opened.root / "clips" / (clip["rec"] + SUFFIX[clip["media"]])
    if path.is_symlink() or not path.is_file() or path.stat().st_size != clip["bytes"]:
        raise RefusedError(
            409, "The file is not the one that was published, or is gone.",
            "Do not train on it. Run redact ledger verify, and run its source again.",
        )  # fmt: skip
    return Media(path, clip["media"])


def proof(ask: Ask) -> Download:
    """The proof that the clip's entry is in the signed log, to be checked without this page."""
    rec = ask.record()
    entry = decisions.standing(ask.opened, rec)
    if ask.opened.log is None:
        raise RefusedError(409, "The ledger can't be read.")
    return Download(prove(ask.opened.log, entry), f"{rec}.tlog-proof", "text/plain")


def verdict(ask: Ask) -> Moved:
    """A reviewer's answer; one that sees a leak withdraws the clip with the same append."""
    entry = decisions.unchanged(ask, ask.record())
    answers = decisions.answers_of(ask.form)
    decisions.record(ask, *decisions.on_answers(entry, answers, ask.session.who, None))
    return Moved(f"/clips/{entry.rec}")


def withdraw(ask: Ask) -> Moved:
    """Take a clip back, and for a reason that is about its source all others of the source."""
    entry = decisions.unchanged(ask, ask.record())
    reason = ask.form.get("reason", "")
    if reason not in WITHDRAWALS:
        raise RefusedError(400, "Say why: choose a reason.")
    take_back(ask.store(), reason=reason, record=entry.rec, who=ask.session.who)
    ask.opened.refresh()
    return Moved(f"/clips/{entry.rec}")
