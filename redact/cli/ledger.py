"""redact ledger: what the log of a store says; shredding, and its signing key. See audit.py too."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, main, say
from redact.errors import UsageError, printable
from redact.ledger.entry import Entry
from redact.ledger.files import digest, writing
from redact.ledger.log import Log
from redact.store import Store

STORE = click.Path(file_okay=False, path_type=Path)
store_option = click.option(
    "--store", required=True, type=STORE, help="The store whose ledger it is."
)


@main.group()
def ledger() -> None:
    """The record of every clip: show, verify, prove, shred, and its signing key."""


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
@click.argument("what", metavar="RECORD|FILE")
@click.option(
    "--reason",
    required=True,
    type=click.Choice(["retention", "erasure", "objection", "order", "mistake"]),
    help="Why, for the ledger.",
)
@store_option
@json_option
def shred(what: str, reason: str, store: Path, as_json: bool) -> None:
    """
    Destroy the restricted detail of a clip: where things were removed, and where it came from.

    The public entry and every proof stay valid. It can't be undone, and copies of the store
    (backups, snapshots) are yours to destroy too.
    """
    with open_store(store) as opened:
        done = opened.shred(chosen(opened, what), reason)
    if as_json:
        click.echo(json.dumps(done.value))
    else:
        say(f"The detail of entry {done.value['of']} is destroyed; entry {done.seq} says so.")


@ledger.group()
def key() -> None:
    """The key that signs a store's ledger: show, rotate."""


@key.command("show")
@store_option
@json_option
def show_key(store: Path, as_json: bool) -> None:
    """Print the public keys of a store's ledger, the one that signs now last. Give it to others."""
    check_there(store)
    log = Log(store / "ledger")
    try:
        keys = [vkey for _, vkey in log.chain.links]
    finally:
        log.close()
    click.echo(json.dumps({"vkeys": keys}) if as_json else "\n".join(keys))


@key.command()
@store_option
@json_option
def rotate(store: Path, as_json: bool) -> None:
    """
    Sign a store's ledger with a new key from now on.

    The old key signs that the new one follows it, so that who knows the old one can go on. It is
    kept beside the new one: other stores may use it.
    """
    with open_store(store) as opened:
        entry = opened.rotate()
    if as_json:
        click.echo(json.dumps(entry.value))
    else:
        say(f"Entry {entry.seq} hands over to a new key. Give it to who verifies:")
        click.echo(entry.value["new"])


def chosen(store: Store, what: str) -> Entry:
    """The last entry of a record, or of the publication of a file, that has a detail."""
    path = Path(what)
    with writing(f"{printable(what)} could not be read"):
        found = store.log.by_output(digest(path)) if path.is_file() else store.log.by_rec(what)
    entries = [entry for entry in found if entry.kind in ("published", "held")]
    if not entries:
        raise UsageError(
            f"the ledger has no entry of {printable(what)!r}.", means="Nothing was changed."
        )
    return entries[-1]


def check_there(store: Path) -> None:
    """Looking at a store must not make one."""
    if not (store / "ledger").is_dir():
        raise UsageError(
            f"there is no store in {printable(store)!r}.", means="Nothing was changed."
        )


def open_store(store: Path) -> Store:
    check_there(store)
    return Store(store)


def _line(entry: Entry) -> str:
    value: dict[str, Any] = entry.value
    time = datetime.fromtimestamp(value["t_utc_us"] / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{entry.seq:>6}  {time}  {entry.rec or '-':<26}  {entry.kind:<12} {_words(entry)}"


def _words(entry: Entry) -> str:
    """What an entry comes to, in a few words."""
    value = entry.value
    if entry.kind == "published":
        lines = [f"{line['count']} {line['k'].replace('_', ' ')}" for line in value["sum"]]
        return ", ".join(lines) or "nothing to remove"
    said = [value.get(name) for name in ("state", "decision", "result", "reason", "code", "why")]
    return ", ".join([*filter(None, said), *value.get("answers", [])])
