"""
Taking clips back: the gate is closed for them first, then their files go.

A crash in between leaves the gate closed; the same call again removes what is left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redact.errors import InputError, UsageError, printable
from redact.ledger import kinds
from redact.ledger.entry import Entry
from redact.ledger.files import digest, sync_folder, writing
from redact.sources.address import normal
from redact.store import Store
from redact.store.standing import FOR_GOOD

REASONS = ("erasure", "objection", "opt_out", "licence", "order", "leak", "quality", "mistake")
"""The first five are about the source: nothing of it is published again, under any policy."""


@dataclass(frozen=True, slots=True)
class HandOut:
    """Somebody who was given clips that are now withdrawn."""

    to: str  # the opaque id of the recipient, or "unnamed"
    shard: str  # sha256 of the shard, hex
    seq: int  # of the entry that says so
    t_utc_us: int
    records: tuple[str, ...]  # the withdrawn clips among those that it was given


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal came to."""

    records: tuple[str, ...]  # every clip of the source that is closed now
    new: int  # entries that this call withdrew; one taken back before may be closed for good now
    removed: int  # files that this call took out of clips/
    suppressed: bool  # nothing of the source can be published again
    handed_out: tuple[HandOut, ...]


def withdraw(
    store: Store,
    *,
    reason: str,
    url: str | None = None,
    file: Path | None = None,
    record: str | None = None,
    case: str | None = None,
    who: str | None = None,
) -> Withdrawal:
    """
    Close the gate for the clips of one source, and take their files out of clips/.

    The source is named by its address, by a file (as published, or as it came in) or by a record.
    For a reason that is about the source, all its clips go, and it is suppressed; for the others
    (leak, quality, mistake), the named clips alone. `case` and `who` are opaque ids of the schema.
    Raises UsageError for a source that the ledger does not know, unless an address is suppressed;
    StoreError when the store can't be written.
    """
    if reason not in REASONS or sum(one is not None for one in (url, file, record)) != 1:
        raise UsageError(
            "a withdrawal takes one of address, file and record, and a reason of the list.",
            means="Nothing was withdrawn.",
            todo=f"Reasons: {', '.join(REASONS)}.",
        )
    address = store.url_hmac(_normal(url)) if url is not None else None
    if address and reason in FOR_GOOD:
        _suppress(store, address, reason, case, who)
    found, new = _close(store, address, file, record, reason, case, who)
    if not found and not (address and reason in FOR_GOOD):
        raise UsageError(
            "the ledger has no clip of that source.",
            means="Nothing was withdrawn.",
            todo="Name the address, the file or the record as the ledger knows it.",
        )
    removed = sum(_remove(store.path(entry)) for entry in found)
    records = tuple(dict.fromkeys(entry.rec for entry in found))
    handed_out = tuple(_handed_out(store, found))
    return Withdrawal(records, new, removed, reason in FOR_GOOD, handed_out)


def _suppress(store: Store, address: str, reason: str, case: str | None, who: str | None) -> None:
    """First of all: from here on no run can publish anything from there."""
    known = (one for one in store.log.by_url(address) if one.kind == "source")
    if not any(one.value["state"] == "suppressed" for one in known):
        store.append([kinds.source(address, "suppressed", reason=reason, case=case, who=who)])


def _close(
    store: Store,
    address: str | None,
    file: Path | None,
    record: str | None,
    reason: str,
    case: str | None,
    who: str | None,
) -> tuple[list[Entry], int]:
    """Withdraw until nothing of the source stands: a run may publish more of it meanwhile."""
    new = 0
    while True:
        found = _named(store, address, file, record)
        if reason in FOR_GOOD:
            urls = _urls(store, found)
            for url in urls:
                _suppress(store, url, reason, case, who)
            found = _whole_source(store, found, urls)
        standing = [entry for entry in found if not _is_withdrawn(store, entry, reason)]
        if not standing:
            return found, new
        drafts = [kinds.withdrawn(entry, reason, case=case, who=who) for entry in standing]
        store.append(drafts)
        new += len(standing)


def _named(store: Store, address: str | None, file: Path | None, record: str | None) -> list[Entry]:
    """The published entries that are named, each clip's last one."""
    if address is not None:
        about = store.log.by_url(address)
        of_files = {one.file_hmac for one in about if one.file_hmac}
        entries = [*about, *(one for name in sorted(of_files) for one in store.log.by_file(name))]
    elif file is not None:
        sha256 = _digest(file)
        entries = [*store.log.by_output(sha256), *store.log.by_file(store.file_hmac(sha256))]
    else:
        entries = store.log.by_rec(str(record))
    return _published(entries)


def _whole_source(store: Store, found: list[Entry], urls: list[str]) -> list[Entry]:
    """With every other clip of the same files and addresses."""
    same = [*_same_files(store, found), *(it for url in urls for it in store.log.by_url(url))]
    return _published([*found, *same])


def _urls(store: Store, found: list[Entry]) -> list[str]:
    """What stands for every address that these clips are said to be from, now or later."""
    entries = (*found, *_same_files(store, found))
    return sorted({one.url_hmac for one in entries if one.url_hmac})


def _same_files(store: Store, found: list[Entry]) -> list[Entry]:
    files = sorted({one.file_hmac for one in found if one.file_hmac})
    return [one for name in files for one in store.log.by_file(name)]


def _published(entries: list[Entry]) -> list[Entry]:
    """Each once, in the ledger's order."""
    by_seq = {entry.seq: entry for entry in entries if entry.kind == "published"}
    replaced = {entry.replaces for entry in by_seq.values()}
    return [by_seq[seq] for seq in sorted(by_seq) if seq not in replaced]


def _is_withdrawn(store: Store, entry: Entry, reason: str) -> bool:
    """Whether it is, for such a reason: a leak alone does not keep its source from coming again."""
    reasons = {it.value["reason"] for it in store.log.about(entry.seq) if it.kind == "withdrawn"}
    return bool(reasons & FOR_GOOD if reason in FOR_GOOD else reasons)


def _remove(path: Path) -> int:
    """Take a file out of clips/, durably; 1 if it was there."""
    with writing(f"a withdrawn clip could not be removed from {printable(path.parent)}"):
        there = os.path.lexists(path)
        with suppress(FileNotFoundError):
            path.unlink()
        sync_folder(path.parent)
    return int(there)


def _handed_out(store: Store, withdrawn: list[Entry]) -> Iterator[HandOut]:
    """Each hand-out that any of these clips was in, oldest first."""
    given: dict[int, tuple[Entry, list[str]]] = {}
    for entry in withdrawn:
        for one in store.log.about(entry.seq):
            if one.kind == "admission" and one.value["decision"] == "admit":
                given.setdefault(one.seq, (one, []))[1].append(entry.rec)
    for seq, (one, records) in sorted(given.items()):
        to, shard = one.value.get("to", "unnamed"), one.value.get("shard", "")
        yield HandOut(to, shard, seq, one.value["t_utc_us"], tuple(records))


def _normal(url: str) -> str:
    try:
        return normal(url)
    except ValueError as error:
        raise UsageError(
            f"the address can't be taken: {error}.", means="Nothing was withdrawn."
        ) from None


def _digest(file: Path) -> str:
    try:
        return digest(file)
    except OSError as error:
        raise InputError(
            f"{printable(file)} can't be read ({error.strerror}).", means="Nothing was withdrawn."
        ) from error
