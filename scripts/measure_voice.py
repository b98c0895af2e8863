#!/usr/bin/env python3
"""
How many spoken names lie in what is noticed as voice, in good sound and in bad.

    scripts/measure_voice.py [--share 0.35]

Writes the table into models/voice-activity.md. On the half "tune" of our sentences: the threshold
was chosen on it. Needs what scripts/measure_sentences.py needs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from bench_parts.page import put
from measure_names import share
from names_parts.takes import RATE, Sound, Take, takes
from names_parts.voices import readers

from redact.bench_machine import made_on
from redact.detectors.hearing import FIRST
from redact.detectors.voice import find_voice

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results" / "voice.json"
CARD = ROOT / "models" / "voice-activity.md"
FOLDER = Path(tempfile.gettempdir()) / "redact-voices"
INSIDE = 0.8
"""Share of a name that has to lie in voice: from there on, the recogniser hears it."""


def band(sound: Sound, low: float, high: float) -> Sound:
    spectrum, hertz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


def music(size: int) -> Sound:
    """Chords of decaying strings, half a second each, with a drum."""
    draw, time = np.random.default_rng(5), np.arange(RATE // 2) / RATE
    parts = []
    for _ in range(-(-size // time.size)):
        notes = 110 * 2 ** (draw.choice([0, 3, 5, 7, 10, 12], 3) / 12)
        tones = [np.sin(2 * np.pi * k * note * time) / k for note in notes for k in range(1, 7)]
        drum = draw.normal(size=time.size) * np.exp(-40 * time)
        parts.append(np.sum(tones, axis=0) * np.exp(-3 * time) + drum)
    return np.concatenate(parts)[:size].astype(np.float32)


def over(sound: Sound, other: Sound, decibels: float) -> Sound:
    """The sound, and another one so much softer; what is too loud together is made softer."""
    gain = np.sqrt(np.mean(sound**2) / np.mean(other**2)) * 10 ** (-decibels / 20)
    both = sound + gain * other
    return (both / max(1.0, float(np.abs(both).max()))).astype(np.float32)


WAYS: dict[str, Callable[[Sound], Sound]] = {
    "as recorded": lambda sound: sound,
    "telephone (300 to 3400 Hz)": lambda sound: band(sound, 300, 3400),
    "far away on it, in steps of 8 bits": lambda sound: (
        np.round(band(sound, 300, 3400) * 0.1 * 127).astype(np.float32) / 127
    ),
    "noise, 5 dB softer": lambda sound: over(
        sound, np.random.default_rng(1).normal(size=sound.size).astype(np.float32), 5
    ),
    "music as loud": lambda sound: over(sound, music(sound.size), 0),
    "music 5 dB louder": lambda sound: over(sound, music(sound.size), -5),
    "music 10 dB louder": lambda sound: over(sound, music(sound.size), -10),
}


def missed(take: Take, change: Callable[[Sound], Sound]) -> int:
    """How many of a clip's names are not noticed as voice."""
    voice = find_voice(
        change(take.clean).astype(np.float32),
        threshold=FIRST.voice_threshold,
        longest=FIRST.longest,
    )
    inside = [
        sum(max(0.0, min(end, name.end) - max(start, name.start)) for start, end in voice)
        for name in take.names
    ]
    return sum(
        part < INSIDE * (name.end - name.start)
        for part, name in zip(inside, take.names, strict=True)
    )


def table(result: dict[str, Any]) -> str:
    rows = ["| sound | names not noticed (95 % interval) |", "| --- | --- |"]
    rows += [f"| {way} | {share(*of)} |" for way, of in result["not_noticed"].items()]
    where = f"Measured on {result['date']} at {result['commit']}: {result['machine']}, "
    return "\n".join([*rows, "", f"{where}Python {result['python']}.", ""])


@click.command()
@click.option("--share", "part", default=0.35, help="Of the clips, evenly spread.")
def main(part: float) -> None:
    clips = [take for take in takes(readers(FOLDER), "tune", 0, part) if take.names]
    names = sum(len(take.names) for take in clips)
    found = {
        way: [int(sum(missed(take, change) for take in clips)), names]
        for way, change in WAYS.items()
    }
    result = {"not_noticed": found} | made_on()
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    put("measured:voice", table(result), CARD)
    click.echo(table(result))


if __name__ == "__main__":
    main()
