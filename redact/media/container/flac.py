"""FLAC: which blocks there are before the sound, and tags around it."""

from __future__ import annotations

from collections import Counter

from redact.media.container.comments import find_in_comments
from redact.media.container.id3 import find_around
from redact.media.reading import Bytes, Reader, corrupt, is_blank
from redact.types import Kind

STREAMINFO, PADDING, SEEKTABLE, COMMENTS, CUESHEET, PICTURE = 0, 1, 3, 4, 5, 6
LAST = 0x80


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count what the blocks hold beside the settings of the sound."""
    start, end = find_around(data, found)
    reader = Reader(data, "a FLAC block", start, end)
    if reader.take(4) != b"fLaC":
        raise corrupt("a FLAC file does not start as one.")
    last = False
    while not last:
        head, size = reader.number(1), reader.number(3)
        last = head >= LAST
        find_in_block(head & 0x7F, reader.take(size), found)


def find_in_block(kind: int, body: bytes, found: Counter[Kind]) -> None:
    """Count what one block holds; `body` is what follows its kind and size."""
    if kind == COMMENTS:
        find_in_comments(Reader(body, "the comments of a FLAC file"), found)
    elif kind == PICTURE:
        found[Kind.PICTURE] += 1
    elif kind == CUESHEET:
        found[Kind.CHAPTER] += 1
    elif kind == PADDING:
        found[Kind.METADATA] += not is_blank(body, 0, len(body))
    elif kind not in (STREAMINFO, SEEKTABLE):
        found[Kind.METADATA] += 1
