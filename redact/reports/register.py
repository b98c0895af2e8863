"""The removal register: one row for each clip and each kind of thing that was removed from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from redact.reports import tables
from redact.reports.subject import Subject

COLUMNS: dict[str, type] = {
    "record": str,
    "entry": int,
    "time_utc": str,
    "state": str,
    "reason": str,
    "policy": str,
    "policy_sha256": str,
    "engine": str,
    "source_domain": str,
    "media_licence": str,
    "media": str,
    "duration_us": int,
    "file_sha256": str,
    "kind": str,
    "method": str,
    "count": int,
    "frames": int,
    "removed_us": int,
    "largest_area_ppm": int,
    "lowest_score_ppm": int,
    "second_look": str,
    "residual": int,
}


def write_csv(file: BinaryIO, subject: Subject) -> int:
    return tables.write_csv(file, list(COLUMNS), rows(subject))


def write_parquet(file: BinaryIO, subject: Subject) -> int:
    return tables.write_parquet(file, COLUMNS, rows(subject))


def rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    """A clip from which nothing was removed has one row with no kind and a count of 0."""
    for value, state in subject.clips():
        start, end = _clip(subject, value, state), _check(value)
        for line in value.get("sum") or [{"k": None, "method": None, "count": 0}]:
            names = ("k", "method", "count", "frames", "dur_us", "area_ppm_max", "score_ppm_min")
            yield (*start, *(line.get(name) for name in names), *end)


def _clip(subject: Subject, value: dict[str, Any], state: str) -> tuple[Any, ...]:
    out, gone = value.get("out", {}), subject.gone(value) or {}
    return (
        value["rec"],
        value["seq"],
        utc(value["t_utc_us"]),
        state,
        value.get("reason") or gone.get("reason"),
        value["pol"]["id"],
        value["pol"]["sha256"],
        f"{value['eng']['name']} {value['eng']['ver']}",
        value.get("src", {}).get("domain"),
        value.get("rights", {}).get("licence_media"),
        out.get("media"),
        out.get("dur_us"),
        out.get("sha256"),
    )


def _check(value: dict[str, Any]) -> tuple[Any, ...]:
    check = value.get("chk", {})
    return check.get("verdict"), check.get("residual")


def utc(microseconds: int) -> str:
    """ISO 8601, to the second, in UTC."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
