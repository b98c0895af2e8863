"""The page about the ledger: whether it is sound, who checked, and its signed checkpoint."""

from __future__ import annotations

from typing import Any

from redact.errors import LedgerCorruptError
from redact.ledger import kinds
from redact.review import decisions
from redact.review.asking import Ask, Download, Moved, Page
from redact.review.guard import RefusedError
from redact.review.opened import Opened, Trouble


def state(opened: Opened) -> dict[str, Any]:
    """What there is to say of the log without reading all of it."""
    checks = opened.index.others("verification", limit=1)
    head = opened.log.checkpoint() if opened.log else None
    return {
        "entries": opened.size,
        "root": head.root.hex() if head else None,
        "origin": head.origin if head else None,
        "signed": head.size if head else None,
        "last_check": checks[0] if checks else None,
        "checked_at_start": opened.checked_at_start,
        "writable": opened.writable,
    }


def health(ask: Ask) -> Page:
    opened = ask.opened
    data = {
        "ledger": state(opened),
        "checks": opened.index.others("verification", limit=20),
        "keys": opened.index.others("key", limit=20),
        "vkey": opened.log.vkey if opened.log else None,
        "note": opened.log.note().decode() if opened.log else None,
    }
    return Page("ledger.html", data)


def checkpoint(ask: Ask) -> Download:
    """The signed checkpoint: keep it elsewhere, and a rollback of the log can't go unseen."""
    if ask.opened.log is None:
        raise RefusedError(409, "The ledger can't be read.")
    return Download(ask.opened.log.note(), "checkpoint", "text/plain")


def verify(ask: Ask) -> Moved:
    """Check the whole store now, and record who did."""
    store, who = ask.store(), ask.session.who
    try:
        summary = store.verify()
    except LedgerCorruptError as error:
        ask.opened.trouble = Trouble.of(error)
        return Moved("/ledger")
    counts = {name: getattr(summary, name) for name in ("published", "withdrawn", "held")}
    head = ask.opened.checkpoint(summary.entries)
    decisions.record(ask, kinds.verification(head, "whole", who=who, **counts))
    return Moved("/ledger")
