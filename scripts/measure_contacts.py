#!/usr/bin/env python3
"""
How well numbers and addresses are removed from sentences of our own, spoken by a synthesiser.

    scripts/measure_contacts.py [--readme]

One listen, with all of `names.also` but `speech`. --readme writes the table into the README.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_parts.page import put
from measure_names import share
from names_parts.spoken import RATE, Sound
from names_parts.voices import resampled
from samples_parts.packages import Shelf
from samples_parts.voice import MAN, WOMAN, Voice

from redact.bench_machine import made_on
from redact.detectors.names import NameDetector
from redact.evaluate import Share, sound_leaked
from redact.policy import Policy
from redact.types import Kind
from redact.weights import open_model

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results" / "contacts.json"
SENTENCES = Path(__file__).parent / "names_parts" / "contacts.txt"
FOLDER = Path(tempfile.gettempdir()) / "redact-voices"
ALSO = (Kind.SPOKEN_PHONE, Kind.SPOKEN_EMAIL, Kind.SPOKEN_ADDRESS, Kind.SPOKEN_CARD)


def sentences() -> Iterator[tuple[Kind, str]]:
    kind = None
    for line in SENTENCES.read_text("utf-8").splitlines():
        if line.startswith("# spoken_"):
            kind = Kind(line.removeprefix("# "))
        elif line and kind:
            yield kind, line


def detector() -> NameDetector:
    policy = Policy()
    folders = [open_model(slot, purpose=policy.purpose).folder for slot in ("speech", "names")]
    return NameDetector(*folders, label="measured", caution="low", also=frozenset(ALSO))


def measure() -> dict[Kind, tuple[Share, Share]]:
    """For each kind: of the things said, those still heard; of other speech, what is lost."""
    voice, listener = Voice(Shelf(FOLDER / "wheels"), FOLDER / "hibari"), detector()
    found: dict[Kind, tuple[Share, Share]] = defaultdict(lambda: (Share(0, 0), Share(0, 0)))
    for number, (kind, line) in enumerate(sentences()):
        speech = voice.say(line, (WOMAN, MAN)[number % 2])
        sound = resampled(speech.sound, 24_000)
        (name,) = speech.names
        output = sound.copy()
        for _, start, end in listener.listen(sound).others:
            output[int(start * RATE) : int(np.ceil(end * RATE))] = 0
        leaked = Share(int(sound_leaked(sound, output, RATE, (name.start, name.end))), 1)
        before = found[kind]
        found[kind] = (before[0] + leaked, before[1] + lost(sound, output, name.start, name.end))
    return found


def lost(sound: Sound, output: Sound, start: float, end: float) -> Share:
    """Of the frames of 20 ms with sound outside the stretch, those that are silent now."""
    size = RATE // 50
    before, after = (one[: one.size // size * size].reshape(-1, size) for one in (sound, output))
    level = np.sqrt((before**2).mean(axis=1))
    other = level > 0.03 * np.quantile(level, 0.95)
    other[int(start * 50) : int(np.ceil(end * 50))] = False
    return Share(int((other & ~after.any(axis=1)).sum()), int(other.sum()))


def as_json(found: dict[Kind, tuple[Share, Share]]) -> dict[str, Any]:
    """For each kind the parts and wholes; and when, and on which machine."""
    shares = {
        kind.removeprefix("spoken_"): {
            "leaked": [leaked.part, leaked.whole],
            "other_lost": [other.part, other.whole],
        }
        for kind, (leaked, other) in found.items()
    }
    return {"kinds": shares} | made_on()


def table(result: dict[str, Any]) -> str:
    rows = ["| what | leaked (95 % interval) | other speech lost |", "| --- | --- | --- |"]
    for name, of in result["kinds"].items():
        part, whole = of["other_lost"]
        rows.append(f"| {name} | {share(*of['leaked'])} | {part / whole:.1%} |")
    where = f"Measured on {result['date']} at {result['commit']}: {result['machine']}, "
    return "\n".join([*rows, "", f"{where}Python {result['python']}.", ""])


def main() -> None:
    result = as_json(measure())
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(result))
    if "--readme" in sys.argv:
        put("measured:contacts", table(result))


if __name__ == "__main__":
    main()
