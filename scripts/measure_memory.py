#!/usr/bin/env python3
"""
Measures how much memory a clip's work takes, and whether that grows with the clip's length.

    scripts/measure_memory.py [--readme] [--minutes 2 8] [--sound-minutes 10 40 120]

Clips of noise at 30 frames a second, 64 x 48 pixels, in which a detector without a network finds a
face in every frame; and sound in two channels that have nothing in common, so that each is listened
to by itself: a hum, and in one of them a sentence with a name every forty minutes. Each goes the
whole way (look, plan, remove, second look) in a process of its own, sound with the real models.

Writes the peaks to bench_results/memory.json; --readme writes the table into the README.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from bench_parts.page import put
from numpy.typing import NDArray

from redact.bench_machine import made_on

RESULTS = Path(__file__).parent / "bench_results" / "memory.json"
VOICES = Path(tempfile.gettempdir()) / "redact-voices"
RATE = 30
EAR_RATE = 16_000
EVERY = 2400
"""Seconds from one sentence to the next."""
SENTENCE = "I handed the keys to {Margaret Thompson} before lunch."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--minutes", type=float, nargs="*", default=(2, 8))
    parser.add_argument("--sound-minutes", type=float, nargs="*", default=(10, 40, 120))
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            path = _clip(Path(folder, "picture.mp4"), minutes)
            for faces in (0, 1):
                _measure(f"picture, faces: {faces}", minutes, _peak, path, faces)
        sentence = _sentence() if options.sound_minutes else np.zeros(0, np.float32)
        for minutes in options.sound_minutes:
            path = _sound(Path(folder, "sound.mkv"), minutes, sentence)
            _measure("sound in two channels", minutes, _peak_of_sound, path)
    if options.readme:
        put("measured:memory", table(_results()))


def _results() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return rows


def _measure(what: str, minutes: float, work: Callable[..., Any], *arguments: Any) -> None:
    """Keep what a new process says of its work; an older row of the same goes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        row = {"what": what, "minutes": minutes} | pool.apply(work, arguments)
    row |= {key: made_on()[key] for key in ("machine", "python", "commit", "date")}
    print(json.dumps(row), flush=True)
    others = [one for one in _results() if (one["what"], one["minutes"]) != (what, minutes)]
    rows = sorted([*others, row], key=lambda one: (one["what"], one["minutes"]))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| clip | minutes | memory at most, MB | before the clip, MB | processor, s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        numbers = (row[key] for key in ("minutes", "peak_mb", "opened_mb", "processor_s"))
        lines.append(f"| {row['what']} | {' | '.join(f'{number:,g}' for number in numbers)} |")
    cuts = sum(row["cuts"] for row in rows)
    where = sorted({f"on {row['date']} at {row['commit']}" for row in rows})
    machines = sorted({f"{row['machine']}, Python {row['python']}" for row in rows})
    lines += [
        "",
        f"A process for each clip, all the way; {cuts} stretches of sound were removed. "
        f"Measured {', '.join(where)}: {'; '.join(machines)}.",
        "",
    ]
    return "\n".join(lines)


def _sentence() -> NDArray[np.float32]:
    """Somebody who says a name: float32 (n,) at EAR_RATE."""
    from names_parts.voices import resampled
    from samples_parts.packages import Shelf
    from samples_parts.voice import Voice

    spoken = Voice(Shelf(VOICES / "wheels"), VOICES / "hibari").say(SENTENCE)
    return resampled(spoken.sound, 24_000)


def _sound(path: Path, minutes: float, sentence: NDArray[np.float32]) -> Path:
    """In the left channel a sentence half a minute into every EVERY seconds."""
    random = np.random.default_rng(1)
    times = 2 * np.pi * np.arange(EAR_RATE) / EAR_RATE
    hums = 0.02 * np.sin(np.stack([100 * times, 130 * times]))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("flac", rate=EAR_RATE, layout="stereo")
        for second in range(round(minutes * 60)):
            both = hums + 0.001 * random.standard_normal(hums.shape)
            part = sentence[max(0, second % EVERY - 30) * EAR_RATE :][:EAR_RATE]
            both[0, : part.size] += part if second % EVERY >= 30 else 0
            samples = (32767 * np.clip(both, -1, 1)).astype(np.int16).T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", "stereo")
            frame.sample_rate, frame.pts = EAR_RATE, second * EAR_RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _peak_of_sound(path: Path) -> dict[str, Any]:
    """With the models of the default policy."""
    from redact.pipeline import Pipeline
    from redact.policy import Policy

    return _made(Pipeline(Policy(), device="cpu"), path)


def _made(pipeline: Any, path: Path) -> dict[str, Any]:
    """What this process takes, in MB, before and after it has made the clip; and for how long."""
    opened, began = _megabytes(), time.process_time()
    clip = pipeline.probe(path, lambda _: None)
    target = path.with_stem("out")
    made = pipeline.make(clip, target, None, False, lambda _: None)
    return {
        "opened_mb": opened,
        "peak_mb": _megabytes(),
        "processor_s": round(time.process_time() - began),
        "cuts": len(made.plan.cuts),
    }


def _megabytes() -> int:
    """The largest resident memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _clip(path: Path, minutes: float) -> Path:
    noise = np.random.default_rng(1).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(minutes * 60 * RATE)):
            noise[:8, :8] = number * 41 % 256
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        output.mux(stream.encode(None))
    return path


class _Eyes:
    """Finds so many faces in every frame in which what is there was not covered."""

    name = "eyes@0"

    def __init__(self, faces: int) -> None:
        self._faces = faces

    def detect(self, frames: Any) -> Any:
        from redact.types import Box, Detection, Kind

        found = [
            Detection(Kind.FACE, Box(20, 16, 40, 40), 0.9, self.name) for _ in range(self._faces)
        ]
        return [found if frame.planes[0][16:40, 20:40].std() > 15 else [] for frame in frames]


class _NoEars:
    """Is asked of clips without sound."""

    def listen_together(self, ears: Any) -> list[Any]:
        return [None for _ in ears]


def _peak(path: Path, faces: int) -> dict[str, Any]:
    from redact import pipeline as pipelines
    from redact.detectors.opened import Detectors
    from redact.policy import Policy

    eyes: Any = _Eyes(faces)
    ears: Any = _NoEars()
    detectors = Detectors(
        pictures=eyes,
        pictures_again=eyes,
        names=ears,
        models=(),
    )
    pipelines.Detectors.open = lambda *_, **__: detectors  # type: ignore[method-assign]
    return _made(pipelines.Pipeline(Policy(), device="cpu"), path)


if __name__ == "__main__":
    main()
