"""What a clip's history comes to: the entry under which it stands, and whether it was withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redact.errors import AdmissionError
from redact.ledger.entry import Entry

FOR_GOOD = frozenset({"erasure", "objection", "opt_out", "licence", "order"})
"""Withdrawn for what the source is: no policy and no later version may publish it again."""


def last_published(history: Sequence[Entry]) -> Entry | None:
    """The entry under which a clip was published last, of all its entries, oldest first."""
    return next((entry for entry in reversed(history) if entry.kind == "published"), None)


def standing(history: Sequence[Entry]) -> Entry | None:
    """The entry under which a clip stands published; None if it was withdrawn, or never was."""
    entry = last_published(history)
    return None if entry is None or withdrawal(entry, history) else entry


def withdrawal(entry: Entry, later: Sequence[Entry]) -> Entry | None:
    """The first of these entries that withdraws a published one."""
    return next(
        (it for it in later if it.kind == "withdrawn" and it.value["of"] == entry.seq), None
    )


def shredding(later: Sequence[Entry]) -> Entry | None:
    """The first of the entries about an entry that shredded its detail."""
    return next((it for it in later if it.kind == "shredded"), None)


def check_not_withdrawn(history: Sequence[Entry], same_file: Sequence[Entry]) -> None:
    """
    Refuse work that was withdrawn: what would be made is what was taken back.

    `same_file` are the entries about the same source under any policy. Raises AdmissionError.
    """
    entry = last_published(history)
    taken_back = withdrawal(entry, history) if entry else None
    for it in [*([taken_back] if taken_back else []), *same_file]:
        if it.kind == "withdrawn" and (it is taken_back or it.value["reason"] in FOR_GOOD):
            raise AdmissionError(
                f"this footage was withdrawn by entry {it.seq} ({it.value['reason']}).",
                todo="Leave it out of the input. What was withdrawn is not published again.",
            )


def suppressed(same_url: Iterable[Entry]) -> Entry | None:
    """The first of the entries about one address that closes it: what is suppressed stays so."""
    for it in same_url:
        if it.kind == "source" and it.value["state"] == "suppressed":
            return it
        if it.kind == "withdrawn" and it.value["reason"] in FOR_GOOD:
            return it
    return None


def check_not_suppressed(same_url: Iterable[Entry]) -> None:
    """Refuse work on a source that was withdrawn. Raises AdmissionError."""
    if (it := suppressed(same_url)) is not None:
        raise AdmissionError(
            f"its source was withdrawn by entry {it.seq} ({it.value.get('reason', 'suppressed')}).",
            todo="Leave it out of the input. Nothing from there is published again.",
        )
