"""The segments of a JPEG picture, still or in motion: which there are, and which stay."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from redact.media.reading import Reader, corrupt
from redact.types import Kind

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP14 = 0xE0, 0xEE
# Tables and headers: quantisers, Huffman, arithmetic, restarts, lines, frames (not 0xC8: nobody's).
CODING = frozenset({*range(0xC0, 0xC8), *range(0xC9, 0xD0), SOS, 0xDB, 0xDC, 0xDD})
END_OF_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
# What FFmpeg's encoder writes, and the mark by which decoders know limited range.
COMMENTS = re.compile(rb"(Lavc(\d{1,3}\.\d{1,3}\.\d{1,3})?|CS=ITU601)\0*")
JFIF_SIZE = 14  # without its thumbnail
ADOBE_SIZE = 12
AVI1_SIZES = range(5, 17)


class Segment(NamedTuple):
    """`start` to `end` are all its bytes; `body` what follows marker and length."""

    marker: int
    body: bytes
    start: int
    end: int


class MotionJpeg:
    """One picture per packet, or two fields of one where an AVI1 segment says so."""

    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        self._removed = removed
        if extradata.strip(b"\0"):
            removed[Kind.METADATA] += 1
        self.extradata = b""

    def clean(self, packet: bytes) -> bytes:
        segments = list(picture(packet))
        if any(_is_field(segment) for segment in segments):
            segments += _second_field(packet, segments[-1].end)
        kept = [packet[one.start : one.end] for one in segments if self._is_kept(one)]
        tail = packet[segments[-1].end :]
        clean_tail = self._clean_tail(tail)
        if len(kept) == len(segments) and clean_tail == tail:
            return packet
        return b"".join(kept) + clean_tail

    def _clean_tail(self, tail: bytes) -> bytes:
        """What follows the picture: padding stays."""
        if not tail.strip(b"\0\xff"):
            return tail
        self._removed[Kind.METADATA] += 1
        return b""

    def _is_kept(self, segment: Segment) -> bool:
        if is_technical(segment):
            return True
        self._removed[Kind.METADATA] += 1
        return False


def picture(data: bytes, start: int = 0) -> Iterator[Segment]:
    """
    Every segment of the picture that starts at `start`, to its end marker.

    A scan's segment holds its coded data too. Raises InputError where the bytes break the
    format's rules or break off.
    """
    reader = Reader(data, "a JPEG picture", start)
    if reader.take(2) != b"\xff\xd8":
        raise corrupt("a JPEG picture does not start as one.")
    yield Segment(SOI, b"", start, reader.at)
    while True:
        start = reader.at
        if reader.number(1) != 0xFF:
            raise corrupt("a JPEG picture has bytes between its segments.")
        while (marker := reader.number(1)) == 0xFF:
            pass
        if marker == EOI:
            yield Segment(EOI, b"", start, reader.at)
            return
        body = reader.take(reader.number(2) - 2)
        if marker == SOS:
            reader.at = _end_of_scan(data, reader.at)
        yield Segment(marker, body, start, reader.at)


def is_technical(segment: Segment) -> bool:
    """Is it needed to decode the picture, and nothing else?"""
    marker, body = segment.marker, segment.body
    if marker == APP0:
        avi1 = body.startswith(b"AVI1") and len(body) in AVI1_SIZES
        return avi1 or (body.startswith(b"JFIF\0") and len(body) == JFIF_SIZE)
    if marker == APP14:
        return body.startswith(b"Adobe") and len(body) == ADOBE_SIZE
    if marker == COM:
        return COMMENTS.fullmatch(body) is not None
    return marker in CODING or marker in (SOI, EOI)


def _is_field(segment: Segment) -> bool:
    return segment.marker == APP0 and segment.body[:4] == b"AVI1" and segment.body[4:5] > b"\0"


def _second_field(packet: bytes, end: int) -> list[Segment]:
    """The other field, where there is nothing but padding before it."""
    start = packet.find(b"\xff\xd8", end)
    if start < 0 or packet[end:start].strip(b"\0\xff"):
        return []
    return list(picture(packet, start))


def _end_of_scan(data: bytes, start: int) -> int:
    """The place of the next marker that is no restart."""
    match = END_OF_SCAN.search(data, start)
    if match is None:
        raise corrupt("a JPEG picture breaks off.")
    return match.start()
