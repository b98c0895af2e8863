"""The integrity report: the log checked entry by entry, its checkpoint, and earlier checks."""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from redact.errors import LedgerCorruptError
from redact.ledger.verify import verified
from redact.reports.document import Document, section, write_html, write_text
from redact.reports.register import utc
from redact.reports.subject import Subject


def document(subject: Subject) -> Document:
    kinds: Counter[str] = Counter()
    try:
        for entry in verified(subject.log):
            kinds[entry.kind] += 1
        found = "Every entry, every hash of the tree and the signature match."
    except LedgerCorruptError as error:
        found = f"BROKEN: {error.what} {error.means}"
    earlier = [
        (
            utc(value["t_utc_us"]),
            value["result"],
            value["size"],
            value["root"],
            value.get("who", ""),
        )
        for value in subject.values("verification")
    ]
    head = subject.head
    return Document(
        "Integrity of the removal ledger",
        (
            section(f"Checked when this was made, {utc(subject.made_us)}", found),
            section("The log", "", [
                ("origin", head.origin), ("key that signs it", subject.log.vkey),
                ("entries", head.size), ("root", head.root.hex()),
            ]),
            section("Keys that signed it", "", _keys(subject), "key", "signs from entry"),
            section("Its signed checkpoint", subject.log.note().decode()),
            section("Entries by kind", "", sorted(kinds.items()), "kind", "entries"),
            section("Earlier checks", "" if earlier else "None was recorded.", earlier,
                    "when", "result", "entries", "root", "who"),
        ),
    )  # fmt: skip


def _keys(subject: Subject) -> list[tuple[str, int]]:
    """Every key of the log, oldest first, each handing over to the next."""
    return [(vkey, max(size, 0)) for size, vkey in subject.log.chain.links]


def write_report_text(file: BinaryIO, subject: Subject) -> int:
    return write_text(file, document(subject))


def write_report_page(file: BinaryIO, subject: Subject) -> int:
    return write_html(file, document(subject))
