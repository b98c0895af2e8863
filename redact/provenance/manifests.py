"""
A C2PA manifest for an MP4: in a file beside the published one, or in it, before it is recorded.

It says that the file was edited because of personal data (`c2pa.edited`, `c2pa.PII.present`; not
`c2pa.redacted`, which is about assertions), and binds that to the file's hash, from which the
format leaves out `ftyp` and free boxes. It says neither where nor how much, and holds no thumbnail,
no title, no time, no place in the ledger and nothing of what came in.
https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html
"""

from __future__ import annotations

import io
import json
import os
from hashlib import sha256
from pathlib import Path

import av
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
    with _builder() as builder, path.open("rb") as file:
        builder.set_no_embed()
        try:
            made = bytes(builder.sign(by, MEDIA, file, io.BytesIO()))
            state = validity(path, made)
        except c2pa.C2paError as error:
            raise _unsigned(path, type(error).__name__, _PUBLISHED) from error
    if state not in _SOUND:
        raise _unsigned(path, f"state {state}", _PUBLISHED)
    return made


def embed(path: Path, by: c2pa.Signer) -> None:
    """
    Put a signed manifest into a file that is not recorded yet; the caller makes it durable.

    The file is replaced only if c2pa finds it valid and its coded picture and sound are the same,
    packet for packet, with the same parameters and times: what was looked at is what is published.
    Raises StoreError else, and leaves the file as it was.
    """
    made = path.with_name(f"signed{path.suffix}")
    try:
        with _builder() as builder, path.open("rb") as file, made.open("w+b") as target:
            builder.sign(by, MEDIA, file, target)
        state = validity(made)
    except c2pa.C2paError as error:
        raise _unsigned(path, type(error).__name__) from error
    if state not in _SOUND:
        raise _unsigned(path, f"state {state}")
    if coded(made) != coded(path):
        raise _unsigned(path, "it would change the picture or the sound")
    os.replace(made, path)


def coded(path: Path) -> bytes:
    """The hash of every stream's parameters and every packet with its times."""
    found = sha256()
    with av.open(str(path)) as container:
        for stream in container.streams:
            context = stream.codec_context
            said = stream.type, context.name, context.extradata, stream.time_base, stream.metadata
            found.update(repr(said).encode())
        for packet in container.demux():
            told = packet.stream_index, packet.pts, packet.dts, packet.duration, packet.is_keyframe
            found.update(repr((told, packet.size)).encode() + bytes(packet))
    return found.digest()


def _builder() -> c2pa.Builder:
    settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    builder = c2pa.Builder(_MANIFEST, c2pa.Context(settings))
    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
    return builder


def validity(path: Path, made: bytes | None = None) -> str:
    """
    What c2pa's reader says of a file and its manifest: Valid (if not Trusted), or Invalid.

    Without `made`, the manifest is the one in the file.
    """
    with path.open("rb") as file, c2pa.Reader(MEDIA, file, made) as reader:
        return str(json.loads(reader.json())["validation_state"])


def _algorithm(secret: bytes) -> bytes:
    key = load_pem_private_key(secret, None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise ValueError("a key of another kind")


_SOUND = ("Valid", "Trusted")
_PUBLISHED = "The clips of this run are published and recorded; some have no manifest."


def _unsigned(path: Path, why: str, means: str = "") -> StoreError:
    return StoreError(
        f"no C2PA manifest could be made for {path.name} ({why}).",
        means=means or "This clip was not published.",
        todo="See to the certificate (purpose, dates, chain), then run again.",
    )
