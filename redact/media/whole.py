"""
Is a file whole, by its own structure? Demuxers read a file that breaks off to its last byte, and
then report an ordinary end.

FLAC and ADTS have no sizes to compare with: there a break shows in the last packet. A transport
stream can be cut between any two of its packets and is then a shorter stream.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from redact.errors import InputError, Reason
from redact.media.formats import tag_size

_MOV_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf"})
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_UNKNOWN = -1


def check_whole(path: Path, container: str, name: str) -> None:
    """
    Raise InputError if the file ends before its structure does.

    CORRUPT for a file that breaks off; REMOTE for a movie whose samples lie in another file.
    """
    check = _CHECKS.get(container)
    if check is not None:
        with path.open("rb") as file:
            check(file, os.fstat(file.fileno()).st_size, name)


def _broken(name: str) -> InputError:
    return InputError(
        f"{name}: the file breaks off before its own end.",
        todo="Fetch it again, or cut it properly.",
        reason=Reason.CORRUPT,
    )


def _check_mov(file: BinaryIO, size: int, name: str) -> None:
    found = set()
    for kind, start, end in boxes(file, 0, size):
        found.add(kind)
        if end > size:
            raise _broken(name)
        if kind == b"moov":
            _check_references(file, start, end, name)
    if b"moov" not in found:
        raise _broken(name)


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and end of every box in file[start:end]."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, kind, content = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), start + 16
        elif length == 0:
            length = end - start
        if length < content - start:
            return
        yield kind, content, start + length
        start += length


def _check_references(file: BinaryIO, start: int, end: int, name: str) -> None:
    """Every data reference must say "in this file" (flag 1)."""
    for kind, inner, last in boxes(file, start, end):
        if kind in _MOV_PARENTS:
            _check_references(file, inner, last, name)
        elif kind == b"dref":
            for _, entry, _ in boxes(file, inner + 8, last):
                file.seek(entry)
                if not file.read(4)[3:] == b"\x01":
                    raise InputError(
                        f"{name}: its pictures or sound lie in another file.",
                        todo="Make a self-contained movie of it first.",
                        reason=Reason.REMOTE,
                    )


def _check_matroska(file: BinaryIO, size: int, name: str) -> None:
    for kind, start, end in elements(file, 0, size):
        if kind != _SEGMENT:
            continue
        if end != _UNKNOWN:
            if end > size:
                raise _broken(name)
            continue
        # A live recording: its clusters must be whole, as far as they know their size.
        for _, _, last in elements(file, start, size):
            if last > size:
                raise _broken(name)


def elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Identity, start of the content and end (-1: unknown) of every EBML element."""
    while start < end:
        file.seek(start)
        head = file.read(12)
        kind, used = _number(head, keep_marker=True)
        length, more = _number(head[used:], keep_marker=False)
        if not used or not more:
            return
        content = start + used + more
        if length == (1 << 7 * more) - 1:
            yield kind, content, _UNKNOWN
            if kind != _CLUSTER:
                return
            start = content  # its children follow; a cluster of unknown size has no end
            continue
        yield kind, content, content + length
        start = content + length


def _number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """An EBML number and how many bytes it takes; (0, 0) if it is not one."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if keep_marker else value & ~(1 << 7 * length)), length


def _check_riff(file: BinaryIO, size: int, name: str) -> None:
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] not in (b"RIFF", b"RF64") or length in (0, 0xFFFFFFFF):
            return  # written live, or 64 bit: what is said here is not a size
        if start + 8 + length > size:
            raise _broken(name)
        start += 8 + length + length % 2


def _check_ogg(file: BinaryIO, size: int, name: str) -> None:
    """The last page is whole, and says that it is the last."""
    tail = min(size, 65536 + 4096)
    file.seek(size - tail)
    data = file.read(tail)
    at = data.rfind(b"OggS")
    page = data[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        raise _broken(name)
    if len(page) != 27 + page[26] + sum(page[27 : 27 + page[26]]) or not page[5] & 4:
        raise _broken(name)


def _check_transport(file: BinaryIO, size: int, name: str) -> None:
    """Packets of 188 bytes, or of 192 with a camera's time codes, and no half one at the end."""
    first = file.read(1)
    if size % (188 if first == b"\x47" else 192):
        raise _broken(name)


def _check_mp3(file: BinaryIO, size: int, name: str) -> None:
    """As many bytes as the encoder's own header frame says, where there is one."""
    start = 0
    head = file.read(10)
    if head[:3] == b"ID3":
        start = 10 + tag_size(head)
    file.seek(start)
    frame = file.read(2048)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    flags = frame[at + 7] if at > 0 else 0
    if flags & 2:
        field = at + (12 if flags & 1 else 8)
        if start + int.from_bytes(frame[field : field + 4], "big") > size:
            raise _broken(name)


def _check_adts(file: BinaryIO, size: int, name: str) -> None:
    """Every ADTS frame says its own length; what follows the last one is no frame's beginning."""
    head = file.read(10)
    at = 10 + tag_size(head) if head[:3] == b"ID3" else 0
    while at < size:
        file.seek(at)
        head = file.read(7)
        if head[0] != 0xFF or (len(head) > 1 and head[1] & 0xF6 != 0xF0):
            return  # a tag behind the sound: for `contents` to find
        if len(head) < 7:
            raise _broken(name)
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if length < 7 or at + length > size:
            raise _broken(name)
        at += length


_CHECKS: dict[str, Callable[[BinaryIO, int, str], None]] = {
    "mp4": _check_mov,
    "mov": _check_mov,
    "m4a": _check_mov,
    "mkv": _check_matroska,
    "webm": _check_matroska,
    "avi": _check_riff,
    "wav": _check_riff,
    "webp": _check_riff,
    "ogg": _check_ogg,
    "ts": _check_transport,
    "mp3": _check_mp3,
    "aac": _check_adts,
}
