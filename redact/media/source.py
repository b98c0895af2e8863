"""Opens a hostile file: one demuxer, no other file, no network, no message of its own."""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.error import FFmpegError

from redact.errors import InputError, Reason, printable
from redact.media.formats import DEMUXERS

_PR_SET_DUMPABLE = 4


def without_core_dump() -> None:
    """This process leaves none, not even one that goes to a program: it would hold the file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class _Nameless:
    """A file without a name, so that FFmpeg can't reach its neighbours."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def shown(path: Path) -> str:
    """The file's name for a message."""
    return printable(path.name)


@contextmanager
def opened(path: Path, container: str, *, max_pixels: int, hardware: Any = None) -> Iterator[Any]:
    """
    The file as a PyAV input container, closed on the way out.

    `max_pixels` bounds what a decoder may allocate for one frame, while FFmpeg looks into the
    streams and after. `hardware` is PyAV's HWAccel, to decode on. Raises InputError: CORRUPT, or
    REMOTE when the file asks for another one. What FFmpeg says is dropped: it may quote the file.
    """
    reached: list[str] = []

    def refuse(*_: Any) -> None:
        reached.append("another file")
        raise PermissionError

    with path.open("rb") as file:
        try:
            source = av.open(
                _Nameless(file),
                format=DEMUXERS[container],
                options={"max_pixels": str(max_pixels)},
                metadata_errors="replace",
                io_open=refuse,
                hwaccel=hardware,
            )
        except (FFmpegError, PermissionError, ValueError, OverflowError) as error:
            raise _unreadable(path, reached) from error
        with source:
            yield source
    if reached:
        raise _unreadable(path, reached)


def _unreadable(path: Path, reached: list[str]) -> InputError:
    if reached:
        return InputError(
            f"{shown(path)}: the file asks for another file or address.", reason=Reason.REMOTE
        )
    return InputError(f"{shown(path)}: the file is damaged: it can't be opened.")


def codec_of(stream: Any) -> str:
    """FFmpeg's name of the stream's codec ("h264"), or "" for one without a decoder."""
    context = stream.codec_context
    return "" if context is None else str(context.codec.canonical_name)
