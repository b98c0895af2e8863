"""Sums over the sources of what stands published: by type, domain, licence and opt-out signal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from redact.reports import tables
from redact.reports.subject import Subject

COLUMNS = (
    "type", "domain", "dataset", "media_licence", "annotation_licence", "permitted_purposes",
    "legal_basis", "clips", "duration_us", "bytes",
)  # fmt: skip


@dataclass(slots=True)
class Amount:
    clips: int = 0
    dur_us: int = 0
    bytes: int = 0

    def add(self, value: dict[str, Any]) -> None:
        self.clips += 1
        self.dur_us += value["out"]["dur_us"]
        self.bytes += value["out"]["bytes"]


@dataclass(slots=True)
class Sources:
    """Sums over the clips that stand published."""

    by_source: dict[tuple[str, ...], Amount] = field(default_factory=lambda: defaultdict(Amount))
    by_type: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    crawled: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    """By domain, of what was crawled."""
    months: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By type: the months of collection."""
    methods: Counter[str] = field(default_factory=Counter)
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(protocol, answer), of every clip."""
    video: Amount = field(default_factory=Amount)
    audio: Amount = field(default_factory=Amount)
    image: Amount = field(default_factory=Amount)


def gather(subject: Subject) -> Sources:
    """One pass over the log."""
    sources = Sources()
    for value in subject.published():
        src, rights = value.get("src", {}), value.get("rights", {})
        type_ = src.get("type", "not recorded")
        sources.by_source[_source(value, src, rights)].add(value)
        sources.by_type[type_].add(value)
        if type_ == "crawled":
            sources.crawled[src.get("domain", "not recorded")].add(value)
        if "acq_month" in src:
            sources.months[type_].add(src["acq_month"])
        sources.methods[src.get("acq_method", "not recorded")] += 1
        for signal in rights.get("optout", []):
            sources.signals[signal["proto"], signal["answer"]] += 1
        _modality(sources, value)
    return sources


def _source(value: dict[str, Any], src: dict[str, Any], rights: dict[str, Any]) -> tuple[str, ...]:
    return (
        src.get("type", "not recorded"),
        src.get("domain", ""),
        src.get("dataset", ""),
        rights.get("licence_media", "not recorded"),
        rights.get("licence_ann", "not recorded"),
        " ".join(rights.get("permitted", [])),
        value.get("law", {}).get("basis", "not recorded"),
    )


def _modality(sources: Sources, value: dict[str, Any]) -> None:
    family = value["out"]["media"].partition("/")[0]
    if family == "image":
        sources.image.add(value)
    else:
        if family == "video":
            sources.video.add(value)
        if value["in"]["audio"]:
            sources.audio.add(value)


def top_domains(sources: Sources) -> list[tuple[str, Amount]]:
    """The largest tenth of the domains that were crawled, by bytes, rounded up."""
    order = sorted(sources.crawled.items(), key=lambda item: (-item[1].bytes, item[0]))
    return order[: -(-len(order) // 10)]


def write_csv(file: BinaryIO, subject: Subject) -> int:
    """The source and licence report."""
    rows = (
        (*key, amount.clips, amount.dur_us, amount.bytes)
        for key, amount in sorted(gather(subject).by_source.items())
    )
    return tables.write_csv(file, COLUMNS, rows)
