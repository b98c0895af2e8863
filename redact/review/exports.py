"""The page of reports: what can be made, and what was made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from redact import reports
from redact.errors import UsageError
from redact.review.asking import Ask, Download, Page
from redact.review.guard import RefusedError
from redact.review.lots import lots

MEDIA = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "html": "text/html",
    "pdf": "application/pdf",
    "txt": "text/plain",
}


def listed(ask: Ask) -> Page:
    catalogue: list[dict[str, Any]] = [
        {
            "report": name,
            "title": report.title,
            "what_for": report.what_for,
            "formats": list(report.formats),
        }
        for name, report in reports.REPORTS.items()
    ]
    signed = [one.lot for one in lots(ask.opened) if not one.open]
    made = ask.opened.index.others("export", limit=50)
    return Page("exports.html", {"reports": catalogue, "made": made, "signed": signed})


def make(ask: Ask) -> Download:
    """Make a report, record it, and hand it over."""
    report, format, store = ask.path["report"], ask.form.get("format", ""), ask.store()
    lot = ask.form.get("lot") or None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report")
        try:
            reports.export(store, report, format, path, who=ask.session.who, lot=lot)
        except UsageError as error:
            raise RefusedError(409, error.what, f"{error.means} {error.todo}") from error
        data = path.read_bytes()
    return Download(data, f"{report}.{format}", MEDIA[format])
