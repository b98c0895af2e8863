"""
The entries that are not about the making of a clip: what people and the gate decided, and did.

Each function gives a draft for `Log.append` (or `Store.append`), which adds `seq` and `t_utc_us`.
Codes and ids are those of entry.schema.json; None leaves a field out. Who did it is an opaque id
("op_" and 16 hex digits), a case a random UUID, a lot 32 random hex digits: no entry names anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import SCHEMA, Entry
from redact.ledger.facts import Listing, Model

Draft = dict[str, Any]


def withdrawn(
    entry: Entry, reason: str, *, case: str | None = None, who: str | None = None
) -> Draft:
    """A published entry no longer stands: its clip must not be used, its file may go."""
    hmacs = {"file_hmac": entry.file_hmac, "url_hmac": entry.url_hmac}
    about = {"rec": entry.rec, "of": entry.seq}
    return _draft("withdrawn", **about, **hmacs, reason=reason, case=case, who=who)


def shredded(
    entry: Entry, reason: str, *, case: str | None = None, who: str | None = None
) -> Draft:
    """An entry's restricted detail is destroyed, by its key. Made by `Store.shred`."""
    about = {"rec": entry.rec, "of": entry.seq, "kid": entry.value["detail"]["kid"]}
    return _draft("shredded", **about, reason=reason, case=case, who=who)


def policy(
    pol: dict[str, str], state: str, *, purpose: str | None = None, who: str | None = None
) -> Draft:
    """A policy ({"id", "sha256"}) is "adopted" or "retired"."""
    return _draft("policy", pol=pol, state=state, purpose=purpose, who=who)


def model(
    model: Model, *, licence: str, commercial: bool, state: str, who: str | None = None
) -> Draft:
    """Weights are "adopted" or "retired"; `licence` is an SPDX id."""
    value = {name: getattr(model, name) for name in ("slot", "name", "sha256", "thr_ppm")}
    return _draft(
        "model", model=value, licence=licence, commercial=commercial, state=state, who=who
    )


def manifest(sha256: str, *, format: str, rows: int, usable: int, adm_policy: str) -> Draft:
    """A manifest of sources was read: of its rows, so many may be used by the gate's policy."""
    counts = {"rows": rows, "usable": usable}
    return _draft("manifest", manifest=sha256, format=format, **counts, adm_policy=adm_policy)


def source(url_hmac: str | None, state: str, listing: Listing | None = None, **codes: Any) -> Draft:
    """
    A source is "listed", or "suppressed": nothing from it may be used, now or later.

    `codes`: file_hmac (of the file that the listing is about), adm (what the gate made of it),
    reason (as of `withdrawn`), case, who.
    """
    listed = listing or Listing()
    groups = {name: getattr(listed, name) for name in ("src", "rights", "law", "ret")}
    return _draft("source", url_hmac=url_hmac, state=state, **groups, **codes)


def admission(
    clips: Sequence[int],
    decision: str,
    *,
    purpose: str,
    adm_policy: str,
    code: str | None = None,
    to: str | None = None,
    shard: str | None = None,
) -> Draft:
    """
    What the gate decided for clips, by the seqs of their published entries (2,048 at most).

    `code` says why not; `to` is who was given them, in a shard of this sha256.
    """
    decided = {"decision": decision, "purpose": purpose, "adm_policy": adm_policy}
    return _draft("admission", clips=list(clips), **decided, code=code, to=to, shard=shard)


def qa_seed(lot: str, commit: str, *, who: str) -> Draft:
    """Before a draw: "sha256:" and the hash of a nonce that its reviewer keeps until the draw."""
    return _draft("qa_seed", lot=lot, commit=commit, who=who)


def qa_draw(seed: Entry, nonce: str, head: Checkpoint, *, stratum: str, **drawn: Any) -> Draft:
    """
    A sample was drawn, from the clips that stand at `head`, by the nonce (hex) that `seed` holds.

    `drawn`: population and n (clips), sample (sha256 of the list that anyone can draw again), who.
    """
    about = {"lot": seed.value["lot"], "of": seed.seq, "nonce": nonce, "stratum": stratum}
    return _draft("qa_draw", **about, **_at(head), **drawn)


def verdict(
    entry: Entry | None,
    answers: Sequence[str],
    *,
    who: str,
    lot: str | None = None,
    probe: str | None = None,
) -> Draft:
    """What a reviewer saw in a clip; without an entry, in a known leak (`probe`, 32 hex digits)."""
    about = {"rec": entry.rec, "of": entry.seq} if entry else {"probe": probe}
    return _draft("verdict", **about, answers=list(answers), who=who, lot=lot)


def sign_off(draw: Entry, decision: str, *, who: str, **counts: int) -> Draft:
    """
    One person's signature under a lot.

    `counts`: n (clips reviewed), leaks, probes, probes_found, bound_ppm, confidence_ppm.
    """
    about = {"lot": draw.value["lot"], "of": draw.seq}
    return _draft("sign_off", **about, decision=decision, who=who, **counts)


def rights_case(case: str, right: str, state: str, **more: Any) -> Draft:
    """
    A request of a person, as far as it touches clips; who asks is known to the case system only.

    `more`: due (YYYY-MM-DD), clips (seqs), url_hmac, who.
    """
    return _draft("rights_case", case=case, right=right, state=state, **more)


def access(entry: Entry, why: str, *, who: str, case: str | None = None) -> Draft:
    """Someone looked at an entry's restricted detail."""
    about = {"rec": entry.rec or None, "of": entry.seq, "tier": "restricted"}
    return _draft("access", **about, why=why, who=who, case=case)


def export(report: str, format: str, head: Checkpoint, **file: Any) -> Draft:
    """
    A report was made of the log as it stood at `head`.

    `file`: sha256, bytes, rows, filter (sha256 of the filter that was used), who.
    """
    return _draft("export", report=report, format=format, **_at(head), **file)


def verification(head: Checkpoint, result: str, **counts: Any) -> Draft:
    """Someone checked the store: "whole" or "broken". `counts`: published, withdrawn, held, who."""
    return _draft("verification", **_at(head), result=result, **counts)


def key(old: str, new: str, *, who: str | None = None) -> Draft:
    """The signing key hands over: the checkpoint of this entry is the last that `old` signs."""
    return _draft("key", old=old, new=new, who=who)


def _at(head: Checkpoint) -> dict[str, Any]:
    return {"size": head.size, "root": head.root.hex()}


def _draft(kind: str, **fields: Any) -> Draft:
    given = {name: value for name, value in fields.items() if value is not None}
    return {"schema": SCHEMA, "kind": kind, **given}
