"""JPEG files: the picture as it is coded, without what was written around it."""

from __future__ import annotations

from collections import Counter

from redact.media import colour_profile, orientation
from redact.media.bitstream.jpeg import APP0, JFIF_SIZE, Segment, is_technical, picture
from redact.media.reading import Bytes, corrupt
from redact.types import Kind

APP1, APP2 = 0xE1, 0xE2
EXIF, PROFILE = b"Exif\0\0", b"ICC_PROFILE\0"
LARGEST_PART = 65519  # bytes of a profile in one segment


def clean(data: Bytes, removed: Counter[Kind]) -> bytes:
    """
    The file without thumbnails, EXIF, XMP, comments, further pictures; its coded picture as it was.

    The orientation and the colours of the profile stay. What went is counted in `removed`.
    Raises InputError (CORRUPT) for a file that breaks its format's rules.
    """
    data = data[:]
    segments = list(picture(data))
    kept = [_kept(data, one, removed) for one in segments[1:]]
    if data[segments[-1].end :].strip(b"\0"):
        removed[Kind.METADATA] += 1
    return b"".join([data[:2], *said(segments, removed), *kept])


def _kept(data: bytes, segment: Segment, removed: Counter[Kind]) -> bytes:
    if is_technical(segment) and segment.marker != APP0:
        return data[segment.start : segment.end]
    if not segment.body.startswith((b"JFIF\0", EXIF, PROFILE)):
        thumbnail = segment.marker == APP0 and segment.body.startswith(b"JFXX\0")
        removed[Kind.PICTURE if thumbnail else Kind.METADATA] += 1
    return b""


def said(segments: list[Segment], removed: Counter[Kind]) -> list[bytes]:
    """The segments that are written anew: JFIF, orientation, profile."""
    said = []
    for segment in segments:
        if segment.marker == APP0 and segment.body.startswith(b"JFIF\0"):
            removed[Kind.PICTURE] += len(segment.body) != JFIF_SIZE
            said = [_segment(APP0, segment.body[:12].ljust(12, b"\0") + b"\0\0")]
    way = _orientation(segments)
    exif = [s.body for s in segments if s.marker == APP1 and s.body.startswith(EXIF)]
    if way != orientation.UPRIGHT:
        said.append(_segment(APP1, EXIF + orientation.minimal(way)))
    removed[Kind.METADATA] += sum(body != EXIF + orientation.minimal(way) for body in exif)
    return said + _profile(segments, removed)


def _orientation(segments: list[Segment]) -> int:
    for segment in segments:
        if segment.marker == APP1 and segment.body.startswith(EXIF):
            return orientation.read(segment.body[len(EXIF) :])
    return orientation.UPRIGHT


def _profile(segments: list[Segment], removed: Counter[Kind]) -> list[bytes]:
    """The segments of the colour profile, put together in their order and made neutral."""
    parts = [
        s.body[len(PROFILE) :] for s in segments if s.marker == APP2 and s.body.startswith(PROFILE)
    ]
    if not parts:
        return []
    if any(len(part) < 2 for part in parts):
        raise corrupt("a colour profile breaks off.")
    profile = b"".join(part[2:] for part in sorted(parts, key=lambda part: part[0]))
    neutral = colour_profile.neutral(profile)
    removed[Kind.METADATA] += neutral != profile
    pieces = [neutral[at : at + LARGEST_PART] for at in range(0, len(neutral), LARGEST_PART)]
    return [
        _segment(APP2, PROFILE + bytes([number, len(pieces)]) + piece)
        for number, piece in enumerate(pieces, 1)
    ]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
