"""Finds things in frames that are on the GPU: from the planes to the boxes nothing leaves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.cuda.kernels import HEAD, Finder, Tensor, letterbox, shown, shrunk
from redact.cuda.surfaces import FrameOnGpu, on_gpu, on_host
from redact.detectors import PictureDetector, plates
from redact.detectors.closer_on_gpu import closer_on_gpu
from redact.detectors.faces import CUT_OFF, LEAST, OVERLAP, STRIDE, FaceDetector, Look, apart
from redact.detectors.gathered import Gathered
from redact.detectors.plates import PlateDetector
from redact.detectors.run_on_gpu import Outputs, run_on_gpu
from redact.detectors.runtime import ENLARGE, Network, padded_to, scaled
from redact.detectors.together import Together, together
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """What a network returns and how boxes come of it; see cuda.reference.decode."""

    kind: Kind
    stride: int
    outputs: int  # so many at least: heat, sizes and, of CenterFace, offsets
    offsets: bool
    unit: float = 1.0
    peaks: bool = False
    aspects: tuple[float, float] = (0.0, np.inf)
    cut_off: float = 0.0  # how much less a box may score that the picture's edge cuts off
    overlap: float = OVERLAP  # boxes that overlap by more are of one thing
    faint: float = 0.0  # how much less one look may be sure of what another has seen
    alone: float = 0.0  # how much less counts what one look alone has seen,
    tiny: float = 0.0  # unless it is no wider, in pixels of the largest look


CENTERFACE = Heads(kind=Kind.FACE, stride=STRIDE, outputs=3, offsets=True, cut_off=CUT_OFF)
PLATES = Heads(
    kind=Kind.PLATE,
    stride=plates.STRIDE,
    outputs=2,
    offsets=False,
    peaks=True,
    aspects=plates.ASPECTS,
    overlap=plates.SAME,
    faint=plates.FAINT,
    alone=plates.ALONE,
    tiny=plates.TINY,
)


class DetectorOnGpu:
    """
    The looks of a detector, on the GPU; its boxes differ by a rounding here and there.

    OpenCV rounds halves to even samples, the kernels up: scores move by some thousandths. Frames
    on the host are uploaded. Raises what the detector raises.
    """

    def __init__(
        self,
        network: Network,
        looks: Callable[[int], Sequence[Look]],
        min_score: float,
        faint: float,
        heads: Heads,
        gpu: Gpu,
    ) -> None:
        """`looks` says how a picture is shown whose long side is so many pixels."""
        self.name = network.name
        self._network, self._looks = network, looks
        self._min_score, self._faint = min_score, faint
        self._heads, self._gpu = heads, gpu

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect; all frames have one size. Boxes are of the upright frame."""
        if not frames:
            return []
        here = [on_gpu(self._gpu, frame) for frame in frames]
        largest = max(here[0].width, here[0].height)
        asked = self._looks(largest)
        small, scale = shrunk(self._gpu, here, max(look.long_side for look in asked))
        looks = [
            _Shown(here[0], small[0], scale, look, self._heads, number)
            for number, look in enumerate(asked)
        ]
        returned = [self._run(small, look) for look in looks]
        certain = self._merged(here, looks, returned, self._min_score)
        if not self._faint:
            return certain
        lower = max(self._min_score - self._faint, LEAST)
        found = self._merged(here, looks, returned, lower)
        return [sure + apart(more, sure) for more, sure in zip(found, certain, strict=True)]

    def _run(self, frames: Sequence[FrameOnGpu], look: _Shown) -> Outputs:
        outputs = run_on_gpu(self._network, self._gpu, look.tensor(self._gpu, frames))
        if not look.fits(outputs, len(frames)):
            raise DetectorError(f"{self.name} has other outputs than its kind of network.")
        return outputs

    def _merged(
        self,
        frames: Sequence[FrameOnGpu],
        looks: Sequence[_Shown],
        returned: Sequence[Outputs],
        min_score: float,
    ) -> list[list[Detection]]:
        """What of the networks' outputs, still held on the GPU, scores enough."""
        finder = Finder(self._gpu, len(frames), sum(look.cells for look in looks))
        for look, outputs in zip(looks, returned, strict=True):
            finder.decode(look.head(outputs, min_score, self._min_score))
        heads, sides = self._heads, [look.long_side for look in looks]
        tiny = heads.tiny * max(frames[0].width, frames[0].height) / max(sides)
        alone = heads.alone if len(looks) > 1 else 0.0
        merged, faults = finder.merge(heads.overlap, alone=alone, tiny=tiny)
        if faults:
            raise DetectorError(f"{self.name} returned numbers that are not finite.")
        return [self._detections(frame, boxes) for frame, boxes in zip(frames, merged, strict=True)]

    def _detections(self, frame: FrameOnGpu, boxes: NDArray[Any]) -> list[Detection]:
        """Of the boxes, what lies inside the upright frame."""
        size, heads = frame.upright_size, self._heads
        found = []
        for row in boxes[boxes["score"] >= self._min_score] if heads.faint else boxes:
            edges = np.array([row[name] for name in ("x0", "y0", "x1", "y1")])
            x0, y0, x1, y1 = np.clip(edges, 0, [*size, *size]).tolist()
            if x0 < x1 and y0 < y1:
                box, score = Box.covering(x0, y0, x1, y1), min(float(row["score"]), 1.0)
                found.append(Detection(heads.kind, box, score, self.name))
        return found


