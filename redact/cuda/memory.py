"""Stretches of memory: on the device, places inside them, and of the host for copies."""

from __future__ import annotations

import ctypes
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from redact.cuda.driver import Gpu

NO_STREAM = -1
"""Whose spare memory anyone may have: nothing is queued on it."""


class Memory:
    """
    A stretch of device memory; given back when nothing holds it any more.

    The thread that asked for it may let go while its work on it is still queued: whoever is given
    it next works on the same stream. Another thread waits for its own work before it lets go.
    """

    def __init__(self, gpu: Gpu, address: int, size: int, stream: int) -> None:
        self.gpu, self.address, self.size = gpu, address, size
        weakref.finalize(self, gpu.give_back, address, size, stream).atexit = False


@dataclass(frozen=True, slots=True)
class Place:
    """An address inside memory, which is held with it."""

    memory: Memory
    offset: int

    @property
    def address(self) -> int:
        return self.memory.address + self.offset


class Pinned:
    """Host memory that the GPU copies to by itself, as an array; given back like Memory."""

    def __init__(self, gpu: Gpu, address: int, size: int) -> None:
        self.address = address
        buffer = (ctypes.c_uint8 * size).from_address(address)
        self.array: NDArray[np.uint8] = np.ctypeslib.as_array(buffer)
        weakref.finalize(buffer, gpu.release_pinned, address, size).atexit = False


class Pool:
    """
    Stretches that nobody holds, to be handed out again: addresses by stream and size.

    From any thread, and in the middle of anything: memory is given back when it is dropped.
    """

    def __init__(self, most: int | None = None) -> None:
        """`most`: of each stream and size; None: any number."""
        self._most, self._lock = most, threading.RLock()
        self._spare: dict[tuple[int, int], list[int]] = {}
        self._ended: set[int] = set()

    def take(self, size: int, *streams: int) -> int | None:
        """One of this size, of the first of these streams that has one."""
        with self._lock:
            for stream in streams:
                if addresses := self._spare.get((stream, size)):
                    return addresses.pop()
        return None

    def give(self, address: int, size: int, stream: int) -> bool:
        """Whether there was room for it."""
        with self._lock:
            stream = NO_STREAM if stream in self._ended else stream
            addresses = self._spare.setdefault((stream, size), [])
            if len(addresses) == self._most:
                return False
            addresses.append(address)
            return True

    def release(self, stream: int) -> None:
        """Nothing is queued on this stream any more: anyone may have what was its."""
        with self._lock:
            self._ended.add(stream)
            for of, size in [key for key in self._spare if key[0] == stream]:
                idle = self._spare.setdefault((NO_STREAM, size), [])
                idle += self._spare.pop((of, size))

    def begin(self, stream: int) -> None:
        """A new stream, perhaps with the handle of one that has ended."""
        with self._lock:
            self._ended.discard(stream)

    def emptied(self) -> list[int]:
        """All of them, which are no longer here."""
        with self._lock:
            spare, self._spare = self._spare, {}
        return [address for addresses in spare.values() for address in addresses]


def rounded(size: int) -> int:
    """Sizes come in steps, so that what was given back fits again: powers of 2, then megabytes."""
    megabyte = 1 << 20
    if size > megabyte:
        return -(-size // megabyte) * megabyte
    return max(512, 1 << (size - 1).bit_length()) if size > 1 else 512
