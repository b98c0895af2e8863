"""The sound of a clip as an ear would hear it, read in pieces: no whole track is ever in memory."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from redact.errors import InputError
from redact.media.probe import Clip, SoundStream
from redact.media.sound import Block, audio_frame, blocks
from redact.types import Samples

EAR_RATE = 16_000
PIECE = 10 * EAR_RATE
"""Samples that are decoded at once."""
HELD = 180
"""Pieces in memory for all channels of a clip: 115 MB. Of stereo, heard as one, 15 minutes."""
LEAST = 12
"""Pieces of each ear: passages are put into words side by side, in about their order."""

_CANCELLED = 0.1
"""Channels whose mean keeps less than this share of the louder one's energy are heard one by one:
a word in opposite phase, or in one channel of many, is gone in the mean."""
_APART = 0.5
"""Channels whose differences from the mean have more than this share of its energy (two that
correlate by less than a third) are heard one by one: a quiet speaker has a channel of their own
beside a loud one."""
_AUDIBLE = 1e-4
"""What stays below has nothing to hear (-80 dB)."""


@dataclass(frozen=True, slots=True)
class Sound:
    """
    What one ear hears of a sound stream.

    `samples` are float32 in [-1, 1]. Sample i is presented at `start_us` microseconds plus
    i / `rate` seconds: gaps in the stream are filled with silence.
    """

    samples: Samples
    rate: int
    start_us: int


def sound(clip: Clip, stream: SoundStream) -> list[Sound]:
    """
    The stream as one ear hears it, or as several where mixing the channels would hide something.

    Never empty. Reads all of it; raises InputError where the sound does not decode to its end.
    """
    mixed = _Mixed()
    held = max(LEAST, HELD // sum(one.channels for one in clip.sound))
    ear, _ = _sound(_Ear(clip, stream, mixed.mean), _Ear(clip, stream, _mean), held)
    if not mixed.hides:
        return [ear]
    channels = [_Ear(clip, stream, _channel(number)) for number in range(mixed.channels)]
    ears = [_sound(one, one, held) for one in channels]
    # By its loudest sample: the mean of a long stream hides a word.
    return [ear for ear, loudest in ears if loudest > _AUDIBLE] or [ears[0][0]]


Blocks = Sequence[Block]
Mono = Callable[[NDArray[np.float32], Blocks], NDArray[np.float32]]
"""What is heard, (n,), of (channels, n) samples: these blocks, one after the other."""


class _Mixed:
    """The mean of the channels, and whether it hides what a channel holds."""

    def __init__(self) -> None:
        self.channels = 0
        """Of the sound as it is decoded, whatever the container says."""
        self._cancels = False
        self._common = self._apart = 0.0

    def mean(self, samples: NDArray[np.float32], some: Blocks) -> NDArray[np.float32]:
        mean = _mean(samples, some)
        self.channels = len(samples)
        common, channels = _energy(mean[None], some), _energy(samples, some)
        loudest = channels.max(axis=0)  # in each block: a word is soon over
        audible = loudest > _AUDIBLE**2
        self._cancels |= bool((audible & (common[0] < _CANCELLED * loudest)).any())
        self._common += len(samples) * float(np.sum(np.square(mean, dtype=np.float64)))
        self._apart += float(np.sum(np.square(samples - mean, dtype=np.float64)))
        return mean

    @property
    def hides(self) -> bool:
        return self._cancels or self._apart > _APART * self._common


def _energy(samples: NDArray[np.float32], some: Blocks) -> NDArray[np.float64]:
    """The mean square, (channels, blocks), of each block."""
    sizes = np.array([block.samples.shape[1] for block in some])
    squares = np.square(samples, dtype=np.float64)
    energy: NDArray[np.float64] = np.add.reduceat(squares, np.cumsum(sizes) - sizes, axis=1) / sizes
    return energy


def _mean(samples: NDArray[np.float32], _: Blocks) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = samples.mean(axis=0)
    return mean


def _channel(number: int) -> Mono:
    return lambda samples, _: samples[number]


class _Ear:
    """Hears a stream from its start: mono at 16 kHz."""

    def __init__(self, clip: Clip, stream: SoundStream, mono: Mono) -> None:
        self._clip, self._stream, self._mono = clip, stream, mono
        self.start_us = 0
        """When the first sample is presented, once it was read."""

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        return _pieces(self._heard())

    def _heard(self) -> Iterator[NDArray[np.float32]]:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=EAR_RATE)
        done = 0
        for some in _seconds(blocks(self._clip, self._stream)):
            if not done:
                self.start_us = int(some[0].start * 1_000_000 / some[0].rate)
            mono = self._mono(np.concatenate([one.samples for one in some], axis=1), some)
            frame = audio_frame(mono[None], some[0].rate, "mono", done)
            done += mono.size
            yield from (out.to_ndarray() for out in resampler.resample(frame))
        yield from (out.to_ndarray() for out in resampler.resample(None))


def _seconds(stream: Iterator[Block]) -> Iterator[list[Block]]:
    """The blocks, about a second of them at once: each call that they go through takes its time."""
    some: list[Block] = []
    size = 0
    for block in stream:
        some.append(block)
        size += block.samples.shape[1]
        if size >= block.rate:
            yield some
            some, size = [], 0
    if some:
        yield some


def _pieces(parts: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same samples in [-1, 1], PIECE at a time; the last ones may be fewer, but not none."""
    left = array("f")
    for part in parts:
        left.frombytes(part.tobytes())
        while len(left) >= PIECE:
            yield np.clip(np.array(left[:PIECE]), -1, 1)
            del left[:PIECE]
    if left:
        yield np.clip(np.array(left), -1, 1)


