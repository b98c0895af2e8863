"""Speed of listening: a whole run on speech, on a quiet room and on music, to the second look."""

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

from bench_parts.tables import table
from redact.pipeline import Pipeline
from redact.policy import Policy

SECONDS = 150

CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))
"""Minor and major triads, as MIDI numbers its keys (69 is 440 Hz)."""
BEAT = 0.5
"""Seconds."""


def listening(data: Path, rounds: int) -> list[dict[str, Any]]:
    """
    Wall and processor time, medians of rounds, with the models open and the default policy.

    All of the work on a clip counts (voice, both recognisers, names, encoding, as many second looks
    as it takes) but recording.
    """
    pipeline = Pipeline(Policy(), device="cpu")
    sounds = {
        "speech without a pause": speech(data),
        "a quiet room": room(),
        "music": music(),
    }
    return [{"sound": name, **_times(pipeline, one, rounds)} for name, one in sounds.items()]


def _times(pipeline: Pipeline, samples: Sound, rounds: int) -> dict[str, Any]:
    spent: list[tuple[float, float]] = []
    removed_us = 0
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.wav")
        write(clip, samples)
        for turn in range(rounds):
            start, start_cpu = time.perf_counter(), time.process_time()
            probed = pipeline.probe(clip, _quiet)
            made = pipeline.make(probed, Path(folder, f"{turn}.wav"), None, False, _quiet)
            spent.append((time.perf_counter() - start, time.process_time() - start_cpu))
            removed_us = sum(cut.end_us - cut.start_us for cut in made.plan.cuts)
    wall, cpu = (statistics.median(one) for one in zip(*spent, strict=True))
    return {
        "rounds": rounds,
        "footage_s": round(len(samples) / RATE),
        "wall_s": round(wall, 1),
        "processor_s": round(cpu, 1),
        "times_real_time": round(len(samples) / RATE / wall, 1),
        "removed_s": round(removed_us / 1e6, 1),
        "load_at_end": round(os.getloadavg()[0], 1),
    }


def speech(data: Path) -> Sound:
    """The labelled clips of speech one after the other, cut off after SECONDS."""
    files = sorted(json.loads((data / "truth.json").read_text(encoding="utf-8"))["speech"])
    whole = np.concatenate([read(data / "speech" / file) for file in files])
    if len(whole) < SECONDS * RATE:
        raise SystemExit(f"{data} has less than {SECONDS} s of speech.")
    return whole[: SECONDS * RATE]


def room() -> Sound:
    """Ten minutes in which nobody speaks: the noise of a microphone, and a hum of 50 Hz."""
    time_ = np.arange(600 * RATE) / RATE
    noise = np.random.default_rng(1).normal(0, 0.002, time_.size)
    return (noise + 0.002 * np.sin(2 * np.pi * 50 * time_)).astype(np.float32)


def music() -> Sound:
    """Chords, a tune over them and a drum: made here, so that nobody sings."""
    draw = np.random.default_rng(2)
    beats = []
    for number in range(round(SECONDS / BEAT)):
        chord = CHORDS[number // 4 % len(CHORDS)]
        tune = draw.choice(chord) + 12 * draw.integers(0, 2)
        sound = 0.15 * _note(tune + 12) + 0.06 * sum(_note(key) for key in chord)
        drum = draw.normal(0, 0.15, sound.size) * np.exp(-np.arange(sound.size) / RATE / 0.03)
        beats.append(sound + drum * (number % 2))
    return np.concatenate(beats).astype(np.float32)


def _note(key: int) -> Sound:
    """A plucked string for one BEAT: five partials, the higher ones softer and sooner gone."""
    time_ = np.arange(round(BEAT * RATE)) / RATE
    pitch = 440 * 2 ** ((key - 69) / 12)
    partials = [
        np.sin(2 * np.pi * pitch * n * time_) / n * np.exp(-time_ * 3 * n) for n in range(1, 6)
    ]
    return np.asarray(np.sum(partials, axis=0), np.float32)


def listening_table(rows: list[dict[str, Any]]) -> str:
    """What the README shows of it."""
    head = ["sound", "s", "redact, s", "× real time", "processor, s", "removed, s"]
    keys = ("sound", "footage_s", "wall_s", "times_real_time", "processor_s", "removed_s")
    more = ("rounds", "load_at_end")
    return table(
        [*head, "rounds", "load at end"],
        [[row[key] for key in (*keys, *more)] for row in rows],
    )


def _quiet(_share: float) -> None:
    """Nobody watches the progress."""
