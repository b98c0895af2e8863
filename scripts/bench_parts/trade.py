"""What faces that leak, what is covered too much, and processor time cost one another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from bench_parts.footage import moving_clips
from bench_parts.tables import table
from redact.detectors.opened import first_faces
from redact.evaluate.measures import AROUND, SEEN
from redact.evaluate.score import SMALLEST
from redact.evaluate.truth import Label, Labelled, read
from redact.media.decode import frames
from redact.media.probe import probe
from redact.policy import Policy
from redact.tracking import link
from redact.types import Box, Detection, Track

SCORES = (0.15, 0.2, 0.25, 0.35)

LOOKED = 3
"""One of so many frames is looked at, ten a second."""

SCHEDULES = {
    "10 looks a second, all thorough": (1, 1),
    "10 a second, 1 of 4 thorough": (1, 4),
    "5 a second, 1 of 2 thorough": (2, 2),
    "2.5 a second, all thorough": (4, 1),
}
"""One of so many looks is taken, and of these one of so many is thorough; the second is ours."""

COLOURS = ("#9aa5b1", "#1b6ca8", "#c8553d", "#4a7c59")

Looks = dict[int, list[Detection]]


def trade(data: Path) -> dict[str, Any]:
    """
    A simulation on the scores of first looks at one `sequence` and one `wall`.

    Of the half on which things are tuned. The network looks once at one of LOOKED frames, all that
    follows is computed for each threshold and schedule. A face leaks here if a third of its label
    is not covered, and what is covered outside the labels, grown as in the measures, is too much.
    """
    with tempfile.TemporaryDirectory() as folder:
        truth = moving_clips(data, Path(folder), aside=False, one_of=("sequence", "wall"))
        seen = [(one, *_looks(one)) for one in read(truth)[0]]
        looks = sum(len(kinds[0][0]) for _, kinds, _ in seen)
        cost = np.sum([times for *_, times in seen], axis=0) / looks
        return {
            "rows": [
                _row(place, name, [(one, kinds) for one, kinds, _ in seen], cost.tolist())
                for name in SCHEDULES
                for place in range(len(SCORES))
            ]
        }


def _row(
    place: int,
    schedule: str,
    seen: Sequence[tuple[Labelled, list[list[Looks]]]],
    cost: Sequence[float],
) -> dict[str, Any]:
    """At one of SCORES and one of SCHEDULES."""
    parts = [
        _figures(one, [kind[place] for kind in kinds], SCHEDULES[schedule]) for one, kinds in seen
    ]
    missed, faces, over, whole = np.sum(parts, axis=0).tolist()
    return {
        "schedule": schedule,
        "min_score": SCORES[place],
        "leaked": [int(missed), int(faces)],
        "over_redaction": [int(over), int(whole)],
        "network_ms_a_second": round(_cost(SCHEDULES[schedule], *cost), 1),
    }


def _cost(schedule: tuple[int, int], thorough_s: float, quick_s: float) -> float:
    every, of = schedule
    return 1000 * 10 / every * (thorough_s / of + quick_s * (1 - 1 / of))


def _looks(one: Labelled) -> tuple[list[list[Looks]], tuple[float, float]]:
    """At each of SCORES what thorough and quick looks find; seconds of processor of each kind."""
    detector = first_faces(Policy(), device="cpu", threads=1)
    kinds = [detector.at(SCORES), detector.quick().at(SCORES)]
    found: list[list[Looks]] = [[{} for _ in SCORES] for _ in kinds]
    spent = [0.0, 0.0]
    for frame in frames(probe(one.path, Policy().limits)):
        if frame.index % LOOKED:
            continue
        for kind, detectors in enumerate(kinds):
            for place, at in enumerate(detectors):
                start = time.process_time()
                found[kind][place][frame.index] = at.detect([frame])[0]
                # The first one runs the network; the others are given what it returned.
                spent[kind] += time.process_time() - start if place == 0 else 0.0
    return found, (spent[0], spent[1])


def _figures(
    one: Labelled, kinds: Sequence[Looks], schedule: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Faces missed, of all; pixels covered outside of labels, of all outside."""
    picture = probe(one.path, Policy().limits).picture
    assert picture is not None
    assert one.frames is not None
    every, of = schedule
    looked = sorted(kinds[0])[::every]
    thorough = set(looked[::of]) | {looked[-1]}
    tracks = link(
        {index: kinds[index not in thorough][index] for index in looked},
        frames=picture.frames,
        rate=float(picture.rate or 25),
        width=picture.width,
        height=picture.height,
        cuts=(),
        thorough=thorough,
    )
    per_frame = [
        _frame(labels, index, tracks, (picture.width, picture.height))
        for index, labels in enumerate(one.frames)
        if index % 2  # half of the frames, looked at and not, say the same
    ]
    missed, faces, over, whole = np.sum(per_frame, axis=0).tolist()
    return missed, faces, over, whole


