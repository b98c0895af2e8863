"""Entries of imagined clips, as long as real ones with a listed source."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from redact.ledger import entry
from redact.ledger.facts import (
    Check,
    Clip,
    Coverage,
    Facts,
    Listing,
    Model,
    Output,
    Removal,
    Source,
)


def drafts(first: int, count: int) -> list[dict[str, Any]]:
    """Entries of imagined clips, as long as real ones with a listed source."""
    return [_draft(number) for number in range(first, first + count)]


def _draft(number: int) -> dict[str, Any]:
    name = sha256(b"%d" % number).hexdigest()
    hmac = "hmac-sha256:01234567:"
    return {
        **TEMPLATE,
        "rec": entry.record_name(bytes.fromhex(name)[:16]),
        "idem": hmac + name,
        "in": {**TEMPLATE["in"], "commit": "sha256:" + name, "file_hmac": hmac + name[::-1]},
        "out": {**TEMPLATE["out"], "sha256": name},
        "src": {**TEMPLATE["src"], "url_hmac": hmac + name},
        "detail": {"commit": "hmac-sha256:" + name, "bytes": len(SIDECAR), "kid": name[:32]},
    }


SIDECAR = json.dumps(
    {
        "plan": {
            "regions": [
                {
                    "kind": "face",
                    "first": 30,
                    "boxes": [[n, n + 1, n + 80, n + 99] for n in range(60)],
                }
                for _ in range(2)
            ]
        }
    }
).encode()
"""Two faces of 60 frames: what a plan of a ten-second clip comes to."""

LISTING = Listing(
    src={
        "type": "crawled",
        "domain": "video.example.com",
        "acq_month": "2026-11",
        "acq_method": "platform_api",
        "manifest": "d4" * 32,
    },
    rights={
        "licence_media": "CC-BY-4.0",
        "licence_ann": "NOASSERTION",
        "permitted": ["commercial-training"],
        "optout": [
            {"proto": "robots", "answer": "absent"},
            {"proto": "tdmrep", "answer": "absent"},
        ],
    },
    law={"basis": "eu-gdpr:A6-1-f", "purpose": "commercial-training"},
    ret={"class": "months-12"},
    adm={"decision": "admit", "policy": "e5" * 32},
)
FACTS = Facts(
    listing=LISTING,
    source=Source(
        media="video/mp4", dur_us=10_000_000, w=640, h=360, fps_num=30, fps_den=1, audio=True
    ),
    output=Output(media="video/mp4", frames=300, dur_us=10_000_000),
    policy_id="strict",
    models=tuple(
        Model(slot=slot, name=slot, sha256="cd" * 32, thr_ppm=300_000)
        for slot in ("faces", "faces_again", "speech", "names")
    ),
    coverage=Coverage(
        frames=300,
        frames_scanned=100,
        audio_us=10_000_000,
        audio_us_scanned=10_000_000,
        speech_us=4_000_000,
        passes=1,
    ),
    scope=frozenset({"face", "spoken_name", "metadata", "chapter", "subtitle", "data_stream"}),
    removed=(
        Removal(
            k="face",
            method="fill",
            count=2,
            frames=120,
            dur_us=4_000_000,
            area_ppm_max=31_200,
            score_ppm_min=314_000,
        ),
        Removal(k="spoken_name", method="silence", count=1, dur_us=740_000, score_ppm_min=377_000),
    ),
    check=Check(rounds=0, frames_scanned=40, audio_us_scanned=10_000_000),
)
TEMPLATE = entry.published(
    Clip(source="ab" * 32, policy="ab" * 32, engine="redact 0.1.0"),
    FACTS,
    **dict.fromkeys(("rec", "idem", "commit", "sha256", "detail", "replaces")),
    bytes=4_183_021,
)
