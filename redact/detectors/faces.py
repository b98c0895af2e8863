"""Finds faces with CenterFace."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from redact.detectors.runtime import Network, Remembering, free_shape, letterbox, shrunk
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

STRIDE = 4
"""Pixels of the network's input per cell of its heat map."""

OVERLAP = 0.4
"""Boxes that overlap by more than this (intersection over union) are of one face."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to show a picture to the network."""

    long_side: int
    border: int = 0  # black pixels around the picture
    turns: int = 0  # quarter turns counter-clockwise
    caution: float = 0.0  # how much higher a score has to be


EXTRA_LOOKS = (
    # Faces that fill much of the picture: the network sees no more than some 200 pixels at once.
    Look(256),
    Look(128, border=32, caution=0.1),
    # A camera, or a person, that lies on a side. With less caution, these find upright faces
    # as boxes that lie down, and pull the boxes of the other looks apart.
    Look(256, turns=1, caution=0.15),
    Look(256, turns=3, caution=0.15),
)
"""Small, so that all of them together cost a third of a look at 960."""

QUICK = 0.6
"""A quick look is one look, at this share of the size: a fifth of what all looks cost."""

CUT_OFF = 0.1
"""A face that the picture's edge cuts off scores lower: by this much less is enough."""

FAINT = 0.075
"""So much less is a doubtful face: one that counts if it is found again within three looks."""

APART = 0.3
"""A doubtful face of which more lies in a sure one, or of that in it, is a part of that."""

LEAST = 0.01
"""No score below this is ever enough."""

_Faces = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
"""Boxes x0, y0, x1, y1 (n, 4), scores (n,), and which are not doubtful (n,)."""

_Scored = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes (n, 4) and scores (n,)."""


class FaceDetector:
    """
    CenterFace, held open.

    Args:
        model: the file as published, its digest checked by the caller.
        label: the model's name; `name` is this and the start of the sha256.
        min_score: detections below this are dropped. The smallest and the turned looks, which
            find more that is no face, have to be surer by up to 0.15.
        long_side: pictures are scaled to this for a look.
        threads: of one run; 0 lets onnxruntime choose.
        device: as for a Network.
        faint: how far below `min_score` a detection is still kept, as doubtful.

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
        faint: float = 0.0,
    ) -> None:
        self.name = f"{label}@{sha256(model).hexdigest()[:16]}"
        self._min_score, self._faint = min_score, faint
        self._looks = _looks(long_side)
        self._remembering: Remembering | None = None
        self._network = Network(
            free_shape(model, name=self.name), name=self.name, threads=threads, device=device
        )

    def at_size(self, long_side: int) -> FaceDetector:
        """The same network, with looks of another size, and without what is doubtful."""
        other = copy(self)
        other._looks, other._faint = _looks(long_side), 0.0
        return other

    def quick(self) -> FaceDetector:
        """
        The same network with one smaller look, for frames between those that get all looks.

        Another size also finds what the others miss: measured, faces leak less where every second
        look is quick than where all are thorough.
        """
        other = copy(self)
        other._looks = [Look(round(self._looks[0].long_side * QUICK))]
        return other

    def at(self, min_scores: Sequence[float]) -> list[FaceDetector]:
        """
        The same detector at several thresholds, for measuring them.

        The network runs once for what all of them are shown in turn.
        """
        once = Remembering(self._network)
        others = [copy(self) for _ in min_scores]
        for other, min_score in zip(others, min_scores, strict=True):
            other._remembering, other._min_score = once, min_score
        return others

    def parts(self) -> tuple[Network, tuple[Look, ...], float, float]:
        """The network, its looks, the lowest score and `faint`: for a GPU to do the same."""
        return self._network, tuple(self._looks), self._min_score, self._faint

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """
        Every face of each frame; all frames have one size. See PictureDetector.detect.

        Raises DetectorError if the network fails or returns what can't be read as faces.
        """
        if not frames:
            return []
        small = [shrunk(frame, self._looks[0].long_side) for frame in frames]
        pictures = {
            size: _pictures(small, size) for size in {look.long_side for look in self._looks}
        }
        size = (frames[0].width, frames[0].height)
        found = [self._look(*pictures[look.long_side], look, size) for look in self._looks]
        return [
            self._detections(frame, faces) for frame, *faces in zip(frames, *found, strict=True)
        ]

    def _look(
        self, batch: NDArray[np.float32], scale: float, look: Look, size: tuple[int, int]
    ) -> list[_Faces]:
        """What may be faces in each picture, in pixels of its frame, `size` wide and high."""
        edge = (look.border, look.border)
        batch = np.pad(batch, ((0, 0), (0, 0), edge, edge))
        network = self._remembering or self._network
        outputs = network(np.ascontiguousarray(np.rot90(batch, look.turns, axes=(2, 3))))
        if len(outputs) < 3:
            raise DetectorError(f"{self.name} has {len(outputs)} outputs, not CenterFace's four.")
        faces = []
        for heat, sizes, offsets in zip(*outputs[:3], strict=True):
            least = self._min_score + look.caution
            lowest = max(least - max(CUT_OFF, self._faint), LEAST)
            boxes, scores = decode(heat[0], sizes, offsets, lowest)
            boxes = turn_back(boxes, look.turns, *batch.shape[2:]) - np.float32(look.border)
            boxes /= np.float32(scale)
            sure = (scores >= least) | (cut_off(boxes, *size) & (scores >= least - CUT_OFF))
            kept = sure | ((scores >= least - self._faint) & (scores >= LEAST))
            faces.append((boxes[kept], scores[kept], sure[kept]))
        return faces

    def _detections(self, frame: Frame, faces: Sequence[_Faces]) -> list[Detection]:
        boxes, scores, sure = (np.concatenate(parts) for parts in zip(*faces, strict=True))
        certain = detections(*merge(boxes[sure], scores[sure]), frame, self.name)
        return certain + apart(detections(*merge(boxes, scores), frame, self.name), certain)


