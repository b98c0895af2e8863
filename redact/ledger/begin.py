"""How a log is begun, and where its parts are: the checkpoint, the first key, the database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import checkpoint as checkpoints
from redact.ledger import database, index, merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.database import LAYOUT
from redact.ledger.files import write_durably, writing

DATABASE, CHECKPOINT, VKEY = "log.sqlite", "checkpoint", "vkey"
ADDRESS = "address"
"""Where the database is, if it is not DATABASE beside this file."""


def create(
    folder: Path, signer: Ed25519PrivateKey, origin: str, at: str, meta: Mapping[str, str]
) -> None:
    """See `Log.create`."""
    with writing(f"the ledger in {folder} could not be started"):
        if (folder / CHECKPOINT).exists():
            return
        known = _filled(folder, signer, origin, at, meta)
        if at != DATABASE:
            write_durably(folder / ADDRESS, f"{at}\n".encode())
        write_durably(folder / VKEY, f"{known['vkey']}\n".encode())
        write_durably(folder / CHECKPOINT, known["checkpoint"].encode())


def _filled(
    folder: Path, signer: Ed25519PrivateKey, origin: str, at: str, meta: Mapping[str, str]
) -> dict[str, str]:
    """What the database says of a log without entries, whether begun now or before a crash."""
    db = database.open_at(at, folder)
    try:
        if not db.is_filled():
            empty = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
            nothing = index.root(empty.root, [], [])
            made = {
                "layout": LAYOUT,
                "vkey": checkpoints.verification_key(origin, signer.public_key()),
                "checkpoint": checkpoints.sign(empty, signer).decode(),
                "index": checkpoints.sign_index(empty, nothing, signer).decode(),
            }
            db.fill({**meta, **made})
        known: dict[str, str] = dict(db.rows("SELECT name, value FROM meta"))
        check_layout(folder, known)
        if db.rows("SELECT 1 FROM entries LIMIT 1"):
            raise corrupt(f"{folder}: its {CHECKPOINT} is gone.")
    finally:
        db.close()
    return known


def address(folder: Path) -> str:
    """Where the database of the log in this folder is. Raises LedgerCorruptError if it is gone."""
    if (folder / ADDRESS).exists():
        return (folder / ADDRESS).read_text(encoding="utf-8").strip()
    if not (folder / DATABASE).is_file():
        raise corrupt(f"{folder}: its database {DATABASE} is gone.")
    return DATABASE


def check_layout(folder: Path, meta: Mapping[str, str]) -> None:
    """Raises StoreError for a log that another version of redact made."""
    if meta.get("layout") != LAYOUT:
        raise StoreError(
            f"{folder}: it was made by another version of redact, with another layout.",
            todo="Open it with that version; a new store is needed for this one.",
        )


def corrupt(what: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        what,
        means="Nothing that it says can be trusted, and nothing was added to it.",
        todo="Restore the ledger from its last good copy; do not append to this one.",
    )
