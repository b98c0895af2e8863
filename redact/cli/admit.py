"""redact admit: may these files be used for a purpose?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, main, say
from redact.cli.ledger import store_option
from redact.errors import AdmissionError, printable
from redact.gate import Decision, Gate
from redact.sources import Purpose


@main.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@store_option
@click.option(
    "--purpose",
    required=True,
    type=click.Choice([str(purpose) for purpose in Purpose]),
    help="What the files are asked for.",
)
@click.option("--vkey", help="The key that the ledger must be signed with, as it was given to you.")
@json_option
@click.pass_context
def admit(
    context: click.Context,
    files: tuple[Path, ...],
    store: Path,
    purpose: str,
    vkey: str | None,
    as_json: bool,
) -> None:
    """
    Say whether files may be used for a purpose: each is admitted, or refused with every reason.

    A file is admitted only if the ledger proves that it was published, with a clean second look, if
    neither it nor its source was withdrawn, and if what is recorded of its source allows the
    purpose. Any unknown is a no. Exits with 0 when all are admitted, else with 8.
    """
    refused = False
    with Gate(store, purpose, vkey=vkey) as gate:
        for path in files:
            decision = gate.decide(path)
            refused |= not decision.admitted
            say(json.dumps(as_value(decision)) if as_json else as_line(decision))
    context.exit(AdmissionError.exit_code if refused else 0)


def as_value(decision: Decision) -> dict[str, Any]:
    """A decision for machines."""
    return {
        "file": printable(decision.path),
        "admitted": decision.admitted,
        "purpose": str(decision.purpose),
        "refusals": [{"code": str(one), "why": one.sentence} for one in decision.refusals],
        "record": decision.record,
        "seq": decision.seq,
        "size": decision.size,
    }


def as_line(decision: Decision) -> str:
    """A decision for people."""
    path = printable(decision.path)
    if decision.admitted:
        return f"{path}: admitted for {decision.purpose}"
    reasons = "".join(f"\n  {one}: {one.sentence}" for one in decision.refusals)
    return f"{path}: not admitted for {decision.purpose}{reasons}"
