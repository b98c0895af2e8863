"""What reports are made of: the public entries of a log, as they stood at one checkpoint."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import unpacked
from redact.ledger.follow import Follower
from redact.ledger.log import Log
from redact.ledger.rebuilt import mismatch
from redact.reports.later import closes, file_of, restated, url_of

BATCH = 2000
TO_BE_PROVIDED = "to be provided"
"""What stands wherever a ledger can't know the answer."""


def entries(log: Log, start: int = 0, where: str = "") -> Iterator[tuple[int, bytes]]:
    """
    The number and bytes of each entry from `start` on, in order, unchecked: `verify` checks.

    Some at a time, so that a slow reader keeps no writer waiting. `where` narrows it, in SQL.
    """
    while True:
        query = f"SELECT seq, bytes FROM entries WHERE seq >= {start:d}{where} ORDER BY seq"
        with log.snapshot():
            rows = list(log.stream(f"{query} LIMIT {BATCH}"))
        for seq, column in rows:
            yield seq, unpacked(column)
        if len(rows) < BATCH:
            return
        start = rows[-1][0] + 1


@dataclass(frozen=True)
class Subject:
    """A log up to its checkpoint. Entries are read again for each pass: there may be millions."""

    log: Log
    head: Checkpoint
    lot: str | None = None  # of the certificate
    made_us: int = field(default_factory=lambda: time.time_ns() // 1000)

    @classmethod
    def of(cls, log: Log, lot: str | None = None) -> Subject:
        log.check_head()
        return cls(log, log.checkpoint(), lot)

    def prove(self) -> None:
        """
        Check that every entry is the one that was signed, and is found by the kind that it says.

        Raises LedgerCorruptError. Whoever has the database without the key could else leave a
        withdrawal or a verdict out of what is made from it.
        """
        with self.log.snapshot():
            kinds = self.log.stream("SELECT kind FROM entries ORDER BY seq")

            def visit(value: dict[str, Any]) -> None:
                if next(kinds, None) != (value["kind"],):
                    raise mismatch(value["seq"], "its number or kind")

            Follower().follow(self.log, visit)

    @property
    def made_from(self) -> str:
        """The log and its state, in a sentence."""
        return f"{self.head.size} entries of {self.head.origin}, root {self.head.root.hex()}"

    def values(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """What entries say, in order; all of them, or those of these kinds."""
        where = f" AND kind IN ({', '.join(repr(kind) for kind in kinds)})" if kinds else ""
        for seq, data in entries(self.log, 0, where):
            if seq >= self.head.size:
                return
            yield json.loads(data)

    @cached_property
    def _known(self) -> Known:
        """What became of clips and sources, from one pass over the log."""
        known = Known()
        for value in self.values("published", "held", "withdrawn", "source"):
            known.add(value)
        return known

    def clips(self) -> Iterator[tuple[dict[str, Any], str]]:
        """
        Each clip's entry that stands, with its state: published, held, withdrawn.

        Of its source it says what was said last, which may have been after the run.
        """
        for value in self.values("published", "held"):
            if self._known.standing[value["rec"]] == value["seq"]:
                said = self._known.said.get(file_of(value) or -1, value["seq"])
                later = value if said == value["seq"] else self.log.at(said).value
                yield restated(value, later), self.state(value)

    def gone(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """The entry that took a published clip back, or closed its source; None if it stands."""
        if value["kind"] != "published":
            return None
        own = self._known.withdrawn.get(value["rec"])
        if own and own["seq"] > value["seq"]:
            return own
        return self._known.closed_files.get(file_of(value) or -1)

    def state(self, value: dict[str, Any]) -> str:
        return "withdrawn" if self.gone(value) else str(value["kind"])

    def published(self) -> Iterator[dict[str, Any]]:
        """The clips that may be asked for."""
        return (value for value, state in self.clips() if state == "published")


class Known:
    """By record and source: what the entries of a log say in the end."""

    def __init__(self) -> None:
        self.standing: dict[str, int] = {}  # by record: the seq of the entry that stands
        self.withdrawn: dict[str, dict[str, Any]] = {}  # by record: the entry that withdrew it
        self.said: dict[int, int] = {}  # by file: the seq of what was said last of its source
        self._closed: dict[int, dict[str, Any]] = {}  # by file or address: what closed it first
        self._came = array("Q"), array("Q")  # files, and beside each an address it came from

    def add(self, value: dict[str, Any]) -> None:
        """Take in one entry; entries come in order."""
        file, url = file_of(value), url_of(value)
        if value["kind"] in ("published", "held"):
            self.standing[value["rec"]] = value["seq"]
        elif value["kind"] == "withdrawn":
            self.withdrawn[value["rec"]] = value
        if "rights" in value and file is not None:
            self.said[file] = value["seq"]
        if file is not None and url is not None:
            self._came[0].append(file)
            self._came[1].append(url)
        for key in closes(value):
            self._closed.setdefault(key, value)

    @cached_property
    def closed_files(self) -> dict[int, dict[str, Any]]:
        """By file: the entry that closed it for good, or an address it was said to come from."""
        found = dict(self._closed)
        for file, url in zip(*self._came, strict=True):
            if url in self._closed:
                found.setdefault(file, self._closed[url])
        return found
