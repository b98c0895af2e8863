"""WebP files: the picture as it is coded, without what was written around it."""

from __future__ import annotations

from collections import Counter

from redact.errors import InputError, Reason
from redact.media import colour_profile, orientation
from redact.media.reading import Bytes, corrupt
from redact.media.riff import Chunk, chunks, files
from redact.types import Kind

PICTURE = frozenset({b"VP8 ", b"VP8L", b"ALPH"})
ANIMATION = frozenset({b"ANIM", b"ANMF"})
HAS_PROFILE, HAS_ALPHA, HAS_EXIF = 0x20, 0x10, 0x08
EXIF_MARK = b"Exif\0\0"  # some writers put it before the block


def clean(data: Bytes, removed: Counter[Kind]) -> bytes:
    """
    The file without EXIF, XMP and what is unknown; its coded picture as it was.

    The orientation and the colours of the profile stay. What went is counted in `removed`.
    Raises InputError: CORRUPT for a file that breaks its format's rules, UNSUPPORTED for an
    animation.
    """
    data = data[:]
    kept: dict[bytes, bytes] = {}
    for chunk in parts(data, removed):
        body = data[chunk.start : chunk.end]
        if chunk.kind in ANIMATION:
            raise InputError("an animated WebP.", reason=Reason.UNSUPPORTED)
        new = _kept(chunk.kind, body) if chunk.kind not in kept else None
        if new is not None:
            kept[chunk.kind] = new
        removed[Kind.METADATA] += new != body and chunk.kind != b"VP8X"
    if b"VP8X" in kept:
        was = kept[b"VP8X"]
        kept[b"VP8X"] = header(kept, alpha=bool(was[0] & HAS_ALPHA), size=was[4:10])
    return written(kept)


def written(chunks_by_kind: dict[bytes, bytes]) -> bytes:
    """A WebP file of these chunks."""
    body = b"WEBP" + b"".join(
        kind + len(part).to_bytes(4, "little") + part + bytes(len(part) & 1)
        for kind, part in chunks_by_kind.items()
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def parts(data: bytes, removed: Counter[Kind]) -> list[Chunk]:
    whole = list(files(data, removed))
    if not whole or [file.form for file in whole] != [b"WEBP"]:
        raise corrupt("a WebP file does not start as one.")
    return list(chunks(data, whole[0].start, whole[0].end))


def _kept(kind: bytes, body: bytes) -> bytes | None:
    """What stays of a chunk; None if nothing does."""
    if kind == b"EXIF":
        way = orientation.read(body.removeprefix(EXIF_MARK))
        return orientation.minimal(way) if way != orientation.UPRIGHT else None
    if kind == b"ICCP":
        return colour_profile.neutral(body)
    if kind == b"VP8X" and len(body) < 10:
        raise corrupt("the header of a WebP file breaks off.")
    return body if kind in PICTURE or kind == b"VP8X" else None


def header(kept: dict[bytes, bytes], *, alpha: bool, size: bytes) -> bytes:
    """The body of a VP8X chunk: which of the others there are, and six bytes of size."""
    flags = (HAS_PROFILE if b"ICCP" in kept else 0) | (HAS_EXIF if b"EXIF" in kept else 0)
    return bytes([flags | (HAS_ALPHA if alpha else 0)]) + bytes(3) + size
