"""Finds faces with CenterFace."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from redact.detectors.runtime import Network, free_shape, letterbox
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

STRIDE = 4
"""Pixels of the network's input per cell of its heat map."""

OVERLAP = 0.4
"""Of two boxes that overlap by more than this (intersection over union), the better one stays."""


class FaceDetector:
    """
    CenterFace, held open.

    Args:
        model: the file as published, its digest checked by the caller.
        label: the model's name; `name` is this and the start of the sha256.
        min_score: detections below this are dropped.
        long_side: pictures are scaled to this for a look.
        threads: of one run; 0 lets onnxruntime choose.
        device: "cpu" or "cuda".

    Raises DetectorError if the model can't be opened, or not on this device.
    """

    def __init__(
        self,
        model: bytes,
        *,
        label: str,
        min_score: float,
        long_side: int,
        threads: int = 0,
        device: str = "cpu",
    ) -> None:
        self.name = f"{label}@{sha256(model).hexdigest()[:16]}"
        self._min_score, self._long_side = min_score, long_side
        self._network = Network(
            free_shape(model, name=self.name), name=self.name, threads=threads, device=device
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """
        Every face of each frame; all frames have one size. See PictureDetector.detect.

        Raises DetectorError if the network fails or returns what can't be read as faces.
        """
        if not frames:
            return []
        found = self._look(frames, self._long_side)
        return [self._detections(frame, *faces) for frame, faces in zip(frames, found, strict=True)]

    def _look(
        self, frames: Sequence[Frame], long_side: int
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Boxes (n, 4) in pixels of the frame, and scores (n,), for each frame."""
        pictures = [letterbox(frame, long_side) for frame in frames]
        outputs = self._network(np.stack([picture for picture, _ in pictures]))
        if len(outputs) < 3:
            raise DetectorError(f"{self.name} has {len(outputs)} outputs, not CenterFace's four.")
        heat, sizes, offsets = outputs[:3]
        return [
            _scaled(decode(heat[n, 0], sizes[n], offsets[n], self._min_score), scale)
            for n, (_, scale) in enumerate(pictures)
        ]

    def _detections(
        self, frame: Frame, boxes: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> list[Detection]:
        keep = suppress(boxes, scores)
        found = []
        for edges, score in zip(boxes[keep].tolist(), scores[keep].tolist(), strict=True):
            box = Box.covering(*edges).clip(frame.width, frame.height)
            if box is not None:
                found.append(Detection(Kind.FACE, box, min(score, 1.0), self.name))
        return found


def decode(
    heat: NDArray[np.float32],
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    min_score: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Boxes x0, y0, x1, y1 (n, 4) in pixels of the input, and scores (n,), of one picture.

    heat is (rows, columns) in [0, 1]; sizes, the logarithms of height and width in cells, and
    offsets of the centre, down and right, are (2, rows, columns).
    """
    rows, columns = np.nonzero(heat >= min_score)
    height, width = np.exp(sizes[:, rows, columns]) * STRIDE
    down, right = offsets[:, rows, columns]
    y, x = (rows + down + 0.5) * STRIDE, (columns + right + 0.5) * STRIDE
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return boxes.astype(np.float32), heat[rows, columns]


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """The boxes that stay, best first: each overlaps every better one by OVERLAP at most."""
    left = np.lexsort((*boxes.T, -scores))
    keep: list[np.intp] = []
    while left.size:
        best, left = left[0], left[1:]
        keep.append(best)
        left = left[overlap(boxes[best], boxes[left]) <= OVERLAP]
    return np.array(keep, np.intp)


def overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with each of (n, 4)."""
    corner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(corner, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(shared / (areas + np.prod(box[2:] - box[:2]) - shared), np.float32)


def _scaled(
    faces: tuple[NDArray[np.float32], NDArray[np.float32]], scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    boxes, scores = faces
    return boxes / np.float32(scale), scores
