"""Reads bytes that nobody vouches for: past the end is an InputError, never an IndexError."""

from __future__ import annotations

from mmap import mmap

from redact.errors import InputError, Reason

Bytes = bytes | mmap
"""Bytes in memory, or of a file that is mapped into it: both are sliced into bytes."""


def corrupt(what: str) -> InputError:
    """The error for bytes that break the rules of their format."""
    return InputError(what, reason=Reason.CORRUPT)


class Reader:
    """
    A place in some bytes, moved on by every read. `what` names the bytes in the error.

    All whole numbers are big-endian unless they say otherwise.
    """

    def __init__(self, data: Bytes, what: str, start: int = 0, end: int | None = None) -> None:
        self.data, self.what, self.at = data, what, start
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        return self.end - self.at

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises InputError if there are fewer."""
        if count < 0 or count > self.left:
            raise corrupt(f"{self.what} breaks off.")
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def number(self, count: int) -> int:
        """A whole number of `count` bytes, the highest first."""
        return int.from_bytes(self.take(count), "big")

    def little(self, count: int) -> int:
        """A whole number of `count` bytes, the lowest first."""
        return int.from_bytes(self.take(count), "little")


def is_blank(data: Bytes, start: int, end: int) -> bool:
    """Are all these bytes zero? Looks a part at a time: a file may be larger than memory."""
    part = 1 << 20
    return not any(data[at : min(at + part, end)].strip(b"\0") for at in range(start, end, part))
