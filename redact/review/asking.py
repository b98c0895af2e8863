"""What a page is asked and what it answers: the values between the routes and the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redact.review.access import Session, Sessions
from redact.review.guard import RefusedError
from redact.review.opened import Opened
from redact.store import Store

SOON = 2000
"""So many entries are taken in with the next request."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all requests share."""

    opened: Opened
    sessions: Sessions
    origins: frozenset[str]
    cookie: str
    secure: bool  # the page is reached by https
    probes: Path | None = None  # a folder of clips with known leaks, see probes
    claims: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Who has which clip before them: by record, since when (time.monotonic) and `who`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a person who may make it."""

    site: Site
    session: Session
    path: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]

    @property
    def opened(self) -> Opened:
        return self.site.opened

    def may(self, *roles: str) -> bool:
        return self.session.role in roles

    def store(self) -> Store:
        """The store, to append to it. Raises RefusedError where it can only be read."""
        if not self.opened.writable or self.opened.store is None:
            raise RefusedError(
                409,
                "The store can only be read now.",
                "Nothing was changed. See the top of the page.",
            )
        if self.opened.behind > SOON:
            raise RefusedError(
                409, "The page is still reading the ledger.", "Nothing was changed. Wait a little."
            )
        return self.opened.store

    def record(self) -> str:
        """The record that the address names; raises RefusedError for what can't be one."""
        rec = self.path["rec"]
        if not re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", rec):
            raise RefusedError(404, "That is not the name of a record.")
        return rec


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows; as .json, what it shows alone."""

    template: str
    data: dict[str, Any]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """After a decision: where its result is shown."""

    to: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file of the store, sent by ranges."""

    path: Path
    media: str


@dataclass(frozen=True, slots=True)
class Download:
    data: bytes
    name: str
    media: str


Reply = Page | Moved | Media | Download
