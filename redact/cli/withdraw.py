"""redact ledger withdraw: take the clips of a source back."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from redact.cli import json_option, say
from redact.cli.ledger import ledger, open_store, store_option
from redact.withdraw import REASONS, Withdrawal
from redact.withdraw import withdraw as take_back


@ledger.command()
@click.option("--url", help="The address that the clips came from, in any of its forms.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="A file: as published, or as it came in."
)
@click.option("--record", help="A record: the name, without its suffix, of a file in clips/.")
@click.option("--reason", required=True, type=click.Choice(REASONS), help="Why; it is recorded.")
@store_option
@json_option
def withdraw(
    url: str | None, file: Path | None, record: str | None, reason: str, store: Path, as_json: bool
) -> None:
    """
    Close the gate for the clips of a source, and take their files out of clips/.

    Erasure, objection, opt_out, licence and order are about the source: all its clips go, and
    nothing of it is published again. Leak, quality and mistake are about the named clips alone.
    Prints who was given them; running readers leave them out from their next clip on. An address
    is kept as a keyed hash only.
    """
    with open_store(store) as opened:
        done = take_back(opened, reason=reason, url=url, file=file, record=record)
    say(json.dumps(asdict(done)) if as_json else as_lines(done))


def as_lines(done: Withdrawal) -> str:
    """A withdrawal for people."""
    source = " Nothing of that source is published from now on." if done.suppressed else ""
    lines = [
        f"{len(done.records)} clips are closed, {done.new} of them now; {done.removed} files were "
        f"taken out of clips/.{source}"
    ]
    for given in done.handed_out:
        time = datetime.fromtimestamp(given.t_utc_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines.append(
            f"  {given.to} was given {len(given.records)} of them on {time} (entry {given.seq}, "
            f"shard {given.shard[:16]}); tell them."
        )
    if not done.handed_out:
        lines.append("  Nobody was given any of them.")
    return "\n".join(lines)
