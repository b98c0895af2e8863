"""How frames on the GPU are shown to a network, and how boxes come of what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu
from redact.cuda.kernels import HEAD, Tensor, letterbox, shown
from redact.cuda.surfaces import FrameOnGpu
from redact.detectors import plates
from redact.detectors.centerface import SMALL, STRIDE
from redact.detectors.doubt import CUT_OFF
from redact.detectors.faces import LEAST, OVERLAP, Look
from redact.detectors.run_on_gpu import Outputs
from redact.detectors.runtime import ENLARGE, padded_to, scaled
from redact.types import Kind


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


class Shown:
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
        self.lenient = look.lenience > 0

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

    def any_small(self, boxes: NDArray[Any]) -> bool:
        return bool(((boxes["y1"] - boxes["y0"]) * self._scale <= SMALL).any())

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
        row["small"] = SMALL if look.lenience else 0
        row["small_score"] = max(row["min_score"] - look.lenience, LEAST)
        row["small_cut_off"] = max(at_an_edge - heads.cut_off - look.lenience, LEAST)
        row["unit"], row["peaks"] = heads.unit, heads.peaks
        row["tallest"], row["flattest"] = heads.aspects
        return row

    def weak_head(self, outputs: Outputs, min_score: float) -> NDArray[Any]:
        """The same for what is weak: see FaceDetector."""
        row = self.head(outputs, max(min_score - self._look.caution / 2, LEAST), 1.0)
        row["small"] = 0
        return row
