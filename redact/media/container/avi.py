"""AVI: which chunks there are beside headers, indexes and packets."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.reading import Bytes, is_blank
from redact.media.riff import BLANK, Chunk, chunks, files
from redact.types import Kind

PARENTS = frozenset({b"AVI ", b"AVIX", b"hdrl", b"odml", b"movi", b"rec "})
TECHNICAL = frozenset({b"avih", b"strh", b"strf", b"indx", b"vprp", b"dmlh", b"idx1"})
PACKET = re.compile(rb"\d\d(dc|db|wb|pc)|ix\d\d")
# FFmpeg writes these into the room that it leaves for the index of a large file.
PLACEHOLDERS = re.compile(rb"(odmldmlh\xf8|\x04\0{7}\d\d(dc|wb))\0*", re.DOTALL)
LARGEST_PLACEHOLDER = 8192
TRACKS = {b"txts": Kind.SUBTITLE}


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count what the chunks hold beside picture and sound."""
    for chunk in files(data, found):
        _look(data, chunk, found)


def _look(data: Bytes, chunk: Chunk, found: Counter[Kind]) -> None:
    if chunk.form == b"strl":
        _look_at_track(data, chunk, found)
    elif chunk.form == b"INFO":
        found[Kind.METADATA] += sum(1 for _ in chunks(data, chunk.start, chunk.end))
    elif chunk.form in PARENTS:
        for child in chunks(data, chunk.start, chunk.end):
            _look(data, child, found)
    elif chunk.kind in BLANK:
        found[Kind.METADATA] += not _is_free(data, chunk)
    elif chunk.kind not in TECHNICAL and not PACKET.fullmatch(chunk.kind):
        found[Kind.METADATA] += 1


def _look_at_track(data: Bytes, track: Chunk, found: Counter[Kind]) -> None:
    children = list(chunks(data, track.start, track.end))
    kinds = [data[c.start : c.start + 4] for c in children if c.kind == b"strh"]
    if kinds and kinds[0] not in (b"vids", b"auds"):
        found[TRACKS.get(kinds[0], Kind.DATA_STREAM)] += 1
        return
    for child in children:
        _look(data, child, found)


def _is_free(data: Bytes, chunk: Chunk) -> bool:
    if is_blank(data, chunk.start, chunk.end):
        return True
    size = chunk.end - chunk.start
    text = data[chunk.start : chunk.end] if size <= LARGEST_PLACEHOLDER else b"\xff"
    return PLACEHOLDERS.fullmatch(text) is not None
