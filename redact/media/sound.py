"""The sound of a clip: as exact blocks for editing, and as what an ear would hear of it."""

from __future__ import annotations

from array import array
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

EAR_RATE = 16_000

_CANCELLED = 0.1
"""Channels whose mean keeps less than this share of the louder one's energy are heard one by one:
a word in opposite phase, or in one channel of many, is gone in the mean."""
_APART = 0.5
"""Channels whose differences from the mean have more than this share of its energy (two that
correlate by less than a third) are heard one by one: a quiet speaker has a channel of their own
beside a loud one."""
_AUDIBLE = 1e-4
"""What stays below has nothing to hear (-80 dB)."""
_OVERLAP_SECONDS = Fraction(1, 10)
"""Sound at a time that has sound already is cut off, up to so much at once: no word is as short.
Beyond that, what nobody listened to would go over with the packets that hold it."""
_UNHEARD_SECONDS = Fraction(1, 10)
"""Packets in a row may give no sound for so long, once there was some."""
_DRIFT = Fraction(1, 1000)
"""The share of a stream that may overlap for ever: a recorder's two clocks differ by less."""


@dataclass(frozen=True, slots=True)
class Sound:
    """
    What one ear hears of a sound stream.

    `samples` is (n,) float32 in [-1, 1]. Sample i is presented at `start_us` microseconds plus
    i / `rate` seconds: gaps in the stream are filled with silence.
    """

    samples: NDArray[np.float32]
    rate: int
    start_us: int


@dataclass(frozen=True, slots=True)
class Block:
    """`samples` is (channels, n) float32; `start` is the first one's number on the clip's clock."""

    samples: NDArray[np.float32]
    start: Fraction  # samples since time 0: not whole where the stream starts between two
    rate: int
    layout: Any  # av.AudioLayout


def sound(clip: Clip, stream: SoundStream) -> list[Sound]:
    """
    The stream as one ear hears it, or as several where mixing the channels would hide something.

    Never empty. Raises InputError where the sound does not decode to its end.
    """
    ear, hides = _mixed(clip, stream)
    if not hides:
        return [ear]
    ears = [_heard(clip, stream, channel) for channel in range(stream.channels)]
    # By its loudest sample: the mean of a long stream hides a word.
    return [ear for ear in ears if np.abs(ear.samples).max(initial=0) > _AUDIBLE] or ears[:1]


def _mixed(clip: Clip, stream: SoundStream) -> tuple[Sound, bool]:
    """The mean of the channels; and whether it hides what a channel holds."""
    hides = False
    common = apart = 0.0
    ear = _Ear()
    for block in blocks(clip, stream):
        mean = block.samples.mean(axis=0)
        loudest = max(_rms(channel) for channel in block.samples)
        hides |= loudest > _AUDIBLE and _rms(mean) ** 2 < _CANCELLED * loudest**2
        common += float(np.sum(np.square(mean, dtype=np.float64)))
        apart += float(np.sum(np.square(block.samples - mean, dtype=np.float64)))
        ear.hear(mean, block)
    return ear.sound(), hides or apart > _APART * common * stream.channels


def _heard(clip: Clip, stream: SoundStream, channel: int) -> Sound:
    ear = _Ear()
    for block in blocks(clip, stream):
        ear.hear(block.samples[channel], block)
    return ear.sound()


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


class _Ear:
    """Brings mono blocks to 16 kHz, one after the other."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=EAR_RATE)
        self._heard = array("f")  # grows in place: of a long clip there is no room for a copy
        self._start_us = 0
        self._done = 0

    def hear(self, mono: NDArray[np.float32], block: Block) -> None:
        if not self._done:
            self._start_us = int(block.start * 1_000_000 / block.rate)
        frame = audio_frame(mono[None], block.rate, "mono", self._done)
        self._done += mono.size
        self._keep(frame)

    def _keep(self, frame: Any) -> None:
        for out in self._resampler.resample(frame):
            self._heard.frombytes(out.to_ndarray().tobytes())

    def sound(self) -> Sound:
        self._keep(None)
        samples = np.frombuffer(self._heard, np.float32)
        return Sound(np.clip(samples, -1, 1, out=samples), EAR_RATE, self._start_us)


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
        # A coarse clock (Matroska's millisecond) wavers: that is neither gap nor overlap.
        slack = max(2 * frame.time_base * rate, Fraction(2))
        gap = int(start - position) if abs(start - position) > slack else 0
        if gap > 0:
            yield from silence(gap, Block(samples, position, rate, frame.layout))
            position += gap
        overlap = max(overlap - samples.shape[1] * _DRIFT, Fraction(0))
        overlap += min(max(-gap, 0), samples.shape[1])
        if overlap > _OVERLAP_SECONDS * rate:
            raise _overlaps(clip, stream, start / rate)
        samples = samples[:, max(-gap, 0) :]
        if samples.size:
            yield Block(samples, position, rate, frame.layout)
            position += samples.shape[1]


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
        where = "its start"
        try:
            unheard: Fraction | None = None  # seconds of packets in a row that gave nothing
            for packet in packets(source, [track], clip.name):
                where = at(packet)
                frames = track.decode(packet)
                if frames:
                    unheard = Fraction(0)
                elif unheard is not None and not packet.is_discard:
                    unheard += (packet.duration or 0) * packet.time_base
                    _check_heard(unheard, clip, where)
                yield from frames
            yield from track.decode(None)
        except FFmpegError as error:
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
