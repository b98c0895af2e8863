"""Which reports there are, in which formats; and how one is made, written and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from redact.errors import UsageError
from redact.ledger import kinds
from redact.ledger.entry import Entry
from redact.ledger.files import digest, writing
from redact.reports import (
    access_log,
    article30,
    certificate,
    integrity,
    register,
    retention,
    sources,
    training_summary,
)
from redact.reports.subject import Subject
from redact.store import Store

Writer = Callable[[BinaryIO, Subject], int]


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    what_for: str
    formats: Mapping[str, Writer]  # by format: writes the file, returns how many rows


REPORTS = {
    "removal_register": Report(
        "Removal register",
        "One row for each clip and kind: what was removed, how, by which policy.",
        {"csv": register.write_csv, "parquet": register.write_parquet},
    ),
    "article_30": Report(
        "Record of processing (GDPR Art. 30)",
        "What the ledger knows of the processing; the rest is marked.",
        {"html": article30.write_page, "jsonld": article30.write_jsonld},
    ),
    "training_summary": Report(
        "Summary of training content (EU AI Act)",
        "A draft of the public summary, and the list of domains as CSV.",
        {
            "html": training_summary.write_page,
            "json": training_summary.write_json,
            "csv": training_summary.write_domains,
        },
    ),
    "source_licence": Report(
        "Sources and licences",
        "How much came from where, under which licence and legal basis.",
        {"csv": sources.write_csv},
    ),
    "retention": Report(
        "Retention and deletions",
        "What is kept until when, what is due, what was destroyed or withdrawn.",
        {"csv": retention.write_csv},
    ),
    "qa_certificate": Report(
        "Quality certificate",
        "For a lot that two people have signed: sample, result, signatures.",
        {"pdf": certificate.write_certificate, "json": certificate.write_json},
    ),
    "integrity": Report(
        "Integrity of the ledger",
        "The log checked entry by entry, its checkpoint, earlier checks.",
        {"html": integrity.write_report_page, "txt": integrity.write_report_text},
    ),
    "access_log": Report(
        "Accesses and exports",
        "Who looked at restricted details, and which reports were made.",
        {"csv": access_log.write_csv},
    ),
}
"""By the name that the ledger gives it."""


def export(
    store: Store, report: str, format: str, target: Path, *, who: str | None, lot: str | None = None
) -> Entry:
    """
    Write a report to `target` and record it: what it is of, and the file's sha256.

    Raises UsageError for a report or format that there is not, or that can't be made yet; then
    nothing is recorded, and no file is left.
    """
    if report not in REPORTS or format not in REPORTS[report].formats:
        formats = ", ".join(REPORTS[report].formats) if report in REPORTS else ""
        raise UsageError(
            f"there is no report {report!r} as {format!r}.",
            means="Nothing was written.",
            todo=f"Its formats: {formats}." if formats else f"Reports: {', '.join(REPORTS)}.",
        )
    subject, unnamed = Subject.of(store.log, lot), target.with_name(f"{target.name}.tmp")
    if report != "integrity":  # which says itself what does not match
        subject.prove()
    try:
        with writing(f"the report could not be written to {target}"), unnamed.open("wb") as file:
            rows = REPORTS[report].formats[format](file, subject)
        draft = kinds.export(
            report, format, subject.head,
            sha256=digest(unnamed), bytes=unnamed.stat().st_size, rows=rows, who=who,
        )  # fmt: skip
        entry = store.append([draft])[0]
        unnamed.replace(target)
    except BaseException:
        unnamed.unlink(missing_ok=True)
        raise
    return entry
