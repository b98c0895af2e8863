"""redact ledger verify, prove: whether a store is whole, and proofs that others check offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, say
from redact.cli.ledger import STORE, check_there, chosen, ledger, open_store, store_option
from redact.errors import LedgerCorruptError, UsageError, printable
from redact.ledger import consistency, proof
from redact.ledger.files import digest, write_durably, writing
from redact.ledger.log import Log
from redact.store.verify import Summary
from redact.store.verify import verify as verify_store

FILE = click.Path(dir_okay=False, path_type=Path)


@ledger.command()
@click.argument("file", required=False, type=FILE)
@click.option("--store", type=STORE, help="The store to check; with --vkey, without its keys.")
@click.option("--proof", "proof_file", type=FILE, help="Check this proof, offline.")
@click.option(
    "--since", type=FILE, help="The older checkpoint, of yours, that the proof is to continue."
)
@click.option("--vkey", help="The log's public key as it was given to you, or a file that has it.")
@click.option(
    "--witness", type=FILE, help="A file of yours that remembers the log, to find roll-backs."
)
@json_option
def verify(
    file: Path | None,
    store: Path | None,
    proof_file: Path | None,
    since: Path | None,
    vkey: str | None,
    witness: Path | None,
    as_json: bool,
) -> None:
    """
    Check that a store is whole, or what a proof shows of FILE or of a log that grew.

    Of a store: every entry, the log's tree, index and signatures, every published file. Of a file,
    with --proof and --vkey: that the log of this key holds the entry of the file's publication;
    whether it was withdrawn later, only the store can tell. Of two checkpoints, with --proof,
    --vkey and --since: that nothing of the older log was changed or left out in the newer. A log
    whose key was replaced between the two needs both keys, in a file, a line each, the newer one
    last (redact ledger key show). A key that may have leaked is not to be given: ask for a proof
    under the one that replaced it.

    Exits with 0 when all of it matches, and with 6 when something does not.
    """
    of_proof = [it for it in (file, since) if it is not None]
    if (store is None) == (proof_file is None) or len(of_proof) != (proof_file is not None):
        raise UsageError(
            "say what to verify: --store DIR, or --proof PROOF --vkey KEY and FILE or --since.",
            means="Nothing was verified.",
        )
    if store is not None:
        _verify_store(store, vkey, witness, as_json)
    elif proof_file is not None:
        keys = _keys(vkey)
        if file is not None:
            _verify_file(file, proof_file, keys, as_json)
        elif since is not None:
            _verify_growth(since, proof_file, keys, as_json)


def _verify_store(store: Path, vkey: str | None, witness: Path | None, as_json: bool) -> None:
    check_there(store)
    summary = _checked(store, _keys(vkey)[-1] if vkey else None)
    if witness is not None:
        log = Log(store / "ledger")
        try:
            consistency.check_witness(log, witness)
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
    with open_store(store) as opened:
        return opened.verify()


def _verify_file(file: Path, proof_file: Path, vkeys: list[str], as_json: bool) -> None:
    with writing("a file could not be read"):
        data, sha256 = proof_file.read_bytes(), digest(file)
    entry, head = proof.verify(data, *vkeys)
    if entry.output != sha256:
        raise LedgerCorruptError(
            f"{printable(file)} is not the file whose publication is proven.",
            means="Nothing says that it was redacted.",
        )
    value = {"seq": entry.seq, "record": entry.rec, "origin": head.origin, "size": head.size}
    _tell(
        {"proven": True, **value},
        f"{printable(file)}: published as entry {entry.seq} of {head.origin}, as its log of "
        f"{head.size} entries shows.",
        as_json,
    )


def _verify_growth(since: Path, proof_file: Path, vkeys: list[str], as_json: bool) -> None:
    with writing("a file could not be read"):
        data, seen = proof_file.read_bytes(), since.read_bytes()
    old, head = consistency.verify(data, seen, *vkeys)
    value = {"origin": head.origin, "since": old.size, "size": head.size, "root": head.root.hex()}
    _tell(
        {"continues": True, **value},
        f"{head.origin}: its {head.size} entries begin with the {old.size} of the older "
        "checkpoint, unchanged.",
        as_json,
    )


@ledger.command()
@click.argument("what", metavar="[RECORD|FILE]", required=False)
@click.option(
    "--since", type=FILE, help="Prove that the log continues this checkpoint, or a witness file."
)
@click.option("-o", "--output", type=FILE, required=True, help="Where the proof is written.")
@store_option
@json_option
def prove(what: str | None, since: Path | None, output: Path, store: Path, as_json: bool) -> None:
    """
    Write a proof that a published FILE stands in the ledger, or that the ledger only grew.

    Others check it offline, with the log's public key (redact ledger key show) and no store: redact
    ledger verify --proof PROOF --vkey KEY FILE. With --since, the proof is that all that an older
    checkpoint covers (store/ledger/checkpoint, as it was then) is still there, unchanged: redact
    ledger verify --proof PROOF --vkey KEY --since CHECKPOINT.
    """
    if (what is None) == (since is None):
        raise UsageError("say what to prove: a FILE or RECORD, or --since.")
    with open_store(store) as opened:
        vkey = opened.log.vkey
        if since is not None:
            with writing(f"{printable(since)} could not be read"):
                seen = since.read_bytes()
            data = consistency.prove(opened.log, seen)
            about: dict[str, Any] = {"size": len(opened.log)}
            shown = f"that the log of {about['size']} entries continues {printable(since)}"
        else:
            entry = chosen(opened, str(what))
            data, about = proof.prove(opened.log, entry), {"seq": entry.seq}
            shown = f"entry {entry.seq}"
    with writing(f"the proof {output.name} could not be written"):
        write_durably(output, data)
    value = {"proof": printable(output), **about, "vkey": vkey}
    _tell(value, f"{printable(output)}: proves {shown}. The log's public key is\n{vkey}", as_json)


def _tell(value: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(value))
    else:
        say(text)


def _keys(vkey: str | None) -> list[str]:
    """Verification keys, oldest first: the one that was given, or those of a file, a line each."""
    if vkey is None:
        raise UsageError(
            "a proof is checked with the log's public key: --vkey.", means="Nothing was verified."
        )
    path = Path(vkey)
    with writing("the public key could not be read"):
        text = path.read_text(encoding="utf-8") if path.is_file() else vkey
    keys = text.split()
    if not keys:
        raise UsageError("there is no public key in that file.", means="Nothing was verified.")
    return keys
