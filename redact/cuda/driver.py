"""
One GPU: its memory, its streams, and the launching of kernels, over NVIDIA's driver calls.

The calls are those of `cuda.bindings.driver`. Tests without a GPU give a stand-in for that module,
whose device memory is memory of the CPU and whose launches run the same kernels built for it.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.calls import GpuMemoryError, argument, bindings, no_gpu, returned
from redact.cuda.compiled import machine_code, nvrtc_version
from redact.cuda.memory import NO_STREAM, Memory, Pinned, Pool, rounded

OLDEST = (7, 5)
"""The oldest compute capability that the kernels are compiled for."""
_NON_BLOCKING = 1
_BLOCKING_SYNC = 4
_PINNED = 64
"""So many stretches of host memory of one size are kept: to allocate one stops the whole GPU."""
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16  # attributes of a device


class _Ends:
    """Is dropped when its thread ends."""


class Gpu:
    """
    One GPU, opened; from any thread.

    Each thread works on a stream of its own, unless it stands inside `on(stream)`. Raises
    DetectorError where there is no GPU, no driver, or one that is too old; GpuMemoryError where no
    memory is left; GpuLostError once the context is lost, in each call from then on.
    """

    memory_kind = "cuda"
    """What onnxruntime calls memory of this device, and networks that run on it."""

    def __init__(self, ordinal: int = 0, *, driver: Any = None, cache: Path | None = None) -> None:
        self._driver = driver or bindings()
        self._threads = threading.local()
        self._lock = threading.RLock()  # memory may be given back in the middle of anything
        self._spare, self._spare_pinned = Pool(), Pool(_PINNED)
        self.ordinal = ordinal
        self.used = 0
        """Bytes of device memory that are held now."""
        self.crossed = 0
        """Bytes that went between host and device so far."""
        self.notes: list[str] = []
        """What the user should know of this GPU."""
        self._kept: weakref.WeakSet[Any] = weakref.WeakSet()
        self._open(cache)

    def _open(self, cache: Path | None) -> None:
        try:
            started = int(self._driver.cuInit(0)[0]) == 0
        except RuntimeError as error:  # the bindings look for the driver with their first call
            raise no_gpu("there is no NVIDIA driver (libcuda.so.1)") from error
        if not started:
            raise no_gpu("the NVIDIA driver does not start")
        self.driver_version = _version(self._call("cuDriverGetVersion"))
        count = int(self._call("cuDeviceGetCount"))
        if self.ordinal >= count:
            raise no_gpu(f"the NVIDIA driver sees {count} GPUs, and number {self.ordinal} is asked")
        self._device = self._call("cuDeviceGet", self.ordinal)
        name = self._call("cuDeviceGetName", 128, self._device)
        self.name = bytes(name).partition(b"\0")[0].decode("ascii", "replace")
        self.capability = self._attribute(_MAJOR), self._attribute(_MINOR)
        self.multiprocessors = self._attribute(_MULTIPROCESSORS)
        self._check_age()
        # FFmpeg takes no other; threads that wait sleep then. One that is in use may keep its own.
        self._driver.cuDevicePrimaryCtxSetFlags(self._device, _BLOCKING_SYNC)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        self._enter()
        code = self.compiled(cache)
        self._module = self._call("cuModuleLoadData", code)
        self._functions: dict[str, Any] = {}

    @property
    def context(self) -> int:
        """The handle of the context, for libraries that work in it too."""
        return int(self._context)

    @property
    def architecture(self) -> str:
        """What the kernels are compiled for: "sm_90"."""
        return f"sm_{self.capability[0]}{self.capability[1]}"

    def compiled(self, cache: Path | None) -> bytes:
        return machine_code(self.architecture, cache=cache, note=self.notes.append)

    def _check_age(self) -> None:
        if self.capability < OLDEST:
            raise no_gpu(f"{self.name} is older than compute capability 7.5")
        major, minor = nvrtc_version()
        if self.driver_version[0] < major:
            raise no_gpu(
                f"the NVIDIA driver speaks CUDA {'.'.join(map(str, self.driver_version))}, and the "
                f"kernels are compiled by NVRTC {major}.{minor}",
                todo=f"Update the driver to one for CUDA {major}.0 or newer; --device cpu runs "
                "without it.",
            )

    def allocate(self, size: int) -> Memory:
        """`size` bytes of device memory, not cleared; what was given back before is used again."""
        room, stream = rounded(size), self.stream
        address = self._spare.take(room, stream, NO_STREAM)
        if address is None:
            address = self._more(room)
        with self._lock:
            self.used += room
        return Memory(self, address, room, stream)

    def give_back(self, address: int, size: int, stream: int) -> None:
        """Memory calls this."""
        with self._lock:
            self.used -= size
        self._spare.give(address, size, stream)

    def keep(self, one: Any) -> None:
        """Something that holds memory and can do without: its `drop` lets go of it."""
        with self._lock:
            self._kept.add(one)

    def trim(self) -> None:
        """Give the driver back what nobody holds."""
        self._enter()
        for address in self._spare_pinned.emptied():
            self._driver.cuMemFreeHost(address)
        for address in self._spare.emptied():
            # waits for the streams; of a lost context nothing is left
            self._driver.cuMemFree(address)

    def _more(self, size: int) -> int:
        try:
            return int(self._call("cuMemAlloc", size))
        except GpuMemoryError:
            with self._lock:
                kept = list(self._kept)
            for one in kept:
                one.drop()
            gc.collect()  # an error that was raised may still hold frames
            self.trim()
        try:
            return int(self._call("cuMemAlloc", size))
        except GpuMemoryError as error:
            raise GpuMemoryError(
                f"{self.name} has no memory left for {size / 1e6:.1f} MB more; "
                f"{self.used / 1e6:.1f} MB are used by this run.",
                todo="Fewer clips at once (--workers), or --device cpu.",
            ) from error

    def pinned(self, size: int) -> Pinned:
        """Host memory for copies that do not keep the CPU waiting."""
        address = self._spare_pinned.take(size, NO_STREAM)
        if address is None:
            address = int(self._call("cuMemHostAlloc", max(size, 1), 0))
        return Pinned(self, address, size)

    def release_pinned(self, address: int, size: int) -> None:
        """Pinned calls this."""
        if not self._spare_pinned.give(address, size, NO_STREAM):
            self._enter()
            self._driver.cuMemFreeHost(address)

    def upload(self, array: NDArray[Any]) -> Memory:
        """A copy of the array's bytes on the device."""
        array = np.ascontiguousarray(array)
        memory = self.allocate(array.nbytes)
        self.write(memory.address, array)
        return memory

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy the bytes of a contiguous array to the device; the array may change afterwards."""
        if array.nbytes:
            self._cross(array.nbytes)
            self._call("cuMemcpyHtoDAsync", address, array.ctypes.data, array.nbytes, self.stream)
            self.wait()

    def read(self, address: int, array: NDArray[Any]) -> None:
        """Copy from the device into a contiguous array, once the stream's work is done."""
        if array.nbytes:
            self._cross(array.nbytes)
            self._call("cuMemcpyDtoHAsync", array.ctypes.data, address, array.nbytes, self.stream)
        self.wait()

    def read_later(self, address: int, pinned: Pinned) -> None:
        """Queue a copy of as many bytes as `pinned` holds; they are there after `wait`."""
        self._cross(pinned.array.nbytes)
        self._call("cuMemcpyDtoHAsync", pinned.address, address, pinned.array.nbytes, self.stream)

    def _cross(self, size: int) -> None:
        with self._lock:
            self.crossed += size

    def copy(self, target: int, source: int, size: int) -> None:
        """Queue a copy within the device."""
        self._call("cuMemcpyDtoDAsync", target, source, size, self.stream)

    def clear(self, memory: Memory) -> None:
        """Queue zeros."""
        self._call("cuMemsetD8Async", memory.address, 0, memory.size, self.stream)

    def free_bytes(self) -> int:
        free, _total = self._call("cuMemGetInfo")
        return int(free)

    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: int | tuple[int, int], *given: Any
    ) -> None:
        """
        Queue a kernel. `given`: Memory or Place, int (of 32 bits) or NumPy float32, in its order.

        A grid without blocks launches nothing.
        """
        if 0 in grid:
            return
        values, types = zip(*map(argument, given), strict=True)
        across, down = (block, 1) if isinstance(block, int) else block
        self._call(
            "cuLaunchKernel", self._function(kernel), *grid, across, down, 1, 0, self.stream,
            (values, types), 0,
        )  # fmt: skip

    def wait(self) -> None:
        """Until all that this thread has queued is done."""
        self._call("cuStreamSynchronize", self.stream)

    def wait_for_default(self) -> None:
        """Until all is done that libraries have queued on the default stream: ours don't wait."""
        self._call("cuStreamSynchronize", 0)

    @property
    def stream(self) -> int:
        """The handle of the stream that this thread's work goes to."""
        if getattr(self._threads, "stream", None) is None:
            self._threads.stream = int(self._call("cuStreamCreate", _NON_BLOCKING))
            self._spare.begin(self._threads.stream)
            self._threads.ends = ends = _Ends()  # goes with the thread
            weakref.finalize(ends, self._close_stream, self._threads.stream).atexit = False
        return int(self._threads.stream)

    def _close_stream(self, stream: int) -> None:
        self._enter()
        self._driver.cuStreamSynchronize(stream)
        self._driver.cuStreamDestroy(stream)
        self._spare.release(stream)

    @contextmanager
    def on(self, stream: int | None) -> Iterator[None]:
        """Work on a caller's stream, by its handle; None: on this thread's own."""
        if stream is None:
            yield
            return
        before = getattr(self._threads, "stream", None)
        self._threads.stream = stream
        try:
            yield
        finally:
            self._threads.stream = before

    def _function(self, kernel: str) -> Any:
        if kernel not in self._functions:
            self._functions[kernel] = self._call(
                "cuModuleGetFunction", self._module, kernel.encode()
            )
        return self._functions[kernel]

    def _attribute(self, number: int) -> int:
        kind = getattr(self._driver, "CUdevice_attribute", int)
        return int(self._call("cuDeviceGetAttribute", kind(number), self._device))

    def _enter(self) -> None:
        """A context is current for one thread only; each that comes by makes it its own."""
        if getattr(self._threads, "entered", False) is False and hasattr(self, "_context"):
            self._driver.cuCtxSetCurrent(self._context)
            self._threads.entered = True

    def _call(self, function: str, *arguments: Any) -> Any:
        self._enter()
        return returned(self._driver, function, *arguments)


def _version(number: int) -> tuple[int, int]:
    return number // 1000, number % 1000 // 10
