"""What reports are made of: the public entries of a log, as they stood at one checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import unpacked
from redact.ledger.log import Log

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
    def standing(self) -> dict[str, int]:
        """By record: the number of the entry that says what became of it."""
        made = self.values("published", "held")
        return {value["rec"]: value["seq"] for value in made}

    @cached_property
    def withdrawn(self) -> dict[str, dict[str, Any]]:
        """By record: the entry that withdrew it."""
        return {value["rec"]: value for value in self.values("withdrawn")}

    def clips(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each clip's entry that stands, with its state: published, held, withdrawn."""
        for value in self.values("published", "held"):
            if self.standing[value["rec"]] == value["seq"]:
                yield value, self.state(value)

    def state(self, value: dict[str, Any]) -> str:
        gone = self.withdrawn.get(value["rec"])
        return "withdrawn" if gone and gone["seq"] > value["seq"] else str(value["kind"])

    def published(self) -> Iterator[dict[str, Any]]:
        """The clips that may be asked for."""
        return (value for value, state in self.clips() if state == "published")
