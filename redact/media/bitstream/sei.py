"""The messages of H.264 and HEVC between the pictures (SEI): which stay, and how they are cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from redact.media.bitstream.settings import is_encoder_settings
from redact.media.reading import Reader, corrupt
from redact.types import Kind

REGISTERED = 4  # user data registered by ITU-T T.35
UNREGISTERED = 5
# Payload type: the most bytes that it can be for what the standards put there. What has no line
# here is dropped, so text finds no place.
KEPT = {
    0: 256,  # buffering period
    1: 256,  # picture timing
    2: 64,  # pan and scan
    6: 16,  # recovery point
    7: 64,  # marking of reference pictures, repeated
    13: 16,  # freeze
    14: 0,  # end of a freeze
    19: 512,  # film grain
    21: 1,  # stereo fields
    45: 32,  # frame packing
    47: 16,  # display orientation
    128: 32,  # structure of pictures
    129: 32,  # active parameter sets
    130: 32,  # decoding unit
    131: 4,  # temporal sub-layer
    132: 49,  # hash of the decoded picture
    134: 4,  # refreshed regions
    135: 0,  # not for display
    137: 24,  # mastering display
    144: 4,  # content light level
    147: 1,  # alternative transfer characteristics
    148: 8,  # ambient viewing environment
    149: 32,  # content colour volume
    150: 16,  # equirectangular projection
    151: 32,  # cubemap projection
    154: 16,  # sphere rotation
}
# Country USA, provider ATSC, then "GA94" with caption data or "DTG1"; and SCTE 128's forms.
CAPTIONS = (b"\xb5\x00\x31GA94\x03", b"\xb5\x00\x2f\x03")
EMULATION = re.compile(rb"\x00\x00\x03", re.DOTALL)
EMULATED = re.compile(rb"\x00\x00(?=[\x00-\x03])", re.DOTALL)


def clean_messages(unit: bytes, head: int, removed: Counter[Kind]) -> bytes:
    """
    An SEI unit with its allowed messages alone: the unit itself if all are, b"" if none is.

    `head` is the number of bytes of the unit's own header.
    """
    kept, dropped = [], 0
    for message, kind, payload in _messages(unescape(unit[head:])):
        if is_kept(kind, payload):
            kept.append(message)
        else:
            removed[category(kind, payload)] += 1
            dropped += 1
    if not dropped:
        return unit
    return unit[:head] + escape(b"".join(kept) + b"\x80") if kept else b""


def is_kept(kind: int, payload: bytes) -> bool:
    """Is this message on the list? The one text on it is what x264 and x265 say of themselves."""
    if kind == UNREGISTERED:
        return is_encoder_settings(payload)
    return len(payload) <= KEPT.get(kind, -1)


def category(kind: int, payload: bytes) -> Kind:
    """What a dropped message counts as."""
    captions = kind == REGISTERED and payload.startswith(CAPTIONS)
    return Kind.CAPTION if captions else Kind.METADATA


def unescape(data: bytes) -> bytes:
    """Without the 3 that keeps two zeros from looking like a start code."""
    return EMULATION.sub(b"\x00\x00", data)


def escape(data: bytes) -> bytes:
    """With a 3 after each two zeros that are followed by 0 to 3."""
    return EMULATED.sub(b"\x00\x00\x03", data)


def _messages(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Each message: all its bytes, its payload type, its payload."""
    reader = Reader(data, "a message between the pictures")
    while reader.left and not _is_trailing(data, reader.at):
        start = reader.at
        kind, size = _long_number(reader), _long_number(reader)
        payload = reader.take(size)
        yield data[start : reader.at], kind, payload


def _is_trailing(data: bytes, at: int) -> bool:
    """Is the stop bit all that is left? (A message of type 128 starts with the same byte.)"""
    return data[at] == 0x80 and not data[at + 1 :].strip(b"\0")


def _long_number(reader: Reader) -> int:
    """A number as 255 + 255 + ... + a byte below 255."""
    total = 0
    while (byte := reader.number(1)) == 0xFF:
        total += byte
    if total > 1 << 24:
        raise corrupt("a message between the pictures has a size beyond all reason.")
    return total + byte
