"""
Which clips of a store may be handed out, by one pass over the whole of its log.

Nothing here rests on the database's indexes: the pass ends by comparing all that was read with the
signed checkpoint. Clips are told apart by the first 64 bits of their keyed hashes; two that
were ever the same would both be closed when one is.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from redact.gate import listing_of
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.follow import Follower
from redact.ledger.reader import Reader
from redact.quality import LEAKS
from redact.sources import Purpose, refusals
from redact.store.standing import FOR_GOOD

_NO, _YES, _UNLISTED = 0, 1, 2


@dataclass(slots=True)
class Addresses:
    """Which file was ever said to come from which address: pairs, in the order of the log."""

    files: array[int] = field(default_factory=lambda: array("Q"))
    urls: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, file: int, url: int) -> None:
        self.files.append(file)
        self.urls.append(url)

    def files_of(self, urls: set[int]) -> set[int]:
        pairs = zip(self.files, self.urls, strict=True)
        return {file for file, url in pairs if url in urls}


@dataclass(slots=True)
class Closed:
    """What later entries have closed: clips by the seq of their entry, sources by keyed hash."""

    seqs: set[int] = field(default_factory=set)
    files: set[int] = field(default_factory=set)
    urls: set[int] = field(default_factory=set)
    listed: dict[int, int] = field(default_factory=dict)  # by file: what was said of it last
    addresses: Addresses = field(default_factory=Addresses)
    swept: int = 0  # how many of `urls` have closed their files

    def visit(self, value: dict[str, Any], purpose: Purpose) -> None:
        """Take in one entry's value."""
        kind = value["kind"]
        if kind == "withdrawn":
            self.seqs.add(value["of"])
            if value["reason"] in FOR_GOOD:
                self.files |= _keys(value.get("file_hmac"))
                self.urls |= _keys(value.get("url_hmac"))
        elif kind == "verdict" and LEAKS & {*value["answers"]}:
            self.seqs |= {value["of"]} if "of" in value else set()
        elif kind == "source" and value["state"] == "suppressed":
            self.urls |= _keys(value.get("url_hmac"))
        elif "replaces" in value:
            self.seqs.add(value["replaces"])
        entry = Entry(value)
        file, url = key64(entry.file_hmac), key64(entry.url_hmac)
        if "rights" in value and file:
            self.listed[file] = _allowed(value, purpose)
        if file and url:
            self.addresses.add(file, url)
            self.files |= {file} if url in self.urls else set()

    def has(self, seq: int, file: int) -> bool:
        """Whether the gate is closed for a published entry, of which `file` is the source."""
        if self.swept < len(self.urls):
            self.files |= self.addresses.files_of(self.urls)
            self.swept = len(self.urls)
        return seq in self.seqs or file in self.files or self.listed.get(file, _YES) != _YES


def admissible(
    log: Reader, purpose: Purpose, follower: Follower, upto: int | None = None
) -> tuple[array[int], Closed, Checkpoint]:
    """
    The seqs of the published entries that may be used, in order, as the log stood at `upto`.

    Also what was closed after that, and the checkpoint that all of it is covered by. Raises
    LedgerCorruptError when the log does not match its checkpoint.
    """
    seqs, files, own = array("Q"), array("Q"), bytearray()
    before, after = Closed(), Closed()

    def visit(value: dict[str, Any]) -> None:
        early = upto is None or value["seq"] < upto
        (before if early else after).visit(value, purpose)
        if early and value["kind"] == "published" and value["chk"]["verdict"] == "clean":
            seqs.append(value["seq"])
            files.append(key64(value["in"].get("file_hmac")))
            own.append(_allowed(value, purpose))

    head = follower.follow(log, visit)
    kept = (
        seq
        for seq, file, allowed in zip(seqs, files, own, strict=True)
        if before.listed.get(file, allowed) == _YES and not before.has(seq, file)
    )
    shard = array("Q", kept)
    return shard, _later(before, after), head


def _later(before: Closed, after: Closed) -> Closed:
    """What is closed from here on, knowing every address that was named or closed before."""
    for file, url in zip(after.addresses.files, after.addresses.urls, strict=True):
        before.addresses.add(file, url)
    closed = {*before.urls, *after.urls}
    return replace(after, urls=closed, addresses=before.addresses, swept=0)


def key64(hmac: str | None) -> int:
    """The first 64 bits of a keyed hash; 0 for none."""
    return int(hmac.rpartition(":")[2][:16], 16) if hmac else 0


def _keys(hmac: str | None) -> set[int]:
    return {key64(hmac)} if hmac else set()


def _allowed(value: dict[str, Any], purpose: Purpose) -> int:
    """What an entry says of its source. Most say the same, so each saying is judged once."""
    if "rights" not in value:
        return _UNLISTED
    said = {name: value.get(name) for name in ("src", "rights", "law", "adm")}
    if said["src"]:
        alike = {"domain": "", "url_hmac": "", "acq_month": "", "manifest": ""}
        said["src"] = {name: alike.get(name, part) for name, part in said["src"].items()}
    return _YES if _judged(json.dumps(said), purpose) else _NO


@lru_cache(maxsize=4096)
def _judged(said: str, purpose: Purpose) -> bool:
    return not refusals(listing_of(json.loads(said)), purpose)
