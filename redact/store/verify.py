"""The full check of a store: its log, every file in clips/, every restricted detail."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from redact.errors import LedgerCorruptError
from redact.ledger.entry import Entry
from redact.ledger.files import digest, locked, writing
from redact.ledger.log import Log
from redact.ledger.verify import verified
from redact.store.desk import sealed_files


@dataclass(frozen=True, slots=True)
class Summary:
    """What `verify` saw: a store that is whole."""

    entries: int
    published: int  # clips with a standing entry; as many files were checked
    withdrawn: int  # clips that were published and must not be used; their files may be gone
    held: int  # clips whose last entry says that they were held
    root: str  # of the log's tree, hex
    origin: str


def verify(
    root: Path, *, vkey: str | None = None, recall: Callable[[Entry], object] | None = None
) -> Summary:
    """
    Check everything: the log, each file in clips/ against its entry, each restricted detail.

    Needs no secret. `vkey` is the key that the log must be signed with, as it was given to you;
    without one the store's own copy is believed. `recall` opens an entry's detail; without it,
    details are only looked for. Runs beside writers, whom it stops for a moment. Raises
    LedgerCorruptError, which names the first entry or file that does not match.
    """
    standing: dict[str, int] = {}  # by file name, the seq of the entry under which it stands
    withdrawn: dict[str, int] = {}
    held: set[str] = set()
    with (
        writing(f"the store {root} could not be read"),
        closing(Log(root / "ledger", vkey=vkey)) as log,
        ExitStack() as snapshot,
    ):
        with locked(root / ".work" / "lock"):
            snapshot.enter_context(log.snapshot())
            head, names = log.checkpoint(), set(os.listdir(root / "clips"))
        shredded = {it.value["of"] for it in log.by_kind("shredded")}
        for entry in verified(log):
            if entry.kind == "published":
                standing[entry.file_name] = entry.seq
                held.discard(entry.rec)
            elif entry.kind == "held":
                held.add(entry.rec)
            elif entry.kind == "withdrawn":
                _withdraw(entry, log.at(entry.value["of"]), standing, withdrawn)
            if entry.seq in shredded:
                _check_gone(root, entry)
            elif "detail" in entry.value:
                (recall or _look_for(root))(entry)
        left = {name: of for name, of in withdrawn.items() if name in names}
        _check_clips(root / "clips", names, standing | left, log)
    counts = len(standing), len(withdrawn), len(held)
    return Summary(head.size, *counts, head.root.hex(), head.origin)


def _withdraw(entry: Entry, of: Entry, standing: dict[str, int], withdrawn: dict[str, int]) -> None:
    """The clip of `of` stands no longer. Its file may be gone; if not, it is what it was."""
    if of.kind != "published" or of.rec != entry.rec:
        raise LedgerCorruptError(
            f"entry {entry.seq} withdraws what entry {of.seq} did not publish.",
            means="It can't be trusted.",
        )
    if standing.get(of.file_name) == of.seq:
        withdrawn[of.file_name] = standing.pop(of.file_name)


def _check_clips(folder: Path, names: set[str], standing: dict[str, int], log: Log) -> None:
    for name in sorted(names - standing.keys()):
        raise LedgerCorruptError(
            f"clips/{name} has no entry in the ledger.",
            means="Nothing says that it was redacted.",
            todo="Take it out of the store; it must not be trained on.",
        )
    for name, seq in standing.items():
        path = folder / name
        if name not in names or path.is_symlink() or digest(path) != log.at(seq).output:
            raise LedgerCorruptError(
                f"clips/{name} is not the file that entry {seq} published, or is gone.",
                means="That clip must not be trained on; the others are not affected.",
                todo="Delete the file, if it is there, and run its source again.",
            )


def detail_folder(root: Path, entry: Entry) -> Path:
    return root / ("restricted" if entry.kind == "published" else "held")


def lost_detail(entry: Entry, shredded: Entry | None = None) -> LedgerCorruptError:
    if shredded is not None:
        return LedgerCorruptError(
            f"the restricted detail of entry {entry.seq} was shredded by entry {shredded.seq}.",
            means="What was removed there can't be looked up any more; the entry stands.",
        )
    return LedgerCorruptError(
        f"the restricted detail of entry {entry.seq} is gone.",
        means="What was removed there can't be looked up any more; the entry stands.",
        todo="Restore it from its backup.",
    )


def _check_gone(root: Path, entry: Entry) -> None:
    paths = sealed_files(detail_folder(root, entry), entry.value["detail"])
    if any(path.exists() for path in paths):
        raise LedgerCorruptError(
            f"the restricted detail of entry {entry.seq} was shredded, and is there again.",
            means="What had to be forgotten is not; the entry stands.",
            todo="Delete it from the store and from the backup that brought it back.",
        )


def _look_for(root: Path) -> Callable[[Entry], None]:
    def look(entry: Entry) -> None:
        paths = sealed_files(detail_folder(root, entry), entry.value["detail"])
        if not all(path.is_file() for path in paths):
            raise lost_detail(entry)

    return look
