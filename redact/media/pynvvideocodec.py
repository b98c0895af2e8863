"""
NVDEC by PyNvVideoCodec, NVIDIA's own bindings, where they import: H.264 and HEVC.

FFmpeg reads the file, as everywhere; its packets go to the decoder one by one. What colours and HDR
metadata a clip has is told by its first picture, decoded on the CPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import chain
from typing import Any

from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError

from redact.cuda.dlpack import Borrowed, borrowed
from redact.cuda.driver import Gpu
from redact.errors import InputError
from redact.media.decode import pictures
from redact.media.packets import at, packets
from redact.media.probe import Clip
from redact.media.source import opened

_CODECS = {"h264": ("H264", "h264_mp4toannexb"), "hevc": ("HEVC", "hevc_mp4toannexb")}
"""NVIDIA's name, and FFmpeg's filter that writes start codes before the units."""


@cache
def _imported() -> tuple[Any, str]:
    """The module, or why there is none: importing it asks for libraries of the driver."""
    try:
        import PyNvVideoCodec
    except ImportError:
        return None, "PyNvVideoCodec is not installed"
    except Exception as error:  # noqa: BLE001  # it raises whatever its libraries raise
        return None, f"PyNvVideoCodec does not start ({type(error).__name__})"
    return PyNvVideoCodec, ""


def why_not() -> str:
    """What keeps PyNvVideoCodec from being used; empty if nothing does."""
    return _imported()[1]


def takes(clip: Clip) -> bool:
    """
    Whether the clip is one for PyNvVideoCodec, if that is here.

    Not AVI, which has no times; nor odd sizes, whose last line of chroma it leaves out.
    """
    stream = clip.picture
    return (
        stream is not None
        and not why_not()
        and stream.codec in _CODECS
        and clip.container != "avi"
        and not (stream.width % 2 or stream.height % 2)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoder's surface, with what PyAV's frames say of themselves."""

    surface: tuple[Borrowed, Borrowed]  # Y, and U beside V: valid until the next one is asked for
    pts: int | None
    duration: int
    time_base: Fraction
    width: int
    height: int
    format: Any
    color_range: int
    colorspace: int
    color_primaries: int
    color_trc: int
    side_data: Any
    is_corrupt: bool = False


def decoded(clip: Clip, gpu: Gpu) -> Iterator[Picture]:
    """
    The clip's pictures in the order in which they are shown, but for those that an edit list hides.

    Raises InputError where the decoder gives up, or gives something else than was announced.
    """
    module, _ = _imported()
    first = _first(clip)
    assert clip.picture is not None
    name, filter_name = _CODECS[clip.picture.codec]
    where = "its start"
    with opened(clip.path, clip.container, max_pixels=clip.max_pixels) as source:
        track = source.streams[clip.picture.index]
        units = BitStreamFilterContext(filter_name, track)
        times = _Times()
        try:
            decoder = module.CreateDecoder(
                gpuid=gpu.ordinal,
                codec=getattr(module.cudaVideoCodec, name),
                cudacontext=gpu.context,
                cudastream=gpu.stream,
                usedevicememory=True,
            )
            for packet in chain(packets(source, [track], clip.name), [None]):
                where = where if packet is None else at(packet)
                times.note(packet)
                for surface in _surfaces(module, decoder, units, packet):
                    if surface.timestamp not in times.hidden:
                        yield _picture(clip, gpu, surface, first, times)
        except (FFmpegError, RuntimeError, ValueError) as error:
            # RuntimeError is what the module's own errors are; a picture that is lost is missed
            # by whoever counts them.
            raise InputError(
                f"{clip.name}: the picture ({where}) does not decode on the GPU."
            ) from error


class _Times:
    """What the packets say of the pictures in them, by the time at which each is shown."""

    def __init__(self) -> None:
        self.durations: dict[int, int] = {}
        self.hidden: set[int] = set()

    def note(self, packet: Any) -> None:
        if packet is None:
            return
        if packet.pts is None:
            raise ValueError("a packet without a time")
        self.durations[packet.pts] = packet.duration or 0
        if packet.is_discard:
            self.hidden.add(packet.pts)


def _surfaces(module: Any, decoder: Any, units: Any, packet: Any) -> Iterator[Any]:
    """What comes out of the decoder for a packet; None: for the end."""
    for filtered in units.filter(packet):
        data = bytes(filtered)
        buffer = ctypes.create_string_buffer(data, len(data))
        given = module.PacketData()
        given.bsl_data, given.bsl = ctypes.addressof(buffer), len(data)
        given.pts = filtered.pts
        yield from decoder.Decode(given)
    if packet is None:
        end = module.PacketData()
        end.bsl_data = end.bsl = 0
        yield from decoder.Decode(end)


def _first(clip: Clip) -> Any:
    """PyAV's first frame. Raises InputError for an interlaced one: the decoder would blend it."""
    _, first = next(pictures(clip))
    if first.interlaced_frame:
        raise InputError(f"{clip.name}: its picture is interlaced.")
    return first


def _picture(clip: Clip, gpu: Gpu, surface: Any, first: Any, times: _Times) -> Picture:
    assert clip.picture is not None
    whole = borrowed(surface, gpu, ready=True)  # the decoder works on our stream
    rows, width = whole.shape
    height = rows // 3 * 2
    if rows != clip.picture.height * 3 // 2:
        raise ValueError("a surface of another form")
    pitch = whole.strides[0]
    chroma = whole.address + pitch * height * whole.bits // 8
    return Picture(
        surface=(
            Borrowed(whole.address, (height, width), (pitch, 1), whole.bits, whole.owner),
            Borrowed(chroma, (height // 2, width), (pitch, 1), whole.bits, whole.owner),
        ),
        pts=surface.timestamp,
        duration=times.durations.get(surface.timestamp, 0),
        time_base=clip.picture.time_base,
        width=width,
        height=height,
        format=first.format,
        color_range=first.color_range,
        colorspace=first.colorspace,
        color_primaries=first.color_primaries,
        color_trc=first.color_trc,
        side_data=first.side_data,
    )