def _frame(
    labels: Sequence[Label], index: int, tracks: Sequence[Track], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    covered = np.zeros(size[::-1], bool)
    outside = np.ones(size[::-1], bool)
    for track in tracks:
        if track.first <= index <= track.last:
            _part(covered, track.boxes[index - track.first].grow(Policy().faces.margin))[:] = True
    for label in labels:
        _part(outside, label.box.grow(AROUND))[:] = False
    counted = [label.box for label in labels if label.box.height >= SMALLEST]
    missed = sum(float(_part(covered, box).mean()) < 1 - SEEN for box in counted)
    return missed, len(counted), int((covered & outside).sum()), int(outside.sum())


def _part(mask: Any, box: Box) -> Any:
    return mask[max(box.y0, 0) : max(box.y1, 0), max(box.x0, 0) : max(box.x1, 0)]


def trade_table(result: dict[str, Any]) -> str:
    head = ["schedule", "threshold", "leaked", "covered too much", "network, ms a second"]
    rows = [
        [
            row["schedule"],
            row["min_score"],
            f"{row['leaked'][0] / row['leaked'][1]:.1%} of {row['leaked'][1]}",
            f"{row['over_redaction'][0] / row['over_redaction'][1]:.2%}",
            row["network_ms_a_second"],
        ]
        for row in result["rows"]
    ]
    return table(head, rows)


def trade_chart(result: dict[str, Any]) -> str:
    """Leaked over covered too much, a line for each schedule, its thresholds from left to right."""
    points = [
        (
            row,
            row["over_redaction"][0] / row["over_redaction"][1],
            row["leaked"][0] / row["leaked"][1],
        )
        for row in result["rows"]
    ]
    right, top = (1.05 * max(point[axis] for point in points) or 1 for axis in (1, 2))
    lines = ['<path d="M60 20V320H640" fill="none" stroke="#555"/>']
    lines += [_axis(right, top)]
    for number, (name, colour) in enumerate(zip(SCHEDULES, COLOURS, strict=True)):
        of = [
            (r, 60 + 580 * x / right, 320 - 300 * y / top)
            for r, x, y in points
            if r["schedule"] == name
        ]
        way = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in of)
        lines.append(f'<polyline points="{way}" fill="none" stroke="{colour}"/>')
        for row, x, y in of:
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            lines.append(f'<text x="{x + 6:.1f}" y="{y - 5:.1f}">{row["min_score"]:g}</text>')
        said = f"{name}: {of[0][0]['network_ms_a_second']:g} ms of network a second"
        lines.append(f'<text x="250" y="{36 + 18 * number}" fill="{colour}">{escape(said)}</text>')
    body = "\n".join(lines)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="680" height="360" '
        f'font-family="system-ui, sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _axis(right: float, top: float) -> str:
    return (
        f'<text x="60" y="345">covered too much: 0</text><text x="640" y="345" text-anchor="end">'
        f'{right:.1%}</text><text x="4" y="30">{top:.0%}</text><text x="4" y="14">leaked</text>'
    )
