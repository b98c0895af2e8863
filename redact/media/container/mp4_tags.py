"""The user data of a movie (tags, chapters, cover pictures), its names and its times."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.container.boxes import Box, boxes
from redact.media.reading import Bytes, Reader, is_blank
from redact.types import Kind

# What FFmpeg writes, behind the length that QuickTime puts before a text.
NEUTRAL_NAMES = re.compile(rb"(.?(VideoHandler|SoundHandler|DataHandler))?\0*", re.DOTALL)


def has_name(data: Bytes, box: Box) -> bool:
    """Does an `hdlr` box name more than the kind of its track?"""
    return NEUTRAL_NAMES.fullmatch(data[box.start + 24 : box.end]) is None


def has_times(data: Bytes, box: Box) -> bool:
    """Do the fields for creation and modification of a header say anything?"""
    reader = Reader(data, "an MP4 header", box.start, box.end)
    return reader.number(16 if reader.number(4) >> 24 == 1 else 8) != 0


def find_in_user_data(data: Bytes, box: Box, found: Counter[Kind]) -> None:
    """Count the items of a `udta` or `meta` box."""
    start = box.start
    if box.kind == b"meta" and data[start + 4 : start + 8] != b"hdlr":
        start += 4  # MP4 has a version there, QuickTime has not
    for child in boxes(data, min(start, box.end), box.end):
        if child.kind == b"meta":
            find_in_user_data(data, child, found)
        elif child.kind == b"ilst":
            items = [item.kind for item in boxes(data, child.start, child.end)]
            found.update(Kind.PICTURE if kind == b"covr" else Kind.METADATA for kind in items)
        elif child.kind == b"chpl":
            reader = Reader(data, "the chapters of an MP4 file", child.start, child.end)
            found[Kind.CHAPTER] += max(reader.take(9)[8], 1)
        elif child.kind == b"hdlr":
            found[Kind.HANDLER_NAME] += not is_blank(data, child.start + 24, child.end)
        elif child.kind not in (b"free", b"keys") or not is_blank(data, child.start, child.end):
            found[Kind.METADATA] += 1
