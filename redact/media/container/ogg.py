"""Ogg: pages of many streams, each of which starts with headers that may hold comments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from redact.media.container.comments import find_in_comments
from redact.media.container.flac import find_in_block
from redact.media.reading import Bytes, Reader, corrupt, is_blank
from redact.types import Kind

HEAD = 27  # bytes of a page before its table
CONTINUED = 1
MOST_HEADERS = 64  # packets of a FLAC stream that may be blocks


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count the comments in the headers, and bytes between the pages."""
    packets: dict[int, int] = {}
    opening: dict[int, bytes] = {}
    for serial, packet in _packets(data, found):
        number = packets[serial] = packets.get(serial, -1) + 1
        if number == 0:
            opening[serial] = packet[:8]
        if number < MOST_HEADERS:
            _look_at_header(opening[serial], number, packet, found)


def _look_at_header(first: bytes, number: int, packet: bytes, found: Counter[Kind]) -> None:
    """Packet `number` of a stream whose first packet starts with `first`."""
    if number == 1 and first.startswith(b"OpusHead"):
        _comments(packet, b"OpusTags", found)
    elif number == 1 and first.startswith(b"\1vorbis"):
        _comments(packet, b"\3vorbis", found)
    elif first.startswith(b"\x7fFLAC") and number and packet[:1] != b"\xff":
        reader = Reader(packet, "a FLAC block in an Ogg file")
        kind = reader.number(1) & 0x7F
        find_in_block(kind, reader.take(reader.number(3)), found)


def _comments(packet: bytes, mark: bytes, found: Counter[Kind]) -> None:
    if not packet.startswith(mark):
        raise corrupt("the comments of an Ogg file are missing.")
    find_in_comments(Reader(packet, "the comments of an Ogg file", len(mark)), found)


def _packets(data: Bytes, found: Counter[Kind]) -> Iterator[tuple[int, bytes]]:
    """Each packet with the number of its stream, put together over pages."""
    begun: dict[int, bytearray] = {}
    at = 0
    while at < len(data):
        if data[at : at + 4] != b"OggS":
            following = data.find(b"OggS", at)
            end = following if following >= 0 else len(data)
            found[Kind.METADATA] += not is_blank(data, at, end)
            at = end
            continue
        reader = Reader(data, "an Ogg page", at)
        head = reader.take(HEAD)
        serial, sizes = int.from_bytes(head[14:18], "little"), reader.take(head[26])
        if not head[5] & CONTINUED:
            begun[serial] = bytearray()
        for size in sizes:
            begun.setdefault(serial, bytearray()).extend(reader.take(size))
            if size < 255:
                yield serial, bytes(begun.pop(serial))
        at = reader.at
