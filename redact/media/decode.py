"""Every frame of a clip that is shown, in the order in which it is shown, as planes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from av.error import FFmpegError

from redact.errors import InputError, Reason
from redact.media import still
from redact.media.packets import at, packets
from redact.media.planes import planes_of
from redact.media.probe import Clip, PictureStream
from redact.media.source import opened
from redact.types import Frame

_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""A decoder that meets an error stops, where it would else paint over the gap."""

_BT601 = frozenset({4, 5, 6})  # FCC, BT.470 BG, SMPTE 170M
_UNSPECIFIED = frozenset({0, 2, 3})
_FULL_RANGE = 2


def frames(clip: Clip) -> Iterator[Frame]:
    """
    Every shown frame, in presentation order, with planes of its own: writable, contiguous.

    8 bits are uint8, more are uint16. Frames that an edit list hides do not come. Streams: one
    frame is held at a time. Raises InputError where the picture does not decode, where a frame is
    missing, and at the end when fewer frames came than the clip has. A still is one frame.
    """
    if clip.media == "still":
        yield still.read(clip.path, clip.max_pixels)
        return
    for frame, _ in pictures(clip):
        yield frame


def pictures(
    clip: Clip,
    *,
    hardware: Any = None,
    decoded: Iterator[Any] | None = None,
    made: Callable[[Clip, Any, int], Frame] | None = None,
) -> Iterator[tuple[Frame, Any]]:
    """
    As `frames`, each with PyAV's own frame, for its colours and its duration.

    `hardware` (PyAV's HWAccel) decodes elsewhere than on the CPU, or `decoded` are the pictures of
    another decoder; `made` is what then makes a Frame of a picture and its number.
    """
    stream = clip.picture
    if stream is None:
        return
    count = 0
    last: int | None = None
    for picture in decoded or _decoded(clip, stream, hardware):
        if picture.is_corrupt or picture.pts is None:
            raise _unreadable(clip, f"the picture at {_seconds(picture)} does not decode whole")
        if last is not None and picture.pts <= last:
            raise _unreadable(clip, f"two pictures are to be shown at {_seconds(picture)}")
        last = picture.pts
        yield (made or _frame)(clip, picture, count), picture
        count += 1
    if count != stream.frames:
        raise _unreadable(clip, f"{stream.frames - count} of {stream.frames} frames are missing")


def _decoded(clip: Clip, stream: PictureStream, hardware: Any) -> Iterator[Any]:
    most = clip.max_pixels
    with opened(clip.path, clip.container, max_pixels=most, hardware=hardware) as source:
        track = source.streams[stream.index]
        track.codec_context.options = {**_STRICT, "max_pixels": str(clip.max_pixels)}
        # Not frame by frame in parallel: PyAV drops an error that comes right after a frame.
        track.thread_type = "SLICE"
        where = "its start"
        coded: set[tuple[int, int]] = set()
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
                    coded.add((track.codec_context.coded_width, track.codec_context.coded_height))
                    if len(coded) > 1:
                        # The first picture showed what is cut off around it; now it is another.
                        raise _resized(clip, picture)
                    yield picture
        except FFmpegError as error:
            raise _unreadable(clip, f"the picture ({where}) does not decode") from error


def _unreadable(clip: Clip, what: str) -> InputError:
    return InputError(f"{clip.name}: {what}.", todo="Repair the file, or cut the damaged part out.")


def _resized(clip: Clip, picture: Any) -> InputError:
    return InputError(
        f"{clip.name}: the picture changes its size at {_seconds(picture)}.",
        reason=Reason.UNSUPPORTED,
    )


def _seconds(picture: Any) -> str:
    if picture.pts is None or not picture.time_base:
        return "an unknown time"
    return f"{float(picture.pts * picture.time_base):.3f} s"


def _frame(clip: Clip, picture: Any, index: int) -> Frame:
    planes, rearranged = planes_of(picture, clip.name)
    return Frame(
        planes=planes,
        depth=rearranged.format.components[0].bits,
        rgb=rearranged.format.is_rgb,
        **facts(clip, picture, index),
    )


def facts(clip: Clip, picture: Any, index: int) -> dict[str, Any]:
    """
    What a Frame says besides its planes.

    Raises InputError (UNSUPPORTED) for a picture of another size than the clip's.
    """
    stream = clip.picture
    assert stream is not None
    if (picture.width, picture.height) != (stream.width, stream.height):
        raise _resized(clip, picture)
    guessed = picture.colorspace in _UNSPECIFIED and picture.height <= 576
    return {
        "index": index,
        "pts": picture.pts,
        "time_base": stream.time_base,
        "full_range": picture.color_range == _FULL_RANGE or "yuvj" in picture.format.name,
        "bt601": guessed or picture.colorspace in _BT601,
    }
