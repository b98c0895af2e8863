"""Where things were removed: from the restricted detail to what a page draws."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from redact.ledger.detail import Detail
from redact.plan import Plan, Region

COMMAND = (sys.executable, "-m", "redact.review.frame_times")
SECONDS = 60.0

Shown = dict[str, Any]
"""How a player shows a file, see frame_times.read."""


def how_shown(paths: Sequence[Path], pixels: int) -> list[Shown | None]:
    """For each published file, how a player shows it; None for one that can't be read."""
    command = [*COMMAND, str(4 * pixels + (1 << 20)), *(str(path.absolute()) for path in paths)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return [None] * len(paths)
    lines = [
        json.loads(line) for line in done.stdout.splitlines(keepends=True) if line.endswith(b"\n")
    ]
    return [line for line, _ in zip(chain(lines, repeat(None)), paths, strict=False)]


def outlined(detail: Detail, entry: dict[str, Any], shown: Shown | None) -> dict[str, Any]:
    """
    Spans as a player counts time, and the boxes of each frame; `entry` is the clip's, as read.

    Without `shown` the times of frames follow from the average rate, and nothing can be drawn.
    """
    plan = Plan.from_json(json.dumps(json.loads(detail.sidecar)["plan"]))
    whole = max(entry["out"]["dur_us"], 1)
    if shown is not None and plan.looked.frames != len(shown["times"]):
        shown = None  # these are not the frames that were looked at
    spans = [*_of_picture(plan, entry, shown, whole), *_of_sound(plan, shown)]
    return {
        "spans": sorted(spans, key=lambda span: (span["start_us"], span["end_us"])),
        "dur_us": whole,
        "exact": shown is not None,
        "outlines": _outlines(plan, shown) if shown else None,
    }


def _of_picture(
    plan: Plan, entry: dict[str, Any], shown: Shown | None, whole: int
) -> Iterator[dict[str, Any]]:
    if shown:
        times = [*shown["times"], whole]
    else:
        num, den = entry["in"]["fps_num"] or 1, entry["in"]["fps_den"]
        times = [1_000_000 * frame * den // num for frame in range(plan.looked.frames + 1)]
    for region in plan.regions:
        yield _span(region, times[region.first], times[region.last + 1])


def _of_sound(plan: Plan, shown: Shown | None) -> Iterator[dict[str, Any]]:
    start = shown["start"] if shown else 0
    for cut in plan.cuts:
        yield _span(cut, max(cut.start_us - start, 0), cut.end_us - start)


def _span(removed: Any, start_us: int, end_us: int) -> dict[str, Any]:
    return {
        "kind": str(removed.kind),
        "method": removed.method,
        "start_us": start_us,
        "end_us": end_us,
        "score": removed.score_ppm,
    }


def _outlines(plan: Plan, shown: Shown) -> dict[str, Any]:
    return {
        "width": plan.width,
        "height": plan.height,
        "times": shown["times"],
        "turn": shown["turn"],
        "aspect": shown["aspect"],
        "regions": [_region(region) for region in plan.regions],
    }


def _region(region: Region) -> dict[str, Any]:
    boxes = [(box.x0, box.y0, box.x1, box.y1) for box in region.boxes]
    return {"kind": str(region.kind), "first": region.first, "boxes": boxes}
