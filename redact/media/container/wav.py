"""WAV: which chunks there are beside the format and the samples."""

from __future__ import annotations

from collections import Counter

from redact.media.reading import Bytes, Reader, is_blank
from redact.media.riff import BLANK, Chunk, chunks, files
from redact.types import Kind

TECHNICAL = frozenset({b"fmt ", b"data", b"fact", b"ds64"})


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count what the chunks hold beside sound."""
    for chunk in files(data, found, _large(data)):
        if chunk.form == b"WAVE":
            for child in chunks(data, chunk.start, chunk.end, _large(data, samples=True)):
                _look(data, child, found)
        else:
            found[Kind.METADATA] += 1


def _look(data: Bytes, chunk: Chunk, found: Counter[Kind]) -> None:
    if chunk.form == b"INFO":
        found[Kind.METADATA] += sum(1 for _ in chunks(data, chunk.start, chunk.end))
    elif chunk.kind in BLANK:
        found[Kind.METADATA] += not is_blank(data, chunk.start, chunk.end)
    elif chunk.kind not in TECHNICAL:
        found[Kind.METADATA] += 1


def _large(data: Bytes, *, samples: bool = False) -> int:
    """The size of the whole file or of its samples as an RF64 file says it, else 0."""
    if data[:4] != b"RF64" or data[12:16] != b"ds64":
        return 0
    reader = Reader(data, "the sizes of an RF64 file", 20)
    sizes = [reader.little(8), reader.little(8)]
    return sizes[samples]
