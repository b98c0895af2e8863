"""Encodes edited sound again: same codec, rate and layout, and every sample at its own time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from numpy.typing import NDArray

from redact.errors import InputError, Reason
from redact.media.probe import Clip, SoundStream
from redact.media.sound import Block, blocks, silence

Edit = Callable[[NDArray[np.float32], Fraction], None]
"""Changes (channels, n) float32 samples in place; the second is the first sample's time in
seconds, exact."""

_ENCODERS = {"mp3": "libmp3lame", "opus": "libopus"}
"""Where FFmpeg's encoder has another name than the codec."""

_LAPPED = frozenset({"aac", "opus", "mp3", "mp2", "ac3", "eac3"})
_PRIMED = {
    "mp4": _LAPPED,
    "mov": _LAPPED,
    "m4a": _LAPPED,
    "mkv": _LAPPED,
    "webm": _LAPPED,
    "ogg": frozenset({"opus"}),
    "mp3": frozenset({"mp3"}),
}
"""What can be marked, in each container, as an encoder's run-up at the start of a stream."""

_EXACT = frozenset({"mp4", "mov", "m4a"})
"""Containers with an end of each stream that lies inside its last packet."""

_RATES_PER_CHANNEL = {"opus": 96_000, "mp3": 128_000, "aac": 128_000}
_BITS = {"u8": 8, "s16": 16, "s32": 32}