def faces_on_gpu(detector: FaceDetector, gpu: Gpu) -> DetectorOnGpu:
    """The same looks at the same frames, on the GPU."""
    network, looks, min_score, faint = detector.parts()
    return DetectorOnGpu(network, lambda _largest: looks, min_score, faint, CENTERFACE, gpu)


class PlatesOnGpu:
    """The same for plates: candidates from afar, then a closer look at each."""

    def __init__(self, detector: PlateDetector, gpu: Gpu) -> None:
        self._network, self._sides, least = detector.parts()
        self.name, self._weighed, self._gpu = detector.name, detector.weighed, gpu
        self._afar = DetectorOnGpu(self._network, self._looks, least, 0.0, PLATES, gpu)

    def _looks(self, largest: int) -> list[Look]:
        return [Look(side) for side in self._sides(largest)]

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        here = [on_gpu(self._gpu, frame) for frame in frames]
        found = self._afar.detect(here)
        likely = [
            (frame, one.box)
            for frame, some in zip(here, found, strict=True)
            for one in some[: plates.MOST]
        ]
        scores = iter(closer_on_gpu(self._network, self._gpu, likely))
        return [
            self._weighed(some, [*islice(scores, min(len(some), plates.MOST))]) for some in found
        ]


def placed(detector: PictureDetector, gpu: Gpu) -> tuple[PictureDetector, tuple[str, ...]]:
    """The detector for frames on the GPU, and what of it runs on the CPU all the same."""
    if isinstance(detector, FaceDetector):
        return Gathered(faces_on_gpu(detector, gpu)), ()
    if isinstance(detector, PlateDetector):
        return Gathered(PlatesOnGpu(detector, gpu)), ()
    if isinstance(detector, Together):
        parts = [placed(one, gpu) for one in detector.detectors]
        return together([part for part, _ in parts]), tuple(n for _, said in parts for n in said)
    name = detector.name.partition("@")[0]
    return Gathered(OnHost(detector)), (f"The frames are copied to the CPU for {name}.",)


class _Shown:
    """How frames of one size are shown to a network for one look."""

    def __init__(
        self,
        whole: FrameOnGpu,
        frame: FrameOnGpu,
        scale: float,
        look: Look,
        heads: Heads,
        number: int,
    ) -> None:
        """`frame` is the `whole` one, shrunk by `scale`; `number` is the look's own."""
        self._look, self._heads, self._whole = look, heads, whole.upright_size
        self._number = number
        width, height = frame.upright_size
        further = min(look.long_side / max(width, height), ENLARGE)
        self._scale = scale * further
        self._size = scaled(width, further), scaled(height, further)
        self._padded = padded_to(self._size[0]), padded_to(self._size[1])
        self._bordered = self._padded[0] + 2 * look.border, self._padded[1] + 2 * look.border
        columns, rows = (side // heads.stride for side in self._bordered)
        self._map = (columns, rows) if look.turns % 2 else (rows, columns)
        self.cells, self.long_side = rows * columns, look.long_side

    def tensor(self, gpu: Gpu, frames: Sequence[FrameOnGpu]) -> Tensor:
        rows = np.stack([shown(frame, *self._size) for frame in frames])
        look = self._look
        return letterbox(gpu, frames, rows, *self._padded, border=look.border, turns=look.turns)

    def fits(self, outputs: Outputs, frames: int) -> bool:
        """Whether the outputs are what the kernels take them for: they read without a bound."""
        planes = [None, 2, 2] if self._heads.offsets else [None, 4]
        if len(outputs.values) < self._heads.outputs:
            return False
        shapes = [outputs.shape(number) for number in range(self._heads.outputs)]
        return all(
            shape == [frames, count or shape[1], *self._map]
            for shape, count in zip(shapes, planes, strict=True)
        )

    def head(self, outputs: Outputs, min_score: float, at_an_edge: float) -> NDArray[Any]:
        """How the outputs are read; `at_an_edge`, less `cut_off`, is enough there."""
        row, heads, look = np.zeros((), HEAD), self._heads, self._look
        row["heat"], row["sizes"] = outputs.address(0), outputs.address(1)
        row["offsets"] = outputs.address(2) if heads.offsets else 0
        row["channels"], (row["rows"], row["columns"]) = outputs.shape(0)[1], self._map
        row["stride"], row["turns"], row["border"] = heads.stride, look.turns, look.border
        row["width"], row["height"] = self._bordered
        row["across"], row["down"] = self._whole
        row["look"] = self._number
        row["min_score"] = min_score + look.caution - heads.faint
        at_an_edge += look.caution - heads.faint
        row["scale"], row["cut_off"] = self._scale, max(at_an_edge - heads.cut_off, LEAST)
        row["unit"], row["peaks"] = heads.unit, heads.peaks
        row["tallest"], row["flattest"] = heads.aspects
        return row


class OnHost:
    """A detector that has no kernels of its own: frames are copied to the host for it."""

    def __init__(self, detector: PictureDetector) -> None:
        self.name = detector.name
        self._detector = detector

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        return self._detector.detect([on_host(frame) for frame in frames])
