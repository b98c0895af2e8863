"""Finds licence plates with our own network; scripts/train_plates.py makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from hashlib import sha256

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.detectors.closer import closer
from redact.detectors.faces import overlap
from redact.detectors.runtime import ENLARGE, Network, letterbox, shrunk
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

EIGHT_BIT = "plates-8bit.onnx"
"""The same network with whole numbers, for CPUs: a third of the time."""

STRIDE = 8
"""Pixels of the network's input per cell of its maps."""

SIZES = (0.25, 0.5, 1.0)
"""Of the looks at one picture, as shares of the long side: the network knows plates of 10 to 260
pixels in width; one that fills the picture is in the smallest look, a far one in the largest."""

AGAIN = (0.2, 0.4, 0.8)
"""Of the second look: none that the first has."""

SAME = 0.3
"""Boxes that overlap by more than this (intersection over union) are of one plate."""

ALONE = 0.1
"""What only one look sees has to be so much surer: a plate shows at several sizes, a lamp or a
badge that looks like one does so at one. Measured: half the false boxes, the same plates."""

LEAST = 0.3
"""What scores less from afar is no candidate; one that is gets a closer look, and the mean counts.
Measured with the same weights: half the false boxes are left, and a third of the missed plates of
20 to 40 pixels."""

MOST = 40
"""Candidates of a picture that get a closer look, the surest; the others count as they are."""

SURE = 0.6
"""What scores less is doubtful: most of what is taken for a plate by mistake is so in one look."""

TINY = 45
"""Pixels of the largest look: a plate that is less wide is too small for the others."""

NEARLY = 0.05
"""What scores so much less in a covered frame may score enough once that is encoded. Measured: by
up to .04 more, in clips whose second look then asked for another round."""

FAINT = 0.15
"""How much less sure than a candidate the other look may be."""

ASPECTS = (0.6, 9.0)
"""Width by height; nothing else is a plate, however turned. Motorcycles have square ones."""

_Plates = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes x0, y0, x1, y1 (n, 4) and scores (n,)."""


class PlateDetector:
    """
    Our network, held open.

    Args:
        model: the ONNX file, its digest checked by the caller.
        label: the model's name; `name` is this and the start of the sha256.
        min_score: detections below this are dropped. Their score is the mean of the looks', what
            one alone sees counting ALONE less, and of a closer look's.
        long_side: of the largest look in pixels; the others are SIZES of it.
        threads: of one run; 0 lets onnxruntime choose.
        device: as for a Network.

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
        self._least = min(LEAST, min_score)
        self._looks = _sides(long_side, SIZES)
        self._network = Network(model, name=self.name, threads=threads, device=device)

    def quick(self) -> PlateDetector:
        """The same network without the largest look, for frames between those that get all."""
        other = copy(self)
        other._looks = self._looks[:-1]
        return other

    def again(self) -> PlateDetector:
        """The same network at other sizes, for the second look."""
        other = copy(self)
        other._looks = _sides(self._long_side, AGAIN)
        return other

    def nearly(self) -> PlateDetector:
        """The same, that also takes what might be a plate once it is encoded."""
        other = copy(self)
        other._min_score = max(self._min_score - NEARLY, 0.0)
        return other

    def parts(self) -> tuple[Network, Callable[[int], list[int]], float]:
        """The network, the looks from afar, and a candidate's score: for a GPU to do the same."""
        return self._network, self.sides, self._least

    def sides(self, largest: int) -> list[int]:
        """
        The long sides at which a picture is shown whose own long side is `largest` pixels.

        Looks to which a small picture can't be enlarged would all show the same.
        """
        return sorted({min(side, round(largest * ENLARGE)) for side in self._looks})

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """
        Every plate of each frame; all frames have one size. See PictureDetector.detect.

        Raises DetectorError if the network fails or returns what can't be read as plates.
        """
        if not frames:
            return []
        largest = max(frames[0].width, frames[0].height)
        small = [shrunk(frame, self._looks[-1]) for frame in frames]
        sides = self.sides(largest)
        found = [self._look(small, side) for side in sides]
        tiny = TINY * largest / sides[-1]
        return [
            self.judged(frame, self._candidates(frame, plates, tiny))
            for frame, plates in zip(frames, zip(*found, strict=True), strict=True)
        ]

    def judged(self, frame: Frame, candidates: Sequence[Detection]) -> list[Detection]:
        """
        Those of the candidates, the surest first, that still are plates after a closer look.

        Raises DetectorError as `detect` does.
        """
        near = [closer(self._network, frame, one.box) for one in candidates[:MOST]]
        return self.weighed(candidates, near)

    def weighed(self, candidates: Sequence[Detection], near: Sequence[float]) -> list[Detection]:
        """The same, from what a closer look said of the first of them."""
        found = []
        for number, one in enumerate(candidates):
            score = (one.score + near[number]) / 2 if number < len(near) else one.score
            if score >= self._min_score:
                found.append(replace(one, score=min(score, 1.0), doubtful=score < SURE))
        return found

    def _look(self, small: Sequence[tuple[Frame, float]], side: int) -> list[_Plates]:
        """The plates of each picture, in pixels of its frame."""
        shown = [letterbox(frame, side) for frame, _ in small]
        outputs = self._network(np.stack([picture for picture, _ in shown]))
        if len(outputs) != 2:
            raise DetectorError(f"{self.name} has {len(outputs)} outputs, not heat and edges.")
        scale = np.float32(shown[0][1] * small[0][1])
        lowest = self._least - FAINT
        plates = [decode(heat[0], edges, lowest) for heat, edges in zip(*outputs, strict=True)]
        return [(boxes / scale, scores) for boxes, scores in plates]

    def _candidates(self, frame: Frame, plates: Sequence[_Plates], tiny: float) -> list[Detection]:
        boxes, scores = merged(plates, tiny)
        likely = scores >= self._least
        found = []
        for edges, score in zip(boxes[likely].tolist(), scores[likely].tolist(), strict=True):
            x0, y0, x1, y1 = np.clip(edges, 0, [frame.width, frame.height] * 2).tolist()
            if x0 < x1 and y0 < y1:
                box = Box.covering(x0, y0, x1, y1)
                found.append(Detection(Kind.PLATE, box, min(score, 1.0), self.name))
        return found


