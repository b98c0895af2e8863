#!/usr/bin/env python3
"""
How well spoken names are removed from labelled clips: leak, over-redaction and speed.

    scripts/measure_names.py ../shared/data [--redact] [--json FILE]

DATA holds truth.json, whose "speech" gives for each clip in speech/ its names with their times.
Clips with an even number in their name may be used for tuning; those with an odd number are kept
aside: quote their figures. Prints counts and shares alone, never what was said.
"""

from __future__ import annotations

import json
import re
import tempfile
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

from redact import Redactor
from redact.bench_machine import made_on
from redact.detectors.names import NameDetector
from redact.errors import RedactError
from redact.evaluate import audible_frames, sound_leaked

Sound = NDArray[np.float32]
Output = Callable[[Path, Sound], Sound]
"""
A clip's file and its sound to the redacted sound: both float32 (n,), mono, 16 kHz.

It raises RedactError where the clip is held: nothing of it is published, so nothing can leak.
"""

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
    held: int = 0  # clips that were not published; not counted below
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
        heard = detector.listen_again([samples])[0] if again else detector.listen(samples)
        for start, end, _ in heard.names:
            result[int(start * RATE) : int(np.ceil(end * RATE))] = 0
        return result

    return output


def published(redactor: Redactor, store: Path) -> Output:
    """The sound of what the whole pipeline publishes, second look included."""

    def output(path: Path, _samples: Sound) -> Sound:
        result = redactor.run(path, store)
        assert result.output is not None  # a held clip has raised
        return read(result.output)

    return output


