"""Finds things in frames that are on the GPU: from the planes to the boxes nothing leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.cuda.driver import Gpu, GpuLostError
from redact.cuda.kernels import HEAD, Finder, Tensor, letterbox, shown, shrunk
from redact.cuda.surfaces import FrameOnGpu, downloaded, uploaded
from redact.detectors import PictureDetector
from redact.detectors.faces import CUT_OFF, LEAST, OVERLAP, STRIDE, FaceDetector, Look, apart
from redact.detectors.gathered import Gathered
from redact.detectors.runtime import ENLARGE, Network, padded_to
from redact.detectors.together import Together, together
from redact.errors import DetectorError
from redact.types import Box, Detection, Frame, Kind


@dataclass(frozen=True, slots=True)
class _Outputs:
    """What a network returned, in device memory, held by onnxruntime's values."""

    values: tuple[Any, ...]

    def address(self, number: int) -> int:
        return int(self.values[number].data_ptr())

    def shape(self, number: int) -> list[int]:
        return list(self.values[number].shape())


def run_on_gpu(network: Network, gpu: Gpu, tensor: Tensor) -> _Outputs:
    """
    The network's outputs for a tensor in device memory, in device memory.

    Raises DetectorError if the network raises.
    """
    try:
        binding = network.session.io_binding()
        kind = np.float16 if tensor.half else np.float32
        binding.bind_input(
            network.input, gpu.memory_kind, gpu.ordinal, kind, tensor.shape, tensor.memory.address
        )
        for output in network.session.get_outputs():
            binding.bind_output(output.name, gpu.memory_kind, gpu.ordinal)
        gpu.wait()  # onnxruntime works on a stream of its own
        network.session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return _Outputs(tuple(binding.get_outputs()))
    except GpuLostError:
        raise
    except Exception as error:
        gpu.wait()  # if the GPU is lost, this says so
        raise DetectorError(
            f"{network.name} failed on the GPU, on {tensor.shape[0]} pictures of "
            f"{tensor.shape[3]}x{tensor.shape[2]}."
        ) from error


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


CENTERFACE = Heads(kind=Kind.FACE, stride=STRIDE, outputs=3, offsets=True, cut_off=CUT_OFF)


class DetectorOnGpu:
    """
    The looks of a detector, on the GPU; its boxes differ by a rounding here and there.

    OpenCV rounds halves to even samples, the kernels up: scores move by some thousandths. Frames
    on the host are uploaded. Raises what the detector raises.
    """

    def __init__(
        self,
        network: Network,
        looks: Sequence[Look],
        min_score: float,
        faint: float,
        heads: Heads,
        gpu: Gpu,
    ) -> None:
        self.name = network.name
        self._network, self._looks = network, tuple(looks)
        self._min_score, self._faint = min_score, faint
        self._heads, self._gpu = heads, gpu

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect; all frames have one size. Boxes are of the upright frame."""
        if not frames:
            return []
        here = [on_gpu(self._gpu, frame) for frame in frames]
        small, scale = shrunk(self._gpu, here, max(look.long_side for look in self._looks))
        looks = [_Shown(here[0], small[0], scale, look, self._heads) for look in self._looks]
        returned = [self._run(small, look) for look in looks]
        certain = self._merged(here, looks, returned, self._min_score)
        if not self._faint:
            return certain
        lower = max(self._min_score - self._faint, LEAST)
        found = self._merged(here, looks, returned, lower)
        return [sure + apart(more, sure) for more, sure in zip(found, certain, strict=True)]

    def _run(self, frames: Sequence[FrameOnGpu], look: _Shown) -> _Outputs:
        outputs = run_on_gpu(self._network, self._gpu, look.tensor(self._gpu, frames))
        if not look.fits(outputs, len(frames)):
            raise DetectorError(f"{self.name} has other outputs than its kind of network.")
        return outputs

    def _merged(
        self,
        frames: Sequence[FrameOnGpu],
        looks: Sequence[_Shown],
        returned: Sequence[_Outputs],
        min_score: float,
    ) -> list[list[Detection]]:
        """What of the networks' outputs, still held on the GPU, scores enough."""
        finder = Finder(self._gpu, len(frames), sum(look.cells for look in looks))
        for look, outputs in zip(looks, returned, strict=True):
            finder.decode(look.head(outputs, min_score, self._min_score))
        merged, faults = finder.merge(OVERLAP)
        if faults:
            raise DetectorError(f"{self.name} returned numbers that are not finite.")
        return [self._detections(frame, boxes) for frame, boxes in zip(frames, merged, strict=True)]

    def _detections(self, frame: FrameOnGpu, boxes: NDArray[Any]) -> list[Detection]:
        """Of the boxes, what lies inside the upright frame."""
        size = _upright_size(frame)
        found = []
        for row in boxes:
            edges = np.array([row[name] for name in ("x0", "y0", "x1", "y1")])
            x0, y0, x1, y1 = np.clip(edges, 0, [*size, *size]).tolist()
            if x0 < x1 and y0 < y1:
                box = Box.covering(x0, y0, x1, y1)
                score = min(float(row["score"]), 1.0)
                found.append(Detection(self._heads.kind, box, score, self.name))
        return found


