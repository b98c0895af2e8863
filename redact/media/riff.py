"""The chunks of RIFF files (AVI, WAV, WebP): four letters, a size, and what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from redact.media.reading import Bytes, Reader, corrupt, is_blank
from redact.types import Kind

LISTS = frozenset({b"RIFF", b"RF64", b"LIST"})
BLANK = frozenset({b"JUNK", b"PAD ", b"FLLR"})
"""Room that was left free: it has to hold zeros."""
TO_THE_END = 0xFFFFFFFF


class Chunk(NamedTuple):
    """`start` to `end` is what follows letters and size; `form` the letters of a list."""

    kind: bytes
    form: bytes
    start: int
    end: int


def chunks(data: Bytes, start: int, end: int, large: int = 0) -> Iterator[Chunk]:
    """
    Every chunk between two places; each starts at an even distance from the first.

    `large` is the size of a chunk that says that its size is elsewhere (RF64). Raises InputError
    for one that does not fit.
    """
    while end - start > 1 or data[start:end].strip(b"\0"):
        reader = Reader(data, "a RIFF chunk", start, end)
        kind, size = reader.take(4), reader.little(4)
        if size == TO_THE_END:
            size = large or reader.left
        if size > reader.left:
            raise corrupt("a RIFF chunk does not fit where it is.")
        last = reader.at + size
        form = reader.take(4) if kind in LISTS and size >= 4 else b""
        yield Chunk(kind, form, reader.at, last)
        start = last + (size & 1)


def files(data: Bytes, found: Counter[Kind], large: int = 0) -> Iterator[Chunk]:
    """The outermost chunks. What follows them and is none counts as hidden."""
    at = 0
    while at == 0 or data[at : at + 4] in (b"RIFF", b"RF64"):
        chunk = next(chunks(data, at, len(data), large))
        yield chunk
        at = min(chunk.end + (chunk.end - at & 1), len(data))
    found[Kind.METADATA] += not is_blank(data, at, len(data))
