#!/usr/bin/env python3
"""
Measures what the README states: speed beside a plain transcode, leak on labelled footage.

    python scripts/bench.py [--data ../shared/data] [--samples samples] [--rounds 3] [--readme]
                            [--only speed|faces|names|readme] [--output FILE.json]

Each part that ran goes into the JSON with machine, versions, commit and date. Speed is measured in
pairs, redact and the transcode in turn within one run, and stated as medians and their ratio. With
--readme (or --only readme, which measures nothing), the tables between the marks of README.md are
written anew from the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from measure_names import measure, share
from scoring import Seen, see

from redact import Redactor
from redact.evaluate import Share
from redact.policy import Encoding

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results"
SECONDS = 8
"""Length of the speed clips."""


def main() -> None:
    options = _options()
    path = options.output
    result = json.loads(path.read_text()) if path.exists() else {}
    if options.only != "readme":
        result |= _where()
    for name, part in (("speed", speed), ("faces", faces), ("names", names)):
        if options.only in (None, name):
            print(f"measuring {name} ...", flush=True)
            result[name] = part(options)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(TABLES[name](result[name]))
    if options.readme or options.only == "readme":
        _write_readme(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--samples", type=Path, default=ROOT / "samples")
    parser.add_argument("--only", choices=["speed", "faces", "names", "readme"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "cpu.json")
    parser.add_argument("--readme", action="store_true")
    return parser.parse_args()


def _where() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    packages = ("av", "numpy", "onnxruntime", "faster-whisper", "ctranslate2", "spacy")
    return {
        "machine": f"{model}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "commit": commit,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Wall time of a whole run, models open, beside a plain transcode with the same settings."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Redactor() as redactor:
        os.environ["REDACT_KEYS"] = str(Path(folder, "keys"))
        redactor.open()
        for name, source in _speed_clips(options.samples, Path(folder)).items():
            ours, plain = [], []
            for number in range(options.rounds):
                store = Path(folder, f"{name}-{number}")
                ours.append(_seconds(partial(redactor.run, source, store)))
                plain.append(_seconds(partial(_transcode, source, Path(folder, "plain.mp4"))))
            pair = (statistics.median(ours), statistics.median(plain))
            rows.append(
                {
                    "clip": name,
                    "rounds": options.rounds,
                    "footage_s": SECONDS,
                    "redact_s": round(pair[0], 2),
                    "transcode_s": round(pair[1], 2),
                    "times_real_time": round(SECONDS / pair[0], 2),
                    "over_transcode": round(pair[0] / pair[1], 2),
                }
            )
    return rows


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _speed_clips(samples: Path, folder: Path) -> dict[str, Path]:
    """1080p30 with a face in motion, and the same camera over a scene without anyone."""
    portrait = cv2.imread(str(samples / "portrait.jpg"))
    if portrait is None:
        raise SystemExit("the samples are missing: run scripts/make_samples.py first")
    noise = np.random.default_rng(1).integers(0, 255, (27, 48, 3), dtype=np.uint8)
    scenery = cv2.resize(noise, (2400, 1350), interpolation=cv2.INTER_CUBIC)
    clips = {"1080p30, a face": _filled(portrait), "1080p30, nobody": scenery}
    paths = {}
    for number, (name, picture) in enumerate(clips.items()):
        paths[name] = folder / f"{number}.mp4"
        _film(paths[name], picture)
    return paths


def _filled(picture: np.ndarray) -> np.ndarray:
    """The picture, large enough for a 1080p camera to glide over."""
    return cv2.resize(picture, (2400, 1800), interpolation=cv2.INTER_CUBIC)


def _film(path: Path, picture: np.ndarray) -> None:
    """A camera glides over the picture; H.264, no sound."""
    slack_x, slack_y = picture.shape[1] - 1920, picture.shape[0] - 1080
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"crf": "18", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(30 * SECONDS):
            angle = 2 * np.pi * number / (30 * SECONDS)
            x = round(slack_x * (0.5 + 0.5 * np.sin(angle)))
            y = round(slack_y * (0.5 + 0.5 * np.cos(angle)))
            view = np.ascontiguousarray(picture[y : y + 1080, x : x + 1920])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        output.mux(stream.encode(None))


def _transcode(source: Path, target: Path) -> None:
    """Decode and encode again, as redact does it and without anything in between."""
    encoding = Encoding()
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        track = before.streams.video[0]
        track.thread_type = "AUTO"
        options = {"crf": str(encoding.crf), "preset": encoding.preset}
        made = after.add_stream("libx264", rate=Fraction(30), options=options)
        made.width, made.height, made.pix_fmt = track.width, track.height, "yuv420p"
        for frame in before.decode(track):
            frame.pict_type = 0
            after.mux(made.encode(frame))
        after.mux(made.encode(None))


def faces(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Leak and over-redaction of the published output, by the design's definitions."""
    truth = json.loads((options.data / "truth.json").read_text())["video"]
    clips = {name: clip["frames"] for name, clip in truth.items() if "frames" in clip}
    rows = []
    total = Seen(Share(0, 0), 0, Share(0, 0))
    with tempfile.TemporaryDirectory() as folder, Redactor() as redactor:
        os.environ["REDACT_KEYS"] = str(Path(folder, "keys"))
        for name, boxes in clips.items():
            source = options.data / "video" / name
            start = time.perf_counter()
            result = redactor.run(source, Path(folder, "store"))
            seconds = time.perf_counter() - start
            assert result.output is not None
            seen = see(source, result.output, boxes)
            rows.append({"clip": name, **_numbers(seen), "seconds": round(seconds, 1)})
            total = Seen(
                total.instances + seen.instances,
                max(total.longest_run, seen.longest_run),
                total.over + seen.over,
            )
    return [*rows, {"clip": "all", **_numbers(total)}]


