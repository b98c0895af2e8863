"""The record of processing activities (GDPR Art. 30(1)): JSON-LD with DPV terms, and to read."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, BinaryIO

from redact.reports.document import Document, section, write_html
from redact.reports.subject import TO_BE_PROVIDED, Subject

CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "pd": "https://w3id.org/dpv/pd#",
    "dct": "http://purl.org/dc/terms/",
}
PERSONAL = {
    "face": "pd:Picture",
    "plate": "pd:VehicalLicenseNumber",  # sic: so it is spelt in DPV
    "spoken_name": "pd:Name",
    "spoken_phone": "pd:TelephoneNumber",
    "spoken_email": "pd:EmailAddress",
    "spoken_address": "pd:PhysicalAddress",
    "spoken_card": "pd:PaymentCardNumber",
}
"""What is looked for, as DPV's categories of personal data."""
MEASURES = ["dpv:DataRedaction", "dpv:Deidentification", "dpv:HashMessageAuthenticationCode"]


def gather(subject: Subject) -> dict[str, Any]:
    """What the ledger says of the processing; counts of clips."""
    found: dict[str, Counter[str]] = {
        name: Counter()
        for name in ("basis", "purpose", "retention", "scope", "policy", "reference")
    }
    for value, _ in subject.clips():
        law, kept = value.get("law", {}), value.get("ret", {})
        found["basis"][law.get("basis", "")] += 1
        found["purpose"][law.get("purpose", "")] += 1
        found["retention"][kept.get("class", "")] += 1
        found["policy"][f"{value['pol']['id']} {value['pol']['sha256']}"] += 1
        found["scope"].update(value.get("scope", []))
        for name in ("lia", "dpia"):
            if name in law:
                found["reference"][f"{name} {law[name]}"] += 1
    recipients = Counter(str(value["to"]) for value in subject.values("admission") if "to" in value)
    return {**found, "recipients": recipients}


def write_jsonld(file: BinaryIO, subject: Subject) -> int:
    found = gather(subject)
    value = {
        "@context": CONTEXT,
        "@type": "dpv:DataProcessingRecord",
        "dct:title": "Record of processing activities: redaction of footage",
        "dpv:hasDataController": TO_BE_PROVIDED,
        "dpv:hasProcess": {
            "@type": "dpv:Process",
            "dpv:hasPurpose": _known(found["purpose"]),
            "dpv:hasLegalBasis": _known(found["basis"]),
            "dpv:hasDataSubject": TO_BE_PROVIDED,
            "dpv:hasPersonalData": _personal(found["scope"]),
            "dpv:hasRecipient": sorted(found["recipients"]) or TO_BE_PROVIDED,
            "dpv:hasStorageCondition": _known(found["retention"]),
            "dpv:hasTechnicalMeasure": MEASURES,
            "dpv:hasOrganisationalMeasure": ["dpv:HumanInvolvementForVerification"],
            "dpv:hasDataTransfer": TO_BE_PROVIDED,
        },
        "dct:source": {
            "log": subject.head.origin,
            "entries": subject.head.size,
            "root": subject.head.root.hex(),
        },
    }
    file.write(json.dumps(value, indent=1).encode() + b"\n")
    return 1


def _known(counts: Counter[str]) -> list[str] | str:
    """What was recorded, or that a person has to say it."""
    return sorted(name for name in counts if name) or TO_BE_PROVIDED


def _personal(scope: Counter[str]) -> list[str]:
    found = [PERSONAL[kind] for kind in scope if kind in PERSONAL]
    return sorted({*found, "pd:VoiceCommunicationRecording"})


def write_page(file: BinaryIO, subject: Subject) -> int:
    found = gather(subject)

    def counted(name: str) -> list[tuple[str, int]]:
        pairs = [
            (key or f"not recorded: {TO_BE_PROVIDED}", count) for key, count in found[name].items()
        ]
        return sorted(pairs) or [(TO_BE_PROVIDED, 0)]

    head = ("what", "clips")
    document = Document(
        "Record of processing activities (GDPR Art. 30(1))",
        (
            section("(a) Controller, representative, data protection officer", TO_BE_PROVIDED),
            section("(b) Purposes", "", counted("purpose"), *head),
            section("Legal basis", "", counted("basis"), *head),
            section("Assessments referred to", "", counted("reference"), *head),
            section("(c) Data subjects", f"People in footage: {TO_BE_PROVIDED}"),
            section("(c) Personal data looked for and removed", "", counted("scope"), *head),
            section(
                "What stays in the footage",
                "Bodies, clothes, gait, places and voices stay, and can single a person out.",
            ),
            section("(d) Recipients", "Pseudonymous ids of those who were given clips.",
                    sorted(found["recipients"].items()) or [(TO_BE_PROVIDED, 0)], "who", "times"),
            section("(e) Transfers to third countries", TO_BE_PROVIDED),
            section("(f) Time limits for restricted details", "", counted("retention"), *head),
            section("(g) Security measures", ", ".join(MEASURES)),
            section("Policies", "", counted("policy"), *head),
            section("Made from", subject.made_from),
        ),
    )  # fmt: skip
    return write_html(file, document)
