"""Who looked at restricted details, and which reports were made, by pseudonymous id."""

from __future__ import annotations

from typing import BinaryIO

from redact.reports import tables
from redact.reports.register import utc
from redact.reports.subject import Subject

COLUMNS = ("entry", "time_utc", "what", "who", "record", "why", "report", "format", "sha256")


def write_csv(file: BinaryIO, subject: Subject) -> int:
    names = ("kind", "who", "rec", "why", "report", "format", "sha256")
    rows = (
        (value["seq"], utc(value["t_utc_us"]), *(value.get(name) for name in names))
        for value in subject.values("access", "export")
    )
    return tables.write_csv(file, COLUMNS, rows)
