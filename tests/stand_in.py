"""
A stand-in for NVIDIA's driver calls, where there is no GPU: for tests only, and no measure of one.

Its "device memory" is memory of the CPU, and a launch runs the very kernels of cuda_ext/, built by
a C++ compiler through cuda_ext/host/shim.h, one block after the other. All else is redact's own.
"""

# ruff: noqa: N802  # the names are NVIDIA's

import ctypes
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from redact.cuda.driver import Gpu
from redact.cuda.memory import Memory

SOURCES = Path(__file__).parents[1] / "cuda_ext"
FLAGS = ["-std=c++17", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"]


def build(folder: Path, *flags: str) -> Path:
    """The kernels as a library for this CPU; skips the test where there is no compiler."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        pytest.skip("needs a C++ compiler (g++) to run the kernels on the CPU")
    target = folder / "libkernels.so"
    command = [compiler, *FLAGS, *(flags or ["-O2"]), "-shared", "-fPIC", "-x", "c++"]
    subprocess.run([*command, str(SOURCES / "redact.cu"), "-o", str(target)], check=True)
    return target


class StandIn:
    """The functions of cuda.bindings.driver that redact calls, with their results in tuples."""

    def __init__(self, library: Path, *, memory: int = 1 << 30) -> None:
        self.library = ctypes.CDLL(str(library))
        self.memory = memory
        self.held: dict[int, ctypes.Array] = {}
        self.pinned: dict[int, ctypes.Array] = {}
        self.streams: set[int] = set()
        self.handles = itertools.count(1)
        self.launched: list[str] = []
        self.uploaded = self.downloaded = 0
        self.most_held = 0
        self.version = 13050
        self.count = 1
        self.capability = (9, 0)
        self.failing: dict[str, int] = {}
        """Results of calls that are to fail, by their names."""

    def __getattribute__(self, name):
        failing = object.__getattribute__(self, "failing") if name.startswith("cu") else {}
        if name in failing:
            return lambda *_: (failing[name], None)
        return object.__getattribute__(self, name)

    def cuInit(self, _flags):
        return (0,)

    def cuDriverGetVersion(self):
        return 0, self.version

    def cuDeviceGetCount(self):
        return 0, self.count

    def cuDeviceGet(self, ordinal):
        return 0, ordinal

    def cuDeviceGetName(self, length, _device):
        return 0, b"stand-in, no GPU\0".ljust(length)

    def cuDeviceGetAttribute(self, number, _device):
        return 0, {75: self.capability[0], 76: self.capability[1], 16: 1}[int(number)]

    def cuDevicePrimaryCtxSetFlags(self, _device, _flags):
        return (0,)

    def cuDevicePrimaryCtxRetain(self, device):
        return 0, device

    def cuCtxSetCurrent(self, _context):
        return (0,)

    def cuModuleLoadData(self, _code):
        return 0, self.library

    def cuModuleGetFunction(self, library, name):
        return 0, (name.decode(), library[f"shim_{name.decode()}"])

    def cuMemAlloc(self, size):
        if self._held() + size > self.memory:
            return 2, None
        block = (ctypes.c_uint8 * size)()
        ctypes.memset(block, 0xA5, size)  # as device memory: never cleared
        self.held[ctypes.addressof(block)] = block
        self.most_held = max(self.most_held, self._held())
        return 0, ctypes.addressof(block)

    def cuMemFree(self, address):
        del self.held[address]
        return (0,)

    def cuMemHostAlloc(self, size, _flags):
        block = (ctypes.c_uint8 * size)()
        self.pinned[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def cuMemFreeHost(self, address):
        del self.pinned[address]
        return (0,)

    def cuMemGetInfo(self):
        return 0, self.memory - self._held(), self.memory

    def cuMemcpyHtoDAsync(self, target, source, size, _stream):
        self.uploaded += size
        self._inside(target, size)
        ctypes.memmove(target, source, size)
        return (0,)

    def cuMemcpyDtoHAsync(self, target, source, size, _stream):
        self.downloaded += size
        self._inside(source, size)
        ctypes.memmove(target, source, size)
        return (0,)

    def cuMemcpyDtoDAsync(self, target, source, size, _stream):
        ctypes.memmove(target, source, size)
        return (0,)

    def cuMemsetD8Async(self, address, value, size, _stream):
        self._inside(address, size)
        ctypes.memset(address, value, size)
        return (0,)

    def cuStreamCreate(self, _flags):
        handle = next(self.handles)  # of threads that ask at once, too
        self.streams.add(handle)
        return 0, handle

    def cuStreamSynchronize(self, _stream):
        return (0,)

    def cuStreamDestroy(self, stream):
        self.streams.remove(stream)
        return (0,)

    def cuLaunchKernel(self, function, *rest):
        *size, shared, _stream, (values, types), extra = rest
        name, entry = function
        assert shared == extra == 0
        assert all(1 <= one <= most for one, most in zip(size[3:], (1024, 1024, 64), strict=True))
        assert np.prod(size[3:]) <= 1024
        assert all(1 <= one <= most for one, most in zip(size[:3], LARGEST, strict=True)), size
        given = [kind(value) for kind, value in zip(types, values, strict=True)]
        pointers = (ctypes.c_void_p * len(given))(*map(ctypes.addressof, given))
        entry((ctypes.c_uint * 6)(*size), pointers)
        self.launched.append(name)
        return (0,)

    def _held(self):
        """Bytes. Other threads take and give meanwhile, of which a list is not disturbed."""
        return sum(map(len, list(self.held.values())))

    def _inside(self, address, size):
        """A copy lies within one block: a real GPU would give up here, at best."""
        assert any(
            start <= address and address + size <= start + len(block)
            for start, block in list(self.held.items())
        ), "a copy leaves device memory"


LARGEST = (2**31 - 1, 65535, 65535)
"""Blocks of a grid, each way."""


class GpuStandIn(Gpu):
    """A Gpu over the stand-in: onnxruntime runs on the CPU, on the same memory."""

    memory_kind = "cpu"

    def __init__(self, library: Path, **settings) -> None:
        super().__init__(driver=StandIn(library, **settings))

    @property
    def calls(self) -> StandIn:
        return self._driver

    def allocate(self, size):
        """Of the very size, and never used again, where a sanitizer watches every byte."""
        if os.environ.get("REDACT_TEST_KERNELS"):
            return Memory(self, self._more(max(size, 1)), size, 0)
        return super().allocate(size)

    def give_back(self, address, size, stream):
        if os.environ.get("REDACT_TEST_KERNELS"):
            self._driver.cuMemFree(address)
        else:
            super().give_back(address, size, stream)

    def compiled(self, cache):
        return b"the library has the kernels"

    def _check_age(self):
        """No driver, no age."""
