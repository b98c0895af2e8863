"""
Frames that are already in memory: arrays in, arrays out, by the same looks and methods.

NumPy's on the CPU; those of torch, CuPy and whatever speaks DLPack on the GPU, where they stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.check import Covered
from redact.cuda.dlpack import GpuArray, borrowed, device_of
from redact.cuda.driver import Gpu
from redact.cuda.kernels import with_small_pictures
from redact.cuda.surfaces import FrameOnGpu, packed_rgb, semi_planar
from redact.detectors.opened import Detectors
from redact.errors import Reason, ResidualError, UsageError
from redact.look import Looker
from redact.methods import Patch, cover_all
from redact.methods.cuda import cover_frames
from redact.plan import Region
from redact.planning import regions_of
from redact.policy import Policy
from redact.remove import how_to_cover
from redact.schedule import Schedule
from redact.types import Frame, Track

Pictures = NDArray[np.uint8]
"""(frames, height, width, 3), R G B, 0 to 255."""


CHUNK, LAUNCHED = 8, 64
"""Frames on the GPU that are looked at, and covered, together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesReport:
    """What was covered in an array of frames, and how much of it was looked at."""

    regions: tuple[Region, ...]
    frames: int
    frames_scanned: int  # by the first look; the others are filled from both sides
    rounds: int  # how often it was covered until the second look was content


def redact_frames(
    frames: Any, fps: float, detectors: Detectors, policy: Policy, *, stream: int | None = None
) -> tuple[Any, FramesReport]:
    """
    A copy of the frames with everything covered that was found, and what was covered.

    All frames belong to one clip, in order. `stream` is the handle of the CUDA stream to work on.
    Raises UsageError for arrays of another shape or type, DetectorError where a detector could not
    look, ResidualError where the second look still finds something after `policy.check.rounds`
    more rounds.
    """
    if isinstance(frames, np.ndarray) or device_of(frames) is None:
        return _redacted(_OnHost(frames, fps), fps, detectors, policy)
    if detectors.gpu is None:
        raise UsageError(
            "the frames are not NumPy's, and there is no GPU to work on.",
            means="Nothing was redacted.",
            todo='Open the Redactor with device="cuda"; `redact doctor` says what is in the way.',
        )
    with detectors.gpu.on(stream):
        clip = _OnGpu(frames, fps, detectors.gpu)
        result = _redacted(clip, fps, detectors, policy)
        detectors.gpu.wait()
        return result


def _redacted(
    clip: _OnHost | _OnGpu, fps: float, detectors: Detectors, policy: Policy
) -> tuple[Any, FramesReport]:
    regions: tuple[Region, ...] = ()
    first = Schedule(looks_per_second=policy.faces.looks_per_second)
    looker = Looker(detectors.pictures, first, quick=detectors.pictures_quick, pool=detectors.pool)
    for frame in clip.frames():
        looker.take(frame)
    seen = looker.seen(rate=fps)
    found = seen.tracks
    for round_ in range(1, policy.check.rounds + 2):
        regions += regions_of(found, policy, clip.width, clip.height)
        covered = clip.covered(regions, policy)
        found = _look_again(covered, fps, regions, detectors, policy)
        if not found:
            return covered.array, FramesReport(
                regions=regions,
                frames=seen.frames,
                frames_scanned=seen.frames_scanned,
                rounds=round_,
            )
    raise ResidualError(
        f"the second look still finds {len(found)} tracks in the frames.",
        means="No frames were returned.",
        reason=Reason.STILL_VISIBLE,
    )


def _right_rate(fps: float) -> None:
    if not 0.01 < fps < 10_000:
        raise UsageError(f"fps is {fps}.", means="Nothing was redacted.")


def _wrong_shape(shape: tuple[int, ...], wanted: str) -> UsageError:
    return UsageError(
        f"frames have the shape {shape}, not {wanted}.", means="Nothing was redacted."
    )


def _patches(regions: Sequence[Region], index: int, policy: Policy) -> list[Patch]:
    return [
        (region.boxes[index - region.first], *how_to_cover(region, policy))
        for region in regions
        if region.first <= index <= region.last
    ]


