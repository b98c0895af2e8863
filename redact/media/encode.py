"""Codec contexts: pictures and sound encoded again, in the codec that they came in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError

from redact.cuda.surfaces import on_host
from redact.errors import InputError, Reason
from redact.media.colour import hdr_parameters
from redact.media.planes import planar, view
from redact.media.probe import Clip, PictureStream
from redact.policy import Encoding
from redact.types import Frame

_THREADS = 4
"""Fixed: x264's and x265's output depends on the number of threads, not on the machine then."""
_FIELDS = {2: "tff", 5: "tff", 3: "bff", 4: "bff"}
"""Which field of an interlaced picture is shown first, by FFmpeg's number for their order."""
_STEPS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")


@dataclass(frozen=True, slots=True)
class _Encoder:
    """`options` gives the encoder's options for a policy, and for parameters of its library."""

    name: str
    options: Callable[[Encoding, list[str]], dict[str, str]]


def _x264(encoding: Encoding, extra: list[str]) -> dict[str, str]:
    options = {"crf": str(encoding.crf), "preset": encoding.preset, "a53cc": "0", "udu_sei": "0"}
    return {**options, "x264-params": ":".join(["log-level=-1", *extra])}


def _x265(encoding: Encoding, extra: list[str]) -> dict[str, str]:
    fixed = ["log-level=none", "info=0", "open-gop=0", "frame-threads=2", "pools=4"]
    options = {"crf": str(encoding.crf), "preset": encoding.preset, "a53cc": "0", "udu_sei": "0"}
    return {**options, "x265-params": ":".join([*fixed, *extra])}


