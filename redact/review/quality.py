"""The pages for quality assurance: lots, the blind queue, and the signatures."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from redact.ledger import kinds
from redact.ledger.entry import Entry
from redact.ledger.facts import SUFFIX
from redact.quality import result, sample_digest
from redact.review import decisions
from redact.review import lots as made
from redact.review.asking import Ask, Media, Moved, Page
from redact.review.clips import CLAIM_SECONDS
from redact.review.columns import STATES, Filter
from redact.review.guard import RefusedError
from redact.review.index import REVIEWS
from redact.review.lots import Lot
from redact.review.opened import Opened
from redact.review.probes import Probe

STRATA = ("all", "nothing_found", "something_found")
LARGEST = 20_000
"""A sample of more clips than this is not drawn: nobody would look at it."""
DECISIONS = ("approved", "conditional", "rejected")


def lots(ask: Ask) -> Page:
    return Page("lots.html", {"lots": [_line(one) for one in made.lots(ask.opened)]})


def open_lots(ask: Ask) -> list[dict[str, Any]]:
    """Those that wait for answers or signatures, newest first."""
    return [_line(one) for one in made.lots(ask.opened) if one.open]


def last_bound(opened: Opened) -> dict[str, Any] | None:
    """What the last lot that two people signed allows to be said."""
    for one in made.lots(opened):
        if one.approved:
            return {"lot": one.lot, **one.signatures[-1]}
    return None


def _line(one: Lot) -> dict[str, Any]:
    return {
        "lot": one.lot,
        "t_utc_us": one.promised["t_utc_us"],
        "promised": one.promised,
        "drawn": one.drawn,
        "signatures": list(one.signatures),
        "approved": one.approved,
        "open": one.open,
        "of": one.drawn["n"] if one.drawn else 0,
        **result(one.verdicts),
    }


def lot(ask: Ask) -> Page:
    one = _lot(ask)
    data = _line(one) | {
        "left": None,
        "standing": ask.opened.index.columns.count(Filter(state=STATES.index("published"))),
        "strata": list(STRATA),
        "decisions": list(DECISIONS),
        "signed": ask.session.who in {value["who"] for value in one.signatures},
        "has_probes": ask.site.probes is not None,
    }
    if one.drawn:
        data["left"] = len(_left(ask, one))
    return Page("lot.html", data)


def commit(ask: Ask) -> Moved:
    """Begin a lot: its nonce is committed to before anyone can know what will be drawn."""
    ask.store()
    number = secrets.token_hex(16)
    promise = made.commitment(made.nonce(ask.opened, number))
    decisions.record(ask, kinds.qa_seed(number, promise, who=ask.session.who))
    return Moved(f"/quality/{number}")


def draw(ask: Ask) -> Moved:
    """Draw the sample, once, from the clips that stand now."""
    ask.store()
    one = _lot(ask)
    if one.drawn:
        raise RefusedError(409, "The sample of this lot was drawn already.", "Start another lot.")
    stratum, count = ask.form.get("stratum", ""), ask.form.get("count", "")
    if stratum not in STRATA or not re.fullmatch(r"[1-9][0-9]{0,4}", count):
        raise RefusedError(400, "Say from which clips, and how many.")
    at, secret = ask.opened.checkpoint(ask.opened.size), made.nonce(ask.opened, one.lot)
    sample = made.sample_of(
        ask.opened, at, one.lot, secret, stratum=stratum, count=min(int(count), LARGEST)
    )
    if not sample:
        raise RefusedError(409, "No published clip is of that kind.", "Nothing was drawn.")
    draft = kinds.qa_draw(
        Entry(one.promised), secret.hex(), at, stratum=stratum, n=len(sample),
        population=len(ask.opened.index.standing_at(at.size, stratum)),
        sample=sample_digest(sample), who=ask.session.who,
    )  # fmt: skip
    decisions.record(ask, draft)
    return Moved(f"/quality/{one.lot}")


def item(ask: Ask) -> Page:
    """The next clip of the sample, with nothing that says which clip it is or what was found."""
    one = _lot(ask)
    left, queue = _left(ask, one), _queue(ask, one)
    number = next((number for number in left if _free(ask, one, number)), None)
    data = {"lot": one.lot, "of": len(queue), "left": len(left), "number": number, "media": ""}
    if number is not None:
        ask.site.claims[f"{one.lot}:{number}"] = (time.monotonic(), ask.session.who)
        shown = _media(ask, queue[number - 1])
        data["media"] = shown.media if shown else ""
    answers = [answer for answer in REVIEWS[::-1] if answer != "not_yet"]
    return Page("item.html", data | {"answers": answers})


def media(ask: Ask) -> Media:
    """The footage of a place in the queue."""
    queue = _queue(ask, _lot(ask))
    shown = _media(ask, queue[_number(ask.path["number"], len(queue)) - 1])
    if shown is None:
        raise RefusedError(410, "This clip was withdrawn meanwhile.", 'Answer "broken".')
    return shown


def answer(ask: Ask) -> Moved:
    """One clip answered. Raises RefusedError if someone else was faster."""
    one = _lot(ask)
    queue = _queue(ask, one)
    shown = queue[_number(ask.form.get("number", ""), len(queue)) - 1]
    if _name(shown) in one.answered:
        raise RefusedError(
            409, "Someone else has answered for this clip meanwhile.",
            "Nothing of yours was recorded. Go on with the next clip.",
        )  # fmt: skip
    answers, who = decisions.answers_of(ask.form), ask.session.who
    if isinstance(shown, Probe):
        draft = kinds.verdict(None, answers, who=who, lot=one.lot, probe=shown.name)
        decisions.record(ask, draft)
    else:
        decisions.record(ask, *_on_sample(ask, shown, answers, one.lot))
    return Moved(f"/quality/{one.lot}/next")


def _on_sample(ask: Ask, rec: str, answers: list[str], lot: str) -> list[kinds.Draft]:
    """What an answer records; of a clip that was withdrawn meanwhile, only the answer."""
    clip = ask.opened.index.clip("rec", rec)
    assert clip is not None  # it was drawn from the index
    entry = Entry(ask.opened.entry(clip["seq"]))
    if clip["state"] == "published":
        return decisions.on_answers(entry, answers, ask.session.who, lot)
    return [kinds.verdict(entry, answers, who=ask.session.who, lot=lot)]


def sign(ask: Ask) -> Moved:
    """One person's signature; the second makes it a sign-off. One append, or nothing."""
    one = _lot(ask)
    decision = ask.form.get("decision", "")
    if decision not in DECISIONS or one.drawn is None:
        raise RefusedError(400, "Say what you decide.")
    if _left(ask, one):
        raise RefusedError(409, "Not every clip of the sample has an answer yet.")
    if not one.open or ask.session.who in {value["who"] for value in one.signatures}:
        raise RefusedError(409, "You have signed already, or two people have.")
    said = result(one.verdicts)
    names = ("n", "leaks", "probes", "probes_found", "bound_ppm", "confidence_ppm")
    counts = {name: said[name] for name in names}
    if ask.form.get("bound_ppm") != str(counts["bound_ppm"]):
        raise RefusedError(409, "The result has changed since you loaded it.", "Look again.")
    draft = kinds.sign_off(Entry(one.drawn), decision, who=ask.session.who, **counts)
    decisions.record(ask, draft)
    return Moved(f"/quality/{one.lot}")


