"""The kernels that look, launched: letterbox, thumbnail, decode and merge, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.cuda.memory import Memory, Place
from redact.cuda.surfaces import PLANE, FrameOnGpu, PlaneOnGpu, Surface, fields, table

THREADS = 256
SMALL = 32
"""The side of the small picture that goes with a frame."""
SHOWN = np.dtype(
    [
        ("planes", PLANE, (3,)),
        *fields("colours rgb held width height", "i4"),
        *fields("gain black middle red green_u green_v blue", "f4"),
        ("mean", "f4", (3,)),
        ("scale", "f4", (3,)),
    ],
    align=True,
)
"""`struct Shown` of cuda_ext/letterbox.cuh."""
HEAD = np.dtype(
    [
        *fields("heat sizes offsets", "u8"),
        *fields("channels rows columns stride turns border width height peaks across down", "i4"),
        ("look", "i4"),
        *fields("min_score scale cut_off small small_score small_cut_off", "f4"),
        *fields("unit flattest tallest", "f4"),
    ],
    align=True,
)
"""`struct Head` of cuda_ext/heads.cuh."""
FOUND = np.dtype([*fields("x0 y0 x1 y1 score", "f4"), ("look", "i4")])
PAIR = np.dtype([("before", PLANE), ("after", PLANE), *fields("x0 y0 x1 y1", "i4")], align=True)
DIFFERENCE = np.dtype(fields("samples absolute squared largest", "u8"))


@dataclass(frozen=True, slots=True)
class Tensor:
    """A network's input in device memory."""

    memory: Memory
    shape: tuple[int, int, int, int]
    half: bool = False


