"""Frames that are already in memory: arrays in, arrays out, by the same looks and methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from redact.check import Covered
from redact.detectors.opened import Detectors
from redact.errors import Reason, ResidualError, UsageError
from redact.look import Looker, Schedule
from redact.methods import cover_all
from redact.pipeline import regions_of
from redact.plan import Region
from redact.policy import Policy
from redact.remove import how_to_cover
from redact.types import Frame, Track

Pictures = NDArray[np.uint8]
"""(frames, height, width, 3), R G B, 0 to 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesReport:
    """What was covered in an array of frames, and how much of it was looked at."""

    regions: tuple[Region, ...]
    frames: int
    frames_scanned: int  # by the first look; the others are filled from both sides
    rounds: int  # how often it was covered until the second look was content


def redact_frames(
    frames: Pictures, fps: float, detectors: Detectors, policy: Policy
) -> tuple[Pictures, FramesReport]:
    """
    A copy of the frames with every face covered, and what was covered.

    All frames belong to one clip, in order. Raises UsageError for arrays of another shape or
    type, DetectorError where a detector could not look, ResidualError where the second look
    still finds a face after `policy.check.rounds` more rounds.
    """
    _right_form(frames, fps)
    regions: tuple[Region, ...] = ()
    first = Schedule(looks_per_second=policy.faces.looks_per_second)
    looker = Looker(detectors.pictures, first, quick=detectors.pictures_quick)
    for frame in _split(frames, fps):
        looker.take(frame)
    seen = looker.seen(rate=fps)
    found = seen.tracks
    shape = (frames.shape[2], frames.shape[1])
    for round_ in range(1, policy.check.rounds + 2):
        regions += regions_of(found, policy, *shape)
        covered = _cover(frames, fps, regions, policy)
        found = _look_again(covered, fps, regions, detectors, policy)
        if not found:
            return covered, FramesReport(
                regions=regions,
                frames=len(frames),
                frames_scanned=seen.frames_scanned,
                rounds=round_,
            )
    raise ResidualError(
        f"the second look still finds {len(found)} faces in the frames.",
        means="No frames were returned.",
        reason=Reason.STILL_VISIBLE,
    )


def _right_form(frames: Pictures, fps: float) -> None:
    if np.asarray(frames).dtype != np.uint8:
        raise UsageError("frames must be a NumPy array of uint8.", means="Nothing was redacted.")
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise UsageError(
            f"frames have the shape {frames.shape}, not (frames, height, width, 3).",
            means="Nothing was redacted.",
        )
    if not 0.01 < fps < 10_000:
        raise UsageError(f"fps is {fps}.", means="Nothing was redacted.")


def _split(frames: Pictures, fps: float) -> Iterator[Frame]:
    """Each picture as R, G and B planes of its own."""
    time_base = 1 / Fraction(fps).limit_denominator(1001)
    for index, picture in enumerate(frames):
        planes = tuple(np.ascontiguousarray(picture[..., channel]) for channel in range(3))
        yield Frame(planes=planes, depth=8, index=index, pts=index, time_base=time_base, rgb=True)


def _cover(frames: Pictures, fps: float, regions: Sequence[Region], policy: Policy) -> Pictures:
    result = np.empty_like(frames)
    for frame in _split(frames, fps):
        here = [
            (region.boxes[frame.index - region.first], *how_to_cover(region, policy))
            for region in regions
            if region.first <= frame.index <= region.last
        ]
        cover_all(frame, here)
        result[frame.index] = np.stack(frame.planes, axis=-1)
    return result


def _look_again(
    covered: Pictures,
    fps: float,
    regions: tuple[Region, ...],
    detectors: Detectors,
    policy: Policy,
) -> tuple[Track, ...]:
    again = Schedule(looks_per_second=policy.check.looks_per_second, phase=0.5)
    looker = Looker(detectors.pictures_again, again, ignore=Covered(regions).hides)
    for frame in _split(covered, fps):
        looker.take(frame)
    return looker.seen(rate=fps).tracks
