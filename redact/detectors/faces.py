"""Finds faces with CenterFace."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from redact.detectors.centerface import Scored, cut_off, decode, is_small, turn_back
from redact.detectors.doubt import CUT_OFF, LENIENCE, apart, counted
from redact.detectors.runtime import ENLARGE, Network, Remembering, free_shape, letterbox, shrunk
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind

OVERLAP = 0.4
"""Boxes that overlap by more than this (intersection over union) are of one face."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to show a picture to the network."""

    long_side: int
    border: int = 0  # black pixels around the picture
    turns: int = 0  # quarter turns counter-clockwise
    caution: float = 0.0  # how much higher a score has to be
    lenience: float = 0.0  # and how much lower it may be of a face that is SMALL


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

WORTH = 0.1
"""Where a small face may be that scores this much, there is a closer look."""

CLOSER = 1.5
"""So much larger is that look; after a quick one it is as large as the first of the thorough ones.
Measured on small stills side by side, a fifth of the faces leaked without it."""

LEAST = 0.01
"""No score below this is ever enough."""


@dataclass(frozen=True, slots=True)
class _Faces:
    """What one look at one picture found."""

    boxes: NDArray[np.float32]  # (n, 4): x0, y0, x1, y1, in pixels of the frame
    scores: NDArray[np.float32]  # (n,)
    sure: NDArray[np.bool_]  # (n,): which are certain,
    likely: NDArray[np.bool_]  # or doubtful,
    weak: NDArray[np.bool_]  # or score as much as a weak one, at least
    any_small: bool  # whether a closer look is worth it


class FaceDetector:
    """
    CenterFace, held open.

    Args:
        model: the file as published, its digest checked by the caller.
        label: the model's name; `name` is this and the start of the sha256.
        min_score: detections below this are dropped. The smallest and the turned looks, which
            find more that is no face, have to be surer by up to 0.15; of small faces in a crowd and
            of what the picture's edge cuts off less is enough.
        long_side: pictures are scaled to this for a look; where small faces may be, to CLOSER
            times this for another.
        threads: of one run; 0 lets onnxruntime choose.
        device: as for a Network.
        faint: how far below `min_score` a detection is still kept, as doubtful.
        weak: how far, as weak; 0: nothing is weak.

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
        weak: float = 0.0,
    ) -> None:
        self.name = f"{label}@{sha256(model).hexdigest()[:16]}"
        self._min_score, self._faint, self._weak = min_score, faint, weak
        self._looks = _looks(Look(long_side, lenience=LENIENCE))
        self._closer: Look | None = replace(self._looks[0], long_side=round(CLOSER * long_side))
        self._remembering: Remembering | None = None
        self._network = Network(
            free_shape(model, name=self.name), name=self.name, threads=threads, device=device
        )

    def at_size(self, long_side: int) -> FaceDetector:
        """
        The same network with looks of another size, none closer, and nothing doubtful or weak.

        Nor is less enough for small faces: measured, that finds nothing that leaked.
        """
        other = copy(self)
        other._looks, other._closer = _looks(Look(long_side)), None
        other._faint = other._weak = 0.0
        return other

    def quick(self) -> FaceDetector:
        """
        The same network with one smaller look, for frames between those that get all looks.

        Another size also finds what the others miss: measured, faces leak less where every second
        look is quick than where all are thorough.
        """
        other, first = copy(self), self._looks[0]
        other._looks = [replace(first, long_side=round(first.long_side * QUICK))]
        other._closer = self._closer and first
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

    def parts(self) -> tuple[Network, tuple[Look, ...], Look | None, float, float, float]:
        """
        For a GPU to do the same: the network, its looks, the closer one, the lowest score, `faint`
        and `weak`.
        """
        scores = self._min_score, self._faint, self._weak
        return self._network, tuple(self._looks), self._closer, *scores

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """
        Every face of each frame; all frames have one size. See PictureDetector.detect.

        Raises DetectorError if the network fails or returns what can't be read as faces.
        """
        if not frames:
            return []
        found = list(map(list, zip(*self._all_looks(frames, self._looks), strict=True)))
        near = [place for place, faces in enumerate(found) if faces[0].any_small]
        if near and self._closer and shows_more(frames[0], self._looks[0]):
            again = self._all_looks([frames[place] for place in near], [self._closer])
            for place, faces in zip(near, again[0], strict=True):
                found[place].append(faces)
        return [self._detections(frame, faces) for frame, faces in zip(frames, found, strict=True)]

    def _all_looks(self, frames: Sequence[Frame], looks: Sequence[Look]) -> list[list[_Faces]]:
        """For each look, what it finds in each frame."""
        small = [shrunk(frame, looks[0].long_side) for frame in frames]
        pictures = {size: _pictures(small, size) for size in {look.long_side for look in looks}}
        size = (frames[0].width, frames[0].height)
        return [self._look(*pictures[look.long_side], look, size) for look in looks]

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
            less = look.lenience + max(CUT_OFF, self._faint)
            lowest = min(least - max(less, look.caution / 2 + self._weak), WORTH)
            boxes, scores = decode(heat[0], sizes, offsets, max(lowest, LEAST))
            boxes = turn_back(boxes, look.turns, *batch.shape[2:]) - np.float32(look.border)
            enough = least - np.where(is_small(boxes), look.lenience, 0)
            any_small = bool(
                is_small(merge(boxes[scores >= WORTH], scores[scores >= WORTH])[0]).any()
            )
            boxes /= np.float32(scale)
            sure = (scores >= enough) | (cut_off(boxes, *size) & (scores >= enough - CUT_OFF))
            likely = sure | ((scores >= enough - self._faint) & (scores >= LEAST))
            weak = scores >= max(least - look.caution / 2 - self._weak, LEAST)
            faces.append(_Faces(boxes, scores, sure, likely, weak, any_small))
        return faces

    def _detections(self, frame: Frame, faces: Sequence[_Faces]) -> list[Detection]:
        boxes = np.concatenate([one.boxes for one in faces])
        scores = np.concatenate([one.scores for one in faces])

        def merged(of: Sequence[NDArray[np.bool_]]) -> list[Detection]:
            kept = np.concatenate(of)
            return detections(*merge(boxes[kept], scores[kept]), frame, self.name)

        certain = merged([one.sure for one in faces])
        doubtful = apart(merged([one.likely for one in faces]), certain)
        if not self._looks[0].lenience:
            return certain + doubtful
        size = (frame.width, frame.height)
        found = counted(certain, doubtful, size, self._min_score, self._faint)
        weak = merged([one.weak for one in faces]) if self._weak else []
        return found + apart(weak, found, weak=True)


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


def _looks(first: Look) -> list[Look]:
    return [first, *(look for look in EXTRA_LOOKS if look.long_side < first.long_side)]


def shows_more(frame: Frame, first: Look) -> bool:
    """Whether a closer look can show more than the first: nothing is enlarged beyond ENLARGE."""
    return max(frame.width, frame.height) * ENLARGE > first.long_side


def _pictures(
    small: Sequence[tuple[Frame, float]], long_side: int
) -> tuple[NDArray[np.float32], float]:
    """The network's input for shrunk frames, and its pixels per pixel of what they were."""
    shown = [letterbox(frame, long_side) for frame, _ in small]
    return np.stack([picture for picture, _ in shown]), shown[0][1] * small[0][1]


def merge(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Scored:
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
