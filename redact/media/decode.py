"""Every frame of a clip that is shown, in the order in which it is shown, as planes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from av.error import FFmpegError

from redact.errors import InputError, Reason
from redact.media.packets import at, packets
from redact.media.probe import Clip, PictureStream
from redact.media.sound import Sound, sound
from redact.media.source import opened
from redact.types import Frame, Plane

__all__ = ["Sound", "frames", "pictures", "planar", "planes_of", "sound"]

_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""A decoder that meets an error stops, where it would else paint over the gap."""

_PLANAR = re.compile(r"(yuvj?4(20|22|44|40|11)p|yuva4(20|22|44)p|gray|gbra?p)(9|10|12|14|16)?(le)?")
_REARRANGED = {
    # The same samples in another order: nothing is lost.
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
    "rgb48le": "gbrp16le",
    "rgb48be": "gbrp16le",
    "rgba64le": "gbrap16le",
    "rgba64be": "gbrap16le",
    "ya8": "gbrap",
    "ya16be": "gbrap16le",
    "pal8": "gbrap",
    "monob": "gray",
    "monow": "gray",
}
_BT601 = frozenset({4, 5, 6})  # FCC, BT.470 BG, SMPTE 170M
_UNSPECIFIED = frozenset({0, 2, 3})
_FULL_RANGE = 2


def frames(clip: Clip) -> Iterator[Frame]:
    """
    Every shown frame, in presentation order, with planes of its own: writable, contiguous.

    8 bits are uint8, more are uint16. Frames that an edit list hides do not come. Streams: one
    frame is held at a time. Raises InputError where the picture does not decode, where a frame is
    missing, and at the end when fewer frames came than the clip has.
    """
    for frame, _ in pictures(clip):
        yield frame


def pictures(clip: Clip) -> Iterator[tuple[Frame, Any]]:
    """As `frames`, each with PyAV's own frame, for its colours and its duration."""
    stream = clip.picture
    if stream is None:
        return
    count = 0
    last: int | None = None
    for picture in _decoded(clip, stream):
        if picture.is_corrupt or picture.pts is None or (last is not None and picture.pts <= last):
            raise _unreadable(clip, f"the picture at {_seconds(picture)} does not decode whole")
        last = picture.pts
        yield _frame(clip, picture, count), picture
        count += 1
    if count != stream.frames:
        raise _unreadable(clip, f"{stream.frames - count} of {stream.frames} frames are missing")


def _decoded(clip: Clip, stream: PictureStream) -> Iterator[Any]:
    with opened(clip.path, clip.container, max_pixels=clip.max_pixels) as source:
        track = source.streams[stream.index]
        track.codec_context.options = {**_STRICT, "max_pixels": str(clip.max_pixels)}
        # Not frame by frame in parallel: PyAV drops an error that comes right after a frame.
        track.thread_type = "SLICE"
        where = "its start"
        slots: deque[int] = deque()
        try:
            for packet in chain(packets(source, [track], clip.name), [None]):
                if packet is not None:
                    where = at(packet)
                    slots.append(packet.dts)
                for picture in track.decode(packet):
                    if clip.container == "avi":
                        # AVI has slots for its frames and no times: each is shown in its turn.
                        picture.pts = slots.popleft()
                    yield picture
        except FFmpegError as error:
            raise _unreadable(clip, f"the picture ({where}) does not decode") from error


def _unreadable(clip: Clip, what: str) -> InputError:
    return InputError(f"{clip.name}: {what}.", todo="Repair the file, or cut the damaged part out.")


def _seconds(picture: Any) -> str:
    return "an unknown time" if picture.pts is None else f"{picture.time:.3f} s"


def _frame(clip: Clip, picture: Any, index: int) -> Frame:
    stream = clip.picture
    assert stream is not None
    if (picture.width, picture.height) != (stream.width, stream.height):
        raise InputError(
            f"{clip.name}: the picture changes its size at {_seconds(picture)}.",
            reason=Reason.UNSUPPORTED,
        )
    planes, rearranged = planes_of(picture, clip.name)
    guessed = picture.colorspace in _UNSPECIFIED and picture.height <= 576
    return Frame(
        planes=planes,
        depth=rearranged.format.components[0].bits,
        index=index,
        pts=picture.pts,
        time_base=stream.time_base,
        rgb=rearranged.format.is_rgb,
        full_range=picture.color_range == _FULL_RANGE or "yuvj" in picture.format.name,
        bt601=guessed or picture.colorspace in _BT601,
    )


def planar(pixel_format: str, name: str) -> str:
    """
    The planar format that holds the same samples.

    Raises InputError (UNSUPPORTED) for a format that can't be put into planes without a loss.
    """
    target = _REARRANGED.get(pixel_format, re.sub("be$", "le", pixel_format))
    if not _PLANAR.fullmatch(target):
        raise InputError(
            f"{name}: pictures of the kind {pixel_format} are not read.",
            reason=Reason.UNSUPPORTED,
        )
    return target


def planes_of(picture: Any, name: str) -> tuple[tuple[Plane, ...], Any]:
    """Copies of the planes of a PyAV frame, R, G, B for gbrp; and the planar frame they are of."""
    target = planar(picture.format.name, name)
    if target != picture.format.name:
        picture = picture.reformat(format=target)
    dtype = np.uint8 if picture.format.components[0].bits == 8 else np.uint16
    planes = tuple(view(plane, dtype).copy() for plane in picture.planes)
    if picture.format.is_rgb:
        planes = (planes[2], planes[0], planes[1], *planes[3:])
    return planes, picture


def view(plane: Any, dtype: type[np.uint8] | type[np.uint16]) -> Plane:
    """The samples of a PyAV plane, (rows, columns), in place, without the padding of its lines."""
    lines = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return lines[:, : plane.width]
