"""The page about the ledger: whether it is sound, who checked, and its signed checkpoint."""

from __future__ import annotations

from typing import Any

from redact.errors import LedgerCorruptError, RedactError, printable
from redact.ledger import kinds
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.consistency import check_witness, seen_by
from redact.review import decisions
from redact.review.asking import Ask, Download, Moved, Page
from redact.review.guard import RefusedError
from redact.review.opened import Opened, Trouble


def state(opened: Opened) -> dict[str, Any]:
    """What there is to say of the log without reading all of it."""
    checks = opened.index.others("verification", limit=1)
    head, _ = _head(opened)
    return {
        "entries": opened.size,
        "root": head.root.hex() if head else None,
        "origin": head.origin if head else None,
        "signed": head.size if head else None,
        "last_check": checks[0] if checks else None,
        "checked_at_start": opened.checked_at_start,
        "witness": _witness(opened),
        "writable": opened.writable,
    }


def _head(opened: Opened) -> tuple[Checkpoint | None, str]:
    """The log's head, and as it was signed; nothing if it can't be read, as the page then says."""
    try:
        note = opened.log.note() if opened.log is not None else b""
        return opened.log.chain.verify(note) if opened.log is not None else None, note.decode()
    except RedactError as error:
        opened.away = Trouble.of(error)
        return None, ""


def _witness(opened: Opened) -> dict[str, Any] | None:
    """What the witness saw last, and whether the log continues it; None without a witness."""
    path = opened.witness
    if path is None or opened.log is None:
        return None
    said: dict[str, Any] = {"file": printable(path.name), "seen": None, "t": None, "problem": None}
    try:
        seen = seen_by(opened.log, path)
        if seen is not None:
            said["seen"] = {"size": seen.size, "root": seen.root.hex()}
            said["t"] = path.stat().st_mtime_ns // 1000
    except LedgerCorruptError as error:
        opened.trouble = Trouble.of(error)
        said["problem"] = error.what
    except (RedactError, OSError) as error:
        said["problem"] = f"could not be read ({getattr(error, 'what', type(error).__name__)})"
    return said


def health(ask: Ask) -> Page:
    opened = ask.opened
    data = {
        "ledger": state(opened),
        "checks": opened.index.others("verification", limit=20),
        "keys": opened.index.others("key", limit=20),
        "vkey": opened.log.vkey if opened.log is not None else None,
        "note": _head(opened)[1],
    }
    return Page("ledger.html", data)


def checkpoint(ask: Ask) -> Download:
    """The signed checkpoint: keep it elsewhere, and a rollback of the log can't go unseen."""
    if ask.opened.log is None:
        raise RefusedError(409, "The ledger can't be read.")
    return Download(ask.opened.log.note(), "checkpoint", "text/plain")


def verify(ask: Ask) -> Moved:
    """Check the whole store now, show it to the witness, and record who did."""
    store, who = ask.store(), ask.session.who
    try:
        summary = store.verify()
        if ask.opened.witness:
            check_witness(store.log, ask.opened.witness)
    except LedgerCorruptError as error:
        ask.opened.trouble = Trouble.of(error)
        return Moved("/ledger")
    counts = {name: getattr(summary, name) for name in ("published", "withdrawn", "held")}
    head = ask.opened.checkpoint(summary.entries)
    decisions.record(ask, kinds.verification(head, "whole", who=who, **counts))
    return Moved("/ledger")
