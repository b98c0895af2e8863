"""The quality certificate of a lot: what was drawn, what was seen, who signed, what it shows."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from redact.errors import UsageError
from redact.ledger.proof import prove
from redact.quality import SIGNATURES, result
from redact.reports.document import Document, section, write_pdf
from redact.reports.register import utc
from redact.reports.subject import Subject


def gather(subject: Subject) -> dict[str, Any]:
    """The lot's entries and their result. Raises UsageError unless two people have signed it."""
    lot = subject.lot or _last(subject)
    entries = [
        value
        for value in subject.values("qa_seed", "qa_draw", "verdict", "sign_off")
        if value.get("lot") == lot
    ]
    signed = {value["who"]: value for value in entries if value["kind"] == "sign_off"}
    if len(signed) < SIGNATURES:
        raise UsageError(
            f"the lot {lot or '(none)'} is not signed by two people.",
            means="No certificate was made.",
            todo="Finish it on the review page (redact review), then ask again.",
        )
    drawn = next(value for value in entries if value["kind"] == "qa_draw")
    verdicts: dict[str, dict[str, Any]] = {}
    for value in entries:
        if value["kind"] == "verdict":
            verdicts.setdefault(value.get("rec") or value["probe"], value)
    promised = next(value for value in entries if value["kind"] == "qa_seed")
    return {
        "lot": lot,
        "promised": promised,
        "drawn": drawn,
        "signatures": list(signed.values()),
        "result": result(verdicts.values()),
    }


def _last(subject: Subject) -> str | None:
    """The lot that was signed last."""
    return next((value["lot"] for value in reversed(list(subject.values("sign_off")))), None)


UNSIGNED = (
    "This paper itself is not digitally signed: what is signed is the ledger's checkpoint, and the "
    "entries that it names are in the ledger. Believe it as far as those entries say the same."
)


def write_json(file: BinaryIO, subject: Subject) -> int:
    found = gather(subject)
    numbers = [found["promised"]["seq"], found["drawn"]["seq"]]
    numbers += [value["seq"] for value in found["signatures"]]
    value = {
        "schema": "redact/certificate/1",
        **found,
        "note": UNSIGNED,
        "checkpoint": subject.log.note().decode(),
        "key": subject.log.vkey,
        "proofs": {seq: prove(subject.log, subject.log.at(seq)).decode() for seq in numbers},
    }
    file.write(json.dumps(value, indent=1).encode() + b"\n")
    return 1


def write_certificate(file: BinaryIO, subject: Subject) -> int:
    return write_pdf(file, document(gather(subject), subject))


def document(found: dict[str, Any], subject: Subject) -> Document:
    drawn, said = found["drawn"], found["result"]
    approved = all(value["decision"] != "rejected" for value in found["signatures"])
    claim = (
        f"At most {said['bound_ppm'] / 10_000:.4g} % of such clips leak, at "
        f"{said['confidence_ppm'] / 10_000:.4g} % confidence (exact, Clopper-Pearson, one-sided)."
    )
    rejected = "At least one of the two signatures rejects this lot: it supports no claim."
    return Document(
        "Quality certificate",
        (
            section("What it shows", claim if approved else rejected),
            section("Population and sample", "", [
                ("lot", found["lot"]), ("clips that stood published", drawn["population"]),
                ("of these", drawn["stratum"].replace("_", " ")), ("drawn", drawn["n"]),
                ("drawn at entries", drawn["size"]), ("root of the log then", drawn["root"]),
                ("nonce, committed to before", drawn["nonce"]),
                ("sha256 of the sample", drawn["sample"]),
            ]),
            section("Seen", "A clip that could not be judged counts as one that leaks.", [
                ("clips reviewed", said["n"]), ("leaks", said["leaks"]),
                ("known leaks shown among them", said["probes"]),
                ("of these found", said["probes_found"]),
                ("reviewers find at least", _finding(said)),
            ]),
            section("Signed", "People are named by opaque ids.", [
                (value["who"], value["decision"], utc(value["t_utc_us"]), f"entry {value['seq']}")
                for value in found["signatures"]
            ], "who", "decision", "when", "where"),
            section("What it does not show", (
                "That no clip leaks; that reviewers see everything; that people can't be told by "
                "body, clothes, place or voice, which stay in the footage."
            )),
            section("How to check this", UNSIGNED, _ways_to_check(found, subject)),
            section("Made from", subject.made_from),
        ),
    )  # fmt: skip


def _ways_to_check(found: dict[str, Any], subject: Subject) -> list[tuple[str, str]]:
    signed = ", ".join(str(value["seq"]) for value in found["signatures"])
    return [
        ("key that signs the ledger", subject.log.vkey),
        ("signed checkpoint", subject.log.note().decode()),
        ("the promise of the draw", f"entry {found['promised']['seq']}"),
        ("the draw", f"entry {found['drawn']['seq']}"),
        ("the signatures", f"entries {signed}"),
        ("this paper's sha256", "in the ledger's entry of this export, the one after the entries "
         f"that the checkpoint covers (entry {subject.head.size} or later)"),
        ("with the store", "redact ledger verify checks every entry; redact ledger show RECORD and "
         "the page's lot show what they say"),
        ("without the store", "the same certificate as JSON holds an inclusion proof (C2SP "
         "tlog-proof) of each of these entries, for the key above"),
    ]  # fmt: skip


def _finding(said: dict[str, Any]) -> str:
    if said["finding_ppm"] is None:
        return "not measured: no known leaks were shown"
    return f"{said['finding_ppm'] / 10_000:.4g} % of what is there, at 95 % confidence"
