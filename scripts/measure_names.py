#!/usr/bin/env python3
"""
How well spoken names are removed from labelled clips: leak, over-redaction and speed.

    scripts/measure_names.py ../shared/data [--json FILE]

DATA holds truth.json, whose "speech" gives for each clip in speech/ its names with their times.
Clips with an even number in their name may be used for tuning; those with an odd number are kept
aside: quote their figures. Prints counts and shares alone, never what was said.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from math import sqrt
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
from numpy.typing import NDArray

from redact.detectors.names import NameDetector

Sound = NDArray[np.float32]
Output = Callable[[Path, Sound], Sound]
"""A clip's file and its sound to the redacted sound: both float32 (n,), mono, 16 kHz."""

RATE = 16_000
FRAME = RATE // 50  # 20 ms
VOICED = 0.03
"""A frame is voiced if its level is over this share of the clip's loud frames' level (-30 dB)."""
AUDIBLE = 0.1
"""A frame is still audible if this share of the original is in the output; a tone holds none."""


@dataclass
class Counts:
    """Whole numbers of one group of clips; every figure is a quotient of two of them."""

    clips: int = 0
    names: int = 0
    leaked: int = 0  # names of which a quarter or more of the voiced frames are audible
    muted: int = 0  # names of which at least 80 % of the voiced frames are not
    frames: int = 0
    silenced: int = 0
    other_with: int = 0  # voiced frames outside names, in clips with names
    other_with_silenced: int = 0
    other_without: int = 0
    other_without_silenced: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


def read(path: Path) -> Sound:
    """A sound file as float32 (n,), mono, 16 kHz."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts)


def simulated(detector: NameDetector, *, again: bool) -> Output:
    """The sound with silence wherever the detector heard a name."""

    def output(_path: Path, samples: Sound) -> Sound:
        result = samples.copy()
        for start, end, _ in detector.listen(samples, again=again).names:
            result[int(start * RATE) : int(np.ceil(end * RATE))] = 0
        return result

    return output


def count(original: Sound, output: Sound, truth: dict[str, Any]) -> Counts:
    """The counts of one clip."""
    whole = len(original) // FRAME * FRAME
    before, after = (sound[:whole].reshape(-1, FRAME) for sound in (original, output))
    energy = (before**2).sum(axis=1)
    level = np.sqrt(energy)
    voiced = level > VOICED * np.quantile(level, 0.95)
    left = (before * after).sum(axis=1) / np.maximum(energy, 1e-12)
    gone = (np.abs(left) < AUDIBLE) & (energy > 0)
    inside = np.zeros(len(gone), bool)
    shares = []
    for start, end in (times for name in truth["names"] for times in name["times"]):
        span = slice(int(start * 50), int(np.ceil(end * 50)))
        inside[span] = True
        shares.append(float((gone & voiced)[span].sum() / max(1, voiced[span].sum())))
    if truth["kind"] != "person":
        shares = []  # "the Caslon type": neither a name to remove nor other speech
    other = voiced & ~inside
    heard = "other_with" if truth["names"] else "other_without"
    return Counts(
        clips=1,
        names=len(shares),
        leaked=sum(share <= 0.75 for share in shares),
        muted=sum(share >= 0.8 for share in shares),
        frames=len(gone),
        silenced=int(gone.sum()),
        **{heard: int(other.sum()), f"{heard}_silenced": int((other & gone).sum())},
    )


def half(file: str) -> str:
    """Which half of the clips a file belongs to; one without a number is for tuning."""
    number = re.search(r"(\d+)\.\w+$", file)
    return "kept aside" if number and int(number[1]) % 2 else "tuned on"


def share(part: int, whole: int) -> str:
    """A share with its 95 % interval (Wilson) and the number behind it."""
    if not whole:
        return "-"
    low, high = interval(part, whole)
    return f"{part / whole:.1%} ({low:.0%} to {high:.0%}, n={whole})"


def interval(part: int, whole: int) -> tuple[float, float]:
    middle = (part / whole + 1.92 / whole) / (1 + 3.84 / whole)
    reach = 1.96 * sqrt(part / whole * (1 - part / whole) / whole + 0.96 / whole**2)
    reach /= 1 + 3.84 / whole
    return max(0.0, middle - reach), min(1.0, middle + reach)


def table(groups: dict[str, Counts]) -> Iterator[str]:
    for group, counts in groups.items():
        yield f"{group}: {counts.clips} clips, {counts.frames / 50:.0f} s"
        yield f"  names leaked            {share(counts.leaked, counts.names)}"
        yield f"  names muted to 80 %     {share(counts.muted, counts.names)}"
        yield f"  all sound muted         {counts.silenced / max(1, counts.frames):.1%}"
        with_names = counts.other_with_silenced / max(1, counts.other_with)
        without = counts.other_without_silenced / max(1, counts.other_without)
        yield f"  other speech muted      {with_names:.1%} with names, {without:.1%} without"


def machine() -> str:
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def measure(data: Path, output: Output) -> tuple[dict[str, Counts], float]:
    """The counts of each half and of all clips, and how many times faster than real time."""
    groups = {"tuned on": Counts(), "kept aside": Counts()}
    seconds = taken = 0.0
    truth = json.loads((data / "truth.json").read_text(encoding="utf-8"))["speech"]
    for file, labels in sorted(truth.items()):
        original = read(data / "speech" / file)
        begun = time.perf_counter()
        redacted = output(data / "speech" / file, original)
        taken += time.perf_counter() - begun
        seconds += len(original) / RATE
        groups[half(file)] += count(original, redacted, labels)
    groups["all"] = groups["tuned on"] + groups["kept aside"]
    return groups, seconds / taken


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--models", envvar="REDACT_MODELS", required=True, type=click.Path(path_type=Path))
@click.option("--speech", default="speech", help="The recogniser's folder in the models' folder.")
@click.option("--threads", default=0, help="Of the CPU; 0 leaves it to the recogniser.")
@click.option("--again", is_flag=True, help="Listen with the second look's setting.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the counts here.")
def main(
    data: Path, models: Path, speech: str, threads: int, again: bool, target: Path | None
) -> None:
    """Measure the removal of spoken names on the labelled clips in DATA."""
    detector = NameDetector(models / speech, models / "names", label=speech, threads=threads)
    groups, speed = measure(data, simulated(detector, again=again))
    for line in table(groups):
        click.echo(line)
    click.echo(f"{speed:.1f} x real time ({machine()}, {speech}{', again' if again else ''})")
    if target:
        figures = {group: asdict(counts) for group, counts in groups.items()}
        about = {"model": speech, "again": again, "speed": speed, "machine": machine()}
        target.write_text(json.dumps({**about, "groups": figures}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
