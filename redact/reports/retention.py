"""Retention and deletions: for each clip, what is kept how long, and what was destroyed when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from redact.reports import tables
from redact.reports.register import utc
from redact.reports.subject import Subject

COLUMNS = (
    "record", "entry", "state", "retention", "detail_kept_until", "detail", "shredded_utc",
    "shredded_for", "withdrawn_utc", "withdrawn_for",
)  # fmt: skip


def write_csv(file: BinaryIO, subject: Subject) -> int:
    return tables.write_csv(file, COLUMNS, rows(subject))


def rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    """`detail`: kept, due (its day has passed), shredded, or none."""
    shredded = {value["of"]: value for value in subject.values("shredded")}
    today = utc(subject.made_us)[:10]
    for value, state in subject.clips():
        kept, gone = value.get("ret", {}), shredded.get(value["seq"])
        back = subject.gone(value)
        until = kept.get("restricted_until")
        detail = "kept" if "detail" in value else "none"
        if until and until < today and detail == "kept":
            detail = "due"
        yield (
            value["rec"],
            value["seq"],
            state,
            kept.get("class", "not recorded"),
            until,
            "shredded" if gone else detail,
            utc(gone["t_utc_us"]) if gone else None,
            gone["reason"] if gone else None,
            utc(back["t_utc_us"]) if back else None,
            back.get("reason", "source") if back else None,
        )
