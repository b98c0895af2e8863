"""
The public entry: what one line of the log says, as RFC 8785 bytes checked against a closed schema.

It says that something was removed and how, never what or where.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from redact.errors import LedgerCorruptError, Reason, StoreError
from redact.ledger.facts import SUFFIX, Check, Clip, Facts, Listing
from redact.ledger.schema import breach

SCHEMA = "redact/entry/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log, as read from it or ready to be appended."""

    value: dict[str, Any]

    @property
    def seq(self) -> int:
        return int(self.value["seq"])

    @property
    def rec(self) -> str:
        """The clip's opaque name; empty for an entry that is not about one clip."""
        return str(self.value.get("rec", ""))

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def idem(self) -> str | None:
        return self.value.get("idem")

    @property
    def output(self) -> str | None:
        """The sha256 of the published file, hex."""
        return str(self.value["out"]["sha256"]) if "out" in self.value else None

    @property
    def replaces(self) -> int | None:
        """The seq of the earlier entry of this clip, whose published file was lost."""
        return self.value.get("replaces")

    @property
    def refers(self) -> list[int]:
        """The seqs of the earlier entries that this one is about."""
        value = self.value
        return [*([value["of"]] if "of" in value else []), *value.get("clips", [])]

    @property
    def file_hmac(self) -> str | None:
        """Stands for the file that came in, whatever the policy (see `file_hmac`)."""
        found = self.value.get("in", {}).get("file_hmac") or self.value.get("file_hmac")
        return str(found) if found else None

    @property
    def url_hmac(self) -> str | None:
        """Stands for the URL that it came from (see `url_hmac`)."""
        found = self.value.get("src", {}).get("url_hmac") or self.value.get("url_hmac")
        return str(found) if found else None

    @property
    def said(self) -> list[tuple[str, str | int]]:
        """What a log looks an entry up by: names and values (see ledger.index)."""
        value = self.value
        named: list[tuple[str, str | int | None]] = [
            ("rec", value.get("rec")),
            ("output", self.output),
            ("file", self.file_hmac),
            ("url", self.url_hmac),
        ]
        found = [(name, it) for name, it in named if it is not None]
        return [*found, *(("of", seq) for seq in self.refers)]

    @property
    def once(self) -> tuple[str, str | int] | None:
        """What only one entry of a log may say: that it publishes a work first, or replaces one."""
        if self.replaces is not None:
            return "replaces", self.replaces
        return ("idem", self.idem) if self.kind == "published" and self.idem else None

    @property
    def file_name(self) -> str:
        """Of the published file, in clips/. Only published entries have one."""
        return self.rec + SUFFIX[self.value["out"]["media"]]

    def to_bytes(self) -> bytes:
        """
        The bytes that are hashed and kept.

        Raises StoreError when the entry does not follow its schema.
        """
        if place := breach(self.value):
            raise StoreError(
                f"the facts of a clip do not follow the schema {SCHEMA} at {place}.",
                todo="This is a fault in redact, or a policy name that is not one plain word.",
            )
        return _canonical(self.value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Raises LedgerCorruptError unless these are bytes that `to_bytes` writes."""
        try:
            value = json.loads(data.decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise _no_entry("they are not JSON") from error
        if place := breach(value):
            raise _no_entry(f"against the schema at {place}")
        if _canonical(value) != data:
            raise _no_entry("not canonical")
        return cls(value)


def idem(clip: Clip, key: bytes, key_id: str) -> str | None:
    """
    The keyed hash that stands for a clip's work, "hmac-sha256:<key id>:<hex>".

    The same for every try, so that a retry is known; and nothing without the key. None for a
    source that could not be read.
    """
    if clip.source is None:
        return None
    message = bytes.fromhex(clip.source) + bytes.fromhex(clip.policy) + clip.engine.encode()
    return _keyed(message, key, key_id)


def file_hmac(source: str, key: bytes, key_id: str) -> str:
    """The keyed hash that stands for a source file, by its sha256 (hex), whatever the policy."""
    return _keyed(b"redact/file/1\n" + bytes.fromhex(source), key, key_id)


def url_hmac(url: str, key: bytes, key_id: str) -> str:
    """The keyed hash that stands for a URL, as the caller spells it: bring it to one form first."""
    return _keyed(b"redact/url/1\n" + url.encode(), key, key_id)


def _keyed(message: bytes, key: bytes, key_id: str) -> str:
    return f"hmac-sha256:{key_id}:{hmac.digest(key, message, 'sha256').hex()}"


def record_name(number: bytes) -> str:
    """16 bytes as 26 characters of Crockford's base32: a name that says nothing."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    value = int.from_bytes(number, "big")
    return "".join(alphabet[value >> shift & 31] for shift in range(125, -1, -5))


def published(clip: Clip, facts: Facts, **stated: Any) -> dict[str, Any]:
    """
    The entry of a published clip, but for `seq` and `t_utc_us`, which the log adds.

    `stated` are the store's own: rec, idem, commit and file_hmac (of the source), sha256 and bytes
    (of the output), detail, and replaces (None for a first publication).
    """
    value = {
        **_common("published", clip, facts.policy_id, stated),
        **_listed(facts.listing),
        "in": {**_source(stated), **asdict(facts.source)},
        "out": {"sha256": stated["sha256"], "bytes": stated["bytes"], **asdict(facts.output)},
        "cov": asdict(facts.coverage),
        "scope": sorted(facts.scope),
        "sum": [_without_none(asdict(item)) for item in facts.removed],
        "chk": _check(facts.check),
        "voice_treatment": "none",
        "ocr": "not_scanned",
        "claim_level": "minimised",
        "detail": stated["detail"],
        "replaces": stated["replaces"],
        "c2pa": facts.c2pa,
    }
    value["eng"]["models"] = [asdict(model) for model in facts.models]
    return _without_none(value)


def _check(check: Check) -> dict[str, Any]:
    """A clip that does not decode, holds a tag or changed elsewhere is never published."""
    verdict = "overruled" if check.residual else "clean"
    passed = dict.fromkeys(("decode", "strip", "outside"), "pass")
    return {"verdict": verdict, **passed, **asdict(check)}


def held(
    clip: Clip, policy_id: str, reason: Reason, listing: Listing | None = None, **stated: Any
) -> dict[str, Any]:
    """
    The entry of a held clip.

    `stated`: rec, idem, commit, file_hmac and detail, None where unknown.
    """
    return _without_none(
        {
            **_common("held", clip, policy_id, stated),
            **_listed(listing),
            "reason": reason.value,
            "in": _source(stated) if stated["commit"] else None,
            "detail": stated["detail"],
        }
    )


def _source(stated: Mapping[str, Any]) -> dict[str, Any]:
    return _without_none({name: stated.get(name) for name in ("commit", "file_hmac")})


def _listed(listing: Listing | None) -> dict[str, Any]:
    return asdict(listing) if listing else {}


def _canonical(value: dict[str, Any]) -> bytes:
    """
    RFC 8785, for values that follow the schema: ASCII, whole numbers, nothing to escape.

    For those the standard library writes the same bytes (a test holds it against rfc8785), at a
    tenth of the time.
    """
    return _ENCODER.encode(value).encode("ascii")


# What follows the schema is a tree: to look for circles would take a third of the time.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)


def _no_entry(why: str) -> LedgerCorruptError:
    return LedgerCorruptError(f"bytes that are no entry: {why}.", means="It can't be trusted.")


def _common(kind: str, clip: Clip, policy_id: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    name, _, version = clip.engine.partition(" ")
    return {
        "schema": SCHEMA,
        "kind": kind,
        "rec": stated["rec"],
        "idem": stated["idem"],
        "pol": {"id": policy_id, "sha256": clip.policy},
        "eng": {"name": name, "ver": version},
    }


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
