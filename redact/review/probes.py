"""
Known leaks, shown among the sample to measure the reviewer.

A folder of clips in which something can be seen or heard, given by whoever runs the page: never
taken from footage that came through redact, of which nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from redact.ledger.facts import SUFFIX
from redact.ledger.files import digest

SHARE = 10
"""One known leak for so many clips of the sample, rounded up."""


@dataclass(frozen=True, slots=True)
class Probe:
    name: str  # in the ledger: 32 hex digits that differ for every lot
    path: Path
    media: str


def probes(folder: Path | None, nonce: str, count: int) -> list[Probe]:
    """The known leaks for a sample of `count` clips, as far as the folder has any."""
    media = {suffix: kind for kind, suffix in SUFFIX.items()}
    paths = sorted(folder.iterdir()) if folder else []
    found = [
        Probe(sha256(f"{nonce}{digest(path)}".encode()).hexdigest()[:32], path, media[path.suffix])
        for path in paths
        if path.is_file() and path.suffix in media
    ]
    wanted = -(-count // SHARE)
    return sorted(found, key=lambda probe: probe.name)[:wanted]
