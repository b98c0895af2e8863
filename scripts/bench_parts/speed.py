"""Speed: a whole run beside a plain transcode with the same encoder, and beside deface."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import platformdirs

from bench_parts.footage import RATE, SECONDS, speed_clips
from redact import Redactor
from redact.policy import Encoding

DEFACE = "1.5.0"


def speed(samples: Path, rounds: int, deface_rounds: int) -> list[dict[str, Any]]:
    """
    Wall and CPU time, medians of rounds in which all take their turn.

    Ours is a whole run with the models open: both looks, rendering, recording. deface is its
    command with its defaults, models opened each time (a second of minutes); CPU time is of all
    processes.
    """
    deface = _deface() if deface_rounds else None
    rows = []
    with tempfile.TemporaryDirectory() as folder, Redactor() as redactor:
        os.environ["REDACT_KEYS"] = str(Path(folder, "keys"))
        redactor.open()
        for number, (name, source) in enumerate(speed_clips(samples, Path(folder)).items()):
            runs: dict[str, list[float]] = {"redact": [], "transcode": [], "deface": []}
            for turn in range(max(rounds, deface_rounds)):
                store = Path(folder, f"store-{number}-{turn}")
                plain, covered = Path(folder, "plain.mp4"), Path(folder, "deface.mp4")
                if turn < rounds:
                    runs["redact"].append(_seconds(partial(redactor.run, source, store)))
                    runs["transcode"].append(_seconds(partial(transcode, source, plain)))
                if deface and turn < deface_rounds:
                    command = [deface, source, "-o", covered]
                    runs["deface"].append(_seconds(partial(_quietly, command)))
            rows.append(_row(name, runs))
    return rows


def _row(name: str, runs: dict[str, list[float]]) -> dict[str, Any]:
    ours, plain = (statistics.median(runs[key]) for key in ("redact", "transcode"))
    row: dict[str, Any] = {
        "clip": name,
        "rounds": len(runs["redact"]),
        "footage_s": SECONDS,
        "redact_s": round(ours, 2),
        "transcode_s": round(plain, 2),
        "times_real_time": round(SECONDS / ours, 2),
        "over_transcode": round(ours / plain, 2),
    }
    if runs["deface"]:
        deface = statistics.median(runs["deface"])
        row |= {"deface_s": round(deface, 2), "deface_rounds": len(runs["deface"])}
        row |= {"times_deface": round(deface / ours, 2)}
    return row


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _quietly(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")


def _deface() -> Path:
    """deface's command, in an environment of its own: it asks for another OpenCV than we."""
    folder = platformdirs.user_cache_path("redact") / f"deface-{DEFACE}"
    program = folder / "bin" / "deface"
    if not program.exists():
        print(f"installing deface {DEFACE} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        pip = [folder / "bin" / "pip", "install", "-q", f"deface=={DEFACE}", "onnxruntime"]
        _quietly(pip)
    return program


def transcode(source: Path, target: Path) -> None:
    """Decode and encode again, as redact does it and without anything in between."""
    encoding = Encoding()
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        track = before.streams.video[0]
        track.thread_type = "AUTO"
        options = {"crf": str(encoding.crf), "preset": encoding.preset}
        made = after.add_stream("libx264", rate=Fraction(RATE), options=options)
        made.width, made.height, made.pix_fmt = track.width, track.height, "yuv420p"
        for frame in before.decode(track):
            frame.pict_type = 0
            after.mux(made.encode(frame))
        after.mux(made.encode(None))
