"""Speed of listening: what a clip of nothing but speech takes, from probing to the second look."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure_names import RATE, Sound, read
from names_parts.spoken import write

from redact.pipeline import Pipeline
from redact.policy import Policy

SECONDS = 150


def listening(data: Path, rounds: int) -> dict[str, Any]:
    """
    Wall and processor time, medians of rounds, with the models open and the default policy.

    The clip is the labelled ones one after the other, without a pause. All of the work on it counts
    (voice, both recognisers, names, encoding, as many second looks as it takes) but recording.
    """
    spent: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "speech.wav")
        write(clip, speech(data))
        pipeline = Pipeline(Policy(), device="cpu")
        for turn in range(rounds):
            start, start_cpu = time.perf_counter(), time.process_time()
            probed = pipeline.probe(clip, _quiet)
            pipeline.make(probed, Path(folder, f"{turn}.wav"), None, False, _quiet)
            spent.append((time.perf_counter() - start, time.process_time() - start_cpu))
    wall, cpu = (statistics.median(one) for one in zip(*spent, strict=True))
    return {
        "rounds": rounds,
        "footage_s": SECONDS,
        "wall_s": round(wall, 1),
        "processor_s": round(cpu, 1),
        "times_real_time": round(SECONDS / wall, 2),
        "times_real_time_a_core": round(SECONDS / cpu, 2),
        "load_at_end": round(os.getloadavg()[0], 1),
    }


def speech(data: Path) -> Sound:
    """The labelled clips of speech one after the other, cut off after SECONDS."""
    files = sorted(json.loads((data / "truth.json").read_text(encoding="utf-8"))["speech"])
    whole = np.concatenate([read(data / "speech" / file) for file in files])
    if len(whole) < SECONDS * RATE:
        raise SystemExit(f"{data} has less than {SECONDS} s of speech.")
    return whole[: SECONDS * RATE]


def listening_line(of: dict[str, Any]) -> str:
    """What the README says of it."""
    return (
        f"{of['footage_s']} s of speech without a pause, from probing to the second look, models "
        f"open, median of {of['rounds']}: {of['wall_s']} s, {of['times_real_time']} × real time; "
        f"{of['processor_s']} s of processor time, so {of['times_real_time_a_core']} × real time "
        f"a core. Load at the end: {of['load_at_end']}; over 2, other work took its part of the "
        "wall time, and made the processor slower."
    )


def _quiet(_share: float) -> None:
    """Nobody watches the progress."""
