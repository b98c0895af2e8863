"""redact bench: how fast this machine is, in frames a second and years of video a day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from redact.bench import measured
from redact.cli import json_option, main, say
from redact.errors import DetectorError, UsageError


@main.command()
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    default="cpu",
    show_default=True,
    help="What to measure; cuda fails where there is no usable GPU.",
)
@click.option(
    "--clips", default="1,4,7,14", show_default=True, help="How many clips at once, one by one."
)
@click.option(
    "--seconds", type=click.IntRange(1, 600), default=10, show_default=True, help="Of the clip."
)
@click.option(
    "--footage",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A clip to work on, instead of one that is made: 1080p30 H.264, with nobody in it.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON here."
)
@json_option
def bench(
    device: str,
    clips: str,
    seconds: int,
    footage: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """
    Measure this machine: decoding, kernels, detector, whole clips to tensors and to files.

    In frames a second, in years of video a day, and as how many such machines 80 years a day take.
    Progress goes to stderr.
    """

    def keep(result: dict[str, Any]) -> None:
        if output:
            output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    result = measured(
        device,
        at_once=_counts(clips),
        seconds=seconds,
        footage=footage,
        say=lambda part: say(f"measuring {part} ...", err=True),
        keep=keep,
    )
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        _print(result)
    if result["failed"]:
        raise DetectorError(
            f"{len(result['failed'])} parts could not be measured: "
            f"{'; '.join(f'{part}: {why}' for part, why in result['failed'].items())}",
            means="What was measured is written.",
        )


def _counts(clips: str) -> list[int]:
    try:
        counts = [int(part) for part in clips.split(",")]
    except ValueError:
        counts = []
    if not counts or not all(1 <= count <= 64 for count in counts):
        raise UsageError(f"--clips is {clips!r}.", todo="Whole numbers from 1 to 64: 1,4,7,14")
    return counts


def _print(result: dict[str, Any]) -> None:
    say(f"{result['device']} on {result['machine']}")
    for row in result.get("kernels", {}).get("rows", []):
        say(
            f"  {row['kernel']:<20} {row['frames']:>4} frames {row['us_a_frame']:>10} us a frame "
            f"{row['of_roofline_percent']:>6} % of the roofline"
        )
    if result["stand_in"]:
        say("  A stand-in plays the GPU: these are no figures.")
    for row in result.get("detector", []):
        say(f"  detector {row['frames']:>4} frames {row['looks_a_second']:>10} looks a second")
    for part in ("decode", "tensors", "files"):
        for row in result.get(part, []):
            say(
                f"  {part:<8} {row['at_once']:>3} at once {row['fps']:>10} fps "
                f"{row['years_a_day']:>9} years a day, {row['machines_for_80_years_a_day']} "
                "machines for 80"
            )
    for note in sorted(
        {
            note
            for part in ("tensors", "files")
            for row in result.get(part, [])
            for note in row["on_cpu"]
        }
    ):
        say(f"  {note}")
