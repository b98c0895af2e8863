"""
One attestation per run: an in-toto Statement in a DSSE envelope, signed with the ledger's key.

It says of each published file, by its sha256, that it passed redact's checks, under which policy
and engine, and which signed head of the ledger covers it. Formats:
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, its predicate test-result
v0.1, and https://github.com/secure-systems-lab/dsse/blob/master/protocol.md.

What DSSE signs begins with "DSSEv1 ", a ledger's note with its origin, which holds no space: no
signature of the one can pass for one of the other.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from redact.provenance.run import Run

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
TESTS = ("decodes_whole", "nothing_found_again", "metadata_stripped", "unchanged_elsewhere")
"""What every file that `redact run` publishes has passed; one that fails is held."""


def statement(run: Run) -> dict[str, Any]:
    """
    The Statement of a run, as plain JSON. Raises ValueError for a run without a published clip.

    The specification asks for a subject: a run that published nothing has nothing to attest.
    """
    if not run.clips:
        raise ValueError("a run without a published clip has nothing to attest")
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": record, "digest": {"sha256": sha256}} for record, sha256 in run.clips.items()
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "PASSED",
            "configuration": _configuration(run),
            "passedTests": list(TESTS),
            "warnedTests": [],
            "failedTests": [],
        },
    }


def _configuration(run: Run) -> list[dict[str, Any]]:
    head = run.head
    return [
        {"name": f"policy/{run.policy}", "digest": {"sha256": run.policy_sha256}},
        {"name": "engine", "uri": f"pkg:pypi/redact@{run.engine}"},
        {
            "name": f"ledger/{head.origin}",
            "digest": {"sha256": head.root.hex()},
            "annotations": {"size": head.size, "digestOf": "RFC 6962 tree head"},
        },
    ]


def envelope(value: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """A Statement, signed: one line of JSON. Its key id is securesystemslib's default one."""
    payload = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    signed = Envelope(payload, PAYLOAD, {})
    public = SSlibKey.from_crypto(key.public_key())
    signed.sign(CryptoSigner(key, public))
    return json.dumps(signed.to_dict(), sort_keys=True).encode("ascii") + b"\n"
