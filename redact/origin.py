"""Where one clip of a run comes from, and what the gate makes of that before any work is done."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redact.errors import AdmissionError, Reason, Refusal, UsageError, printable
from redact.ledger import kinds
from redact.ledger.facts import Listing
from redact.policy import Policy
from redact.sources import Manifest, Purpose, Source, refusals
from redact.sources.stated import judged, listing, restricted, unlisted
from redact.store import Store


@dataclass(frozen=True, slots=True)
class Origin:
    """What is recorded of a clip's source. `listing` is None where nothing is known."""

    listing: Listing | None = None
    detail: dict[str, Any] = field(default_factory=dict)  # for the restricted tier only
    refusals: tuple[Refusal, ...] = ()  # what stands against working on it

    @property
    def url_hmac(self) -> str | None:
        """What stands for the address in the ledger."""
        src = self.listing.src if self.listing else None
        return src.get("url_hmac") if src else None

    @property
    def sidecar(self) -> bytes | None:
        """The restricted detail of a clip that is held."""
        return json.dumps({"source": self.detail}).encode() if self.detail else None

    def check(self, path: Path) -> None:
        """Raises AdmissionError, with every reason, for a clip that may not be used."""
        if not self.refusals:
            return
        what = " ".join(f"{one.sentence} ({one})" for one in self.refusals)
        error = AdmissionError(
            f"{printable(path)} may not be used: {what}",
            todo="Correct the manifest if it is wrong; else leave the clip out.",
            reason=Reason(self.refusals[0]),
        )
        error.refusals = self.refusals
        raise error


def check_outside(path: Path, store: Store) -> None:
    """Raises UsageError for a file of the store itself."""
    # Not resolve(), which raises for a link that points at itself.
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(store.root)):
        raise UsageError(
            "the input lies inside the store.",
            todo="Redact from where the footage was downloaded to, into another folder.",
            reason=Reason.INSIDE_STORE,
        )


def origin(
    path: Path, sha256: str, manifest: Manifest | None, policy: Policy, store: Store
) -> Origin:
    """What the manifest and the policy say of a file with this sha256 (hex)."""
    source = manifest.source(path) if manifest is not None else None
    if source is None or manifest is None:
        if policy.sources == "unlisted":
            return Origin(unlisted(_purposes(policy)))
        return Origin(refusals=() if manifest is None else (Refusal.UNLISTED,))
    return _listed(source, manifest, sha256, policy, store)


def restate(known: Origin, sha256: str, store: Store) -> None:
    """
    Record what is said of the source of a file that was published before, if it is new.

    So a manifest that comes late opens the gate for a clip that was redacted without, and one that
    takes a permission back closes it. Raises StoreError.
    """
    file_hmac = store.file_hmac(sha256)
    entries = store.log.by_file(file_hmac)
    if known.listing is None or not any(entry.kind == "published" for entry in entries):
        return
    last = next((entry.value for entry in reversed(entries) if "rights" in entry.value), {})
    if _said(Listing(**{name: last.get(name) for name in _GROUPS})) != _said(known.listing):
        more = {"file_hmac": file_hmac, "adm": known.listing.adm}
        draft = kinds.source(known.url_hmac, "listed", known.listing, **more)
        store.append([draft])


_GROUPS = ("src", "rights", "law", "adm")


def _said(known: Listing) -> list[Any]:
    """What matters of a listing: not which edition of the manifest or of the table said so."""
    src = {name: part for name, part in (known.src or {}).items() if name != "manifest"}
    return [src, known.rights, known.law, (known.adm or {}).get("decision")]


def _listed(
    source: Source, manifest: Manifest, sha256: str, policy: Policy, store: Store
) -> Origin:
    known = listing(
        source, manifest.sha256, store.url_hmac(source.url) if source.url is not None else None
    )
    found = list(refusals(known, Purpose(f"{policy.purpose}-training")))
    if source.sha256 is not None and source.sha256 != sha256:
        found.insert(0, Refusal.CHANGED)
    return Origin(judged(known, found), restricted(source), tuple(found))


def _purposes(policy: Policy) -> list[Purpose]:
    """What footage of unlisted sources may be used for: what the policy is for, and less."""
    less = [Purpose.RESEARCH, Purpose.EVALUATION]
    return [Purpose.COMMERCIAL, *less] if policy.purpose == "commercial" else less
