"""Shows a picture to a detector the way up in which it is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from redact.cuda.surfaces import FrameOnGpu
from redact.detectors import PictureDetector
from redact.detectors.centerface import turn_back
from redact.types import Box, Detection, Frame


def upright(detector: PictureDetector, rotation: int) -> PictureDetector:
    """
    The detector, for frames that are coded turned, as a phone that is held upright codes them.

    `rotation` is in degrees counter-clockwise, for display. Boxes come back in the frame's own
    pixels.
    """
    turns = round(rotation / 90) % 4
    return _Upright(detector, turns) if turns else detector


class _Upright:
    def __init__(self, detector: PictureDetector, turns: int) -> None:
        self.name = detector.name
        self._detector = detector
        # Files say of a mirrored picture, which is upright, that it is turned by a half.
        self._ways = (0, 2) if turns == 2 else (turns,)

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        looks = [self._look(frames, turns) for turns in self._ways]
        return [[one for found in same for one in found] for same in zip(*looks, strict=True)]

    def _look(self, frames: Sequence[Frame], turns: int) -> list[list[Detection]]:
        found = self._detector.detect([_turned(frame, turns) for frame in frames])
        return [
            [replace(one, box=_back(one.box, turns, frame)) for one in detections]
            for frame, detections in zip(frames, found, strict=True)
        ]


def _turned(frame: Frame, turns: int) -> Frame:
    if isinstance(frame, FrameOnGpu):
        return replace(frame, held=(frame.held + turns) % 4)  # the kernels read it turned
    planes = tuple(np.ascontiguousarray(np.rot90(plane, turns)) for plane in frame.planes)
    return replace(frame, planes=planes)


def _back(box: Box, turns: int, frame: Frame) -> Box:
    edges = np.array([[box.x0, box.y0, box.x1, box.y1]], np.float32)
    return Box.covering(*turn_back(edges, turns, frame.height, frame.width)[0].tolist())
