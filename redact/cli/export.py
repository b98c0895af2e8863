"""redact ledger export: the papers that compliance hands to others."""

from __future__ import annotations

import json
from pathlib import Path

import click

import redact.cli.audit
import redact.cli.withdraw  # noqa: F401  # they add their commands
from redact.cli import json_option, say
from redact.cli.ledger import ledger, open_store, store_option
from redact.reports import REPORTS
from redact.reports import export as write_report

KINDS = {name.replace("_", "-"): name for name in REPORTS}


@ledger.command()
@click.argument("kind", metavar="KIND", type=click.Choice(list(KINDS)))
@store_option
@click.option("--format", "format_", help="Of the report's formats; the first by default.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; else KIND.FORMAT here.",
)
@click.option("--lot", help="Of the certificate: which signed lot; else the last.")
@json_option
def export(
    kind: str, store: Path, format_: str | None, output: Path | None, lot: str | None, as_json: bool
) -> None:
    """
    Write a report from a store's ledger, and record it there with its sha256.

    KIND is removal-register, article-30, training-summary, source-licence, retention,
    qa-certificate, integrity or access-log.
    """
    report = KINDS[kind]
    chosen = format_ or next(iter(REPORTS[report].formats))
    target = output or Path(f"{kind}.{chosen}")
    with open_store(store) as opened:
        entry = write_report(opened, report, chosen, target, who=None, lot=lot).value
    if as_json:
        click.echo(json.dumps({"file": str(target), **entry}))
    else:
        say(f"{target}: {entry['rows']} rows, sha256 {entry['sha256']}; entry {entry['seq']}")
