"""The boxes of MP4 and QuickTime: a size, a kind of four letters, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from redact.media.reading import Bytes, Reader, corrupt, is_blank


class Box(NamedTuple):
    """`start` to `end` is what follows size and kind."""

    kind: bytes
    start: int
    end: int


def boxes(data: Bytes, start: int, end: int) -> Iterator[Box]:
    """
    Every box between two places.

    Up to seven zeros may follow the last: QuickTime ends some lists in four. Raises InputError
    where a size can't be right.
    """
    while end - start >= 8 or not is_blank(data, start, end):
        reader = Reader(data, "an MP4 box", start, end)
        size, kind = reader.number(4), reader.take(4)
        if size == 1:
            size = reader.number(8)
        elif size == 0:
            size = end - start
        if not reader.at - start <= size <= end - start:
            raise corrupt("an MP4 box does not fit where it is.")
        yield Box(kind, reader.at, start + size)
        start += size
