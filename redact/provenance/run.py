"""What a run comes to, for others: its published clips by their opaque names, and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.policy import Policy
from redact.redactor import Result
from redact.store import Store
from redact.store.standing import standing
from redact.version import __version__


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended. Nothing of an input is in it: no name, no address, no time."""

    clips: dict[str, str]  # record: sha256 of its published file, hex; in the order of records
    statuses: dict[str, int]  # how many clips were published, already there, held
    removed: dict[str, int]  # how many of each kind, from published clips and those already there
    policy: str  # its name
    policy_sha256: str
    engine: str  # redact's version
    head: Checkpoint  # covers every entry of the run


@dataclass(slots=True)
class Tally:
    """What is kept of a run while it runs: a record (26 characters) for each published clip."""

    records: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.statuses[str(result.status)] += 1
        if result.output is not None and result.record not in self.records:
            self.records.add(result.record)
            self.removed.update(result.removed)

    def close(self, store: Store, policy: Policy, head: Checkpoint) -> Run:
        """The run as the ledger has it now. A clip that was withdrawn meanwhile is left out."""
        found = [standing(store.log.by_rec(record)) for record in sorted(self.records)]
        clips = {entry.rec: str(entry.output) for entry in found if entry and passed(entry)}
        return Run(
            clips=clips,
            statuses=dict(self.statuses),
            removed=dict(sorted(self.removed.items())),
            policy=policy.name,
            policy_sha256=policy.sha256,
            engine=__version__,
            head=head,
        )


def passed(entry: Entry) -> bool:
    """Whether a published clip passed every check; one whose second look was overruled did not."""
    return bool(entry.value["chk"]["verdict"] == "clean")
