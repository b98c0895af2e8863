#!/usr/bin/env python3
"""
Puts results of `redact bench -o FILE.json` into the README, between its marks.

    python scripts/bench_table.py scripts/bench_results/gpu.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench_parts.page import put


def main() -> None:
    result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if result.get("stand_in"):
        sys.exit("These are no figures: a stand-in played the GPU.")
    put("bench:gpu", table(result))


def table(result: dict[str, Any]) -> str:
    """What was measured, and where, as Markdown."""
    lines = ["| what | clips at once | fps | years of video a day | such machines for 80 |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for part in ("decode", "tensors", "files"):
        for row in result.get(part, []):
            cells = [row[key] for key in ("at_once", "fps", "years_a_day")]
            cells.append(row["machines_for_80_years_a_day"])
            lines.append("| " + " | ".join(map(str, (part, *cells))) + " |")
    rows = result.get("kernels", {}).get("rows", [])
    if rows:
        lines += ["", "| kernel | frames a launch | us a frame | % of the memory roofline |"]
        lines.append("| --- | --- | --- | --- |")
    for row in rows:
        cells = [row[key] for key in ("kernel", "frames", "us_a_frame", "of_roofline_percent")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    where = f"Measured on {result['date']} at {result['commit']}: {result['device']}, "
    where += f"{result['machine']}, Python {result['python']}."
    return "\n".join([*lines, "", where, ""])


if __name__ == "__main__":
    main()