def letterbox(
    gpu: Gpu,
    frames: Sequence[FrameOnGpu],
    rows_: NDArray[Any],
    columns: int,
    rows: int,
    *,
    border: int = 0,
    turns: int = 0,
    half: bool = False,
) -> Tensor:
    """
    The frames as one tensor; the twin, and what the sizes mean, is `reference.letterbox`.

    `rows_` is `shown` of each frame. The frames may come from several decoders and differ in size.
    """
    width, height = columns + 2 * border, rows + 2 * border
    if turns % 2:
        width, height = height, width
    tensor = gpu.allocate(len(frames) * 3 * width * height * (2 if half else 4))
    described = gpu.upload(rows_)
    grid = -(-width // 32), -(-height // 8), len(frames)
    gpu.launch(
        "letterbox", grid, THREADS, described, tensor, int(half), width, height, border, turns
    )
    return Tensor(tensor, (len(frames), 3, height, width), half)


def shown(
    frame: FrameOnGpu,
    width: int,
    height: int,
    *,
    mean: float = 0.0,
    scale: float = 1.0,
) -> NDArray[Any]:
    """One row of SHOWN: the frame, upright, width x height pixels large in the tensor."""
    row = np.zeros((), SHOWN)
    planes = frame.surface.planes
    row["planes"][: len(planes)] = table(list(planes))
    row["colours"], row["rgb"], row["held"] = len(planes), frame.rgb, frame.held
    row["width"], row["height"], row["mean"], row["scale"] = width, height, mean, scale
    for name, value in _colours(frame).items():
        row[name] = value
    return row


def _colours(frame: FrameOnGpu) -> dict[str, float]:
    """The same numbers as those of detectors.runtime, for planes that hold whole samples."""
    most, step = (1 << frame.depth) - 1, float(1 << (frame.depth - 8))
    if frame.rgb:
        return {"gain": 255 / most}
    gain = 255 / most if frame.full_range else 255 / (219 * step)
    swing = gain if frame.full_range else 255 / (224 * step)
    kr, kb = (0.299, 0.114) if frame.bt601 else (0.2126, 0.0722)
    red, blue, kg = 2 * (1 - kr) * swing, 2 * (1 - kb) * swing, 1 - kr - kb
    return {
        "gain": gain,
        "black": 0.0 if frame.full_range else 16 * step,
        "middle": 128 * step,
        "red": red,
        "green_u": -kb / kg * blue,
        "green_v": -kr / kg * red,
        "blue": blue,
    }


def shrunk(
    gpu: Gpu, frames: Sequence[FrameOnGpu], long_side: int
) -> tuple[list[FrameOnGpu], float]:
    """
    The frames, all of one size, no longer than this, and their scale; planes get one size.

    As detectors.runtime.shrunk: what several looks of a smaller size start from.
    """
    width, height = frames[0].width, frames[0].height
    scale = long_side / max(width, height)
    if scale >= 1:
        return list(frames), 1.0
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return _resized(gpu, frames, *size), scale


def luma_resized(frame: FrameOnGpu, width: int, height: int) -> FrameOnGpu:
    """The frame's first plane alone, resized as `reference.whole` does it."""
    surface = replace(frame.surface, planes=frame.surface.planes[:1])
    return _resized(surface.gpu, [replace(frame, planes=(), surface=surface)], width, height)[0]


def _resized(gpu: Gpu, frames: Sequence[FrameOnGpu], width: int, height: int) -> list[FrameOnGpu]:
    small = [replace(frame, surface=_room(gpu, frame, width, height)) for frame in frames]
    large_planes = [plane for frame in frames for plane in frame.surface.planes]
    small_planes = [plane for frame in small for plane in frame.surface.planes]
    tables = gpu.upload(table(large_planes)), gpu.upload(table(small_planes))
    grid = -(-width * height // THREADS), len(large_planes), 1
    gpu.launch("shrink", grid, THREADS, *tables)
    return small


def _room(gpu: Gpu, frame: FrameOnGpu, width: int, height: int) -> Surface:
    """Planes for a frame that shrinks to this size; their samples are not written yet."""
    bits = frame.surface.planes[0].bits
    pitch = width * (1 if bits == 8 else 2)
    memory = gpu.allocate(len(frame.surface.planes) * height * pitch)
    planes = tuple(
        PlaneOnGpu(memory.address + number * height * pitch, pitch, width, height, bits=bits)
        for number in range(len(frame.surface.planes))
    )
    return Surface(gpu, planes, memory)


def thumbnails(
    gpu: Gpu, planes: Sequence[PlaneOnGpu], columns: int, rows: int
) -> NDArray[np.float32]:
    """(n, rows, columns) on the host: each plane resized, as `reference.resized` does it."""
    small = np.empty((len(planes), rows, columns), np.float32)
    out, described = gpu.allocate(small.nbytes), gpu.upload(table(list(planes)))
    gpu.launch("thumbnail", (columns * rows, len(planes), 1), 64, described, out, columns, rows)
    gpu.read(out.address, small)
    return small


def with_small_pictures(gpu: Gpu, frames: Sequence[FrameOnGpu]) -> list[FrameOnGpu]:
    """The frames, all of one size, each with the small picture by which scenes are told apart."""
    planes = [frame.surface.planes[0] for frame in frames]
    step = max(min(planes[0].width, planes[0].height) // (4 * SMALL), 1)
    small = np.rint(thumbnails(gpu, [plane.every(step) for plane in planes], SMALL, SMALL))
    kind = np.uint8 if planes[0].bits == 8 else np.uint16  # whole samples, as OpenCV leaves them
    return [
        replace(frame, planes=(picture,))
        for frame, picture in zip(frames, small.astype(kind), strict=True)
    ]


class Finder:
    """
    Gathers the boxes of several looks at the same frames, then joins those of one thing.

    `most` is the number of cells of all heat maps of a frame together: no box is ever dropped.
    """

    def __init__(self, gpu: Gpu, frames: int, most: int) -> None:
        self._gpu, self._frames, self._most = gpu, frames, most
        self._found = gpu.allocate(frames * most * FOUND.itemsize)
        self._counts = gpu.allocate(frames * 8)  # of boxes, then of faults
        gpu.clear(self._counts)

    def decode(self, head: NDArray[Any]) -> None:
        """Add what one look found; `head` is a row of HEAD."""
        cells = int(head["rows"]) * int(head["columns"])
        described = self._gpu.upload(head)
        faults = Place(self._counts, 4 * self._frames)
        self._gpu.launch(
            "decode", (-(-cells // THREADS), self._frames, 1), THREADS,
            described, self._found, self._most, self._counts, faults,
        )  # fmt: skip

    def merge(
        self, most_overlap: float, *, alone: float = 0.0, tiny: float = 0.0
    ) -> tuple[list[NDArray[Any]], int]:
        """
        For each frame its boxes (FOUND), best first, on the host; and how many cells failed.

        What only one look found scores `alone` less, unless it is `tiny` pixels wide or less.
        """
        gpu, size = self._gpu, self._frames * self._most
        room, merged = (gpu.allocate(size * FOUND.itemsize) for _ in range(2))
        taken = gpu.allocate(size * 4)
        gpu.launch(
            "merge", (self._frames, 1, 1), THREADS, self._found, room, taken, merged,
            self._counts, self._most, *map(np.float32, (most_overlap, alone, tiny)),
        )  # fmt: skip
        counts = np.empty(2 * self._frames, np.int32)
        gpu.read(self._counts.address, counts)
        boxes = [np.empty(count, FOUND) for count in counts[: self._frames]]
        for number, found in enumerate(boxes):
            gpu.read(merged.address + number * self._most * FOUND.itemsize, found)
        return boxes, int(counts[self._frames :].sum())


def compare(
    gpu: Gpu,
    pairs: Sequence[tuple[PlaneOnGpu, PlaneOnGpu, tuple[int, int, int, int]]],
) -> NDArray[Any]:
    """
    DIFFERENCE of each pair of planes inside a window x0, y0, x1, y1, in samples, on the host.

    The second look reads with it what a method has changed, and that nothing else has.
    """
    rows = np.array([(one.row, other.row, *window) for one, other, window in pairs], PAIR)
    differences = np.zeros(len(pairs), DIFFERENCE)
    if not len(pairs):
        return differences
    out, described = gpu.allocate(differences.nbytes), gpu.upload(rows)
    gpu.launch("compare", (len(pairs), 1, 1), THREADS, described, out)
    gpu.read(out.address, differences)
    return differences
