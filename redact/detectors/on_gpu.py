"""Finds things in frames that are on the GPU: from the planes to the boxes nothing leaves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.cuda.kernels import Finder, shrunk
from redact.cuda.surfaces import FrameOnGpu, on_gpu, on_host
from redact.detectors import PictureDetector, plates
from redact.detectors.closer_on_gpu import closer_on_gpu
from redact.detectors.doubt import apart, counted
from redact.detectors.faces import LEAST, WORTH, FaceDetector, Look, shows_more
from redact.detectors.gathered import Gathered
from redact.detectors.heads_on_gpu import CENTERFACE, PLATES, Heads, Shown
from redact.detectors.plates import PlateDetector
from redact.detectors.run_on_gpu import Outputs, run_on_gpu
from redact.detectors.runtime import Network
from redact.detectors.together import Together, together
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame


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
        heads: Heads,
        gpu: Gpu,
        *,
        closer: Look | None = None,
        faint: float = 0.0,
        weak: float = 0.0,
    ) -> None:
        """
        `looks` says how a picture is shown whose long side is so many pixels; `closer`, how one is
        shown besides in which small things may be; `faint` and `weak` are as for a FaceDetector.
        """
        self.name = network.name
        self._network, self._looks, self._closer = network, looks, closer
        self._min_score, self._faint, self._weak = min_score, faint, weak
        self._heads, self._gpu = heads, gpu

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect; all frames have one size. Boxes are of the upright frame."""
        if not frames:
            return []
        here = [on_gpu(self._gpu, frame) for frame in frames]
        asked = self._looks(max(here[0].width, here[0].height))
        looks, returned = self._shown(here, asked)
        found = self._found(here, looks, returned)
        if self._closer and shows_more(here[0], asked[0]):
            near = self._near(looks[0], returned[0], len(here))
            for place, more in zip(near, self._again([here[n] for n in near], asked), strict=True):
                found[place] = more
        return found

    def _near(self, look: Shown, outputs: Outputs, frames: int) -> list[int]:
        """The frames in which the first look sees something small that is worth a closer one."""
        finder = Finder(self._gpu, frames, look.cells)
        head = look.head(outputs, WORTH, 1.0)
        head["small"] = 0  # WORTH is enough for all, and needed by all
        finder.decode(head)
        merged, _ = finder.merge(self._heads.overlap)
        return [number for number, boxes in enumerate(merged) if look.any_small(boxes)]

    def _again(self, here: Sequence[FrameOnGpu], asked: Sequence[Look]) -> list[list[Detection]]:
        """All looks, and the closer one. Few frames need it, so that all are run once more."""
        if not here:
            return []
        assert self._closer is not None
        looks, returned = self._shown(here, asked)
        closer, more = self._shown(here, [self._closer])
        return self._found(here, [*looks, *closer], [*returned, *more])

    def _shown(
        self, here: Sequence[FrameOnGpu], asked: Sequence[Look]
    ) -> tuple[list[Shown], list[Outputs]]:
        """How the frames are shown in each way, and what the network returns."""
        small, scale = shrunk(self._gpu, here, max(look.long_side for look in asked))
        looks = [
            Shown(here[0], small[0], scale, look, self._heads, number)
            for number, look in enumerate(asked)
        ]
        return looks, [self._run(small, look) for look in looks]

    def _found(
        self, here: Sequence[FrameOnGpu], looks: Sequence[Shown], returned: Sequence[Outputs]
    ) -> list[list[Detection]]:
        asked = list(zip(looks, returned, strict=True))
        least = self._min_score

        def at(min_score: float) -> list[list[Detection]]:
            return self._merged(here, looks, [one.head(of, min_score, least) for one, of in asked])

        certain = at(least)
        found = at(max(least - self._faint, LEAST)) if self._faint else certain
        doubtful = [apart(more, sure) for more, sure in zip(found, certain, strict=True)]
        each = zip(certain, doubtful, strict=True)
        if not looks[0].lenient:
            return [sure + rest for sure, rest in each]
        counting = [counted(*one, here[0].upright_size, least, self._faint) for one in each]
        if not self._weak:
            return counting
        heads = [one.weak_head(of, least - self._weak) for one, of in asked]
        both = zip(self._merged(here, looks, heads), counting, strict=True)
        return [found + apart(weak, found, weak=True) for weak, found in both]

    def _run(self, frames: Sequence[FrameOnGpu], look: Shown) -> Outputs:
        outputs = run_on_gpu(self._network, self._gpu, look.tensor(self._gpu, frames))
        if not look.fits(outputs, len(frames)):
            raise DetectorError(f"{self.name} has other outputs than its kind of network.")
        return outputs

    def _merged(
        self, frames: Sequence[FrameOnGpu], looks: Sequence[Shown], read: Sequence[NDArray[Any]]
    ) -> list[list[Detection]]:
        """What of the networks' outputs, still held on the GPU and `read` so, scores enough."""
        finder = Finder(self._gpu, len(frames), sum(look.cells for look in looks))
        for head in read:
            finder.decode(head)
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
    network, looks, closer, min_score, faint, weak = detector.parts()
    return DetectorOnGpu(
        network,
        lambda _largest: looks,
        min_score,
        CENTERFACE,
        gpu,
        closer=closer,
        faint=faint,
        weak=weak,
    )


class PlatesOnGpu:
    """The same for plates: candidates from afar, then a closer look at each."""

    def __init__(self, detector: PlateDetector, gpu: Gpu) -> None:
        self._network, self._sides, least = detector.parts()
        self.name, self._weighed, self._gpu = detector.name, detector.weighed, gpu
        self._afar = DetectorOnGpu(self._network, self._looks, least, PLATES, gpu)

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


class OnHost:
    """A detector that has no kernels of its own: frames are copied to the host for it."""

    def __init__(self, detector: PictureDetector) -> None:
        self.name = detector.name
        self._detector = detector

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        return self._detector.detect([on_host(frame) for frame in frames])
