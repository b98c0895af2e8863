"""Carry out a plan: what each frame and each block of sound goes through on its way out."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.cuda.kernels import compare, luma_resized
from redact.cuda.surfaces import FrameOnGpu, downloaded
from redact.media.probe import Clip
from redact.methods import Patch, cover_all
from redact.methods.audio import remove
from redact.methods.cuda import cover_frames
from redact.plan import Plan, Region
from redact.policy import Policy
from redact.types import Frame

SAMPLES = 400
"""At most so many frames of a clip are remembered, small, for the second look to compare."""
SHRINK = 8
"""Each side of a remembered frame is so many times smaller."""


Thumbnail = NDArray[np.float32] | FrameOnGpu
"""A small grey picture in levels of 8 bits; or one on the GPU, of whole levels."""


@dataclass(slots=True)
class Expected:
    """What the output has to show: every frame's time, and some frames as small grey pictures."""

    pts: array[int] = field(default_factory=lambda: array("q"))  # 8 bytes a frame
    time_base: Fraction = Fraction(1)
    thumbnails: dict[int, Thumbnail] = field(default_factory=dict)


def thumbnail(frame: Frame) -> Thumbnail:
    """The first plane, averaged over SHRINK x SHRINK pixels; on the GPU if the frame is there."""
    height, width = -(-frame.height // SHRINK), -(-frame.width // SHRINK)
    if isinstance(frame, FrameOnGpu):
        return luma_resized(frame, width, height)
    small = cv2.resize(frame.planes[0], (width, height), interpolation=cv2.INTER_AREA)
    levels: NDArray[np.float32] = small.astype(np.float32) / 2 ** (frame.depth - 8)
    return levels


def difference(one: Thumbnail, other: Thumbnail) -> float:
    """The largest difference of two thumbnails of one size and depth, in levels of 8 bits."""
    if isinstance(one, FrameOnGpu) and isinstance(other, FrameOnGpu):
        planes = one.surface.planes[0], other.surface.planes[0]
        (found,) = compare(one.surface.gpu, [(*planes, (0, 0, one.width, one.height))])
        return float(found["largest"] / 2 ** (one.depth - 8))
    return float(np.abs(_levels(one) - _levels(other)).max())


def _levels(small: Thumbnail) -> NDArray[np.float32]:
    if not isinstance(small, FrameOnGpu):
        return small
    (plane,) = downloaded(small.surface)
    return np.asarray(plane.astype(np.float32) / 2 ** (small.depth - 8), np.float32)


def how_to_cover(region: Region, policy: Policy) -> tuple[str, int]:
    """A region's method, and the cells that the policy gives things of its kind."""
    return region.method, policy.covering(region.kind).cells


class Cover:
    """Covers the plan's regions in each frame of a clip, in order, and remembers the outcome."""

    def __init__(self, plan: Plan, policy: Policy) -> None:
        self._every = max(1, plan.looked.frames // SAMPLES)
        self._by_frame: dict[int, list[Patch]] = defaultdict(list)
        for region in plan.regions:
            for index, box in enumerate(region.boxes, region.first):
                self._by_frame[index].append((box, *how_to_cover(region, policy)))
        self.expected = Expected()

    def __call__(self, frame: Frame) -> bool:
        """Changes the frame's planes in place; says whether it did."""
        self.change(frame)
        return self.remember(frame)

    def change(self, frame: Frame) -> None:
        """Covers the frame, in place, on the host; `remember` has to be told of it."""
        regions = self.patches(frame)
        cover_all(frame, regions)
        if frame.alpha is not None:
            for box, *_ in regions:
                frame.alpha[box.y0 : box.y1, box.x0 : box.x1] = (1 << frame.depth) - 1

    def patches(self, frame: Frame) -> list[Patch]:
        """What the plan covers in the frame."""
        return self._by_frame.get(frame.index, [])

    def on_gpu(self, gpu: Gpu, frames: Sequence[FrameOnGpu]) -> None:
        """Covers the frames, in place, on the GPU; `remember` has to be told of each."""
        cover_frames(gpu, frames, [self.patches(frame) for frame in frames])
        for frame in frames:  # while they are there: what the encoder is shown may not be
            if frame.index % self._every == 0:
                self.expected.thumbnails[frame.index] = thumbnail(frame)

    def remember(self, frame: Frame) -> bool:
        """Note a covered frame's time, and of some what they look like; says whether it changed."""
        self.expected.pts.append(frame.pts)
        self.expected.time_base = frame.time_base
        if frame.index % self._every == 0 and frame.index not in self.expected.thumbnails:
            self.expected.thumbnails[frame.index] = thumbnail(frame)
        return frame.index in self._by_frame


SoundEdit = Callable[[NDArray[np.float32], Fraction], None]


def sound_edits(plan: Plan, clip: Clip) -> Mapping[int, SoundEdit]:
    """For each sound stream with something to remove: what its blocks of samples go through."""
    edits: dict[int, SoundEdit] = {}
    for stream in clip.sound:
        cuts = [cut for cut in plan.cuts if cut.stream == stream.index]
        if cuts:
            edits[stream.index] = partial(
                _remove, rate=stream.rate, cuts=_by_method(plan, stream.index)
            )
    return edits


def _by_method(plan: Plan, stream: int) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for cut in plan.cuts:
        if cut.stream == stream:
            found[cut.method].append((cut.start_us, cut.end_us))
    return found


def _remove(
    samples: NDArray[np.float32],
    time: Fraction,
    *,
    rate: int,
    cuts: Mapping[str, list[tuple[int, int]]],
) -> None:
    for method, spans in cuts.items():
        remove(samples, time, rate, spans, method=method)
