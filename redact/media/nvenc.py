"""NVENC, where a GPU has it: pictures are encoded from the device memory in which they lie."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import av
from av.codec.hwaccel import HWAccel
from av.error import FFmpegError
from av.video.frame import CudaContext

from redact.cuda.dlpack import GpuArray
from redact.cuda.driver import Gpu
from redact.cuda.surfaces import FrameOnGpu
from redact.errors import InputError, Reason
from redact.media.colour import hdr_parameters
from redact.media.encode import PictureEncoder
from redact.media.probe import Clip
from redact.policy import Encoding
from redact.types import Frame

CODECS = {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"}
_DEPTHS = {"h264": (8,), "hevc": (8, 10), "av1": (8, 10)}
_FORMATS = {8: "nv12", 10: "p010le"}
_TRIAL = 640, 480
"""The size of a picture that every NVENC takes."""
_found: WeakKeyDictionary[Gpu, bool] = WeakKeyDictionary()


def has_encoder(gpu: Gpu) -> bool:
    """Whether the GPU has an NVENC that opens: A100, H100, H200 and B200 have none."""
    if gpu not in _found:
        try:
            context = _context("h264", gpu)
            context.width, context.height = _TRIAL
            context.pix_fmt, context.framerate = _FORMATS[8], 25
            context.open()
        except (FFmpegError, ValueError, NotImplementedError):
            _found[gpu] = False
        else:
            _found[gpu] = True
    return _found[gpu]


def why_not_encoded(clip: Clip, gpu: Gpu) -> str:
    """What keeps a clip's picture from being encoded on the GPU; empty if nothing is known to."""
    stream = clip.picture
    if stream is None or not has_encoder(gpu):
        return f"{gpu.name} has no NVENC"
    if stream.depth not in _DEPTHS.get(stream.codec, ()):
        return f"NVENC does not encode {stream.codec} of {stream.depth} bits"
    if stream.width % 2 or stream.height % 2:
        return "NVENC takes even sizes only"
    return ""


def options(encoding: Encoding, codec: str) -> dict[str, str]:
    """The encoder's options for a policy. Without B-frames: times need no order of their own."""
    quality = encoding.crf if codec != "av1" else min(63, encoding.crf * 63 // 51 + 4)
    fixed = {"preset": "p5", "tune": "hq", "rc": "vbr", "b": "0", "bf": "0", "a53cc": "0"}
    return {**fixed, "cq": str(quality)} | ({} if codec == "av1" else {"udu_sei": "0"})


class NvencEncoder(PictureEncoder):
    """As PictureEncoder, of frames on the GPU, which stay there."""

    def __init__(self, gpu: Gpu, clip: Clip, first: Any, *encoding: Any, **how: Any) -> None:
        """Raises InputError for a clip that would lose something, or that NVENC does not take."""
        self._gpu = gpu
        self._where = CudaContext(device_id=gpu.ordinal, primary_ctx=True)
        if hdr_parameters(first, clip.picture.codec if clip.picture else ""):
            raise _refused(clip, "HDR metadata")
        super().__init__(clip, first, *encoding, **how)
        if self._fields:
            raise _refused(clip, "interlaced pictures")

    def _pixels(self, clip: Clip, first: Any) -> str:  # noqa: ARG002
        assert clip.picture is not None
        return _FORMATS[clip.picture.depth]

    def _created(self, first: Any, encoding: Encoding) -> Any:  # noqa: ARG002
        context = _context(self._stream.codec, self._gpu)
        context.options = options(encoding, self._stream.codec)
        return context

    def _filled(self, frame: Frame) -> Any:
        if not isinstance(frame, FrameOnGpu):
            raise TypeError("a frame on the host")
        luma, chroma, _ = frame.surface.planes
        bits = 8 if luma.bits == 8 else 16
        planes = [
            GpuArray(
                frame.surface.owner,
                (plane.height, luma.width),
                bits,
                self._gpu,
                address=plane.samples,
                strides=(plane.pitch * 8 // bits, 1),
            )
            for plane in (luma, chroma)
        ]
        return av.VideoFrame.from_dlpack(
            planes, format=_FORMATS[frame.depth], cuda_context=self._where
        )


def _refused(clip: Clip, what: str) -> InputError:
    return InputError(f"{clip.name}: NVENC drops {what}.", reason=Reason.UNSUPPORTED)


def _context(codec: str, gpu: Gpu) -> Any:
    return av.CodecContext.create(CODECS[codec], "w", hwaccel=_hardware(gpu))


def _hardware(gpu: Gpu) -> Any:
    """NVENC in the context that the kernels run in."""
    return HWAccel("cuda", device=str(gpu.ordinal), options={"primary_ctx": "1"})
