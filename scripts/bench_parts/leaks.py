"""Leak and over-redaction of faces in the published output, by `redact evaluate`'s own code."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np

from bench_parts.footage import is_aside, moving_clips
from redact.evaluate.measures import Share, leaked
from redact.evaluate.report import Report, Row, as_value, evaluate
from redact.evaluate.score import SMALLEST, luma
from redact.evaluate.truth import Label, Labelled, read
from redact.media.decode import frames
from redact.media.probe import probe
from redact.methods import Patch, cover_all
from redact.policy import Plates, Policy
from redact.store import Store
from redact.types import Frame, Kind

EMPTY = ("intel_car-detection.mp4", "intel_person-bicycle-car-detection.mp4")
"""Footage of cars in which no face of 16 pixels shows: all that is covered there is too much,
apart from the cars' own plates."""

FACES_ALONE = Policy(name="faces-alone", plates=Plates(find=False))

Groups = dict[str, list[Row]]


def sequences(data: Path, policy: Policy = FACES_ALONE) -> dict[str, Any]:
    """The labelled sequences: greyscale, 5 frames a second."""
    labelled, _ = read(data / "truth.json", data)
    return _measured([one for one in labelled if one.section == "video"], _halves, policy)


def moving(data: Path, *, aside: bool) -> dict[str, Any]:
    """30 frames a second, made of the sequences and of stills; see `moving_clips`."""
    with tempfile.TemporaryDirectory() as folder:
        labelled, _ = read(moving_clips(data, Path(folder), aside=aside))
        return _measured(labelled, _kinds, FACES_ALONE)


def without_people(data: Path, policy: Policy = FACES_ALONE) -> dict[str, Any]:
    """Over-redaction where there is nobody."""
    labelled = []
    for name in EMPTY:
        path = data / "video" / name
        picture = probe(path, policy.limits).picture
        assert picture is not None
        labelled.append(Labelled(path=path, section="video", frames=((),) * picture.frames))
    return _measured(labelled, lambda rows: {"all": rows}, policy)


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sequences": sequences,
    "moving, tuned on": partial(moving, aside=False),
    "moving, kept aside": partial(moving, aside=True),
    "without people": without_people,
    "sequences, plates too": partial(sequences, policy=Policy()),
    "without people, plates too": partial(without_people, policy=Policy()),
}
"""Faces alone, to know what is due to them; and by the default policy, which looks for plates."""


def _measured(
    labelled: list[Labelled], groups: Callable[[list[Row]], Groups], policy: Policy
) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder, "store"), keys=Path(folder, "keys")) as store,
    ):
        report = evaluate(labelled, policy, store)
    by_hand = {one.name: covered_by_hand(one, policy) for one in labelled}
    return {
        "groups": {
            name: {
                **_figures(report.policy, rows),
                "by_hand": astuple(reduce(Share.__add__, [by_hand[row.name] for row in rows])),
            }
            for name, rows in groups(report.rows).items()
            if rows
        },
        "rows": as_value(report)["rows"],
    }


def covered_by_hand(one: Labelled, policy: Policy) -> Share:
    """
    What counts as leaked where each label is covered whole, though nothing of it can be seen.

    A small face has few cells, and what is painted over it may look like some of them by chance.
    Where more is covered than the labels, it is less.
    """
    found = Share(0, 0)
    clip = probe(one.path, policy.limits)
    for labels, frame in zip(one.frames or (), frames(clip), strict=True):
        counted = [label for label in labels if label.box.height >= SMALLEST]
        covered = replace(frame, planes=tuple(np.copy(plane) for plane in frame.planes))
        cover_all(covered, list(_patches(labels, policy, frame)))
        leaks = [leaked(luma(frame), luma(covered), label.box) for label in counted]
        found += Share(sum(leaks), len(leaks))
    return found


def _patches(labels: Sequence[Label], policy: Policy, frame: Frame) -> Iterator[Patch]:
    for label in labels:
        how = policy.covering(label.kind)
        box = label.box.grow(how.margin).clip(frame.width, frame.height)
        if box is not None:
            yield box, how.method, how.cells


def _halves(rows: list[Row]) -> Groups:
    return {
        "tuned on": [row for row in rows if not is_aside(row.name)],
        "kept aside": [row for row in rows if is_aside(row.name)],
        "all": rows,
    }


def _kinds(rows: list[Row]) -> Groups:
    """By what the clips are made of; those of hidden faces are in no sum."""
    groups: Groups = {}
    for row in rows:
        groups.setdefault(row.name.split("-")[1], []).append(row)
    hidden = groups.pop("hidden", [])
    return {**groups, "all of these": [row for row in rows if row not in hidden], "hidden": hidden}


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
