"""The sound of a clip as exact blocks, for editing and for the ear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from redact.errors import InputError, Reason
from redact.media.packets import at, packets
from redact.media.probe import Clip, SoundStream
from redact.media.source import opened

_OVERLAP_SECONDS = Fraction(1, 10)
"""Sound at a time that has sound already is cut off, up to so much at once: no word is as short.
Beyond that, what nobody listened to would go over with the packets that hold it."""
_UNHEARD_SECONDS = Fraction(1, 10)
"""Packets in a row may give no sound for so long, once there was some."""
_DRIFT = Fraction(1, 1000)
"""The share of a stream that may overlap for ever: a recorder's two clocks differ by less."""


@dataclass(frozen=True, slots=True)
class Block:
    """`samples` is (channels, n) float32; `start` is the first one's number on the clip's clock."""

    samples: NDArray[np.float32]
    start: Fraction  # samples since time 0: not whole where the stream starts between two
    rate: int
    layout: Any  # av.AudioLayout


def audio_frame(samples: NDArray[np.float32], rate: int, layout: Any, pts: int) -> Any:
    """A PyAV frame of (channels, n) float32; pts counts samples."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame


def blocks(clip: Clip, stream: SoundStream) -> Iterator[Block]:
    """
    The whole stream without a hole: each block starts where the one before ended.

    Gaps in the timestamps come as silence, at most a second a block; what overlaps is cut off.
    A codec's run-up and what an edit list hides do not come. Raises InputError where the sound
    does not decode, changes its rate or its channels, or overlaps itself by more than a moment.
    """
    position: Fraction | None = None
    overlap = Fraction(0)
    form: tuple[int, int] | None = None
    for frame in _decoded(clip, stream):
        samples = _float(frame)
        if form is None:
            form = (frame.sample_rate, len(samples))
        if form != (frame.sample_rate, len(samples)):
            raise InputError(
                f"{clip.name}: sound track {stream.index} changes its rate or its channels.",
                reason=Reason.UNSUPPORTED,
            )
        rate, start = frame.sample_rate, _start(frame, position)
        position = start if position is None else position
        gap = _gap(frame, start - position) if start != position else 0
        if gap > 0:
            yield from silence(gap, Block(samples, position, rate, frame.layout))
            position += gap
        if overlap:
            overlap = max(overlap - samples.shape[1] * _DRIFT, Fraction(0))
        if gap < 0:
            overlap += min(-gap, samples.shape[1])
            if overlap > _OVERLAP_SECONDS * rate:
                raise _overlaps(clip, stream, start / rate)
            samples = samples[:, -gap:]
        if samples.size:
            yield Block(samples, position, rate, frame.layout)
            position += samples.shape[1]


def _gap(frame: Any, late: Fraction) -> int:
    """Whole samples that the frame is too late, or too early: then it is negative."""
    # A coarse clock (Matroska's millisecond) wavers: that is neither gap nor overlap.
    slack = max(2 * frame.time_base * frame.sample_rate, Fraction(2))
    return int(late) if abs(late) > slack else 0


def _overlaps(clip: Clip, stream: SoundStream, seconds: Fraction) -> InputError:
    return InputError(
        f"{clip.name}: sound track {stream.index} overlaps itself at {float(seconds):.3f} s.",
        todo="Give its sound new times first (ffmpeg -i IN -c:v copy -af asetpts=N/SR/TB OUT).",
        reason=Reason.UNSUPPORTED,
    )


def silence(count: int, like: Block) -> Iterator[Block]:
    """That many samples of silence, from where `like` starts, at most a second a block."""
    for done in range(0, count, like.rate):
        size = min(like.rate, count - done)
        samples = np.zeros((len(like.samples), size), np.float32)
        yield Block(samples, like.start + done, like.rate, like.layout)


def _start(frame: Any, position: Fraction | None) -> Fraction:
    """When the frame starts, in samples; without a time of its own, after the one before."""
    if frame.pts is None:
        return position or Fraction(0)
    start: Fraction = frame.pts * frame.time_base * frame.sample_rate
    return start


def _decoded(clip: Clip, stream: SoundStream) -> Iterator[Any]:
    with opened(clip.path, clip.container, max_pixels=clip.max_pixels) as source:
        track = source.streams[stream.index]
        last: Any = None
        try:
            unheard: Fraction | None = None  # seconds of packets in a row that gave nothing
            for packet in packets(source, [track], clip.name):
                last = packet
                frames = track.decode(packet)
                if frames:
                    unheard = Fraction(0)
                elif unheard is not None and not packet.is_discard:
                    unheard += (packet.duration or 0) * packet.time_base
                    _check_heard(unheard, clip, at(packet))
                yield from frames
            yield from track.decode(None)
        except FFmpegError as error:
            where = "its start" if last is None else at(last)
            raise InputError(
                f"{clip.name}: the sound ({where}) does not decode.",
                todo="Repair the file, or cut the damaged part out.",
            ) from error


def _check_heard(unheard: Fraction, clip: Clip, where: str) -> None:
    """What gives our decoder nothing may give another one a name: it is no silence."""
    if unheard > _UNHEARD_SECONDS:
        raise InputError(
            f"{clip.name}: the sound ({where}) decodes to nothing.",
            todo="Repair the file, or cut the damaged part out.",
        )


def _float(frame: Any) -> NDArray[np.float32]:
    """(channels, n) float32 in [-1, 1], exact for integers of up to 24 bits."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif data.dtype.kind == "i":
        data = data / float(2 ** (8 * data.dtype.itemsize - 1))
    return np.asarray(data, np.float32)
