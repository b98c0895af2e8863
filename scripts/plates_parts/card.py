"""Writes what was measured of the plate detector into model card, README and manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bench_parts.page import put

from .lettering import PACKAGES
from .moving import FRAMES

WIDTH_NAMES = ("20 to 40", "40 to 80", "80 to 160", "160 and more")
HEIGHT_NAMES = ("6 to 10", "10 to 16", "16 to 32", "32 to 64", "64 and more")
TRAINING = Path("scripts/bench_results/plates_training.json")


def write(root: Path, result: dict[str, Any]) -> None:
    """All three files, from the results and the record of the training."""
    training = json.loads((root / TRAINING).read_text())
    (root / "models" / "plates.md").write_text(_card(result, training))
    put("bench:plates", f"{_summary(result)}\n\n{_plain(result)}\n\n{_where(result)}")
    manifest = root / "models" / "manifest.toml"
    recall = _recall(result)
    text = re.sub(
        r'(slot = "plates".*?recall = ")[^"]*', rf"\g<1>{recall}", manifest.read_text(), flags=re.S
    )
    manifest.write_text(text)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} % ({part} of {whole})" if whole else "none there"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _where(result: dict[str, Any]) -> str:
    """Of each part, unless all were measured at once."""
    made: dict[str, list[str]] = {}
    for part, where in result["measured"].items():
        said = (
            f"on {where['date']} with the weights {where['model'][:16]} at a score of "
            f"{where['min_score']}: {where['machine']}, onnxruntime {where['onnxruntime']}, "
            f"Python {where['python']}"
        )
        made.setdefault(said, []).append(part)
    if len(made) == 1:
        return f"Measured {next(iter(made))}."
    return " ".join(f"Measured ({', '.join(parts)}) {said}." for said, parts in made.items())


def _summary(result: dict[str, Any]) -> str:
    """The README's table: one line for each source of real pictures."""
    head = ["real pictures", "plates covered", "20 to 40 px wide", "false boxes a picture"]
    rows = []
    for name, one in result["pictures"].items():
        everything, small = one["at_default"], one["by_width"][0]
        shares = [_share(each["covered"], each["plates"]) for each in (everything, small)]
        rows.append([name, *shares, _false(everything)[0]])
    return _table(head, rows)


def _false(one: dict[str, int]) -> list[str]:
    """Boxes a picture, and the share of pixels under them."""
    pixels = 100 * one["false_pixels"] / max(one["pixels"], 1)
    return [f"{one['false'] / max(one['pictures'], 1):.3f}", f"{pixels:.2f} %"]


def _recall(result: dict[str, Any]) -> str:
    real = [one["at_default"] for one in result["pictures"].values()]
    covered, plates = sum(one["covered"] for one in real), sum(one["plates"] for one in real)
    false, pictures = sum(one["false"] for one in real), sum(one["pictures"] for one in real)
    return (
        f"{covered / plates:.3f} of {plates} real plates of 20 px in width and more covered, with "
        f"{false / pictures:.2f} false boxes a picture ({pictures} pictures; see plates.md)"
    )


def _by(result: dict[str, Any], key: str, names: tuple[str, ...]) -> str:
    rows = [
        [name, *(_share(each["covered"], each["plates"]) for each in one[key])]
        for name, one in result["pictures"].items()
    ]
    return _table(["", *names], rows)


def _thresholds(result: dict[str, Any]) -> str:
    rows = []
    groups = {**result["pictures"], **result["plain"]}
    for name, one in groups.items():
        for threshold, counts in one["thresholds"].items():
            rows.append(
                [name, threshold, _share(counts["covered"], counts["plates"]), *_false(counts)]
            )
    return _table(["", "score", "covered", "false boxes a picture", "pixels under them"], rows)


def _plain(result: dict[str, Any]) -> str:
    rows = [
        [f"stills: {name}", str(one["at_default"]["pictures"]), *_false(one["at_default"])]
        for name, one in result["plain"].items()
    ]
    rows += [
        [f"video, tracked: {name}", str(one["pictures"]), *_false(one)]
        for name, one in result["video"].items()
    ]
    keys = ("false", "pictures", "false_pixels", "pixels")
    total = {key: sum(one[key] for one in result["video"].values()) for key in keys}
    rows.append(["video, tracked: all", str(total["pictures"]), *_false(total)])
    return _table(["without plates", "frames", "false boxes a frame", "pixels under them"], rows)


def _moving(result: dict[str, Any]) -> str:
    tracked, sure = (_share(one["covered"], one["plates"]) for one in result["moving"].values())
    stills = result["moving"]["tracked"]["pictures"] // FRAMES
    return (
        f"{stills} stills of other rides, moved as a dashcam's picture moves, {FRAMES} frames "
        f"each: tracks cover {tracked} of the plates of 20 pixels and more in all frames. Were "
        f"nothing doubtful, so that one find in five looks is enough: {sure}."
    )


def _rendered(result: dict[str, Any]) -> str:
    rows = [
        [name, _share(one["covered"], one["plates"]), _false(one)[0]]
        for name, one in sorted(result["rendered"].items())
    ]
    return _table(["rendered layout", "covered", "false boxes a picture"], rows)


def _time(result: dict[str, Any]) -> str:
    time = result["time"]
    rows = [
        [name, *(str(time[name][key]) for key in ("wall_ms", "best_wall_ms", "cpu_ms"))]
        for name in ("thorough", "quick")
    ]
    table = _table(["look", "ms, median", "ms, best", "processor ms, both threads"], rows)
    mean = {
        key: (time["thorough"][key] + time["quick"][key]) / 2 * time["looks_per_frame"]
        for key in ("wall_ms", "best_wall_ms")
    }
    return (
        f"{table}\n\nAt ten looks a second, every second one quick, a frame of a 30 fps video "
        f"takes {mean['wall_ms']:.1f} ms on average ({mean['best_wall_ms']:.1f} at best)."
    )


def _reading(result: dict[str, Any]) -> str:
    reading = result["reading"]
    rows = [
        [way, str(one["exact"]), str(one["three_in_a_row"]), str(one["picked"])]
        for way, one in reading.items()
        if isinstance(one, dict)
    ]
    table = _table(["redacted by", "read exactly", "three in a row", "picked out of 50"], rows)
    plates, chance = reading["plates"], reading["plates"] / reading["candidates"]
    return (
        f"{plates} large, sharp plates, of which the recogniser reads {reading['before']} exactly "
        f"before they are redacted. Who picks knows font, place and method, and renders each "
        f"candidate; by chance he is right {chance:.1f} times.\n\n{table}"
    )


def _card(result: dict[str, Any], training: dict[str, Any]) -> str:
    """The template beside this file, filled."""
    fonts = ", ".join(f"{name} ({licence})" for name, licence in PACKAGES.items())
    tables = {
        "where": _where(result),
        "threshold": result["measured"]["pictures"]["min_score"],
        "fonts": fonts,
        "by_width": _by(result, "by_width", WIDTH_NAMES),
        "by_height": _by(result, "by_height", HEIGHT_NAMES),
        "rendered": _rendered(result),
        "plain": _plain(result),
        "moving": _moving(result),
        "thresholds": _thresholds(result),
        "time": _time(result),
        "reading": _reading(result),
    }
    return Path(__file__).with_suffix(".md").read_text().format(**training, **tables)
