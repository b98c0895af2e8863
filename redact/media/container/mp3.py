"""MP3 and ADTS: frames of sound one after the other, and what is around and between them."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.container.id3 import find_around
from redact.media.reading import Bytes, corrupt
from redact.types import Kind

# Kilobits per second by the field of the header, of layer III: MPEG-1, and MPEG-2 and 2.5.
RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
CLOCKS = (44100, 48000, 32000)  # of MPEG-1; the half of MPEG-2, a quarter of MPEG-2.5
# A first frame may hold tables about the file, behind the sizes of side information that there
# are, and after them nine bytes of the encoder's name.
TABLE = re.compile(rb"Xing|Info")
TABLE_FIELDS = {1: 4, 2: 4, 4: 100, 8: 4}  # bytes by flag
NEUTRAL_ENCODER = re.compile(rb"(LAME|Lav[cf])[0-9.abr \0U]{5}|\0{9}|U{9}", re.DOTALL)
LARGEST_SIDE = 40


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count the tags around the sound, what is between its frames, and the encoder's name."""
    start, end = find_around(data, found)
    frames = 0
    while start < end:
        size = _frame_size(data[start : start + 7])
        if size == 0:
            following = _next_frame(data, start + 1, end)
            found[Kind.METADATA] += bool(data[start:following].strip(b"\0\xff"))
            start = following
            continue
        if frames == 0:
            found[Kind.METADATA] += _names_more(data[start : min(start + size, end)])
        frames += 1
        start += size
    if not frames:
        raise corrupt("a sound file holds no sound.")


def _frame_size(head: bytes) -> int:
    """The bytes of the frame that starts so, or 0 if none does."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    if layer == 0 and version >= 2:  # ADTS
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    rate, clock, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if layer != 1 or version == 1 or rate in (0, 15) or clock == 3:
        return 0
    if version == 3:
        return 144_000 * RATES_1[rate] // CLOCKS[clock] + padding
    return 72_000 * RATES_2[rate] // (CLOCKS[clock] // (2 if version == 2 else 4)) + padding


def _next_frame(data: Bytes, start: int, end: int) -> int:
    """Where the next two frames in a row are: one alone may be chance."""
    at = data.find(b"\xff", start, end)
    while at >= 0:
        size = _frame_size(data[at : at + 7])
        if size and (at + size >= end or _frame_size(data[at + size : at + size + 7])):
            return at
        at = data.find(b"\xff", at + 1, end)
    return end


def _names_more(frame: bytes) -> bool:
    """Does the first frame's table name more than an encoder?"""
    table = TABLE.search(frame, 4, LARGEST_SIDE + 4)
    if table is None or table.end() + 4 > len(frame):
        return False
    flags = frame[table.end() + 3]
    at = table.end() + 4 + sum(size for flag, size in TABLE_FIELDS.items() if flags & flag)
    name = frame[at : at + 9]
    return len(name) == 9 and NEUTRAL_ENCODER.fullmatch(name) is None
