"""How long each kernel takes, beside what moving its bytes would take: the memory roofline."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from redact.cuda.driver import Gpu
from redact.cuda.kernels import letterbox, shown, shrunk, thumbnails
from redact.cuda.surfaces import FrameOnGpu, semi_planar
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
    ]


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
