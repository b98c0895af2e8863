"""Leak and over-redaction of faces in the published output, by `redact evaluate`'s own code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench_parts.footage import ASIDE, moving_clips
from redact.evaluate.measures import Share
from redact.evaluate.report import Report, Row, as_value, evaluate
from redact.evaluate.truth import Labelled, read
from redact.policy import Policy
from redact.store import Store
from redact.types import Kind

EMPTY = ("intel_car-detection.mp4", "intel_person-bicycle-car-detection.mp4")
"""Footage of cars in which no face of 16 pixels shows: all that is covered there is too much."""


def sequences(data: Path) -> dict[str, Any]:
    """The labelled sequences: greyscale, 5 frames a second."""
    labelled, _ = read(data / "truth.json", data)
    return _measured([one for one in labelled if one.section == "video"])


def moving(data: Path) -> dict[str, Any]:
    """30 frames a second, made of the stills."""
    with tempfile.TemporaryDirectory() as folder:
        labelled: list[Labelled] = []
        for aside in (False, True):
            part = Path(folder, str(aside))
            part.mkdir()
            labelled += read(moving_clips(data, part, aside=aside))[0]
        return _measured(labelled)


def without_people(data: Path) -> dict[str, Any]:
    """Over-redaction where there is nobody."""
    from redact.media.probe import probe

    policy, labelled = Policy(), []
    for name in EMPTY:
        path = data / "video" / name
        frames = probe(path, policy.limits).picture
        assert frames is not None
        labelled.append(Labelled(path=path, section="video", frames=((),) * frames.frames))
    return _measured(labelled)


def _measured(labelled: list[Labelled]) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder, "store"), keys=Path(folder, "keys")) as store,
    ):
        report = evaluate(labelled, Policy(), store)
    groups = {"tuned on": [], "kept aside": []}
    for row in report.rows:
        groups["kept aside" if _aside(row.name) else "tuned on"].append(row)
    groups |= {"all": report.rows}
    return {
        "groups": {name: _figures(report.policy, rows) for name, rows in groups.items() if rows},
        "rows": as_value(report)["rows"],
    }


def _aside(name: str) -> bool:
    name = name.removeprefix("faceseq_").replace("_", "-")
    return name.startswith(("aside", *(one.replace("_", "-") for one in ASIDE)))


def _figures(policy: str, rows: Iterable[Row]) -> dict[str, Any]:
    value = as_value(Report(policy, list(rows)))
    return {key: value[key] for key in ("clips", "held", "leaks", "over_redaction", "psnr_db")}


def shares(figures: dict[str, Any]) -> tuple[Share, Share, int, Share]:
    """Instances, tracks, longest run and over-redaction of what `_figures` gave."""
    leak = (figures["leaks"] or {}).get(str(Kind.FACE))
    over = Share(*figures["over_redaction"])
    if leak is None:
        return Share(0, 0), Share(0, 0), 0, over
    return Share(*leak["instances"]), Share(*leak["tracks"]), leak["longest_run_frames"], over
