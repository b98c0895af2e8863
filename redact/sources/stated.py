"""What the ledger is told of a source: codes and keyed hashes; its address in the detail only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from redact.errors import Refusal
from redact.ledger.facts import Listing
from redact.sources.address import domain
from redact.sources.judge import decision
from redact.sources.licences import table_sha256
from redact.sources.source import SIGNALS, Acquisition, Purpose, Source

UNKNOWN = "NOASSERTION"
"""SPDX's word for a licence that nobody states."""

_TYPES = {
    Acquisition.OWN_RECORDING: "other",
    Acquisition.UPLOADED: "user",
    Acquisition.GENERATED: "synthetic",
    Acquisition.DELIVERED: "licensed",
    Acquisition.LICENSED_API: "licensed",
    Acquisition.PLATFORM_API: "third_party",
    Acquisition.DIRECT_DOWNLOAD: "crawled",
    Acquisition.DATASET_DOWNLOAD: "public_dataset",
    Acquisition.CRAWL: "crawled",
    Acquisition.CIRCUMVENTION: "other",
}
"""The classes of the AI Act's public summary, sections 2.1 to 2.6."""


def listing(source: Source, manifest: str, url_hmac: str | None) -> Listing:
    """
    The public groups of an entry. `manifest` is its sha256 (hex); `url_hmac` stands for the URL.

    Nothing of the address is in it but the registrable domain, unless that names a person.
    """
    src = {
        "type": "public_dataset" if source.dataset else _type(source.acquisition),
        "domain": domain(source.url) if source.url and not source.personal_site else None,
        "url_hmac": url_hmac,
        "dataset": source.dataset,
        "acq_month": _month(source.retrieved_us),
        "acq_method": str(source.acquisition or "unknown"),
        "manifest": manifest,
    }
    rights = {
        "licence_media": source.media_licence or UNKNOWN,
        "licence_ann": source.annotation_licence or UNKNOWN,
        "licence_set": source.dataset_terms,
        "permitted": sorted(map(str, source.purposes)),
        "optout": [
            {"proto": proto, "answer": str(answer)}
            for proto, answer in zip(SIGNALS.values(), source.signals, strict=True)
        ],
    }
    law = {"basis": str(source.legal_basis)} if source.legal_basis else None
    return Listing(src=_known(src), rights=_known(rights), law=law)


def unlisted(purposes: Sequence[Purpose]) -> Listing:
    """Of footage whose policy says that its sources are unlisted: a person answers for it."""
    rights = {"licence_media": UNKNOWN, "licence_ann": UNKNOWN, "optout": []}
    return judged(Listing(rights={**rights, "permitted": sorted(map(str, purposes))}), ())


def judged(known: Listing, found: Sequence[Refusal]) -> Listing:
    """With what the gate made of it, and by which table."""
    groups = {name: getattr(known, name) for name in ("src", "rights", "law", "ret")}
    return Listing(**groups, adm={"decision": decision(found), "policy": table_sha256()})


def restricted(source: Source) -> dict[str, Any]:
    """The encrypted detail's part: the address, the platform and the moment. No file name."""
    whole = {"url": source.url, "platform": source.platform, "retrieved_us": source.retrieved_us}
    return _known(whole)


def _type(acquisition: Acquisition | None) -> str:
    return _TYPES[acquisition] if acquisition else "other"


def _month(moment_us: int | None) -> str | None:
    if moment_us is None:
        return None
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC).strftime("%Y-%m")


def _known(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if value is not None}
