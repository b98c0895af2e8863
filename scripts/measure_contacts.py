#!/usr/bin/env python3
"""
How well numbers and addresses are removed from sentences of our own, spoken by a synthesiser.

    scripts/measure_contacts.py [--readme]

One listen, with all of `names.also` but `speech`. --readme writes the table into the README.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from measure_names import machine, share
from names_parts.spoken import RATE, Sound
from names_parts.voices import resampled
from samples_parts.packages import Shelf
from samples_parts.voice import MAN, WOMAN, Voice

from redact.detectors.names import NameDetector
from redact.evaluate import Share, sound_leaked
from redact.policy import Policy
from redact.types import Kind
from redact.weights import open_model

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = Path(__file__).parent / "names_parts" / "contacts.txt"
FOLDER = Path(tempfile.gettempdir()) / "redact-voices"
ALSO = (Kind.SPOKEN_PHONE, Kind.SPOKEN_EMAIL, Kind.SPOKEN_ADDRESS, Kind.SPOKEN_CARD)
START, END = "<!-- measured:contacts -->\n", "<!-- /measured:contacts -->"


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


def table(found: dict[Kind, tuple[Share, Share]]) -> str:
    rows = ["| what | leaked (95 % interval) | other speech lost |", "| --- | --- | --- |"]
    for kind, (leaked, other) in found.items():
        name = kind.removeprefix("spoken_")
        cells = [share(leaked.part, leaked.whole), f"{other.part / other.whole:.1%}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    where = f"Measured on {datetime.now(UTC):%Y-%m-%d} at {commit}: {machine()}, "
    return "\n".join([*rows, "", f"{where}Python {platform.python_version()}.", ""])


def main() -> None:
    text = table(measure())
    sys.stdout.write(text)
    if "--readme" in sys.argv:
        path = ROOT / "README.md"
        before, _, rest = path.read_text("utf-8").partition(START)
        path.write_text(f"{before}{START}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