class SoundEncoder:
    """
    Encodes one stream.

    Where the container can't mark an encoder's run-up, the run-up takes the place of the first
    samples (25 ms at most), so that all that follows is where it was. Raises InputError
    (UNSUPPORTED) when there is no encoder for the codec, its rate or its channels.
    """

    def __init__(self, clip: Clip, stream: SoundStream, source: Any, context: Any) -> None:
        self._clip, self._stream = clip, stream
        self._context = context
        self._describe(source)
        self._primed = stream.codec in _PRIMED.get(clip.container, ())

    @staticmethod
    def name(stream: SoundStream) -> str:
        """The encoder for the stream's codec."""
        if stream.codec == "vorbis":
            # FFmpeg's own Vorbis encoder aborts the process on some sounds: lossless instead.
            return "flac"
        return _ENCODERS.get(stream.codec, stream.codec)

    def _describe(self, source: Any) -> None:
        context, stream = self._context, self._stream
        context.sample_rate, context.layout = stream.rate, _layout(stream, source.layout)
        context.time_base = Fraction(1, stream.rate)
        formats = context.codec.audio_formats or [source.format]
        same = [f for f in formats if _base(f.name) == _base(source.format.name)]
        context.format = (same or formats)[0]
        context.flags |= Flags.bitexact
        context.options = {"strict": "experimental"}
        if context.codec.canonical_name in ("flac", "alac") and _base(context.format.name) == "s32":
            context.options["bits_per_raw_sample"] = "24"
        if context.codec.lossy and not context.codec.lossless:
            usual = _RATES_PER_CHANNEL.get(stream.codec, 96_000) * stream.channels
            context.bit_rate = min(
                max(source.bit_rate or usual, usual // 2),
                320_000 if stream.channels < 3 else 640_000,
            )

    def packets(self, edit: Edit) -> Iterator[Any]:
        """Decode, edit and encode the whole stream. Times are in samples."""
        context = self._context
        try:
            context.open(strict=False)
            delay = 0 if self._primed else _delay(context)
            size = context.frame_size or 1024
            for samples, first in _chunks(self._edited(edit), size, delay):
                yield from context.encode(_frame(context, samples, first))
            # LAME flushes a packet more than there is sound for.
            yield from (p for p in context.encode(None) if p.duration or not p.size)
        except (FFmpegError, ValueError) as error:
            raise _unsupported(self._clip, self._stream) from error

    def _edited(self, edit: Edit) -> Iterator[Block]:
        end, first = self._end(), True
        for block in blocks(self._clip, self._stream):
            if first and self._clip.container == "ogg" and not self._primed:
                # A FLAC stream in Ogg starts at 0, whatever its packets say.
                yield from silence(int(block.start), replace(block, start=Fraction(0)))
            first = False
            if (block.rate, len(block.samples)) != (self._stream.rate, self._stream.channels):
                raise _unsupported(self._clip, self._stream)  # says less than it decodes to
            samples = np.ascontiguousarray(block.samples)
            edit(samples, block.start / block.rate)
            if end is not None:
                samples = samples[:, : max(0, math.ceil(end - block.start))]
            yield Block(samples, block.start, block.rate, block.layout)

    def _end(self) -> Fraction | None:
        """The sample after the last, where the container says it to the sample."""
        stream = self._stream
        if self._clip.container not in _EXACT:
            return None
        return Fraction(stream.start_us + stream.duration_us, 1_000_000) * stream.rate


def _frame(context: Any, samples: NDArray[np.float32], first: int) -> Any:
    """What the encoder takes: (channels, n) samples in its own numbers; `first` counts samples."""
    form = context.format.name
    values = _quantised(samples, form)
    if not form.endswith("p"):
        values = np.ascontiguousarray(values.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(values, form, context.layout)
    frame.sample_rate, frame.pts = context.sample_rate, first
    frame.time_base = Fraction(1, context.sample_rate)
    return frame


def _unsupported(clip: Clip, stream: SoundStream) -> InputError:
    return InputError(
        f"{clip.name}: sound track {stream.index} ({stream.codec}, {stream.rate} Hz,"
        f" {stream.channels} channels) can't be encoded again.",
        todo="Convert its sound to AAC or FLAC first.",
        reason=Reason.UNSUPPORTED,
    )


def _layout(stream: SoundStream, found: Any) -> Any:
    return stream.layout if stream.layout in ("mono", "stereo") else found


def _base(form: str) -> str:
    return form.removesuffix("p")


def _quantised(samples: NDArray[np.float32], form: str) -> NDArray[Any]:
    """float32 in [-1, 1] as the format's own numbers: what came from integers goes back exactly."""
    base = _base(form)
    if base == "flt":
        return np.ascontiguousarray(samples)
    if base == "dbl":
        return samples.astype(np.float64)
    half = float(2 ** (_BITS[base] - 1))
    values = np.clip(np.rint(samples.astype(np.float64) * half), -half, half - 1)
    signed: NDArray[Any] = values.astype(f"i{_BITS[base] // 8}")
    return (values + half).astype(np.uint8) if base == "u8" else signed


def _delay(opened: Any) -> int:
    """The encoder's run-up in samples, measured on silence with a second encoder."""
    context = av.CodecContext.create(opened.codec.name, "w")
    context.sample_rate, context.layout = opened.sample_rate, opened.layout
    context.format, context.time_base = opened.format, opened.time_base
    context.bit_rate = opened.bit_rate or 0
    context.options = {"strict": "experimental"}
    context.open()
    size = context.frame_size or 1024
    nothing = np.zeros((context.layout.nb_channels, size), np.float32)
    first = context.encode(_frame(context, nothing, 0)) or context.encode(None)
    return max(0, -int(first[0].pts)) if first else 0


def _chunks(
    stream: Iterator[Block], size: int, skip: int
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """The samples in pieces of `size`, each with its number; the first `skip` left out."""
    held: NDArray[np.float32] | None = None
    first = 0
    for block in stream:
        if held is None:
            held, first = block.samples[:, :0], math.floor(block.start + Fraction(1, 2))
        held = np.concatenate([held, block.samples], axis=1)
        if skip:
            cut = min(skip, held.shape[1])
            held, first, skip = held[:, cut:], first + cut, skip - cut
        while held.shape[1] >= size:
            yield held[:, :size], first
            held, first = held[:, size:], first + size
    if held is not None and held.shape[1]:
        yield held, first
