"""
A run as OpenLineage events, one JSON object a line: https://openlineage.io/spec/2-0-2.

Data sets are the published clips, named by their opaque records in the namespace of their ledger.
No input is named. Nothing is sent anywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import attr
from openlineage.client.event_v2 import Job, OutputDataset, RunEvent, RunState
from openlineage.client.event_v2 import Run as LineageRun
from openlineage.client.facet_v2 import RunFacet, dataset_version_dataset
from openlineage.client.serde import Serde

from redact.provenance.run import Run

FACET = "redact_removal"


@attr.define
class Removal(RunFacet):
    """The custom facet: what became of the clips, what was removed, and what covers it."""

    clips: dict[str, int]  # published, already, held
    removed: dict[str, int]  # how many of each kind
    policy: dict[str, str]  # name, sha256
    ledger: dict[str, str | int]  # origin, size, root (hex)

    @staticmethod
    def _get_schema() -> str:
        return "urn:redact:openlineage:removal:1"


class Lineage:
    """The events of one run: a random id, and the ledger that its clips are in."""

    def __init__(self, origin: str, engine: str) -> None:
        self._origin, self._id = origin, str(uuid4())
        self._producer = f"pkg:pypi/redact@{engine}"

    def start(self) -> bytes:
        return self._event(RunState.START)

    def fail(self) -> bytes:
        """For a run that stopped before its end; clips that are held don't stop a run."""
        return self._event(RunState.FAIL)

    def complete(self, run: Run) -> bytes:
        return self._event(RunState.COMPLETE, run)

    def _event(self, state: RunState, run: Run | None = None) -> bytes:
        event = RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            eventType=state,
            run=LineageRun(self._id, {FACET: self._removal(run)} if run else {}),
            job=Job(self._origin, "redact run"),
            outputs=[self._output(*clip) for clip in run.clips.items()] if run else [],
            producer=self._producer,
        )
        return Serde.to_json(event).encode("ascii") + b"\n"

    def _removal(self, run: Run) -> Removal:
        head = run.head
        return Removal(
            clips=run.statuses,
            removed=run.removed,
            policy={"name": run.policy, "sha256": run.policy_sha256},
            ledger={"origin": head.origin, "size": head.size, "root": head.root.hex()},
            producer=self._producer,
        )

    def _output(self, record: str, sha256: str) -> OutputDataset:
        version = dataset_version_dataset.DatasetVersionDatasetFacet(
            f"sha256:{sha256}", producer=self._producer
        )
        return OutputDataset(self._origin, record, facets={"version": version})
