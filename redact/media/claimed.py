"""The picture size that a container claims, read before any decoder is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from redact.media.whole import boxes, elements

_MOV_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_WIDTH, _HEIGHT = 0xB0, 0xBA


def largest_picture(path: Path, container: str) -> int:
    """The most pixels that a track claims; 0 where the container has no word for it."""
    read = _READERS.get(container)
    if read is None:
        return 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return max((width * height for width, height in read(file, 0, size)), default=0)


def _mov(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Of sample descriptions; those of sound have other numbers there, small ones."""
    for kind, inner, last in boxes(file, start, end):
        if kind in _MOV_PARENTS:
            yield from _mov(file, inner, last)
        elif kind == b"tkhd":
            file.seek(last - 8)
            fixed = file.read(8)
            yield int.from_bytes(fixed[:2], "big"), int.from_bytes(fixed[4:6], "big")
        elif kind == b"stsd":
            for _, entry, _ in boxes(file, inner + 8, last):
                file.seek(entry + 24)
                size = file.read(4)
                yield int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")


def _matroska(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    for kind, inner, last in elements(file, start, end):
        if kind == _SEGMENT:
            yield from _matroska(file, inner, last if last > 0 else end)
        elif kind in (_TRACKS, _ENTRY):
            yield from _matroska(file, inner, last)
        elif kind == _VIDEO:
            found = {child: (at, to) for child, at, to in elements(file, inner, last)}
            yield _whole(file, found.get(_WIDTH)), _whole(file, found.get(_HEIGHT))


def _whole(file: BinaryIO, place: tuple[int, int] | None) -> int:
    if place is None:
        return 0
    file.seek(place[0])
    return int.from_bytes(file.read(min(place[1] - place[0], 8)), "big")


def _avi(file: BinaryIO, start: int, _: int) -> Iterator[tuple[int, int]]:
    """Of the main header, and of every stream's picture header (`strf`, 40 bytes and more)."""
    file.seek(start)
    head = file.read(1 << 16)
    main = head.find(b"avih")
    if main >= 0:
        yield _pair(head, main + 8 + 32)
    at = head.find(b"strf")
    while at >= 0:
        if int.from_bytes(head[at + 4 : at + 8], "little") >= 40:
            yield _pair(head, at + 8 + 4)
        at = head.find(b"strf", at + 4)


def _pair(data: bytes, at: int) -> tuple[int, int]:
    """Width and height; a height below 0 says that the lines go upward."""
    height = int.from_bytes(data[at + 4 : at + 8], "little", signed=True)
    return int.from_bytes(data[at : at + 4], "little"), abs(height)


_READERS: dict[str, Callable[[BinaryIO, int, int], Iterator[tuple[int, int]]]] = {
    "mp4": _mov,
    "mov": _mov,
    "m4a": _mov,
    "mkv": _matroska,
    "webm": _matroska,
    "avi": _avi,
}
