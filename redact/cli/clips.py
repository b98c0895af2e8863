"""redact run, plan, apply: what is done to clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from redact import plan as plans
from redact.batch import Inputs, Totals, expand, run_all
from redact.cli import json_option, main, of_error, say
from redact.cli.progress import Bar, Share
from redact.cli.provenance import Asked, check_provenance, finishing, provenance_options, telling
from redact.cli.sources import manifest_option, read_manifest
from redact.errors import printable
from redact.policy import NAMED, Policy
from redact.record import removed_from
from redact.redactor import Redactor, Result, Status
from redact.store import Store

store_option = click.option(
    "--store",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for redacted clips and their ledger; made if it is not there.",
)
policy_option = click.option(
    "--policy",
    default="strict",
    show_default=True,
    help=f"What is removed and how: {', '.join(NAMED)}, or a TOML file.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
    default="auto",
    show_default=True,
    help="Where pictures are worked on; cuda fails where there is no usable GPU. tensorrt is cuda "
    "with engines built at first use, for minutes.",
)
strict_option = click.option(
    "--strict",
    is_flag=True,
    help="With --device cuda: hold a clip of which the CPU would have to do a part.",
)
input_argument = click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))


@main.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@store_option
@click.option(
    "--ledger",
    metavar="URL",
    help="Where a new store's ledger is kept: postgresql://USER@HOST/DATABASE. A file, if none.",
)
@policy_option
@device_option
@strict_option
@manifest_option
@click.option(
    "--workers", type=click.IntRange(1, 1024), default=1, show_default=True, help="Clips at once."
)
@provenance_options
@json_option
@click.pass_context
def run(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    store: Path,
    ledger: str | None,
    policy: str,
    device: str,
    strict: bool,
    manifest: Path | None,
    workers: int,
    as_json: bool,
    **told: Any,
) -> None:
    """
    Redact files, folders, globs or @lists of paths into a store.

    A clip in which something still shows, or that can't be read to its end, is held. Running again
    goes on where the last run stopped. With --json, a line for each clip, the last for the totals.
    """
    chosen = Policy.load(policy)
    found = expand(inputs, leave=store)
    asked = check_provenance(Asked(**told), store)
    how: dict[str, Any] = {"device": device, "strict": strict, "workers": workers}
    sources = read_manifest(manifest, found.paths)
    totals = Totals()
    with (
        finishing(asked) as finish,
        Store(store, ledger=ledger) as opened,
        telling(opened, chosen, asked) as tell,
    ):
        how |= {"manifest": sources, "finish": finish}
        with Bar(found) as bar:
            for result in run_all(found.paths, opened, chosen, watch=bar.watch, **how):
                totals.add(result)
                tell(result)
                bar.done(result)
                bar.print(json.dumps(as_value(result)) if as_json else as_line(result))
        _print_totals(_totals(totals, found, bar.seconds), store, as_json)
    context.exit(totals.exit_code)


@main.command()
@input_argument
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@policy_option
@device_option
@json_option
def plan(source: Path, output: Path, policy: str, device: str, as_json: bool) -> None:
    """
    Write what has to go from INPUT as a plan: plain JSON, to read, edit and apply.

    Each region and each cut has a line of its own. Drop one, or add one, and `redact apply` it.
    The file itself is not changed.
    """
    with Redactor(policy, device=device) as redactor, Share(source) as bar:
        made = redactor.plan(source, progress=bar.watch)
    output.write_text(made.to_json(), encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"plan": printable(output), "removed": removed_from(made)}))
    else:
        say(f"{printable(output)}: {words(removed_from(made))}")


@main.command()
@input_argument
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@store_option
@policy_option
@device_option
@click.option(
    "--trust-plan",
    is_flag=True,
    help="Publish even if the second look still finds something. Weakens protection; recorded.",
)
@manifest_option
@json_option
def apply(
    source: Path,
    plan_file: Path,
    store: Path,
    policy: str,
    device: str,
    trust_plan: bool,
    manifest: Path | None,
    as_json: bool,
) -> None:
    """Redact INPUT exactly as PLAN says. A plan fits only the file that it was made for."""
    made = plans.read(plan_file)
    sources = read_manifest(manifest, [source])
    redactor = Redactor(policy, device=device, manifest=sources)
    with redactor, Share(source) as bar:
        result = redactor.apply(source, made, store, trust_plan=trust_plan, progress=bar.watch)
    say(json.dumps(as_value(result)) if as_json else as_line(result))


def as_value(result: Result) -> dict[str, Any]:
    """A result for machines."""
    value: dict[str, Any] = {
        "input": printable(result.source),
        "status": str(result.status),
        "output": printable(result.output) if result.output else None,
        "record": result.record,
        "removed": result.removed,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
    }
    if result.error is not None:
        value |= of_error(result.error)
    return value


def as_line(result: Result) -> str:
    """A result for people."""
    source = printable(result.source)
    if result.error is not None:
        return f"{source}: held ({result.error.reason})\n  {result.error}"
    again = " (already there)" if result.status is Status.ALREADY else ""
    output = printable(result.output or "")
    lines = [f"{source} -> {output}{again}", f"removed: {words(result.removed)}", *result.notes]
    return "\n  ".join(lines)


def _totals(totals: Totals, inputs: Inputs, seconds: float) -> dict[str, Any]:
    return {
        **{str(status): totals.counts[status] for status in Status},
        "ignored": inputs.ignored,
        "footage_seconds": round(totals.footage, 3),
        "seconds": round(seconds, 3),
        "times_real_time": round(totals.footage / max(seconds, 1e-6), 3),
    }


def _print_totals(totals: dict[str, Any], store: Path, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"run": totals}))
        return
    say(
        f"{totals['published']} published, {totals['already']} already there, "
        f"{totals['held']} held; {totals['footage_seconds']:.1f} s of footage in "
        f"{totals['seconds']:.1f} s ({totals['times_real_time']:.2f} × real time). Store: "
        f"{printable(store)}"
    )
    if totals["ignored"]:
        click.echo(f"{totals['ignored']} files of the folders are not media and were left alone.")


def words(counts: dict[str, int]) -> str:
    return (
        ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
        or "nothing"
    )
