"""Runs neural networks: opens ONNX files in onnxruntime and makes their input from planes."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import platformdirs
from numpy.typing import NDArray

from redact.errors import DetectorError
from redact.types import Frame

ENLARGE = 2.0
"""A picture smaller than the network's input is enlarged by this at most."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_CUDA = {
    # Batches have many sizes: a search for the best algorithm of each takes longer than the run.
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",  # not twice what is needed
    "use_tf32": "0",  # the same scores as on a CPU, to a few units in the last place
}
"""onnxruntime's settings of its CUDA provider."""
_ERRORS_ONLY = 3  # onnxruntime's log level; what goes wrong also comes as an exception


class Network:
    """
    One network, held open.

    Args:
        model: the ONNX file's bytes.
        name: what messages call it.
        threads: of one run; 0 lets onnxruntime choose.
        device: "cpu", "cuda", or "tensorrt": CUDA, with engines that TensorRT builds at first use.

    Raises DetectorError if the bytes are no network, or if the device is not the one asked for:
    a run that silently fell back to the CPU would be recorded as something it was not.
    """

    def __init__(self, model: bytes, *, name: str, threads: int = 0, device: str = "cpu") -> None:
        self.name = name
        asked = _provider(device)
        providers = _providers(device)
        if device != "cpu":
            # From the packages of the extra `gpu`; what is missing shows below.
            onnxruntime.preload_dlls(directory="")
        try:
            self.session: Any = onnxruntime.InferenceSession(
                model, _options(threads), providers=providers
            )
        except Exception as error:
            raise DetectorError(
                f"{name} can't be opened in onnxruntime {onnxruntime.__version__} on {device}.",
                todo="`redact models verify` says whether the file is the one it should be.",
            ) from error
        if asked not in self.session.get_providers():
            raise DetectorError(
                f"{name} was to run on {device}, and onnxruntime opened it elsewhere.",
                todo="`redact doctor` says why; --device cuda runs without TensorRT, --device cpu "
                "without a GPU.",
            )
        self.input: str = self.session.get_inputs()[0].name
        # A CPU is no faster with several pictures at once, and takes that many times the memory.
        self._at_once = 1 if device == "cpu" else 1 << 30

    def __call__(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """
        Every output for a batch (n, channels, height, width).

        Raises DetectorError if the network raises, or if any number it returns is not finite.
        """
        parts = [batch[at : at + self._at_once] for at in range(0, len(batch), self._at_once)]
        try:
            results = [self.session.run(None, {self.input: part}) for part in parts]
        except Exception as error:
            raise DetectorError(
                f"{self.name} failed on {len(batch)} pictures of "
                f"{batch.shape[-1]}x{batch.shape[-2]}."
            ) from error
        outputs = [np.concatenate(same) for same in zip(*results, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise DetectorError(f"{self.name} returned numbers that are not finite.")
        return outputs


class Remembering:
    """A network that remembers what it returned for its last inputs."""

    def __init__(self, network: Network, most: int = 8) -> None:
        self._network, self._most = network, most
        self._outputs: dict[tuple[object, ...], list[NDArray[np.float32]]] = {}

    def __call__(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See Network.__call__."""
        key = (batch.shape, sha256(batch.data).digest())
        if key not in self._outputs:
            while len(self._outputs) >= self._most:
                self._outputs.pop(next(iter(self._outputs)))
            self._outputs[key] = self._network(batch)
        return self._outputs[key]


def free_shape(model: bytes, *, name: str) -> bytes:
    """
    The same network for any number of pictures of any size, and faster.

    CenterFace's file declares one fixed shape for a network that takes any multiple of 32, and
    lists its weights as inputs, which keeps onnxruntime from folding them (half the speed).
    Raises DetectorError if the bytes are not an ONNX file.
    """
    try:
        graph_file = onnx.load_model_from_string(model)
    except Exception as error:
        raise DetectorError(f"{name} is not an ONNX file.") from error
    graph = graph_file.graph
    weights = {weight.name for weight in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis != 1:
                dimension.dim_param = f"{value.name}_{axis}"
    repaired: bytes = graph_file.SerializeToString()
    return repaired


def shrunk(frame: Frame, long_side: int) -> tuple[Frame, float]:
    """
    The frame no longer than this, and its scale; all its planes get one size.

    What several looks of a smaller size then start from: most of their cost is to read all pixels.
    """
    scale = long_side / max(frame.width, frame.height)
    if scale >= 1:
        return frame, 1.0
    width, height = scaled(frame.width, scale), scaled(frame.height, scale)
    colours = 3 if len(frame.planes) >= 3 else 1
    planes = tuple(_resize(plane, width, height) for plane in frame.planes[:colours])
    return replace(frame, planes=planes), scale


def letterbox(
    frame: Frame, long_side: int, multiple: int = 32, *, enlarge: float = ENLARGE
) -> tuple[NDArray[np.float32], float]:
    """
    The picture at the size at which a network looks at it, and its scale.

    Returns float32 (3, height, width), RGB from 0 to 255, black below and to the right of the
    picture so that both sides are whole multiples of `multiple`; and the pixels of it per pixel
    of the frame. A frame is enlarged by `enlarge` at most. Planes are resized first and become
    RGB afterwards, at the small size.
    """
    scale = min(long_side / max(frame.width, frame.height), enlarge)
    width, height = scaled(frame.width, scale), scaled(frame.height, scale)
    out = np.zeros((3, padded_to(height, multiple), padded_to(width, multiple)), np.float32)
    colours = 3 if len(frame.planes) >= 3 else 1
    planes = [_resize(plane, width, height) for plane in frame.planes[:colours]]
    out[:, :height, :width] = _to_rgb(frame, planes)
    return out, scale


def _resize(plane: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    if plane.shape == (height, width):
        return plane
    smaller = width < plane.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized: NDArray[Any] = cv2.resize(plane, (width, height), interpolation=how)
    return resized


def _to_rgb(frame: Frame, planes: list[NDArray[Any]]) -> NDArray[np.float32]:
    """(3, height, width), or (1, height, width) of a picture without colour, from 0 to 255."""
    step = float(1 << (frame.depth - 8))  # one level of 8 bits
    if frame.rgb:
        levels = 255 / ((1 << frame.depth) - 1)
        return np.stack([plane.astype(np.float32) * np.float32(levels) for plane in planes])
    gain = 255 / ((1 << frame.depth) - 1) if frame.full_range else 255 / (219 * step)
    black = 0.0 if frame.full_range else 16 * step
    if len(planes) == 1:
        gray = np.float32(gain) * (planes[0].astype(np.float32) - np.float32(black))
        return np.asarray(np.clip(gray, 0, 255)[np.newaxis])
    swing = gain if frame.full_range else 255 / (224 * step)
    return _yuv_to_rgb(planes, gain, swing, black, 128 * step, bt601=frame.bt601)


def _yuv_to_rgb(
    planes: list[NDArray[Any]],
    gain: float,
    swing: float,
    black: float,
    middle: float,
    *,
    bt601: bool,
) -> NDArray[np.float32]:
    """R = gain (Y - black) + swing * 2 (1 - kr) (V - middle), and so on, in OpenCV's fast sums."""
    y, u, v = planes
    kr, kb = (0.299, 0.114) if bt601 else (0.2126, 0.0722)
    kg = 1 - kr - kb
    red, blue = 2 * (1 - kr) * swing, 2 * (1 - kb) * swing
    out = np.empty((3, *y.shape), np.float32)
    out[0] = cv2.addWeighted(y, gain, v, red, -gain * black - red * middle, dtype=cv2.CV_32F)
    out[2] = cv2.addWeighted(y, gain, u, blue, -gain * black - blue * middle, dtype=cv2.CV_32F)
    # Y = kr R + kg G + kb B, solved for G, so that the three agree whatever the matrix
    luma = cv2.addWeighted(y, gain / kg, y, 0, -gain * black / kg, dtype=cv2.CV_32F)
    out[1] = luma - np.float32(kr / kg) * out[0] - np.float32(kb / kg) * out[2]
    np.clip(out, 0, 255, out=out)
    return out


def scaled(length: int, scale: float) -> int:
    """A side of so many pixels, where the picture is resized by `scale`."""
    return max(round(length * scale), 1)


def padded_to(length: int, multiple: int = 32) -> int:
    """The length of a side of a network's input that holds `length` pixels."""
    return -(-length // multiple) * multiple


def _provider(device: str) -> str:
    if device not in PROVIDERS:
        raise DetectorError(f"no device {device!r}.", todo=f"Known: {', '.join(PROVIDERS)}.")
    return PROVIDERS[device]


def _providers(device: str) -> list[Any]:
    """
    What runs the network. TensorRT keeps its engines on disk: to build one takes minutes.

    Raises DetectorError where this onnxruntime has no TensorRT.
    """
    cuda = PROVIDERS["cuda"], _CUDA
    if device != "tensorrt":
        return [cuda if device == "cuda" else PROVIDERS[device]]
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise DetectorError(
            f"this onnxruntime ({onnxruntime.__version__}) is built without TensorRT.",
            todo="The package onnxruntime-gpu has it; --device cuda runs without.",
        )
    folder = platformdirs.user_cache_path("redact") / "tensorrt"
    engines = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    # What TensorRT does not take, CUDA does, on the same memory.
    return [(PROVIDERS[device], engines), cuda]


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores that decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