class _OnHost:
    """A clip as a NumPy array (frames, height, width, 3), R G B."""

    def __init__(self, array: Any, fps: float) -> None:
        if np.asarray(array).dtype != np.uint8:
            raise UsageError(
                "frames must be a NumPy array of uint8.", means="Nothing was redacted."
            )
        if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
            raise _wrong_shape(array.shape, "(frames, height, width, 3)")
        _right_rate(fps)
        self.array: Pictures = array
        self.height, self.width = array.shape[1:3]
        self._fps = fps

    def frames(self) -> Iterator[Frame]:
        """Each picture as R, G and B planes of its own."""
        time_base = 1 / Fraction(self._fps).limit_denominator(1001)
        for index, picture in enumerate(self.array):
            planes = tuple(np.ascontiguousarray(picture[..., channel]) for channel in range(3))
            yield Frame(planes, depth=8, index=index, pts=index, time_base=time_base, rgb=True)

    def covered(self, regions: Sequence[Region], policy: Policy) -> _OnHost:
        result = np.empty_like(self.array)
        for frame in self.frames():
            cover_all(frame, _patches(regions, frame.index, policy))
            result[frame.index] = np.stack(frame.planes, axis=-1)
        return _OnHost(result, self._fps)


class _OnGpu:
    """
    A clip in device memory: (frames, height, width, 3) of R G B, or (frames, height * 3 / 2, width)
    of NV12, as decoders give it; of uint8, C-contiguous. NV12 is taken as limited range, BT.601
    up to a height of 576 and BT.709 above.
    """

    def __init__(self, array: Any, fps: float, gpu: Gpu) -> None:
        _right_rate(fps)
        self.array, self._fps, self._gpu = array, fps, gpu
        self._lent = lent = borrowed(array, gpu)
        self._rgb = len(lent.shape) == 4
        if lent.bits != 8:
            raise UsageError("frames on the GPU must be of uint8.", means="Nothing was redacted.")
        if not self._fits(lent.shape):
            wanted = "(frames, height, width, 3) or, of NV12, (frames, height * 3 / 2, width)"
            raise _wrong_shape(lent.shape, wanted)
        if not lent.contiguous:
            raise UsageError(
                "frames on the GPU must be contiguous.",
                means="Nothing was redacted.",
                todo="frames.contiguous() in torch, cupy.ascontiguousarray(frames) in CuPy.",
            )
        rows, self.width = lent.shape[1:3]
        self.height = rows if self._rgb else rows // 3 * 2

    def _fits(self, shape: tuple[int, ...]) -> bool:
        if 0 in shape or len(shape) not in (3, 4):
            return False
        return shape[3] == 3 if self._rgb else shape[1] % 3 == 0 and shape[2] % 2 == 0

    def frames(self) -> Iterator[FrameOnGpu]:
        for start in range(0, self._lent.shape[0], CHUNK):
            indexes = range(start, min(start + CHUNK, self._lent.shape[0]))
            yield from with_small_pictures(self._gpu, [self._frame(index) for index in indexes])

    def _frame(self, index: int) -> FrameOnGpu:
        size = self.width, self.height
        address = self._lent.address + index * self._lent.strides[0]
        if self._rgb:
            surface = packed_rgb(self._gpu, address, 3 * self.width, size, self._lent)
        else:
            chroma = address + self.width * self.height
            pitches = self.width, self.width
            surface = semi_planar(self._gpu, address, chroma, pitches, size, self._lent)
        time_base = 1 / Fraction(self._fps).limit_denominator(1001)
        return FrameOnGpu(
            planes=(), depth=8, index=index, pts=index, time_base=time_base, rgb=self._rgb,
            bt601=self.height <= 576, surface=surface,
        )  # fmt: skip

    def covered(self, regions: Sequence[Region], policy: Policy) -> _OnGpu:
        shape, size = self._lent.shape, math.prod(self._lent.shape)
        memory = self._gpu.allocate(size)
        self._gpu.copy(memory.address, self._lent.address, size)
        result = _OnGpu(GpuArray(memory, shape, 8, self._gpu), self._fps, self._gpu)
        for start in range(0, shape[0], LAUNCHED):
            frames = [result._frame(n) for n in range(start, min(start + LAUNCHED, shape[0]))]
            patches = [_patches(regions, frame.index, policy) for frame in frames]
            cover_frames(self._gpu, frames, patches)
        return result


def _look_again(
    covered: _OnHost | _OnGpu,
    fps: float,
    regions: tuple[Region, ...],
    detectors: Detectors,
    policy: Policy,
) -> tuple[Track, ...]:
    again = Schedule(looks_per_second=policy.check.looks_per_second, phase=0.5)
    looker = Looker(
        detectors.pictures_again,
        again,
        quick=detectors.pictures_again_quick,
        pool=detectors.pool,
    )
    for frame in covered.frames():
        looker.take(frame)
    return looker.seen(rate=fps, ignore=Covered(regions).hides).tracks
