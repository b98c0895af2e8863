"""
Prints what was removed from each sample, beside what the sample's truth says was there.

    python scripts/demo_table.py SAMPLES RESULTS

SAMPLES is the folder with the clips and truth.json; RESULTS is what `redact run --json` printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from redact.evaluate import hear, see
from redact.evaluate.truth import Labelled, read

HEADER = ("clip", "there was", "removed", "can still be seen, heard or read")


def main() -> None:
    samples, results = Path(sys.argv[1]), Path(sys.argv[2])
    truth = json.loads((samples / "truth.json").read_text())
    labelled, _ = read(samples / "truth.json")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    rows = [HEADER]
    for result in (line for line in lines if "input" in line):
        rows.append(_row(result, truth, labelled))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True))
        print("  ".join([*cells, row[-1]]))
    outputs = {str(Path(line["output"]).parent) for line in lines if line.get("output")}
    print(f"\nRedacted clips: {', '.join(sorted(outputs)) or 'none'}")


def _row(
    result: dict[str, Any], truth: dict[str, Any], labelled: list[Labelled]
) -> tuple[str, ...]:
    source = Path(result["input"])
    there = _there(source.name, truth)
    if result["status"] == "held":
        return source.name, there, f"held: {result['reason']}", "nothing was published"
    removed = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in result["removed"].items())
    left = _left(source, Path(result["output"]), truth, labelled)
    return source.name, there, removed or "nothing", "; ".join(left) or "-"


def _there(name: str, truth: dict[str, Any]) -> str:
    parts = []
    video = truth["video"].get(name, {})
    if boxes := sum(map(len, video.get("frames", []))):
        parts.append(f"{boxes} {video['kind']} boxes")
    if name in truth["faces"]:
        parts.append(f"{len(truth['faces'][name]['boxes'])} face")
    if names := truth["speech"].get(name, {}).get("names"):
        parts.append(f"{len(names)} names")
    if planted := sum(map(len, truth["container"].get(name, {}).values())):
        parts.append(f"{planted} tags")
    return ", ".join(parts) or "nothing"


def _left(source: Path, output: Path, truth: dict[str, Any], labelled: list[Labelled]) -> list[str]:
    """What of the truth is left in the output, in words."""
    left = []
    for one in (one for one in labelled if one.name == source.name):
        if one.frames is not None:
            for kind, leak in see(source, output, one.frames).leaks.items():
                left.append(f"{leak.instances.part} of {leak.instances.whole} {kind}s")
        if one.names:
            heard = hear(source, output, one.names).names
            left.append(f"{heard.part} of {heard.whole} names")
    if source.name in truth["container"]:
        tags = left_in(output, truth["container"][source.name])
        left.append(f"{len(tags)} of the tags")
    return left


def left_in(output: Path, planted: dict[str, list[str]]) -> list[str]:
    """Which planted texts or bytes (under "hex") can still be found in the file's bytes."""
    data = output.read_bytes()
    found = []
    for kind, texts in planted.items():
        for text in texts:
            forms = [bytes.fromhex(text)] if kind == "hex" else _encodings(text)
            if any(form in data for form in forms):
                found.append(kind)
    return found


def _encodings(text: str) -> list[bytes]:
    return [text.encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")]


main()
