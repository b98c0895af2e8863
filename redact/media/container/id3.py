"""Tags before and after sound: ID3 versions 1 and 2, APE, Lyrics3."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.reading import Bytes, Reader, corrupt
from redact.types import Kind

FRAMES = {b"APIC": Kind.PICTURE, b"PIC": Kind.PICTURE, b"CHAP": Kind.CHAPTER}
SIMPLE_SIZE, ENHANCED_SIZE = 128, 227
FOOTER = 10
LYRICS = re.compile(rb"(\d{6})LYRICS200")


def find_around(data: Bytes, found: Counter[Kind]) -> tuple[int, int]:
    """Count the tags before and after the sound, and say where the sound starts and ends."""
    start = 0
    while data[start : start + 3] == b"ID3":
        start = find_in_id3(data, start, found)
    end = len(data)
    while (before := _before_tag(data, start, end)) < end:
        found[Kind.METADATA] += 1
        end = before
    return start, end


def find_in_id3(data: Bytes, start: int, found: Counter[Kind]) -> int:
    """Count the frames of an ID3v2 tag; returns the place after it."""
    reader = Reader(data, "an ID3 tag", start)
    head = reader.take(6)
    size = _seven_bits(reader.take(4))
    body = reader.take(size)
    old = head[3] < 3
    found.update(_frames(body, 3 if old else 4, head[3] == 4))
    return reader.at + (FOOTER if head[5] & 0x10 else 0)


def _frames(body: bytes, letters: int, seven_bits: bool) -> Counter[Kind]:
    """What the frames count as; a tag without any counts as one too."""
    frames: Counter[Kind] = Counter()
    reader = Reader(body, "an ID3 tag")
    while reader.left > letters and (kind := reader.take(letters)).strip(b"\0"):
        raw = reader.take(letters)
        size = _seven_bits(raw) if seven_bits else int.from_bytes(raw, "big")
        reader.take(2 if letters == 4 else 0)
        reader.take(min(size, reader.left))
        frames[FRAMES.get(kind, Kind.METADATA)] += 1
    return frames or Counter({Kind.METADATA: 1})


def _seven_bits(raw: bytes) -> int:
    value = 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
    return value


def _before_tag(data: Bytes, start: int, end: int) -> int:
    """Where the last tag before `end` starts, or `end` if there is none."""
    simple = end - SIMPLE_SIZE
    if simple >= start and data[simple : simple + 3] == b"TAG":
        enhanced = simple - ENHANCED_SIZE
        has_more = enhanced >= start and data[enhanced : enhanced + 4] == b"TAG+"
        return enhanced if has_more else simple
    if end - 32 >= start and data[end - 32 : end - 24] == b"APETAGEX":
        size = int.from_bytes(data[end - 20 : end - 16], "little")
        head = 32 if data[end - 9] & 0x80 else 0
        return _inside(end - size - head, start, end)
    lyrics = LYRICS.fullmatch(data[max(end - 15, start) : end])
    return _inside(end - 15 - int(lyrics[1]), start, end) if lyrics else end


def _inside(at: int, start: int, end: int) -> int:
    if not start <= at < end:
        raise corrupt("a tag after the sound does not fit.")
    return at
