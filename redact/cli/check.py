"""redact check: a second look at any file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from redact.batch import Totals
from redact.check import Verdict
from redact.cli import json_option, main, of_error, say
from redact.cli.clips import device_option, policy_option, words
from redact.cli.progress import Share
from redact.errors import RedactError, ResidualError, printable
from redact.redactor import Redactor, Result, Status


@main.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@policy_option
@device_option
@json_option
@click.pass_context
def check(
    context: click.Context, files: tuple[Path, ...], policy: str, device: str, as_json: bool
) -> None:
    """
    Take a second look at any file, ours or not: what can still be seen, heard or read in it?

    Exits with 0 when nothing was found, with 7 when something was, and with another code when a
    file could not be looked at; the others are looked at all the same.
    """
    totals = Totals()
    with Redactor(policy, device=device) as redactor:
        redactor.open()
        for path in files:
            counts, error = _look(redactor, path)
            if error is not None:
                totals.add(Result(source=path, status=Status.HELD, error=error))
            if as_json:
                value = {"file": printable(path), "found": counts, "clean": error is None}
                say(json.dumps(value | (of_error(error) if error else {})))
            else:
                say(f"{printable(path)}: {error or words({})}")
    context.exit(totals.exit_code)


def _look(redactor: Redactor, path: Path) -> tuple[dict[str, int] | None, RedactError | None]:
    """What was found of each kind (None: could not look), and why the file is not clean."""
    try:
        with Share(path) as bar:
            counts = _counts(redactor.check(path, progress=bar.watch))
    except RedactError as error:
        return None, error
    if not counts:
        return counts, None
    return counts, ResidualError(
        f"{words(counts)} can still be found.",
        means="The file was not changed.",
        todo="redact run FILE --store DIR makes a copy without.",
    )


def _counts(verdict: Verdict) -> dict[str, int]:
    """How many things of each kind were found."""
    counts = Counter(str(track.kind) for track in verdict.tracks)
    counts.update(str(span.kind) for span in verdict.spans)
    counts.update({str(kind): count for kind, count in verdict.strip.items()})
    return {kind: count for kind, count in counts.items() if count}