def _sound(first: _Ear, again: _Ear, held: int) -> tuple[Sound, float]:
    """What the ear hears, and its loudest sample."""
    tape = Tape(first.pieces(), again.pieces, held)
    return Sound(tape, EAR_RATE, first.start_us), tape.loudest


class Tape:
    """
    Samples that are decoded when they are asked for, in order; see `Samples`.

    `held` pieces at most are in memory, beside what was asked for. To go back to what is no longer
    held, it is decoded from the start once more: the same samples, bit for bit. Threads may share
    it. Reads all of `first` at once; whatever can't be read is an InputError then, and later too.

    Args:
        first: pieces of PIECE samples, the last one of 1 to PIECE.
        again: begins the same pieces anew.
        held: how many pieces to keep, 1 or more.
    """

    def __init__(
        self,
        first: Iterator[NDArray[np.float32]],
        again: Callable[[], Iterator[NDArray[np.float32]]],
        held: int,
    ) -> None:
        self._again, self._most = again, held
        self._turn = threading.Lock()
        self._held: dict[int, NDArray[np.float32]] = {}
        self._reading, self._next, self._size = first, 0, 0
        self.loudest = 0.0
        """Of all samples, the one that is farthest from 0."""
        for piece in first:
            if not np.isfinite(piece).all():  # a channel of which no sample is loudest goes unheard
                raise InputError("the sound holds values that are no numbers.")
            self._keep(piece)
            self._size += piece.size
            self.loudest = max(self.loudest, float(np.abs(piece).max()))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """A copy of samples that follow each other: a slice's step has to be 1."""
        first, last, step = part.indices(self._size)
        if step != 1:
            raise ValueError("samples are given in their order, and all of them.")
        wanted = np.empty(max(0, last - first), np.float32)
        with self._turn:
            for number in range(first // PIECE, -(-last // PIECE) if wanted.size else 0):
                start = number * PIECE - first  # of the piece, in what is wanted
                piece = self._piece(number)[max(0, -start) : wanted.size - start]
                wanted[max(0, start) :][: piece.size] = piece
        return wanted

    def _piece(self, number: int) -> NDArray[np.float32]:
        if number not in self._held:
            if number < self._next:
                self._held.clear()
                self._reading, self._next = self._again(), 0
            while self._next <= number:
                self._keep(self._read())
        return self._held[number]

    def _read(self) -> NDArray[np.float32]:
        piece = next(self._reading, None)
        if piece is None or piece.size != min(PIECE, self._size - self._next * PIECE):
            raise InputError("the file changed while it was being worked on.")
        return piece

    def _keep(self, piece: NDArray[np.float32]) -> None:
        self._held[self._next] = piece
        self._next += 1
        self._held.pop(self._next - 1 - self._most, None)
