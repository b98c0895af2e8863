"""The picture methods on frames in device memory: what `cover_all` does, by the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from redact.cuda.driver import Gpu
from redact.cuda.surfaces import FrameOnGpu, PlaneOnGpu, fields, table
from redact.methods import METHODS, Patch, checked
from redact.methods.geometry import Axis, axis, margin, step
from redact.methods.reference import NODES, grid, groups

THREADS = 256
PARTS = 32
"""Blocks that paint one region together."""
_AXIS = np.dtype(fields("start stop first end soft step", "i4"))
_REGION = np.dtype(
    [
        ("x", _AXIS),
        ("y", _AXIS),
        *fields("plane first last averages group smooth inside rows columns colours", "i4"),
    ]
)
"""`struct Region` of cuda_ext/cover.cuh."""


@dataclass(slots=True)
class _Work:
    """The regions of all planes of all frames, as the kernels read them."""

    planes: list[PlaneOnGpu] = field(default_factory=list)
    regions: list[tuple[Any, ...]] = field(default_factory=list)
    colours: int = 0
    cells: int = 0  # the most of any region that keeps averages
    insides: bool = False


def cover_frames(
    gpu: Gpu, frames: Sequence[FrameOnGpu], patches: Sequence[Sequence[Patch]]
) -> None:
    """
    Cover each frame's regions, in place, by a few launches for all of them together.

    See `cover_all`, to which this is equal bit for bit. The work is queued; `gpu.wait` waits.
    Raises what `cover_all` raises, before anything is touched.
    """
    work = _Work()
    ordered = [checked(frame, some) for frame, some in zip(frames, patches, strict=True)]
    for frame, some in zip(frames, ordered, strict=True):
        for plane in frame.surface.planes if some else ():
            _describe(work, frame, plane, some)
    if work.regions:
        _launch(gpu, work)


def _describe(work: _Work, frame: FrameOnGpu, plane: PlaneOnGpu, patches: Sequence[Patch]) -> None:
    first, last = len(work.regions), len(work.regions) + len(patches)
    across, down = step(frame.width, plane.width), step(frame.height, plane.height)
    averaging = {METHODS[name].averages for _, name, _ in patches}
    mixed = len(averaging) == 2
    sides = [
        (axis(b.x0, b.x1, frame.width, across), axis(b.y0, b.y1, frame.height, down))
        for b, *_ in patches
    ]
    fills = [number for number, (_, name, _) in enumerate(patches) if not METHODS[name].averages]
    owners = dict(zip(fills, groups([sides[number] for number in fills]), strict=True))
    for number, (box, name, cells) in enumerate(patches):
        method, (x, y) = METHODS[name], sides[number]
        group = owners.get(number, -1)
        rows, columns = (NODES, NODES) if group < 0 else (1, 1)
        if method.averages:
            rows, columns = grid(y.stop - y.start, cells), grid(x.stop - x.start, cells)
            work.cells = max(work.cells, rows * columns)
        inside = mixed and not method.averages
        work.insides |= inside
        work.regions.append(
            (
                _row(x, margin(box.width), across),
                _row(y, margin(box.height), down),
                len(work.planes),
                first,
                last,
                method.averages,
                group,
                method.smooth,
                inside,
                rows,
                columns,
                work.colours,
            )
        )
        work.colours += rows * columns
    work.planes.append(plane)


def _row(side: Axis, soft: int, step: int) -> tuple[int, ...]:
    return side.start, side.stop, side.first, side.end, soft, step


def _launch(gpu: Gpu, work: _Work) -> None:
    count = len(work.regions)
    planes, regions = gpu.upload(table(work.planes)), gpu.upload(np.array(work.regions, _REGION))
    colours = gpu.allocate(work.colours * 4)
    gpu.launch("surroundings", (count, 1, 1), THREADS, planes, regions, colours)
    gpu.launch("flat", (count, 1, 1), THREADS, planes, regions, colours)
    if work.insides:
        gpu.launch("paint", (count, PARTS, 1), THREADS, planes, regions, colours, 1)
    gpu.launch("averages", (count, work.cells, 1), 64, planes, regions, colours)
    gpu.launch("paint", (count, PARTS, 1), THREADS, planes, regions, colours, 0)
