#!/usr/bin/env python3
"""
How well spoken names are removed from 300 sentences of our own, spoken by synthesisers.

    scripts/measure_sentences.py [--half aside] [--takes 2] [--share 0.5] [--redact] [--hear]

Needs espeak-ng (the system's package) and wheels of the package index. The sentences and their
halves are in scripts/names_parts: rules may be tuned on the half "tune" alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np
from measure_names import machine, read, share
from names_parts.spoken import RATE, Redact, Sound, as_json, lines, measure, write
from names_parts.takes import HALVES

from redact import Policy, Redactor
from redact.detectors.opened import Detectors
from redact.listen import to_remove
from redact.policy import Names

FOLDER = Path(tempfile.gettempdir()) / "redact-voices"


def one_listen(policy: Policy, threads: int) -> Redact:
    """The sound with silence wherever one listen hears what the policy wants removed."""
    detector = Detectors.open(policy, device="cpu", threads=threads).names

    def output(sound: Sound) -> Sound:
        result = sound.copy()
        for _, start, end, _ in to_remove(detector.listen(sound), policy):
            result[int(start * RATE) : int(np.ceil(end * RATE))] = 0
        return result

    return output


def published(redactor: Redactor, folder: Path) -> Redact:
    """The sound of what the whole pipeline publishes, second look included."""

    def output(sound: Sound) -> Sound:
        path = folder / "clip.wav"
        write(path, sound)
        result = redactor.run(path, folder / "store")
        assert result.output is not None  # a held clip has raised
        return read(result.output)

    return output


@click.command()
@click.option("--half", type=click.Choice(["tune", "aside", "both"]), default="aside")
@click.option("--takes", default=1, help="How often each sentence is spoken, by other voices.")
@click.option("--share", "part", default=1.0, help="Of the clips, evenly spread.")
@click.option("--caution", type=click.Choice(["low", "normal", "high"]), default="normal")
@click.option("--redact", "whole", is_flag=True, help="Run the whole pipeline, not one listen.")
@click.option("--hear", is_flag=True, help="Let another family of recognisers listen for names.")
@click.option("--threads", default=0, help="Of the CPU; 0 leaves it to the recogniser.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the counts here.")
def main(
    half: str,
    takes: int,
    part: float,
    caution: str,
    whole: bool,
    hear: bool,
    threads: int,
    target: Path | None,
) -> None:
    """
    Measure what is left of spoken names, and what is lost of other speech.

    Prints counts with their shares and 95 % intervals, and the speed of one core in the first
    listen; never what was said.
    """
    policy = Policy(name="measured", names=Names(caution=caution))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ.setdefault("REDACT_KEYS", str(folder / "keys"))
        redact = (
            published(stack.enter_context(Redactor(policy, threads=threads)), folder)
            if whole
            else one_listen(policy, threads)
        )
        halves = HALVES if half == "both" else [half]
        scores = measure(redact, FOLDER, halves=halves, number=takes, share=part, hear=hear)
    what = f"{'whole pipeline' if whole else 'one listen'}, caution {caution}, {takes} takes"
    for line in lines(scores, share):
        click.echo(line)
    click.echo(f"{machine()}; {what}")
    if target:
        result = {"what": what, "machine": machine(), "halves": as_json(scores)}
        target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