def _vpx(encoding: Encoding, _: list[str]) -> dict[str, str]:
    """crf goes to 63 where x264's goes to 51; speed 5 is the fastest of the good ones."""
    speed = max(0, 5 - _step(encoding))
    crf = str(min(63, encoding.crf * 63 // 51 + 2))
    return {"crf": crf, "b": "0", "deadline": "good", "cpu-used": str(speed), "row-mt": "1"}


def _vp8(encoding: Encoding, extra: list[str]) -> dict[str, str]:
    """Without frames that are only referred to: VP8 keeps them in packets of their own."""
    return {**_vpx(encoding, extra), "auto-alt-ref": "0"}


def _svt(encoding: Encoding, extra: list[str]) -> dict[str, str]:
    preset = str(min(10, 12 - _step(encoding)))
    crf = str(min(63, encoding.crf * 63 // 51 + 4))
    return {"crf": crf, "preset": preset, "svtav1-params": ":".join(["lp=2", *extra])}


def _quantiser(encoding: Encoding, _: list[str]) -> dict[str, str]:
    """For the older codecs: a fixed quantiser, 2 (best) to 31."""
    scale = str(min(31, max(2, encoding.crf // 6)))
    return {"flags": "+qscale", "global_quality": str(int(scale) * 118), "qmin": "2"}


def _plain(_: Encoding, __: list[str]) -> dict[str, str]:
    return {}


_ENCODERS = {
    "h264": _Encoder("libx264", _x264),
    "hevc": _Encoder("libx265", _x265),
    "vp8": _Encoder("libvpx", _vp8),
    "vp9": _Encoder("libvpx-vp9", _vpx),
    "av1": _Encoder("libsvtav1", _svt),
    "mpeg4": _Encoder("mpeg4", _quantiser),
    "mpeg2video": _Encoder("mpeg2video", _quantiser),
    "mpeg1video": _Encoder("mpeg1video", _quantiser),
    "mjpeg": _Encoder("mjpeg", _quantiser),
    "prores": _Encoder("prores_ks", _plain),
    "ffv1": _Encoder("ffv1", _plain),
}


def _step(encoding: Encoding) -> int:
    return _STEPS.index(encoding.preset) if encoding.preset in _STEPS else len(_STEPS)


def _give_way() -> None:
    """
    Take back what SVT-AV1 does for root: it makes its threads and its caller's real-time ones.

    Nothing else on the machine would run beside one clip. If a thread ends meanwhile, so be it.
    """
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            if os.sched_getscheduler(int(thread)) == os.SCHED_FIFO:
                os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))


class PictureEncoder:
    """
    Encodes the frames of one stream, each at its own time.

    The encoder counts frames; the times that go out are the ones that came in, whatever their
    spacing. Raises InputError (UNSUPPORTED) when no encoder takes the codec or the pixel format.
    """

    def __init__(
        self,
        clip: Clip,
        first: Any,
        encoding: Encoding,
        *,
        like: Any,
        headers: bool,
        reorder: bool,
    ) -> None:
        """
        Args:
            first: PyAV's first frame, for colours and HDR metadata.
            like: PyAV's source stream, for the shape of pixels and the order of fields.
            headers: the container keeps the codec's headers, not the packets.
            reorder: frames may be decoded in another order than shown.
        """
        assert clip.picture is not None
        self._aspect = like.sample_aspect_ratio
        self._fields = _FIELDS.get(like.codec_context.field_order, "")
        self._stream: PictureStream = clip.picture
        self._format = self._pixels(clip, first)
        self._times: list[int] = []
        self._durations: list[int] = []
        self._context = self._open(clip, first, encoding, headers=headers, reorder=reorder)

    @property
    def extradata(self) -> bytes:
        return bytes(self._context.extradata or b"")

    def _open(
        self, clip: Clip, first: Any, encoding: Encoding, *, headers: bool, reorder: bool
    ) -> Any:
        os.environ.setdefault("SVT_LOG", "1")  # it writes to stderr otherwise
        try:
            context = self._created(first, encoding)
            self._describe(context, first)
            if not reorder:
                context.max_b_frames = 0
                context.options = {**context.options, "bf": "0"}
            context.flags |= Flags.bitexact
            if headers:
                context.flags |= Flags.global_header
            context.open()
            _give_way()
        except (FFmpegError, ValueError, KeyError) as error:
            raise InputError(
                f"{clip.name}: its picture ({self._stream.codec}, {self._format},"
                f" {self._stream.width}x{self._stream.height}) can't be encoded again.",
                todo="Convert the clip to H.264 or HEVC first.",
                reason=Reason.UNSUPPORTED,
            ) from error
        return context

    def _pixels(self, clip: Clip, first: Any) -> str:
        """FFmpeg's name of the format in which the encoder takes the samples."""
        return planar(first.format.name, clip.name)

    def _created(self, first: Any, encoding: Encoding) -> Any:
        """The codec's context, with its options."""
        row = _ENCODERS[self._stream.codec]
        context = av.CodecContext.create(row.name, "w")
        extra = hdr_parameters(first, self._stream.codec)
        if self._fields and self._stream.codec == "h264":
            extra.append(f"{self._fields}=1")
        context.options = row.options(encoding, extra)
        return context

    def _describe(self, context: Any, first: Any) -> None:
        stream = self._stream
        rate = stream.rate if 1 <= stream.rate <= 240 else Fraction(25)
        context.width, context.height = stream.width, stream.height
        context.pix_fmt = self._format
        context.framerate, context.time_base = rate, 1 / rate
        context.gop_size = max(1, round(rate * 4))
        context.thread_count = _THREADS
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        context.colorspace, context.color_range = first.colorspace, first.color_range
        if self._aspect:
            context.sample_aspect_ratio = self._aspect
        if "yuvj" in first.format.name:
            context.color_range = 2

    def encode(self, frame: Frame, picture: Any) -> Iterator[Any]:
        """The packets that are ready once this frame has come."""
        self._times.append(frame.pts)
        self._durations.append(picture.duration or 0)
        fresh = self._filled(frame)
        fresh.pts, fresh.time_base = frame.index, self._context.time_base
        fresh.color_range, fresh.colorspace = picture.color_range, picture.colorspace
        fresh.color_primaries, fresh.color_trc = picture.color_primaries, picture.color_trc
        yield from map(self._timed, self._context.encode(fresh))

    def _filled(self, frame: Frame) -> Any:
        """The frame as PyAV's, with its samples."""
        frame = on_host(frame)
        fresh = av.VideoFrame(frame.width, frame.height, self._format)
        planes = frame.planes
        if frame.rgb:  # FFmpeg's order is G, B, R
            planes = (planes[1], planes[2], planes[0], *planes[3:])
        for plane, values in zip(fresh.planes, planes, strict=True):
            view(plane, np.uint8 if frame.depth == 8 else np.uint16)[:] = values
        return fresh

    def flush(self) -> Iterator[Any]:
        yield from map(self._timed, self._context.encode(None))

    def _timed(self, packet: Any) -> Any:
        """From frame numbers back to the times that came in."""
        shown, decoded = packet.pts, packet.dts
        packet.pts, packet.duration = self._times[shown], self._durations[shown]
        packet.dts = self._times[decoded] if decoded >= 0 else self._before(-decoded)
        packet.time_base = self._stream.time_base
        return packet

    def _before(self, frames: int) -> int:
        """A decoding time that many frames before the first one is shown."""
        step = self._times[1] - self._times[0] if len(self._times) > 1 else 1
        return self._times[0] - frames * step


def encoder_of(_frame: Frame, *clip: Any, **how: Any) -> PictureEncoder:
    """A PictureEncoder of these arguments, whatever the clip's first frame is."""
    return PictureEncoder(*clip, **how)
