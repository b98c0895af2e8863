"""A report for reading: one value, shown as a web page, as plain text or as PDF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, BinaryIO

from redact.errors import UsageError

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:.3rem .5rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}td:first-child{min-width:9rem;"
    "overflow-wrap:normal}p,td{white-space:pre-line}@media(prefers-color-scheme:dark)"
    "{body{background:#111;color:#eee}}"
)


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    sections: tuple[Section, ...]

    @property
    def count(self) -> int:
        """How many rows its tables have."""
        return sum(len(section.rows) for section in self.sections)


def section(title: str, text: str = "", rows: Sequence[Sequence[Any]] = (), *head: str) -> Section:
    """A section whose cells may be of any type."""
    return Section(title, text, head, tuple(tuple(str(cell) for cell in row) for row in rows))


def write_html(file: BinaryIO, document: Document) -> int:
    title = escape(document.title)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{title}</h1>"
    ]
    for one in document.sections:
        parts.append(f"<h2>{escape(one.title)}</h2>")
        parts += [f"<p>{escape(one.text)}</p>"] if one.text else []
        if one.rows:
            parts.append(f"<table>{_row('th', one.head) if one.head else ''}")
            parts += [_row("td", row) for row in one.rows]
            parts.append("</table>")
    file.write("\n".join([*parts, "</html>\n"]).encode())
    return document.count


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def write_text(file: BinaryIO, document: Document) -> int:
    lines = [document.title, "=" * len(document.title)]
    for one in document.sections:
        lines += ["", one.title, "-" * len(one.title), *([one.text] if one.text else [])]
        lines += ["  |  ".join(row) for row in (one.head, *one.rows) if row]
    file.write(("\n".join(lines) + "\n").encode())
    return document.count


def write_pdf(file: BinaryIO, document: Document) -> int:
    """Needs reportlab, or raises UsageError."""
    try:
        from reportlab.lib import colors
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
    except ImportError as error:
        raise UsageError(
            "PDF needs reportlab.",
            means="Nothing was written.",
            todo="Install it (pip install 'redact[review]'), or ask for another format.",
        ) from error
    styles = getSampleStyleSheet()
    lined = TableStyle(
        [("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    )

    def cells(row: Sequence[str]) -> list[Any]:
        return [Paragraph(escape(cell).replace("\n", "<br/>"), styles["BodyText"]) for cell in row]

    flow: list[Any] = [Paragraph(escape(document.title), styles["Title"])]
    for one in document.sections:
        flow += [Spacer(1, 8), Paragraph(escape(one.title), styles["Heading2"])]
        flow += [Paragraph(escape(one.text), styles["BodyText"]), Spacer(1, 4)] if one.text else []
        rows = [cells(row) for row in (one.head, *one.rows) if row]
        widths = (130, 321) if rows and len(rows[0]) == 2 else None  # points, between margins
        flow += [Table(rows, widths, style=lined, repeatRows=bool(one.head))] if rows else []
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer, pagesize=A4, title=document.title, invariant=1).build(flow)
    file.write(buffer.getvalue())
    return document.count
