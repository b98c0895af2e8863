"""How a store gets its keys and its log: both are made for a store that is new."""

from __future__ import annotations

import secrets
from pathlib import Path

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import keys as keyring
from redact.ledger.begin import CHECKPOINT, DATABASE, address
from redact.ledger.log import Log


def open_log(root: Path, folder: Path, at: str | None) -> tuple[keyring.Keys, Log]:
    """
    The keys in `folder` and the log of the store at `root`.

    What is looked up in it is proved: what was withdrawn can't be hidden from a run. `at` is where
    a new log's database is; None for a file in the store. Raises StoreError when a
    key is missing or wrong.
    """
    new = not (root / "ledger" / CHECKPOINT).exists()
    if new and any((root / "clips").iterdir()):
        raise LedgerCorruptError(
            f"{root}: there are clips, but their ledger is gone.",
            todo="Restore the ledger from its last good copy.",
        )
    keys = keyring.load(folder, make=new)
    ids = {f"{name}_key": value for name, value in keys.ids.items()}
    if new:
        origin = f"redact/{secrets.token_hex(8)}"
        Log.create(root / "ledger", keys.first_signer, origin, at or DATABASE, **ids)
    log = Log(root / "ledger", keys.signer, proving=True)
    try:
        _check(root, log, ids, at)
    except StoreError:
        log.close()
        raise
    return keys, log


def _check(root: Path, log: Log, ids: dict[str, str], at: str | None) -> None:
    if any(log.meta.get(name) != value for name, value in ids.items()):
        raise StoreError(
            f"{root}: the keys are not those that this store was begun with.",
            todo="Say where its keys are (REDACT_KEYS).",
        )
    if at is not None and at != address(root / "ledger"):
        raise StoreError(
            f"{root}: its ledger is in another database.", todo="Leave out --ledger: it is known."
        )
