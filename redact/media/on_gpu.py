"""
Clips decoded on the GPU, their frames left there; and which clips that is possible for.

NVDEC, by PyNvVideoCodec where that imports and else by FFmpeg through PyAV, gives NV12 or P010. Its
surfaces are few, so each is copied to memory of ours (a thousandth of what decoding takes) and
given back at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from av.codec.hwaccel import HWAccel

from redact.cuda.dlpack import Borrowed, borrowed
from redact.cuda.driver import Gpu
from redact.cuda.kernels import with_small_pictures
from redact.cuda.memory import Pinned
from redact.cuda.surfaces import FrameOnGpu, on_host, semi_planar
from redact.errors import InputError
from redact.media import pynvvideocodec
from redact.media.decode import facts, pictures
from redact.media.probe import Clip
from redact.types import Frame, Plane

CHUNK = 8
"""Frames that go through the kernels together, of one clip."""
_DEPTHS = {
    "h264": (8,),
    "hevc": (8, 10, 12),
    "vp8": (8,),
    "vp9": (8, 10, 12),
    "av1": (8, 10),
    "mpeg1video": (8,),
    "mpeg2video": (8,),
    "mpeg4": (8,),
}
"""What NVDEC decodes, of 4:2:0, on every GPU from compute capability 7.5 on; AV1 on some."""
AV1 = frozenset({(8, 6), (8, 7), (8, 9), (10, 0), (10, 3), (12, 0), (12, 1)})
"""Compute capabilities of the GPUs that decode AV1; A100, H100 and H200 do not."""
_420 = frozenset({"yuv420p", "yuvj420p", "nv12", "yuv420p10le", "yuv420p12le", "p010le"})


def why_not_decoded(clip: Clip, gpu: Gpu) -> str:
    """What keeps a clip's picture from being decoded on the GPU; empty if nothing does."""
    stream = clip.picture
    if stream is None or clip.media == "still":
        return "a still picture is decoded on the CPU"
    if missing := why_no_decoder(gpu):
        return missing
    if stream.codec not in _DEPTHS or stream.depth not in _DEPTHS[stream.codec]:
        return f"NVDEC does not decode {stream.codec} of {stream.depth} bits"
    if stream.pixel_format not in _420:
        return f"NVDEC does not decode {stream.pixel_format} everywhere, only 4:2:0"
    if stream.codec == "av1" and gpu.capability not in AV1:
        return f"{gpu.name} does not decode AV1"
    return ""


def why_no_decoder(gpu: Gpu) -> str:
    """Whether NVIDIA's decoding library is here: containers often lack it."""
    if gpu.memory_kind != "cuda":
        return ""
    try:
        ctypes.CDLL("libnvcuvid.so.1")
    except OSError:
        return "the driver's libnvcuvid.so.1 is missing (a container needs the video capability)"
    return ""


def decoder_name() -> str:
    """What speaks to NVDEC here: for `redact doctor`."""
    missing = pynvvideocodec.why_not()
    return f"PyAV; {missing}" if missing else "PyNvVideoCodec for H.264 and HEVC, else PyAV"


def frames_on_gpu(clip: Clip, gpu: Gpu) -> Iterator[FrameOnGpu]:
    """As decode.frames, with the samples on the GPU, and a small picture of each on the host."""
    for frame, _ in described_on_gpu(clip, gpu):
        yield frame


def described_on_gpu(clip: Clip, gpu: Gpu) -> Iterator[Pair]:
    """The same, each with what the encoder asks of it."""
    for chunk in chunks(clip, gpu):
        frames = with_small_pictures(gpu, [frame for frame, _ in chunk])
        yield from zip(frames, (picture for _, picture in chunk), strict=True)


Covering = Callable[[Sequence[FrameOnGpu]], None]
"""Changes frames in place, on the GPU."""
_Copy = tuple[FrameOnGpu, "Described", Pinned]
"""A covered frame, and where its samples are on the host once the stream's work is done."""


def covered_pictures(
    some: Iterator[list[Pair]], gpu: Gpu, cover: Covering
) -> Iterator[tuple[Frame, Described]]:
    """
    As decode.pictures, for the encoder: covered on the GPU, then copied to the host once.

    While the CPU encodes one chunk, the next one is decoded and copied.
    """
    waiting: list[_Copy] = []
    copies: list[_Copy] = []
    try:
        for chunk in some:
            cover([frame for frame, _ in chunk])
            for frame, picture in chunk:
                copies.append((frame, picture, _copied(gpu, frame)))
            for frame, picture, pinned in waiting:
                yield _planar(frame, pinned), picture
            gpu.wait()
            waiting, copies = copies, []
        for frame, picture, pinned in waiting:
            yield _planar(frame, pinned), picture
    finally:  # before another clip is given memory to which a copy may still be on its way
        gpu.wait()


def covered_on_gpu(some: Iterator[list[Pair]], gpu: Gpu, cover: Covering) -> Iterator[Pair]:
    """The frames, covered, without leaving the GPU."""
    for chunk in some:
        cover([frame for frame, _ in chunk])
        gpu.wait()
        yield from chunk


@dataclass(frozen=True, slots=True)
class _Format:
    name: str