def _sides(long_side: int, shares: Sequence[float]) -> list[int]:
    return [max(round(long_side * share), 32) for share in shares]


def merged(looks: Sequence[_Plates], tiny: float = 0.0) -> _Plates:
    """
    One box per plate, best first: what was found of it in any look is inside.

    Its score is the best look's, less ALONE if no other look saw it and it is not `tiny` pixels
    wide or less, when no other look can.
    """
    boxes = np.concatenate([boxes for boxes, _ in looks])
    scores = np.concatenate([scores for _, scores in looks])
    seen_by = np.repeat(np.arange(len(looks)), [len(scores) for _, scores in looks])
    left = np.lexsort((*boxes.T, -scores))
    grown, best = [], []
    while left.size:
        same = overlap(boxes[left[0]], boxes[left]) > SAME
        same[0] = True
        alike = boxes[left[same]]
        grown.append(np.concatenate([alike[:, :2].min(axis=0), alike[:, 2:].max(axis=0)]))
        alone = len(looks) > 1 and len(set(seen_by[left[same]].tolist())) == 1
        alone &= bool(grown[-1][2] - grown[-1][0] > tiny)
        best.append(scores[left[0]] - ALONE * alone)
        left = left[~same]
    return np.array(grown, np.float32).reshape(-1, 4), np.array(best, np.float32)


def decode(heat: NDArray[np.float32], edges: NDArray[np.float32], min_score: float) -> _Plates:
    """
    The plates of one picture, in pixels of the network's input.

    heat is (rows, columns) in [0, 1]; edges, (4, rows, columns), are how far left, up, right and
    down of a cell's middle a plate ends, in pixels. A plate is where heat has a peak.
    """
    peaks = (heat >= min_score) & (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8)))
    rows, columns = np.nonzero(peaks)
    left, up, right, down = edges[:, rows, columns]
    y, x = (rows + 0.5) * STRIDE, (columns + 0.5) * STRIDE
    boxes = np.stack([x - left, y - up, x + right, y + down], axis=1).astype(np.float32)
    scores = heat[rows, columns]
    likely = possible(boxes)
    return boxes[likely], scores[likely]


def possible(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes (n, 4) have a shape that a plate can have."""
    wide, high = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3).T
    aspect = wide / high
    return np.asarray((aspect >= ASPECTS[0]) & (aspect <= ASPECTS[1]))
