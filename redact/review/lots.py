"""A lot: what the ledger says of one sample, from the promise of its seed to its signatures."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from redact.ledger.checkpoint import Checkpoint
from redact.quality import SIGNATURES, draw, ranked, sample_digest, seed
from redact.review.guard import RefusedError
from redact.review.opened import Opened
from redact.review.probes import Probe, probes


@dataclass(frozen=True, slots=True)
class Lot:
    """The entries of one lot, as values."""

    lot: str
    promised: dict[str, Any]  # qa_seed
    drawn: dict[str, Any] | None  # qa_draw
    verdicts: tuple[dict[str, Any], ...]  # the first of each clip or known leak
    signatures: tuple[dict[str, Any], ...]  # the last of each person, oldest first

    @property
    def answered(self) -> dict[str, list[str]]:
        """The answers given, by record or known leak."""
        return {str(one.get("rec") or one["probe"]): one["answers"] for one in self.verdicts}

    @property
    def open(self) -> bool:
        return len(self.signatures) < SIGNATURES

    @property
    def approved(self) -> bool:
        """Two people signed, and neither refused."""
        decisions = [one["decision"] for one in self.signatures]
        return len(decisions) >= SIGNATURES and "rejected" not in decisions


def lots(opened: Opened) -> list[Lot]:
    """Every lot, newest first."""
    return [of(opened, value["lot"]) for value in opened.index.others("qa_seed", limit=1000)]


def of(opened: Opened, lot: str) -> Lot:
    """The lot of this number; raises RefusedError where there is none."""

    def said(kind: str) -> list[dict[str, Any]]:
        return opened.index.others(kind, about=lot)[::-1]

    promised, draws = said("qa_seed"), said("qa_draw")
    if not promised:
        raise RefusedError(404, "There is no such lot.")
    verdicts = {str(one.get("rec") or one["probe"]): one for one in reversed(said("verdict"))}
    signatures = {one["who"]: one for one in said("sign_off")}
    return Lot(
        lot,
        promised[0],
        draws[0] if draws else None,
        tuple(sorted(verdicts.values(), key=lambda one: int(one["seq"]))),
        tuple(sorted(signatures.values(), key=lambda one: int(one["seq"]))),
    )


def nonce(opened: Opened, lot: str) -> bytes:
    """
    The nonce that a lot's seed is made of, 32 bytes; the ledger holds its hash before the draw.

    A keyed hash of the lot's number: nothing has to be kept until the draw, and nobody without
    the store's key can know it.
    """
    if opened.store is None:
        raise RefusedError(409, "The store can only be read now.")
    return bytes.fromhex(opened.store.url_hmac(f"redact:qa-nonce:{lot}").rpartition(":")[2])


def commitment(value: bytes) -> str:
    return "sha256:" + sha256(value).hexdigest()


def sample_of(opened: Opened, at: Checkpoint, lot: str, secret: bytes, **of: Any) -> list[str]:
    """The records drawn from the clips that stand at a checkpoint; `of`: stratum, count."""
    population = opened.index.standing_at(at.size, of["stratum"])
    return draw(seed(at.root, at.size, lot, secret), population, of["count"])


def sample(opened: Opened, lot: Lot) -> list[str]:
    """A lot's sample, drawn again. Raises RefusedError if it is not the one that was recorded."""
    drawn = lot.drawn
    if drawn is None:
        raise RefusedError(409, "Nothing was drawn for that lot yet.")
    if lot.lot not in opened.samples:
        at = Checkpoint("", drawn["size"], bytes.fromhex(drawn["root"]))
        again = sample_of(
            opened, at, lot.lot, bytes.fromhex(drawn["nonce"]),
            stratum=drawn["stratum"], count=drawn["n"],
        )  # fmt: skip
        if sample_digest(again) != drawn["sample"]:
            raise RefusedError(
                409, "The sample can't be drawn again from this ledger.",
                "Nothing was changed. Start another lot, and verify the ledger.",
            )  # fmt: skip
        opened.samples[lot.lot] = again
    return opened.samples[lot.lot]


def queue(opened: Opened, lot: Lot, folder: Path | None) -> list[str | Probe]:
    """What is shown, in order: records, with known leaks among them that nothing tells apart."""
    records = sample(opened, lot)
    assert lot.drawn is not None
    known = {probe.name: probe for probe in probes(folder, lot.drawn["nonce"], len(records))}
    order = ranked(bytes.fromhex(lot.drawn["nonce"]), [*records, *known])
    return [known.get(name, name) for name in order]
