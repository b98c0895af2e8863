"""
Which clips of a store may be handed out, by one pass over the whole of its log.

Nothing here rests on the database's indexes: the pass ends by comparing all that was read with the
signed checkpoint. Clips are told apart by the first 64 bits of their keyed hashes; two that
were ever the same would both be closed when one is.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from redact.gate import LEAKS, listing_of
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.follow import Follower
from redact.ledger.reader import Reader
from redact.sources import Purpose, refusals
from redact.store.standing import FOR_GOOD

_NO, _YES, _UNLISTED = 0, 1, 2


@dataclass(slots=True)
class Closed:
    """What later entries have closed: clips by the seq of their entry, sources by keyed hash."""

    seqs: set[int] = field(default_factory=set)
    files: set[int] = field(default_factory=set)
    urls: set[int] = field(default_factory=set)
    listed: dict[int, int] = field(default_factory=dict)  # by file: what was said of it last
    came_from: dict[int, int] = field(default_factory=dict)  # by file: the URL that was said later

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
        if "rights" in value:
            hmac = value.get("in", {}).get("file_hmac") or value.get("file_hmac")
            self.listed |= dict.fromkeys(_keys(hmac), _allowed(value, purpose))
            if kind == "source":
                self.came_from |= dict.fromkeys(_keys(hmac), key64(value.get("url_hmac")))

    def has(self, seq: int, file: int, url: int) -> bool:
        listed = self.listed.get(file, _YES)
        urls = {url, self.came_from.get(file, 0)}
        return seq in self.seqs or file in self.files or bool(urls & self.urls) or listed != _YES


def admissible(
    log: Reader, purpose: Purpose, follower: Follower, upto: int | None = None
) -> tuple[array[int], Closed, Checkpoint]:
    """
    The seqs of the published entries that may be used, in order, as the log stood at `upto`.

    Also what was closed after that, and the checkpoint that all of it is covered by. Raises
    LedgerCorruptError when the log does not match its checkpoint.
    """
    seqs, files, urls, own = array("Q"), array("Q"), array("Q"), bytearray()
    before = Closed()
    after = Closed(came_from=before.came_from)

    def visit(value: dict[str, Any]) -> None:
        early = upto is None or value["seq"] < upto
        (before if early else after).visit(value, purpose)
        if early and value["kind"] == "published" and value["chk"]["verdict"] == "clean":
            seqs.append(value["seq"])
            files.append(key64(value["in"].get("file_hmac")))
            urls.append(key64(value.get("src", {}).get("url_hmac")))
            own.append(_allowed(value, purpose))

    head = follower.follow(log, visit)
    kept = (
        seq
        for seq, file, url, allowed in zip(seqs, files, urls, own, strict=True)
        if before.listed.get(file, allowed) == _YES and not before.has(seq, file, url)
    )
    return array("Q", kept), after, head


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
