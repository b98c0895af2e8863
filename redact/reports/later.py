"""
What later entries say of a clip's source: a manifest that came after the run, or a withdrawal.

As the gate has it (`redact.gate`): what was said last of a source file counts for all its clips,
and a file that was closed for good, or that was ever said to come from a closed address, stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redact.store.standing import FOR_GOOD

GROUPS = ("src", "rights", "law", "adm")
"""What a listing says anew. `ret`, how long a detail is kept, stands until it is said anew."""


def short(hmac: str | None) -> int | None:
    """The first 60 bits of a keyed hash, of a file or an address: what tells one from another."""
    return int(hmac.rpartition(":")[2][:15], 16) if hmac else None


def file_of(value: Mapping[str, Any]) -> int | None:
    """The source file that an entry's value is about."""
    return short(value.get("in", {}).get("file_hmac") or value.get("file_hmac"))


def url_of(value: Mapping[str, Any]) -> int | None:
    """The address that it is about."""
    return short(value.get("src", {}).get("url_hmac") or value.get("url_hmac"))


def closes(value: Mapping[str, Any]) -> set[int]:
    """The files and addresses of which, from this entry on, nothing may be used any more."""
    keys: set[int | None] = set()
    if value["kind"] == "withdrawn" and value["reason"] in FOR_GOOD:
        keys = {file_of(value), url_of(value)}
    elif value["kind"] == "source" and value["state"] == "suppressed":
        keys = {url_of(value)}
    return {key for key in keys if key is not None}


def restated(value: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A clip's value with what another entry, `said`, says of its source instead."""
    kept = {name: part for name, part in value.items() if name not in GROUPS}
    return kept | {name: said[name] for name in (*GROUPS, "ret") if name in said}
