#!/usr/bin/env python3
"""
How well spoken names are removed from 300 sentences of our own, spoken by synthesisers.

    scripts/measure_sentences.py [--half aside] [--takes 2] [--part 1/6] [--redact] [--hear]
    scripts/measure_sentences.py --readme

Part by part it can be gone on with: what is recorded of each part is added up.

Needs espeak-ng (the system's package) and wheels of the package index. The sentences and their
halves are in scripts/names_parts: rules may be tuned on the half "tune" alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from bench_parts.page import put
from measure_names import read, share
from names_parts.spoken import RATE, Part, Redact, Score, Sound, as_json, lines, measure, write
from names_parts.takes import HALVES

from redact import Policy, Redactor
from redact.bench_machine import made_on
from redact.detectors.hearing import Transcript
from redact.detectors.names import DOUBTS
from redact.detectors.opened import Detectors
from redact.detectors.speech import Recogniser
from redact.listen import to_remove

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results" / "sentences.json"
FOLDER = Path(tempfile.gettempdir()) / "redact-voices"
CAUTIONS = ("normal", "low", "high")


class Remembering:
    """A recogniser that listens once to the same sound; the sentences are ours, nobody's."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self.bias, self.padding = recogniser.bias, recogniser.padding
        self._last: tuple[Any, Transcript] | None = None

    def listen(self, samples: Sound, **options: Any) -> Transcript:
        asked = (samples.ctypes.data, len(samples), str(options))
        if self._last is None or self._last[0] != asked:
            self._last = (asked, self._recogniser.listen(samples, **options))
        return self._last[1]


def one_listen(policy: Policy, threads: int) -> dict[str, Redact]:
    """The sound with silence wherever one listen hears what has to go, by each caution."""
    detector = Detectors.open(policy, device="cpu", threads=threads).names
    detector._recogniser = Remembering(detector._recogniser)  # type: ignore[assignment]
    detector._second = Remembering(detector._second)  # type: ignore[assignment,arg-type]

    def output(sound: Sound, caution: str) -> Sound:
        result = sound.copy()
        detector._doubt = DOUBTS[caution]  # type: ignore[index]
        for _, start, end, _ in to_remove(detector.listen(sound), policy):
            result[int(start * RATE) : int(np.ceil(end * RATE))] = 0
        return result

    return {caution: lambda sound, c=caution: output(sound, c) for caution in CAUTIONS}


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
@click.option("--half", type=click.Choice([*HALVES, "both"]), default="aside")
@click.option("--takes", default=1, help="How often each sentence is spoken, by other voices.")
@click.option("--share", "share_of", default=1.0, help="Of the clips, evenly spread.")
@click.option("--part", default="1/1", callback=lambda *given: part_of(given[-1]), help="As 1/6.")
@click.option("--caution", type=click.Choice(CAUTIONS), multiple=True, help="All, if not said.")
@click.option("--redact", "whole", is_flag=True, help="Run the whole pipeline, not one listen.")
@click.option("--hear", is_flag=True, help="Let another family of recognisers listen for names.")
@click.option("--minutes", default=600.0, help="After these, no other clip is begun.")
@click.option("--threads", default=0, help="Of the CPU; 0 leaves it to the recogniser.")
@click.option("--record", is_flag=True, help="Keep the counts in scripts/bench_results.")
@click.option("--readme", is_flag=True, help="Write what is kept there into the README.")
def main(
    half: str,
    takes: int,
    share_of: float,
    part: Part,
    caution: tuple[str, ...],
    whole: bool,
    hear: bool,
    minutes: float,
    threads: int,
    record: bool,
    readme: bool,
) -> None:
    """
    Measure what is left of spoken names, and what is lost of other speech.

    Prints counts with their shares and 95 % intervals; never what was said.
    """
    if readme:
        write_readme()
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ.setdefault("REDACT_KEYS", str(folder / "keys"))
        if whole:
            redactor = stack.enter_context(Redactor(Policy(), threads=threads))
            ways = {"whole pipeline": published(redactor, folder)}
        else:
            every = one_listen(Policy(), threads)
            ways = {name: every[name] for name in caution or CAUTIONS}
        halves = HALVES if half == "both" else [half]
        scores = measure(
            ways,
            FOLDER,
            halves=halves,
            number=takes,
            share=share_of,
            part=part,
            hear=hear,
            minutes=minutes,
        )
    for line in lines(scores, share):
        click.echo(line)
    if record:
        keep(scores, f"{part[0]}/{part[1]} of {takes}")


def part_of(text: str) -> Part:
    """ "2/6" as (2, 6)."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise click.BadParameter("as 1/6: which part, of how many.")
    return int(number), int(of)


def keep(scores: dict[str, Score], part: str) -> None:
    """Add the scores to what was measured before, with where and when; a part replaces itself."""
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    at = made_on()
    where = {name: at[name] for name in ("commit", "date", "machine", "python")}
    new = [{"key": key, "part": part, **one, **where} for key, one in as_json(scores).items()]
    names = {(one["key"], one["part"]) for one in new}
    kept = [one for one in kept if (one["key"], one["part"]) not in names] + new
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def added(kept: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The counts of all parts of each key together."""
    sums: dict[str, dict[str, Any]] = {}
    for one in kept:
        of = sums.setdefault(one["key"], {"clips": 0, "held": 0, "shares": {}})
        of["clips"] += one["clips"]
        of["held"] += one["held"]
        for name, (part, whole) in one["shares"].items():
            before = of["shares"].get(name, [0, 0])
            of["shares"][name] = [before[0] + part, before[1] + whole]
    return sums


COLUMNS = {
    "plain names leaked": "leaked plain",
    "rare and foreign": "leaked rare",
    "whole names heard before": "heard before",
    "and after": "heard after",
    "other speech lost, with names": "other speech, with names",
    "without": "other speech, without",
}


def write_readme() -> None:
    """The table of everything that was kept, between the README's marks."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    rows = [["half, how, voices", "clips (held)", *COLUMNS], ["---"] * (2 + len(COLUMNS))]
    for key, of in sorted(added(kept).items()):
        cells = [share(*of["shares"].get(name, (0, 0))) for name in COLUMNS.values()]
        rows.append([key, f"{of['clips']} ({of['held']})", *cells])
    where = {f"{of['date']} at {of['commit']}: {of['machine']}" for of in kept}
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    put("measured:sentences", f"{table}\n\nMeasured on {'; '.join(sorted(where))}.")


if __name__ == "__main__":
    main()
