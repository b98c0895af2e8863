"""
A C2PA manifest for a published MP4, in a file of its own: the published bytes stay as recorded.

It says that the file was edited because of personal data (`c2pa.edited`, `c2pa.PII.present`; not
`c2pa.redacted`, which is about assertions), and binds that to the file's hash, from which the
format leaves out `ftyp` and free boxes. It says neither where nor how much, and holds no thumbnail,
no title, no time and nothing of what came in.
https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import c2pa
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from redact.errors import StoreError, UsageError
from redact.version import __version__

MEDIA = "video/mp4"
_MANIFEST = {
    "claim_generator_info": [{"name": "redact", "version": __version__}],
    "format": MEDIA,
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": "c2pa.edited", "reason": "c2pa.PII.present"}]},
        }
    ],
}
_CURVES = {"secp256r1": b"es256", "secp384r1": b"es384"}


def signer(certificate: Path, key: Path) -> c2pa.Signer:
    """
    What signs, of a chain of certificates (leaf first) and the leaf's key, both PEM.

    Raises UsageError for files that can't be read, or a key of another kind than P-256, P-384 or
    Ed25519.
    """
    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        info = c2pa.C2paSignerInfo(_algorithm(secret), chain, secret, None)
        return c2pa.Signer.from_info(info)
    except (OSError, ValueError, TypeError, c2pa.C2paError) as error:
        raise UsageError(
            f"the C2PA certificate and key can't be used ({type(error).__name__}).",
            todo="Give a PEM chain, leaf first, and its unencrypted P-256, P-384 or Ed25519 key.",
        ) from error


def manifest(path: Path, by: c2pa.Signer) -> bytes:
    """
    The signed manifest for this file, which is read and not changed.

    Raises StoreError where c2pa can't sign, or does not itself find valid what it made.
    """
    settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    with c2pa.Builder(_MANIFEST, c2pa.Context(settings)) as builder, path.open("rb") as file:
        builder.set_no_embed()
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        try:
            made = bytes(builder.sign(by, MEDIA, file, io.BytesIO()))
            state = validity(path, made)
        except c2pa.C2paError as error:
            raise _unsigned(path, type(error).__name__) from error
    if state not in ("Valid", "Trusted"):
        raise _unsigned(path, f"state {state}")
    return made


def validity(path: Path, made: bytes) -> str:
    """What c2pa's reader says of a file and its manifest: Valid (if not Trusted), or Invalid."""
    with path.open("rb") as file, c2pa.Reader(MEDIA, file, made) as reader:
        return str(json.loads(reader.json())["validation_state"])


def _algorithm(secret: bytes) -> bytes:
    key = load_pem_private_key(secret, None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise ValueError("a key of another kind")


def _unsigned(path: Path, why: str) -> StoreError:
    return StoreError(
        f"no C2PA manifest could be made for {path.name} ({why}).",
        means="The clips of this run are published and recorded; some have no manifest.",
        todo="See to the certificate (purpose, dates, chain), then run again.",
    )