def detections(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], frame: Frame, name: str
) -> list[Detection]:
    """Faces of a frame; of a box outside it, in a look's border, nothing is left."""
    found = []
    for edges, score in zip(boxes.tolist(), scores.tolist(), strict=True):
        x0, y0, x1, y1 = np.clip(edges, 0, [frame.width, frame.height] * 2).tolist()
        if x0 < x1 and y0 < y1:
            found.append(Detection(Kind.FACE, Box.covering(x0, y0, x1, y1), min(score, 1.0), name))
    return found


def apart(found: Sequence[Detection], certain: Sequence[Detection]) -> list[Detection]:
    """Of all that was found, what lies apart from what is certain: that is doubtful."""
    return [
        replace(one, doubtful=True)
        for one in found
        if not any(_is_part(one.box, other.box) for other in certain)
    ]


def _is_part(one: Box, other: Box) -> bool:
    shared = one & other
    return shared is not None and shared.area > APART * min(one.area, other.area)


def _looks(long_side: int) -> list[Look]:
    return [Look(long_side), *(look for look in EXTRA_LOOKS if look.long_side < long_side)]


def _pictures(
    small: Sequence[tuple[Frame, float]], long_side: int
) -> tuple[NDArray[np.float32], float]:
    """The network's input for shrunk frames, and its pixels per pixel of what they were."""
    shown = [letterbox(frame, long_side) for frame, _ in small]
    return np.stack([picture for picture, _ in shown]), shown[0][1] * small[0][1]


def decode(
    heat: NDArray[np.float32],
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    min_score: float,
) -> _Scored:
    """
    The faces of one picture, in pixels of the network's input.

    heat is (rows, columns) in [0, 1]; sizes, the logarithms of height and width in cells, and
    offsets of the centre, down and right, are (2, rows, columns).
    """
    rows, columns = np.nonzero(heat >= min_score)
    height, width = np.exp(sizes[:, rows, columns]) * STRIDE
    down, right = offsets[:, rows, columns]
    y, x = (rows + down + 0.5) * STRIDE, (columns + right + 0.5) * STRIDE
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return boxes.astype(np.float32), heat[rows, columns]


def cut_off(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Which boxes (n, 4) reach one of the edges of a width x height picture."""
    low = (boxes[:, :2] <= 1).any(axis=1)
    high = (boxes[:, 2:] >= np.array([width - 1, height - 1])).any(axis=1)
    return np.asarray(low | high)


def turn_back(
    boxes: NDArray[np.float32], turns: int, height: int, width: int
) -> NDArray[np.float32]:
    """Boxes on a height x width picture, from where they lie once numpy.rot90 has turned it."""
    x0, y0, x1, y1 = boxes.T
    if turns % 4 == 0:
        return boxes
    if turns % 4 == 1:
        return np.stack([width - y1, x0, width - y0, x1], axis=1)
    if turns % 4 == 2:
        return np.stack([width - x1, height - y1, width - x0, height - y0], axis=1)
    return np.stack([y0, height - x1, y1, height - x0], axis=1)


def merge(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> _Scored:
    """
    One box per face, best first: what was found of it in any look is inside.

    Boxes that overlap a better one by more than OVERLAP are the same face; the better one grows
    to hold them, where others would drop them.
    """
    left = np.lexsort((*boxes.T, -scores))
    merged, best = [], []
    while left.size:
        same = overlap(boxes[left[0]], boxes[left]) > OVERLAP
        same[0] = True
        alike = boxes[left[same]]
        merged.append(np.concatenate([alike[:, :2].min(axis=0), alike[:, 2:].max(axis=0)]))
        best.append(scores[left[0]])
        left = left[~same]
    return np.array(merged, np.float32).reshape(-1, 4), np.array(best, np.float32)


def overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with each of (n, 4)."""
    corner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(corner, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(shared / (areas + np.prod(box[2:] - box[:2]) - shared), np.float32)
