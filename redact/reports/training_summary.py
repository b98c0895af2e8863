"""
The EU AI Act's public summary of training content (Art. 53(1)(d)), as far as a ledger can fill it.

Follows the sections of the Commission's template. Whatever a ledger can't know stays "to be
provided", every yes or no among it.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from redact.quality import SIGNATURES
from redact.reports import sources, tables
from redact.reports.document import Document, section, write_html
from redact.reports.sources import Amount, Sources
from redact.reports.subject import TO_BE_PROVIDED, Subject

HOURS = 3_600_000_000
BANDS = ((10_000, "less than 10 000 hours"), (1_000_000, "10 000 to 1 million hours"))
IMAGES = ((1_000_000, "less than 1 million images"), (10**9, "1 million to 1 billion images"))
SECTIONS = {
    "2.1": "public_dataset",
    "2.2.1": "licensed",
    "2.2.2": "third_party",
    "2.3": "crawled",
    "2.4": "user",
    "2.5": "synthetic",
    "2.6": "other",
}
"""The template's kinds of sources, as the ledger names them."""


def gather(subject: Subject) -> dict[str, Any]:
    """Section by section; each field from the ledger, or to be provided."""
    found = sources.gather(subject)
    left = dict.fromkeys(("provider", "contact", "authorised_representative"), TO_BE_PROVIDED)
    model = dict.fromkeys(("model_names", "base_model", "date_on_market"), TO_BE_PROVIDED)
    value: dict[str, Any] = {
        "1.1": left,
        "1.2": model,
        "1.3": _overall(found),
        **{number: _of_type(found, name) for number, name in SECTIONS.items()},
        "3.1": {
            "code_of_practice_signatory": TO_BE_PROVIDED,
            "opt_out_signals": _signals(found),
            "measures_in_words": TO_BE_PROVIDED,
        },
        "3.2": {"illegal_content_measures": TO_BE_PROVIDED},
        "3.3": {"redaction": _redaction(subject)},
        "made_from": {
            "log": subject.head.origin,
            "entries": subject.head.size,
            "root": subject.head.root.hex(),
        },
    }
    value["2.3"] |= _crawled(found)
    return value


def _overall(found: Sources) -> dict[str, Any]:
    months = sorted({month for several in found.months.values() for month in several})
    return {
        "video": _size(found.video, BANDS),
        "audio": _size(found.audio, BANDS),
        "image": _band(found.image.clips, IMAGES) if found.image.clips else "none",
        "content_types": TO_BE_PROVIDED,
        "latest_acquisition": months[-1] if months else TO_BE_PROVIDED,
        "continuous_collection": TO_BE_PROVIDED,
        "languages": TO_BE_PROVIDED,
    }


def _size(amount: Amount, bands: tuple[tuple[int, str], ...]) -> Any:
    if not amount.clips:
        return "none"
    hours = amount.dur_us / HOURS
    return {"band": _band(hours, bands), "hours": round(hours, 2), "clips": amount.clips}


def _band(amount: float, bands: tuple[tuple[int, str], ...]) -> str:
    largest = "more than 1 million hours" if bands is BANDS else "more than 1 billion images"
    return next((words for limit, words in bands if amount < limit), largest)


def _of_type(found: Sources, name: str) -> dict[str, Any]:
    """What stands published of one kind of source. That none is recorded is not a "no"."""
    amount = found.by_type.get(name, Amount())
    listed = sorted({key[2] for key in found.by_source if key[0] == name and key[2]})
    return {
        "used": TO_BE_PROVIDED,
        "clips_recorded": amount.clips,
        "hours_recorded": round(amount.dur_us / HOURS, 2),
        "datasets_recorded": listed,
        "months_recorded": sorted(found.months.get(name, ())),
        "description": TO_BE_PROVIDED,
    }


def _crawled(found: Sources) -> dict[str, Any]:
    top = sources.top_domains(found)
    return {
        "crawlers": TO_BE_PROVIDED,
        "crawler_behaviour": TO_BE_PROVIDED,
        "domains_recorded": len(found.crawled),
        "top_10_percent_of_domains_by_size": [
            {"domain": name, "bytes": amount.bytes, "clips": amount.clips} for name, amount in top
        ],
    }


def _signals(found: Sources) -> list[dict[str, Any]]:
    return [
        {"protocol": protocol, "answer": answer, "clips": count}
        for (protocol, answer), count in sorted(found.signals.items())
    ]


def _redaction(subject: Subject) -> dict[str, Any]:
    """What was removed, and the last leak bound that people signed."""
    removed: dict[str, int] = {}
    for value in subject.published():
        for line in value["sum"]:
            removed[line["k"]] = removed.get(line["k"], 0) + line["count"]
    bound = _bound(subject) or "no sample was signed by two people yet"
    return {"removed_in_total": removed, "last_signed_sample": bound}


def _bound(subject: Subject) -> dict[str, Any] | None:
    """What the last lot says that two people signed, neither of them to reject it."""
    lots: dict[str, dict[str, dict[str, Any]]] = {}
    bound = None
    for value in subject.values("sign_off"):
        signed = lots.setdefault(value["lot"], {})
        signed[value["who"]] = value
        refused = any(one["decision"] == "rejected" for one in signed.values())
        if len(signed) >= SIGNATURES and not refused:
            names = ("lot", "n", "leaks", "bound_ppm", "confidence_ppm")
            bound = {name: value[name] for name in names}
    return bound


def write_json(file: BinaryIO, subject: Subject) -> int:
    value = {"schema": "redact/training-summary/1", **gather(subject)}
    file.write(json.dumps(value, indent=1).encode() + b"\n")
    return len(value) - 1


def write_domains(file: BinaryIO, subject: Subject) -> int:
    """The list of domains for section 2.3, as CSV."""
    top = sources.top_domains(sources.gather(subject))
    rows = ((name, amount.bytes, amount.clips, amount.dur_us) for name, amount in top)
    return tables.write_csv(file, ("domain", "bytes", "clips", "duration_us"), rows)


TITLES = {
    "1.1": "1.1 Provider",
    "1.2": "1.2 Model",
    "1.3": "1.3 Modalities and size",
    "2.1": "2.1 Public data sets",
    "2.2.1": "2.2.1 Licensed data",
    "2.2.2": "2.2.2 Other data from third parties",
    "2.3": "2.3 Data crawled and scraped",
    "2.4": "2.4 User data",
    "2.5": "2.5 Synthetic data",
    "2.6": "2.6 Other sources",
    "3.1": "3.1 Reservations of rights",
    "3.2": "3.2 Illegal content",
    "3.3": "3.3 Redaction (other)",
    "made_from": "Made from",
}


def write_page(file: BinaryIO, subject: Subject) -> int:
    parts = [
        section(
            TITLES[number],
            "",
            [(name.replace("_", " "), _words(said)) for name, said in fields.items()],
        )
        for number, fields in gather(subject).items()
    ]
    lead = section(
        "How to read this",
        f'Filled from the removal ledger. What it can\'t know says "{TO_BE_PROVIDED}"; so does '
        "every question that takes a yes or a no.",
    )
    return write_html(file, Document("Summary of training content (draft)", (lead, *parts)))


def _words(said: Any) -> str:
    if isinstance(said, dict):
        return (
            "; ".join(f"{name.replace('_', ' ')}: {_words(value)}" for name, value in said.items())
            or "none"
        )
    if isinstance(said, list):
        return " / ".join(_words(value) for value in said) or "none recorded"
    return str(said)
