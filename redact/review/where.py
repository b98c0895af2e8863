"""Where things were removed: from the restricted detail to what a page draws."""

from __future__ import annotations

import json
from typing import Any

from redact.ledger.detail import Detail
from redact.plan import Plan


def outlined(detail: Detail, entry: dict[str, Any]) -> dict[str, Any]:
    """Spans on the clip's clock, and the boxes of each frame; `entry` is the clip's, as read."""
    plan = Plan.from_json(json.dumps(json.loads(detail.sidecar)["plan"]))
    num, den = entry["in"]["fps_num"] or 1, entry["in"]["fps_den"]
    spans = [
        {
            "kind": str(region.kind),
            "method": region.method,
            "start_us": 1_000_000 * region.first * den // num,
            "end_us": 1_000_000 * (region.last + 1) * den // num,
            "score": region.score_ppm,
        }
        for region in plan.regions
    ] + [
        {
            "kind": str(cut.kind),
            "method": cut.method,
            "start_us": cut.start_us,
            "end_us": cut.end_us,
            "score": cut.score_ppm,
        }
        for cut in plan.cuts
    ]
    boxes = [
        {
            "kind": str(region.kind),
            "first": region.first,
            "boxes": [(box.x0, box.y0, box.x1, box.y1) for box in region.boxes],
        }
        for region in plan.regions
    ]
    return {
        "spans": sorted(spans, key=lambda span: (span["start_us"], span["end_us"])),
        "dur_us": max(entry["out"]["dur_us"], 1),
        "outlines": {
            "width": plan.width,
            "height": plan.height,
            "fps": [num, den],
            "regions": boxes,
        },
    }
