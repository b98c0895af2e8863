"""Looks closer at what may be a plate, in frames on the GPU: see closer.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from redact.cuda.driver import Gpu
from redact.cuda.kernels import letterbox, shown
from redact.cuda.surfaces import FrameOnGpu, PlaneOnGpu
from redact.detectors.closer import peak_near, region_of
from redact.detectors.faces import turn_back
from redact.detectors.run_on_gpu import run_on_gpu
from redact.detectors.runtime import Network, padded_to, scaled
from redact.errors import DetectorError
from redact.types import Box

MOST = 64
"""Candidates that the network is shown at once, at most: of a crowded frame there are many."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A candidate, and what is shown of its frame."""

    box: Box
    region: Box  # of the upright frame
    frame: FrameOnGpu  # of the region alone
    scale: float
    size: tuple[int, int]  # in the network's input


def closer_on_gpu(
    network: Network, gpu: Gpu, candidates: Sequence[tuple[FrameOnGpu, Box]]
) -> list[float]:
    """
    What `closer` says of each box of an upright frame; MOST of one size go to the network at once.

    Raises DetectorError if the network fails or returns what is no map.
    """
    parts = [_part(frame, box) for frame, box in candidates]
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, part in enumerate(parts):
        groups[padded_to(part.size[0]), padded_to(part.size[1])].append(number)
    found = [0.0] * len(parts)
    for padded, numbers in groups.items():
        for at in range(0, len(numbers), MOST):
            some = numbers[at : at + MOST]
            scores = _scores(network, gpu, [parts[number] for number in some], padded)
            for number, score in zip(some, scores, strict=True):
                found[number] = score
    return found


def _scores(
    network: Network, gpu: Gpu, parts: Sequence[_Part], padded: tuple[int, int]
) -> list[float]:
    rows = np.stack([shown(part.frame, *part.size) for part in parts])
    tensor = letterbox(gpu, [part.frame for part in parts], rows, *padded)
    outputs = run_on_gpu(network, gpu, tensor)
    shape = outputs.shape(0) if len(outputs.values) == 2 else []
    if len(shape) != 4 or shape[:2] != [len(parts), 1]:
        raise DetectorError(f"{network.name} has other outputs than heat and edges.")
    heat = np.empty(shape, np.float32)
    copied = gpu.allocate(heat.nbytes)
    gpu.copy(copied.address, outputs.address(0), heat.nbytes)
    gpu.read(copied.address, heat)
    if not np.isfinite(heat).all():
        raise DetectorError(f"{network.name} returned numbers that are not finite.")
    return [
        peak_near(one[0], part.box, part.region, part.scale, padded[1])
        for one, part in zip(heat, parts, strict=True)
    ]


def _part(frame: FrameOnGpu, box: Box) -> _Part:
    region, long_side = region_of(box, *frame.upright_size)
    scale = long_side / max(region.width, region.height)
    size = scaled(region.width, scale), scaled(region.height, scale)
    return _Part(box, region, _cut(frame, region), scale, size)


def _cut(frame: FrameOnGpu, region: Box) -> FrameOnGpu:
    """What of the frame is in the region; its subsampled planes begin where it does."""
    edges = np.array([[region.x0, region.y0, region.x1, region.y1]], np.float32)
    there = Box.covering(*turn_back(edges, frame.held, frame.height, frame.width)[0].tolist())
    planes = tuple(_of_plane(plane, there, frame) for plane in frame.surface.planes)
    return replace(frame, planes=(), surface=replace(frame.surface, planes=planes))


def _of_plane(plane: PlaneOnGpu, region: Box, frame: FrameOnGpu) -> PlaneOnGpu:
    over, down = 1 + (plane.width < frame.width), 1 + (plane.height < frame.height)
    x0, y0 = region.x0 // over, region.y0 // down
    sample = 1 if plane.bits == 8 else 2
    return replace(
        plane,
        samples=plane.samples + y0 * plane.pitch + x0 * plane.step * sample,
        width=-(-region.x1 // over) - x0,
        height=-(-region.y1 // down) - y0,
    )
