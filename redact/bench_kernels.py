"""How long each kernel takes, beside what moving its bytes would take: the memory roofline."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from redact.cuda.driver import Gpu
from redact.cuda.kernels import HEAD, Finder, compare, letterbox, shown, shrunk, thumbnails
from redact.cuda.surfaces import FrameOnGpu, semi_planar
from redact.detectors.heads_on_gpu import CENTERFACE, PLATES, Heads
from redact.methods.cuda import cover_frames
from redact.types import Box

WIDTH, HEIGHT = 1920, 1080
FRAMES = (1, 8, 64, 256)
"""How many 1080p frames go through one launch."""
INPUT = 640, 384
"""The tensor that 1080p becomes at a long side of 640."""
PATCH = Box(720, 366, 1200, 582)
"""A twentieth of the picture."""
REPEATS = 20


def kernels(gpu: Gpu) -> dict[str, Any]:
    """Microseconds a frame of each kernel, and the share of the roofline, by frames a launch."""
    bandwidth = _bandwidth(gpu)
    rows = []
    for count in FRAMES:
        frames = _frames(gpu, count)
        for name, moved, work in _works(gpu, frames):
            microseconds = _seconds(gpu, work) / count * 1e6
            rows.append(
                {
                    "kernel": name,
                    "frames": count,
                    "us_a_frame": round(microseconds, 3),
                    "of_roofline_percent": round(100 * moved / bandwidth * 1e6 / microseconds, 1),
                }
            )
    return {"copy_bytes_a_second": round(bandwidth), "rows": rows}


def _frames(gpu: Gpu, count: int) -> list[FrameOnGpu]:
    """Frames of noise, NV12, each at a place of its own: together larger than any cache."""
    size = WIDTH * HEIGHT * 3 // 2
    noise = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    memory = gpu.allocate(count * size)
    frames = []
    for number in range(count):
        address = memory.address + number * size
        gpu.write(address, noise)
        surface = semi_planar(
            gpu, address, address + WIDTH * HEIGHT, (WIDTH, WIDTH), (WIDTH, HEIGHT), memory
        )
        frames.append(FrameOnGpu((), 8, number, number, Fraction(1, 30), surface=surface))
    return frames


def _works(gpu: Gpu, frames: list[FrameOnGpu]) -> list[tuple[str, float, Callable[[], object]]]:
    """Name, bytes a frame that have to be read and written, and the work."""
    whole = WIDTH * HEIGHT * 1.5
    rows = np.stack([shown(frame, 640, 360) for frame in frames])
    patch = 2 * whole * PATCH.area / (WIDTH * HEIGHT)
    return [
        (
            "letterbox 640, fp16",
            whole + INPUT[0] * INPUT[1] * 6,
            partial(letterbox, gpu, frames, rows, *INPUT, half=True),
        ),
        ("shrink 960", whole + 960 * 540 * 3, partial(shrunk, gpu, frames, 960)),
        (
            "thumbnail",
            WIDTH * HEIGHT,
            partial(thumbnails, gpu, [frame.surface.planes[0] for frame in frames], 32, 32),
        ),
        *(
            (
                f"{method}, 5 %",
                patch,
                partial(cover_frames, gpu, frames, [[(PATCH, method, 4)]] * len(frames)),
            )
            for method in ("fill", "pixelate", "blur")
        ),
        *_heads(gpu, len(frames)),
        ("compare thumbnails", 2 * 240 * 135, partial(compare, gpu, _pairs(frames))),
    ]


def _heads(gpu: Gpu, count: int) -> list[tuple[str, float, Callable[[], object]]]:
    """Heads of faces and of plates, with some boxes in each picture, decoded and merged."""
    works: list[tuple[str, float, Callable[[], object]]] = []
    for name, heads in (("faces", CENTERFACE), ("plates", PLATES)):
        rows, columns = (side // heads.stride for side in INPUT[::-1])
        heat = np.zeros((count, 1, rows, columns), np.float32)
        heat[:, 0, ::16, ::16] = 0.9
        parts = [heat, *(np.zeros((count, n, rows, columns), np.float32) for n in _planes(heads))]
        held = [gpu.upload(part) for part in parts]
        row = np.zeros((), HEAD)
        for field, memory in zip(("heat", "sizes", "offsets"), held, strict=False):
            row[field] = memory.address
        row["channels"], row["rows"], row["columns"] = 1, rows, columns
        row["stride"], row["scale"], row["unit"] = heads.stride, 1, heads.unit
        for least in ("min_score", "cut_off", "small_score", "small_cut_off"):
            row[least] = 0.5
        row["peaks"] = heads.peaks
        row["flattest"] = np.inf
        moved = sum(part.nbytes for part in parts) / count
        works.append((f"decode and merge {name}", moved, partial(_found, gpu, count, row, held)))
    return works


def _planes(heads: Heads) -> tuple[int, ...]:
    """How many planes the outputs after the heat map have."""
    return (2, 2) if heads.offsets else (4,)


def _found(gpu: Gpu, count: int, row: Any, _held: object) -> object:
    finder = Finder(gpu, count, int(row["rows"]) * int(row["columns"]))
    finder.decode(row)
    return finder.merge(0.4)


def _pairs(frames: list[FrameOnGpu]) -> list[Any]:
    """A window of each frame, of the size of a thumbnail, compared with itself."""
    window = 0, 0, 240, 135
    return [(frame.surface.planes[0], frame.surface.planes[0], window) for frame in frames]


def _bandwidth(gpu: Gpu) -> float:
    """Bytes read and written a second by copies within the device."""
    size = 256 << 20
    source, target = gpu.allocate(size), gpu.allocate(size)
    return 2 * size / _seconds(gpu, partial(gpu.copy, target.address, source.address, size))


def _seconds(gpu: Gpu, work: Callable[[], object]) -> float:
    """Of one of many in a row, with what the CPU does to launch them."""
    for _ in range(3):
        work()
    gpu.wait()
    start = time.perf_counter()
    for _ in range(REPEATS):
        work()
    gpu.wait()
    return (time.perf_counter() - start) / REPEATS
