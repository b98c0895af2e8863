"""redact ledger: what the log of a store says, and whether it is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from redact.cli import main
from redact.cli.clips import json_option
from redact.errors import UsageError
from redact.ledger.entry import Entry
from redact.store import Store

store_option = click.option(
    "--store",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The store whose ledger it is.",
)


@main.group()
def ledger() -> None:
    """The record of every clip that was published or held: show, verify."""


@ledger.command()
@click.argument("record", required=False)
@store_option
@json_option
def show(record: str | None, store: Path, as_json: bool) -> None:
    """
    Print the entries of a store's ledger, or all that it says of one RECORD.

    A record is the name, without its suffix, of a file in clips/. Entries say that and how
    something was removed, never what: no names, no places, no times.
    """
    with open_store(store) as opened:
        entries = opened.log.by_rec(record) if record else opened.log.entries()
        shown = 0
        for entry in entries:
            shown += 1
            click.echo(json.dumps(entry.value) if as_json or record else _line(entry))
    if record and not shown:
        raise UsageError(f"the ledger has no entry of {record!r}.", means="Nothing was changed.")


@ledger.command()
@store_option
@json_option
def verify(store: Path, as_json: bool) -> None:
    """
    Check that a store is whole: every entry, the log's tree and signature, every published file.

    Exits with 0 when all of it matches, and with 6 when something does not.
    """
    with open_store(store) as opened:
        summary = opened.verify()
    value = {
        "entries": summary.entries,
        "published": summary.published,
        "withdrawn": summary.withdrawn,
        "held": summary.held,
        "root": summary.root,
        "origin": summary.origin,
    }
    if as_json:
        click.echo(json.dumps({"whole": True, **value}))
    else:
        click.echo(
            f"{store}: whole. {summary.entries} entries; {summary.published} clips published, "
            f"each the file that its entry says; {summary.held} held. Root {summary.root[:16]}"
        )


def open_store(store: Path) -> Store:
    """An existing store: looking at one must not make one."""
    if not (store / "ledger").is_dir():
        raise UsageError(f"there is no store in {str(store)!r}.", means="Nothing was changed.")
    return Store(store)


def _line(entry: Entry) -> str:
    value: dict[str, Any] = entry.value
    time = datetime.fromtimestamp(value["t_utc_us"] / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    what = value.get("reason") or ", ".join(
        f"{line['count']} {line['k'].replace('_', ' ')}" for line in value.get("sum", [])
    )
    return f"{entry.seq:>6}  {time}  {entry.rec}  {entry.kind:<9} {what or 'nothing to remove'}"
