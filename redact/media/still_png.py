"""PNG files: the picture as it is coded, without what was written around it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator

from redact.errors import InputError, Reason
from redact.media import colour_profile, orientation
from redact.media.reading import Bytes, Reader, corrupt
from redact.types import Kind

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"sBIT"}
    | {b"pHYs", b"bKGD", b"mDCV", b"cLLI"}
)
LARGEST = {b"tRNS": 256, b"cHRM": 32, b"mDCV": 24, b"bKGD": 6, b"pHYs": 9, b"cLLI": 8}  # bytes
ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
PROFILE_NAME = b"profile\0\0"
LARGEST_PROFILE = 16 << 20


def clean(data: Bytes, removed: Counter[Kind]) -> bytes:
    """
    The file without text, EXIF, times and what follows its end; its coded picture as it was.

    The orientation and the colours of the profile stay. What went is counted in `removed`.
    Raises InputError: CORRUPT for a file that breaks its format's rules, UNSUPPORTED for an
    animation.
    """
    kept = [SIGNATURE]
    for kind, body in chunks(data, removed):
        if kind in ANIMATION:
            raise InputError("an animated PNG.", reason=Reason.UNSUPPORTED)
        new = _kept(kind, body)
        if new is not None:
            kept.append(chunk(kind, new))
        removed[Kind.METADATA] += new != body
    return b"".join(kept)


def _kept(kind: bytes, body: bytes) -> bytes | None:
    """What stays of a chunk; None if nothing does."""
    if kind == b"eXIf":
        way = orientation.read(body)
        return orientation.minimal(way) if way != orientation.UPRIGHT else None
    if kind == b"iCCP":
        return _neutral(body)
    if kind in KEPT and len(body) <= LARGEST.get(kind, len(body)):
        return body
    return None


def _neutral(body: bytes) -> bytes:
    """A profile chunk with a neutral name and profile; the same bytes if both already are."""
    packed = body.partition(b"\0")[2]
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], LARGEST_PROFILE)
    except zlib.error as error:
        raise corrupt("a colour profile can't be unpacked.") from error
    if not unpacker.eof:
        raise corrupt("a colour profile breaks off.")
    return PROFILE_NAME + zlib.compress(colour_profile.neutral(profile))


def chunks(data: Bytes, removed: Counter[Kind]) -> Iterator[tuple[bytes, bytes]]:
    reader = Reader(data, "a PNG file")
    if reader.take(8) != SIGNATURE:
        raise corrupt("a PNG file does not start as one.")
    kind = b""
    while kind != b"IEND":
        size, kind = reader.number(4), reader.take(4)
        body, check = reader.take(size), reader.number(4)
        if check != zlib.crc32(kind + body):
            raise corrupt("a part of a PNG file is damaged.")
        yield kind, body
    removed[Kind.METADATA] += bool(reader.rest().strip(b"\0"))


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check