def faces_on_gpu(detector: FaceDetector, gpu: Gpu) -> DetectorOnGpu:
    """The same looks at the same frames, on the GPU."""
    return DetectorOnGpu(*detector.parts(), CENTERFACE, gpu)


def placed(detector: PictureDetector, gpu: Gpu) -> tuple[PictureDetector, tuple[str, ...]]:
    """The detector for frames on the GPU, and what of it runs on the CPU all the same."""
    if isinstance(detector, FaceDetector):
        return Gathered(faces_on_gpu(detector, gpu)), ()
    if isinstance(detector, Together):
        parts = [placed(one, gpu) for one in detector.detectors]
        return together([part for part, _ in parts]), tuple(n for _, said in parts for n in said)
    name = detector.name.partition("@")[0]
    return OnHost(detector), (f"The frames are copied to the CPU for {name}.",)


class _Shown:
    """How frames of one size are shown to a network for one look."""

    def __init__(
        self, whole: FrameOnGpu, frame: FrameOnGpu, scale: float, look: Look, heads: Heads
    ) -> None:
        """`frame` is the `whole` one, shrunk by `scale`."""
        self._look, self._heads, self._whole = look, heads, _upright_size(whole)
        width, height = _upright_size(frame)
        further = min(look.long_side / max(width, height), ENLARGE)
        self._scale = scale * further
        self._size = _scaled(width, further), _scaled(height, further)
        self._padded = padded_to(self._size[0]), padded_to(self._size[1])
        self._bordered = self._padded[0] + 2 * look.border, self._padded[1] + 2 * look.border
        columns, rows = (side // heads.stride for side in self._bordered)
        self._map = (columns, rows) if look.turns % 2 else (rows, columns)
        self.cells = rows * columns

    def tensor(self, gpu: Gpu, frames: Sequence[FrameOnGpu]) -> Tensor:
        rows = np.stack([shown(frame, *self._size) for frame in frames])
        look = self._look
        return letterbox(gpu, frames, rows, *self._padded, border=look.border, turns=look.turns)

    def fits(self, outputs: _Outputs, frames: int) -> bool:
        """Whether the outputs are what the kernels take them for: they read without a bound."""
        planes = [None, 2, 2] if self._heads.offsets else [None, 4]
        if len(outputs.values) < self._heads.outputs:
            return False
        shapes = [outputs.shape(number) for number in range(self._heads.outputs)]
        return all(
            shape == [frames, count or shape[1], *self._map]
            for shape, count in zip(shapes, planes, strict=True)
        )

    def head(self, outputs: _Outputs, min_score: float, at_an_edge: float) -> NDArray[Any]:
        """How the outputs are read; `at_an_edge`, less `cut_off`, is enough there."""
        row, heads, look = np.zeros((), HEAD), self._heads, self._look
        row["heat"], row["sizes"] = outputs.address(0), outputs.address(1)
        row["offsets"] = outputs.address(2) if heads.offsets else 0
        row["channels"], (row["rows"], row["columns"]) = outputs.shape(0)[1], self._map
        row["stride"], row["turns"], row["border"] = heads.stride, look.turns, look.border
        row["width"], row["height"] = self._bordered
        row["across"], row["down"] = self._whole
        row["min_score"], row["scale"] = min_score + look.caution, self._scale
        row["cut_off"] = max(at_an_edge + look.caution - heads.cut_off, LEAST)
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
        return self._detector.detect([_on_host(frame) for frame in frames])


def on_gpu(gpu: Gpu, frame: Frame) -> FrameOnGpu:
    """The frame itself, if it is on the GPU, or a copy there of one on the host, without alpha."""
    if isinstance(frame, FrameOnGpu):
        return frame
    return FrameOnGpu(
        planes=frame.planes[:1],
        depth=frame.depth,
        index=frame.index,
        pts=frame.pts,
        time_base=frame.time_base,
        rgb=frame.rgb,
        full_range=frame.full_range,
        bt601=frame.bt601,
        surface=uploaded(gpu, frame),
    )


def _on_host(frame: Frame) -> Frame:
    if not isinstance(frame, FrameOnGpu):
        return frame
    return Frame(
        planes=tuple(
            np.ascontiguousarray(np.rot90(plane, frame.held)) for plane in downloaded(frame.surface)
        ),
        depth=frame.depth,
        index=frame.index,
        pts=frame.pts,
        time_base=frame.time_base,
        rgb=frame.rgb,
        full_range=frame.full_range,
        bt601=frame.bt601,
    )


def _upright_size(frame: FrameOnGpu) -> tuple[int, int]:
    turned = frame.held % 2
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def _scaled(side: int, scale: float) -> int:
    return max(round(side * scale), 1)
