"""
The page for requests of people: by the address of a source and a time, never by who they are.

Nobody's face, name or plate can be searched for, here or anywhere in redact (GDPR Art. 11).
"""

from __future__ import annotations

from redact.review.asking import Ask, Moved, Page


def show(ask: Ask) -> Page:
    return Page(
        "rights.html", {"cases": ask.opened.index.others("rights_case", limit=50), "found": None}
    )


def find(ask: Ask) -> Page:
    raise NotImplementedError


def withdraw(ask: Ask) -> Moved:
    raise NotImplementedError
