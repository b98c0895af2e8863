"""redact ledger: what the log of a store says, whether it is whole, and proofs for others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, main, say
from redact.errors import LedgerCorruptError, UsageError, printable
from redact.ledger import proof
from redact.ledger.entry import Entry
from redact.ledger.files import digest, write_durably, writing
from redact.ledger.log import Log
from redact.store import Store
from redact.store.verify import Summary
from redact.store.verify import verify as verify_store

STORE = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
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
@click.argument("file", required=False, type=FILE)
@click.option("--store", type=STORE, help="The store to check; its keys are not needed.")
@click.option("--proof", "proof_file", type=FILE, help="Check FILE against this proof, offline.")
@click.option("--vkey", help="The log's public key as it was given to you, or a file that has it.")
@click.option(
    "--witness", type=FILE, help="A file of yours that remembers the log, to find roll-backs."
)
@json_option
def verify(
    file: Path | None,
    store: Path | None,
    proof_file: Path | None,
    vkey: str | None,
    witness: Path | None,
    as_json: bool,
) -> None:
    """
    Check that a store is whole, or that FILE is what a proof says.

    Of a store: every entry, the log's tree and signatures, every published file. Of a file, with
    --proof and --vkey: that the log of this key holds the entry of the file's publication; whether
    it was withdrawn later, only the store can tell. Exits with 0 when all of it matches, and with 6
    when something does not.
    """
    if (store is None) == (proof_file is None) or (proof_file is None) != (file is None):
        raise UsageError(
            "say what to verify: --store DIR, or --proof PROOF --vkey KEY FILE.",
            means="Nothing was verified.",
        )
    if proof_file is not None and file is not None:
        _verify_file(file, proof_file, vkey, as_json)
    elif store is not None:
        _verify_store(store, vkey, witness, as_json)


def _verify_store(store: Path, vkey: str | None, witness: Path | None, as_json: bool) -> None:
    _check_there(store)
    summary = _checked(store, _key(vkey) if vkey else None)
    if witness is not None:
        log = Log(store / "ledger")
        try:
            proof.check_witness(log, witness)
        finally:
            log.close()
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
        return
    click.echo(
        f"{printable(store)}: whole. {summary.entries} entries; {summary.published} clips "
        f"published, each the file that its entry says; {summary.withdrawn} withdrawn; "
        f"{summary.held} held. Root {summary.root[:16]}"
    )


def _checked(store: Path, vkey: str | None) -> Summary:
    """With the store's keys, its details too; with a public key, all that needs no secret."""
    if vkey is not None:
        return verify_store(store, vkey=vkey)
    with Store(store) as opened:
        return opened.verify()


def _verify_file(file: Path, proof_file: Path, vkey: str | None, as_json: bool) -> None:
    if vkey is None:
        raise UsageError(
            "a proof is checked with the log's public key: --vkey.", means="Nothing was verified."
        )
    with writing("a file could not be read"):
        data, sha256 = proof_file.read_bytes(), digest(file)
    entry, head = proof.verify(data, _key(vkey))
    if entry.output != sha256:
        raise LedgerCorruptError(
            f"{printable(file)} is not the file whose publication is proven.",
            means="Nothing says that it was redacted.",
        )
    value = {"seq": entry.seq, "record": entry.rec, "origin": head.origin, "size": head.size}
    if as_json:
        click.echo(json.dumps({"proven": True, **value}))
    else:
        say(
            f"{printable(file)}: published as entry {entry.seq} of {head.origin}, as its log of "
            f"{head.size} entries shows."
        )


@ledger.command()
@click.argument("what", metavar="RECORD|FILE")
@click.option("-o", "--output", type=FILE, required=True, help="Where the proof is written.")
@store_option
@json_option
def prove(what: str, output: Path, store: Path, as_json: bool) -> None:
    """
    Write a proof that a published FILE stands in the ledger, for others to check offline.

    They need the proof, the file and the log's public key (redact ledger key show), and no store:
    redact ledger verify --proof PROOF --vkey KEY FILE.
    """
    with open_store(store) as opened:
        entry = _chosen(opened, what)
        data = proof.prove(opened.log, entry)
        vkey = opened.log.vkey
    with writing(f"the proof {output.name} could not be written"):
        write_durably(output, data)
    if as_json:
        click.echo(json.dumps({"proof": printable(output), "seq": entry.seq, "vkey": vkey}))
    else:
        say(f"{printable(output)}: proves entry {entry.seq}. The log's public key is\n{vkey}")


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
        done = opened.shred(_chosen(opened, what), reason)
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
    _check_there(store)
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


def _chosen(store: Store, what: str) -> Entry:
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


def _key(vkey: str) -> str:
    """A verification key, or the content of the file that has it."""
    path = Path(vkey)
    with writing("the public key could not be read"):
        return path.read_text(encoding="utf-8").strip() if path.is_file() else vkey


def _check_there(store: Path) -> None:
    """Looking at a store must not make one."""
    if not (store / "ledger").is_dir():
        raise UsageError(
            f"there is no store in {printable(store)!r}.", means="Nothing was changed."
        )


def open_store(store: Path) -> Store:
    _check_there(store)
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
