"""Leak and over-redaction of faces in the published output, by `redact evaluate`'s own code."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench_parts.footage import is_aside, moving_clips
from redact.evaluate.measures import Share
from redact.evaluate.report import Report, Row, as_value, evaluate
from redact.evaluate.truth import Labelled, read
from redact.media.probe import probe
from redact.policy import Plates, Policy
from redact.store import Store
from redact.types import Kind

EMPTY = ("intel_car-detection.mp4", "intel_person-bicycle-car-detection.mp4")
"""Footage of cars in which no face of 16 pixels shows: all that is covered there is too much,
apart from the cars' own plates."""

POLICY = Policy()
FACES_ALONE = Policy(name="faces-alone", plates=Plates(find=False))

Groups = dict[str, list[Row]]


def sequences(data: Path) -> dict[str, Any]:
    """The labelled sequences: greyscale, 5 frames a second."""
    labelled, _ = read(data / "truth.json", data)
    return _measured([one for one in labelled if one.section == "video"], _halves)


def moving(data: Path) -> dict[str, Any]:
    """30 frames a second, made of the sequences and of stills; see `moving_clips`."""
    with tempfile.TemporaryDirectory() as folder:
        labelled: list[Labelled] = []
        for aside in (False, True):
            part = Path(folder, str(aside))
            part.mkdir()
            labelled += read(moving_clips(data, part, aside=aside))[0]
        return _measured(labelled, _kinds)


def without_people(data: Path) -> dict[str, Any]:
    """Over-redaction where there is nobody, with plates and for faces alone."""
    labelled = []
    for name in EMPTY:
        path = data / "video" / name
        frames = probe(path, POLICY.limits).picture
        assert frames is not None
        labelled.append(Labelled(path=path, section="video", frames=((),) * frames.frames))
    measured = [
        _measured(labelled, lambda rows: {"faces and plates": rows}, POLICY),
        _measured(labelled, lambda rows: {"faces alone": rows}, FACES_ALONE),
    ]
    return {
        "groups": {name: of for one in measured for name, of in one["groups"].items()},
        "rows": [row for one in measured for row in one["rows"]],
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sequences": sequences,
    "moving": moving,
    "without people": without_people,
}


def _measured(
    labelled: list[Labelled], groups: Callable[[list[Row]], Groups], policy: Policy = POLICY
) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder, "store"), keys=Path(folder, "keys")) as store,
    ):
        report = evaluate(labelled, policy, store)
    return {
        "groups": {
            name: _figures(report.policy, rows)
            for name, rows in groups(report.rows).items()
            if rows
        },
        "rows": as_value(report)["rows"],
    }


def _halves(rows: list[Row]) -> Groups:
    return {
        "tuned on": [row for row in rows if not is_aside(row.name)],
        "kept aside": [row for row in rows if is_aside(row.name)],
        "all": rows,
    }


def _kinds(rows: list[Row]) -> Groups:
    """By what the clips are made of; those of hidden faces are in no sum."""
    groups: Groups = {}
    kinds = {row.name: row.name.split("-")[1] for row in rows}
    for kind in dict.fromkeys(kinds.values()):
        for half, of in _halves([row for row in rows if kinds[row.name] == kind]).items():
            if half != "all":
                groups[f"{kind}, {half}"] = of
    shown = [row for row in rows if kinds[row.name] != "hidden"]
    return groups | {f"all but hidden, {half}": of for half, of in _halves(shown).items()}


def _figures(policy: str, rows: Iterable[Row]) -> dict[str, Any]:
    value = as_value(Report(policy, list(rows)))
    return {key: value[key] for key in ("clips", "held", "leaks", "over_redaction", "psnr_db")}


def shares(figures: dict[str, Any]) -> tuple[Share, Share, int, Share]:
    """Instances, tracks, longest run and over-redaction of what `_figures` gave."""
    leak = (figures["leaks"] or {}).get(str(Kind.FACE))
    over = Share(*figures["over_redaction"] or (0, 0))
    if leak is None:
        return Share(0, 0), Share(0, 0), 0, over
    return Share(*leak["instances"]), Share(*leak["tracks"]), leak["longest_run_frames"], over