def count(original: Sound, output: Sound, truth: dict[str, Any]) -> Counts:
    """The counts of one clip."""
    whole = len(original) // FRAME * FRAME
    output = np.pad(output, (0, max(0, whole - len(output))))  # one that ends early is silent there
    before, after = (sound[:whole].reshape(-1, FRAME) for sound in (original, output))
    energy = (before**2).sum(axis=1)
    level = np.sqrt(energy)
    voiced = level > VOICED * np.quantile(level, 0.95)
    left = (before * after).sum(axis=1) / np.maximum(energy, 1e-12)
    gone = (np.abs(left) < AUDIBLE) & (energy > 0)
    inside = np.zeros(len(gone), bool)
    spans = [(start, end) for name in truth["names"] for start, end in name["times"]]
    for start, end in spans:
        inside[int(start * 50) : int(np.ceil(end * 50))] = True
    if truth["kind"] != "person":
        spans = []  # "the Caslon type": neither a name to remove nor other speech
    heard = [audible_frames(original, output, RATE, span) for span in spans]
    other = voiced & ~inside
    group = "other_with" if truth["names"] else "other_without"
    return Counts(
        clips=1,
        names=len(spans),
        leaked=sum(sound_leaked(original, output, RATE, span) for span in spans),
        muted=sum(one.part <= 0.2 * one.whole for one in heard),
        frames=len(gone),
        silenced=int(gone.sum()),
        **{group: int(other.sum()), f"{group}_silenced": int((other & gone).sum())},
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


def figures(counts: Counts) -> dict[str, Any]:
    """The counts of a group, and the shares made of them."""
    quotients = {
        "leak": (counts.leaked, counts.names),
        "muted_80": (counts.muted, counts.names),
        "sound_muted": (counts.silenced, counts.frames),
        "other_muted_with": (counts.other_with_silenced, counts.other_with),
        "other_muted_without": (counts.other_without_silenced, counts.other_without),
    }
    shares = {key: part / whole if whole else None for key, (part, whole) in quotients.items()}
    low_high = {
        f"{key}_interval": interval(*quotients[key]) if counts.names else None
        for key in ("leak", "muted_80")
    }
    return {**asdict(counts), "seconds": counts.frames / 50, **shares, **low_high}


def table(result: dict[str, Any]) -> Iterator[str]:
    """Lines to read of what `measure` returns."""
    for group, of in result["groups"].items():
        yield f"{group}: {of['clips']} clips ({of['held']} held), {of['seconds']:.0f} s"
        yield f"  names leaked            {share(of['leaked'], of['names'])}"
        yield f"  names muted to 80 %     {share(of['muted'], of['names'])}"
        yield f"  all sound muted         {of['sound_muted'] or 0:.1%}"
        with_names, without = of["other_muted_with"] or 0, of["other_muted_without"] or 0
        yield f"  other speech muted      {with_names:.1%} with names, {without:.1%} without"


def measure_published(data: Path, policy: str = "strict", threads: int = 0) -> dict[str, Any]:
    """What `measure` returns, of the whole pipeline."""
    with tempfile.TemporaryDirectory() as store, Redactor(policy, threads=threads) as redactor:
        return measure(data, published(redactor, Path(store)))


def measure(data: Path, output: Output | None = None) -> dict[str, Any]:
    """
    Scores `output`, or without it the whole pipeline, on the labelled clips in `data`.

    Returns what --json writes, see there. A RedactError of `output` counts the clip as held.
    """
    if output is None:
        return measure_published(data)
    groups = {"tuned on": Counts(), "kept aside": Counts()}
    seconds = taken = 0.0
    truth = json.loads((data / "truth.json").read_text(encoding="utf-8"))["speech"]
    for file, labels in sorted(truth.items()):
        original = read(data / "speech" / file)
        begun = time.perf_counter()
        try:
            redacted = output(data / "speech" / file, original)
        except RedactError:
            redacted = None
        taken += time.perf_counter() - begun
        seconds += len(original) / RATE
        held = Counts(clips=1, held=1)
        groups[half(file)] += held if redacted is None else count(original, redacted, labels)
    groups["all"] = groups["tuned on"] + groups["kept aside"]
    return {
        "speed": seconds / taken,
        "machine": made_on()["machine"],
        "groups": {group: figures(counts) for group, counts in groups.items()},
    }


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--models", envvar="REDACT_MODELS", type=click.Path(path_type=Path))
@click.option("--speech", default="speech", help="The recogniser's folder in the models' folder.")
@click.option("--threads", default=0, help="Of the CPU; 0 leaves it to the recogniser.")
@click.option("--again", is_flag=True, help="Listen with the second look's setting.")
@click.option("--redact", "whole", is_flag=True, help="Run the whole pipeline, not one listen.")
@click.option("--policy", default="strict", help="Of the whole pipeline.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    data: Path,
    models: Path | None,
    speech: str,
    threads: int,
    again: bool,
    whole: bool,
    policy: str,
    target: Path | None,
) -> None:
    """
    Measure the removal of spoken names on the labelled clips in DATA.

    The sound is silenced where one listen hears a name; with --redact, what the whole pipeline
    publishes is scored instead.

    The JSON holds "speed" (x real time), "machine", "what", and in "groups" for "tuned on", "kept
    aside" and "all": "clips", "held" (not published, not counted below), "seconds"; of the names
    "names", "leaked" (design, section 13), "muted" (80 % gone), with the shares "leak" and
    "muted_80" and their "_interval" (95 %, Wilson); of all frames of 20 ms "frames", "silenced"
    and their share "sound_muted"; of voiced frames outside names, in clips with and without any,
    "other_with", "other_without", those "_silenced", and the shares "other_muted_with" and
    "other_muted_without". A share of nothing is null.
    """
    if whole:
        result = measure_published(data, policy, threads)
        what = f"whole pipeline, policy {policy}"
    elif models is None:
        raise click.UsageError("Say where the models are: --models or REDACT_MODELS.")
    else:
        detector = NameDetector(models / speech, models / "names", label=speech, threads=threads)
        result = measure(data, simulated(detector, again=again))
        what = f"one listen, {speech}{', again' if again else ''}"
    for line in table(result):
        click.echo(line)
    click.echo(f"{result['speed']:.1f} x real time ({result['machine']}; {what})")
    if target:
        target.write_text(json.dumps({"what": what, **result}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