@dataclass(frozen=True, slots=True)
class Described:
    """What the encoder asks of PyAV's frame, without its surface: the decoder has few of them."""

    format: _Format  # on the host
    duration: int | None
    color_range: int
    colorspace: int
    color_primaries: int
    color_trc: int
    side_data: Any  # of the clip's first frame: HDR metadata


def _there(frame: Frame) -> FrameOnGpu:
    """The frame, which is on the GPU: none is left out."""
    if not isinstance(frame, FrameOnGpu):
        raise TypeError(f"frame {frame.index} is not on the GPU")
    return frame


def _described(clip: Clip, picture: Any, index: int) -> Described:
    assert clip.picture is not None
    return Described(
        format=_Format(clip.picture.pixel_format),
        duration=picture.duration,
        color_range=picture.color_range,
        colorspace=picture.colorspace,
        color_primaries=picture.color_primaries,
        color_trc=picture.color_trc,
        side_data=picture.side_data if index == 0 else (),
    )


Pair = tuple[FrameOnGpu, Described]


def chunks(clip: Clip, gpu: Gpu) -> Iterator[list[Pair]]:
    """The clip's frames, decoded on the GPU, CHUNK at a time; without small pictures."""
    by_nvidia = pynvvideocodec.takes(clip)
    shown = pictures(
        clip,
        hardware=None if by_nvidia else _hardware(gpu),
        decoded=pynvvideocodec.decoded(clip, gpu) if by_nvidia else None,
        made=partial(_frame, gpu),
    )
    described = (
        (_there(frame), _described(clip, picture, frame.index)) for frame, picture in shown
    )
    try:
        while chunk := list(islice(described, CHUNK)):
            yield chunk
    except InputError:
        gpu.wait()  # if the GPU is lost, this says so
        raise


def _hardware(gpu: Gpu) -> Any:
    """NVDEC in the context that the kernels run in. It never falls back to the CPU by itself."""
    return HWAccel(
        "cuda",
        device=str(gpu.ordinal),
        allow_software_fallback=False,
        options={"primary_ctx": "1"},
        is_hw_owned=True,
    )


def _frame(gpu: Gpu, clip: Clip, picture: Any, index: int) -> FrameOnGpu:
    """A copy of a decoder's surface, in memory of ours."""
    assert clip.picture is not None
    luma, chroma = _surface(picture, gpu)
    if luma.bits != (8 if clip.picture.depth == 8 else 16):
        raise InputError(f"{clip.name}: the GPU decodes it to another depth than it has.")
    size, depth = (clip.picture.width, clip.picture.height), clip.picture.depth
    pitches = _pitch(luma), _pitch(chroma)
    parts = pitches[0] * size[1], pitches[1] * -(-size[1] // 2)
    memory = gpu.allocate(sum(parts))
    gpu.copy(memory.address, luma.address, _extent(luma))
    gpu.copy(memory.address + parts[0], chroma.address, _extent(chroma))
    gpu.wait()  # the decoder has its surface back
    addresses = memory.address, memory.address + parts[0]
    surface = semi_planar(gpu, *addresses, pitches, size, memory, bits=depth)
    return FrameOnGpu(planes=(), depth=depth, surface=surface, **facts(clip, picture, index))


def _surface(picture: Any, gpu: Gpu) -> tuple[Borrowed, Borrowed]:
    """The decoder's two planes, Y and U beside V."""
    if isinstance(picture, pynvvideocodec.Picture):
        return picture.surface
    return _by_pyav(picture, gpu)


def _by_pyav(picture: Any, gpu: Gpu) -> tuple[Borrowed, Borrowed]:
    gpu.wait_for_default()  # FFmpeg's decoder works there; PyAV's planes leave waiting to us
    luma, chroma = (borrowed(plane, gpu, ready=True) for plane in picture.planes)
    return luma, chroma


def _pitch(plane: Borrowed) -> int:
    return plane.strides[0] * plane.bits // 8


def _extent(plane: Borrowed) -> int:
    """Bytes from the first sample to the end of the last."""
    steps = zip(plane.shape, plane.strides, strict=True)
    return (sum((size - 1) * step for size, step in steps) + 1) * plane.bits // 8


def _copied(gpu: Gpu, frame: FrameOnGpu) -> Pinned:
    """All lines of the surface, on their way to the host."""
    luma, chroma, _ = frame.surface.planes
    pinned = gpu.pinned(luma.pitch * luma.height + chroma.pitch * chroma.height)
    gpu.read_later(luma.samples, pinned)
    return pinned


def _planar(frame: FrameOnGpu, pinned: Pinned) -> Frame:
    """Y, U and V as planes of their own, as the encoder takes them."""
    luma, chroma, _ = frame.surface.planes
    kind = np.uint8 if frame.depth == 8 else np.uint16
    split = luma.pitch * luma.height
    lines = pinned.array[:split].view(kind).reshape(luma.height, -1)
    pairs = pinned.array[split:].view(kind).reshape(chroma.height, -1)
    planes: tuple[Plane, ...] = (
        lines[:, : luma.width],
        pairs[:, : 2 * chroma.width : 2],
        pairs[:, 1 : 2 * chroma.width : 2],
    )
    return on_host(frame, tuple(np.ascontiguousarray(plane >> luma.shift) for plane in planes))