def _numbers(seen: Seen) -> dict[str, Any]:
    return {
        "instances": seen.instances.whole,
        "leaked": seen.instances.part,
        "longest_run": seen.longest_run,
        "over_redaction_percent": round(100 * seen.over.value, 2),
    }


def names(options: argparse.Namespace) -> dict[str, Any]:
    """Names that can still be heard in the published output, and other speech that is lost."""
    return measure(options.data)


def _speed_table(rows: list[dict[str, Any]]) -> str:
    return _table(
        ["clip", "× real time", "redact, s", "plain transcode, s", "redact / transcode"],
        [
            [r["clip"], r["times_real_time"], r["redact_s"], r["transcode_s"], r["over_transcode"]]
            for r in rows
        ],
    )


def _faces_table(rows: list[dict[str, Any]]) -> str:
    return _table(
        ["clip", "faces", "leaked", "longest run, frames", "over-redaction"],
        [
            [
                r["clip"].removesuffix(".mp4"),
                r["instances"],
                r["leaked"],
                r["longest_run"],
                f"{r['over_redaction_percent']} %",
            ]
            for r in rows
        ],
    )


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
    return _table([*head, "other speech muted, with names / without"], rows)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


TABLES: dict[str, Callable[[Any], str]] = {
    "speed": _speed_table,
    "faces": _faces_table,
    "names": _names_table,
}


def _write_readme(result: dict[str, Any]) -> None:
    path = ROOT / "README.md"
    text = path.read_text()
    for name, table in TABLES.items():
        start, end = f"<!-- bench:{name} -->\n", f"<!-- /bench:{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        where = f"\nMeasured on {result['date']} at {result['commit']}: {result['machine']}, "
        where += f"Python {result['python']}, PyAV {result['versions']['av']}.\n"
        text = f"{before}{start}{table(result[name])}\n{where}{end}{after}"
    path.write_text(text)


if __name__ == "__main__":
    main()
