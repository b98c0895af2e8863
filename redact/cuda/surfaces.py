"""Frames whose samples lie in device memory, in whatever layout a decoder or a caller gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.types import Frame, Plane


def fields(names: str, kind: str) -> list[tuple[str, str]]:
    """Members of a struct, all of one type."""
    return [(name, kind) for name in names.split()]


PLANE = np.dtype([("samples", "u8"), *fields("pitch step width height bits shift", "i4")])
"""`struct Plane` of cuda_ext/plane.cuh."""


@dataclass(frozen=True, slots=True)
class PlaneOnGpu:
    """One colour plane in device memory; see cuda_ext/plane.cuh."""

    samples: int  # the address of the first one
    pitch: int  # bytes from a line to the next
    width: int
    height: int
    step: int = 1  # samples from one to the next of this colour
    bits: int = 8
    shift: int = 0

    @property
    def row(self) -> tuple[int, ...]:
        """As a row of PLANE."""
        return (
            self.samples,
            self.pitch,
            self.step,
            self.width,
            self.height,
            self.bits,
            self.shift,
        )

    def every(self, step: int) -> PlaneOnGpu:
        """What plane[::step, ::step] is in NumPy."""
        return PlaneOnGpu(
            self.samples,
            self.pitch * step,
            -(-self.width // step),
            -(-self.height // step),
            self.step * step,
            self.bits,
            self.shift,
        )


@dataclass(frozen=True, slots=True)
class Surface:
    """The planes of one picture, and what has to live as long as they do."""

    gpu: Gpu
    planes: tuple[PlaneOnGpu, ...]  # as of a Frame, but never alpha
    owner: Any


@dataclass(frozen=True, slots=True)
class FrameOnGpu(Frame):
    """
    A frame whose samples are on the GPU.

    `planes` holds one small picture of it on the host, 32 x 32 samples, by which scenes are told
    apart; width and height are those of the surface. `held` is how many quarter turns
    counter-clockwise put it upright.
    """

    surface: Surface = field(kw_only=True)
    held: int = field(default=0, kw_only=True)

    @property
    def height(self) -> int:
        return self.surface.planes[0].height

    @property
    def width(self) -> int:
        return self.surface.planes[0].width

    @property
    def alpha(self) -> Plane | None:
        return None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width, height of the picture put upright."""
        return (self.height, self.width) if self.held % 2 else (self.width, self.height)


def semi_planar(
    gpu: Gpu, luma: int, chroma: int, pitches: tuple[int, int], size: tuple[int, int], owner: Any,
    *, bits: int = 8,
) -> Surface:  # fmt: skip
    """
    NV12, or P010 and its like with more than 8 bits, at the tops of 16.

    Args:
        luma, chroma: addresses of Y and of U beside V, half as large each way, rounded up.
        pitches: bytes from line to line of each.
        size: width, height of the picture.
        owner: is held as long as the surface.
    """
    width, height = size
    shift = 16 - bits if bits > 8 else 0
    half = -(-width // 2), -(-height // 2)
    sample = 2 if bits > 8 else 1
    return Surface(
        gpu,
        (
            PlaneOnGpu(luma, pitches[0], width, height, 1, bits, shift),
            PlaneOnGpu(chroma, pitches[1], *half, 2, bits, shift),
            PlaneOnGpu(chroma + sample, pitches[1], *half, 2, bits, shift),
        ),
        owner,
    )


def packed_rgb(
    gpu: Gpu, address: int, pitch: int, size: tuple[int, int], owner: Any, *, channels: int = 3
) -> Surface:
    """R, G, B of 8 bits side by side; a fourth channel is left alone."""
    planes = (PlaneOnGpu(address + c, pitch, *size, channels) for c in range(3))
    return Surface(gpu, tuple(planes), owner)


def uploaded(gpu: Gpu, frame: Frame) -> Surface:
    """A copy of a frame's colours on the device, plane by plane."""
    colours = frame.planes[: 3 if len(frame.planes) >= 3 else 1]
    starts = np.cumsum([0, *(_padded(plane.nbytes) for plane in colours)]).tolist()
    together = np.zeros(starts[-1], np.uint8)
    for start, plane in zip(starts, colours, strict=False):
        flat = np.ascontiguousarray(plane).view(np.uint8).reshape(-1)
        together[start : start + flat.size] = flat
    memory = gpu.upload(together)
    planes = tuple(
        PlaneOnGpu(
            memory.address + start,
            plane.shape[1] * plane.itemsize,
            plane.shape[1],
            plane.shape[0],
            bits=frame.depth if plane.itemsize == 2 else 8,
        )
        for start, plane in zip(starts, colours, strict=False)
    )
    return Surface(gpu, planes, memory)


def on_gpu(gpu: Gpu, frame: Frame) -> FrameOnGpu:
    """The frame itself, if it is on the GPU, or a copy there of one on the host, without alpha."""
    if isinstance(frame, FrameOnGpu):
        return frame
    surface = uploaded(gpu, frame)
    return FrameOnGpu(planes=frame.planes[:1], surface=surface, **_facts(frame))


def on_host(frame: Frame, planes: tuple[Plane, ...] | None = None) -> Frame:
    """
    The frame itself, if it is on the host, or one with `planes`, a copy of its own.

    Without `planes` they are copied from the device now, and put upright.
    """
    if not isinstance(frame, FrameOnGpu):
        return frame
    if planes is None:
        planes = tuple(
            np.ascontiguousarray(np.rot90(plane, frame.held)) for plane in downloaded(frame.surface)
        )
    return Frame(planes=planes, **_facts(frame))


def _facts(frame: Frame) -> dict[str, Any]:
    """What a frame says besides its samples."""
    names = "depth index pts time_base rgb full_range bt601"
    return {name: getattr(frame, name) for name in names.split()}


def downloaded(surface: Surface) -> tuple[Plane, ...]:
    """The planes as arrays on the host, whatever their layout on the device."""
    return tuple(_download(surface.gpu, plane) for plane in surface.planes)


def table(planes: list[PlaneOnGpu]) -> NDArray[Any]:
    """Planes as the kernels read them."""
    return np.array([plane.row for plane in planes], PLANE)


def _download(gpu: Gpu, plane: PlaneOnGpu) -> Plane:
    kind = np.uint8 if plane.bits == 8 else np.uint16
    size = np.dtype(kind).itemsize
    used = ((plane.width - 1) * plane.step + 1) * size
    lines = np.empty((plane.height - 1) * plane.pitch + used, np.uint8)
    gpu.read(plane.samples, lines)
    whole = np.zeros(plane.height * plane.pitch, np.uint8)
    whole[: lines.size] = lines
    rows = whole.reshape(plane.height, plane.pitch)[:, : -(-used // size) * size]
    samples = np.ascontiguousarray(rows).view(kind)[:, :: plane.step]
    return np.ascontiguousarray(np.right_shift(samples, plane.shift) if plane.shift else samples)


def _padded(size: int) -> int:
    return -(-size // 256) * 256
