"""redact evaluate: what a policy leaves, and what it takes too much, on labelled footage."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, main, say
from redact.cli.clips import device_option, policy_option
from redact.cli.progress import Share
from redact.detectors.opened import first_faces
from redact.errors import UsageError
from redact.evaluate.page import page
from redact.evaluate.report import as_lines, as_value
from redact.evaluate.report import evaluate as measure
from redact.evaluate.thresholds import THRESHOLDS, Recall, recalls, suggestion
from redact.evaluate.truth import Labelled, of_sections, read
from redact.policy import Policy
from redact.store import Store
from redact.types import Kind

SECTIONS = ("video", "faces", "plates", "speech")


@main.command()
@click.argument("truth", metavar="TRUTH", type=click.Path(path_type=Path))
@click.option(
    "--footage",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the labelled files are, if not beside TRUTH.",
)
@click.option("--only", type=click.Choice(SECTIONS), multiple=True, help="These sections alone.")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what is published in this store; else it is deleted.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with the worst frames, as published, which may show faces.",
)
@click.option(
    "--suggest-threshold",
    "recall",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="RECALL",
    help="Redact nothing; say which thresholds for faces reach this recall (0.99).",
)
@policy_option
@device_option
@json_option
def evaluate(
    truth: Path,
    footage: Path | None,
    only: tuple[str, ...],
    store: Path | None,
    html: Path | None,
    recall: float | None,
    policy: str,
    device: str,
    as_json: bool,
) -> None:
    """
    Redact labelled footage and measure what can still be seen or heard in it.

    TRUTH is JSON, the footage beside it or in a folder for each section; boxes are
    [x, y, width, height] in pixels, times are seconds:

    \b
    {"video":  {"a.mp4": {"kind": "face", "frames": [[[8, 9, 40, 52]], []],
                          "tracks": [[1], []]}},
     "faces":  {"b.jpg": {"boxes": [[8, 9, 40, 52]]}},
     "plates": {"c.jpg": {"boxes": []}},
     "speech": {"d.wav": {"names": [{"times": [[0.4, 1.1]]}]}}}

    or COCO (JSON, stills), or MOT (clip.txt beside clip.mp4, faces). A box leaks if a third of its
    textured parts can still be recognised in the decoded output; a name if a quarter of it can
    still be heard.
    """
    chosen = Policy.load(policy)
    labelled, unlabelled = read(truth, footage)
    labelled = of_sections(labelled, only)
    if not labelled:
        raise UsageError(f"{truth.name} labels nothing in {', '.join(only)}.")
    if recall is not None:
        _suggest(labelled, chosen, recall, device, as_json)
        return
    with Share(truth) as bar, _opened(store) as opened:
        report = measure(labelled, chosen, opened, device=device, watch=bar.watch)
    report.unlabelled = unlabelled
    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    say(json.dumps(as_value(report)) if as_json else "\n".join(as_lines(report)))


@contextmanager
def _opened(store: Path | None) -> Iterator[Store]:
    """The store, or one with keys of its own that is deleted afterwards."""
    if store is not None:
        with Store(store) as opened:
            yield opened
        return
    with (
        tempfile.TemporaryDirectory(prefix="redact-evaluate-") as folder,
        Store(Path(folder, "store"), keys=Path(folder, "keys")) as opened,
    ):
        yield opened


def _suggest(
    labelled: Sequence[Labelled], policy: Policy, wanted: float, device: str, as_json: bool
) -> None:
    if not any(
        label.kind is Kind.FACE for one in labelled for at in one.frames or () for label in at
    ):
        raise UsageError(
            "nothing is labelled as a face, so no threshold for faces can be measured."
        )
    detectors = first_faces(policy, device=device).at(THRESHOLDS)
    with Share(Path("thresholds")) as bar:
        found = recalls(labelled, Kind.FACE, detectors, policy, bar.watch)
    if as_json:
        reached = [one.threshold for one in found if one.tracked.value >= wanted]
        single = [one.threshold for one in found if one.single.value >= wanted]
        value: dict[str, Any] = {"recall": wanted, "rows": [asdict(one) for one in found]}
        value |= {"min_score": max(reached, default=None)}
        click.echo(json.dumps(value | {"min_score_single": max(single, default=None)}))
        return
    for line in _table(found):
        say(line)
    say(suggestion(found, wanted))


def _table(found: Sequence[Recall]) -> Iterator[str]:
    labels = found[0].single.whole
    yield f"{labels} labelled faces of 16 px and more; each frame looked at"
    yield "min_score  single looks  with tracking  false alarms a frame"
    for one in found:
        yield (
            f"{one.threshold:9g}  {one.single.value:12.2%}  {one.tracked.value:13.2%}"
            f"  {one.false_alarms.value:20.2f}"
        )