def _lot(ask: Ask) -> Lot:
    number = ask.path["lot"]
    if not re.fullmatch(r"[0-9a-f]{32}", number):
        raise RefusedError(404, "That is not the number of a lot.")
    return made.of(ask.opened, number)


def _queue(ask: Ask, one: Lot) -> list[str | Probe]:
    return made.queue(ask.opened, one, ask.site.probes)


def _left(ask: Ask, one: Lot) -> list[int]:
    """The places of the queue that have no answer; a clip withdrawn elsewhere keeps its place."""
    answered = one.answered
    queue = enumerate(_queue(ask, one), start=1)
    return [number for number, shown in queue if _name(shown) not in answered]


def _free(ask: Ask, one: Lot, number: int) -> bool:
    since, who = ask.site.claims.get(f"{one.lot}:{number}", (0.0, ask.session.who))
    return who == ask.session.who or time.monotonic() - since > CLAIM_SECONDS


def _name(shown: str | Probe) -> str:
    return shown.name if isinstance(shown, Probe) else shown


def _number(text: str, size: int) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > size:
        raise RefusedError(404, "The sample has no such clip.")
    return int(text)


def _media(ask: Ask, shown: str | Probe) -> Media | None:
    """The file of a clip or known leak; None for a clip that was withdrawn meanwhile."""
    if isinstance(shown, Probe):
        return Media(shown.path, shown.media)
    clip = ask.opened.index.clip("rec", shown)
    assert clip is not None  # it was drawn from the index
    path = ask.opened.root / "clips" / (shown + SUFFIX[clip["media"]])
    return Media(path, clip["media"]) if path.is_file() and not path.is_symlink() else None
