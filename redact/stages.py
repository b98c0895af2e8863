"""
Where the stages of a clip's picture run. With a GPU, whatever does not run on it is said.

The looks: decoding on the GPU where it can decode the clip, else on the CPU, from which the
frames that are looked at are uploaded. Rendering: covering where the frames are, then NVENC where
the GPU has it, else one copy to the encoder on the CPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from redact.cuda.calls import GpuLostError, GpuMemoryError
from redact.cuda.driver import Gpu
from redact.cuda.surfaces import FrameOnGpu
from redact.errors import DetectorError, InputError
from redact.media.ahead import ahead
from redact.media.decode import frames, pictures
from redact.media.encode import PictureEncoder
from redact.media.nvenc import NvencEncoder, why_not_encoded
from redact.media.on_gpu import (
    CHUNK,
    Covering,
    Described,
    Pair,
    chunks,
    covered_on_gpu,
    covered_pictures,
    described_on_gpu,
    frames_on_gpu,
    why_not_decoded,
)
from redact.media.probe import Clip
from redact.types import Frame

T = TypeVar("T")

ENCODES_ON_CPU = "The covered picture is encoded on the CPU"
KEPT = 32
"""One clip's frames stay on the GPU between the passes if they take at most 1 / KEPT of what is
free: many clips are worked on at once."""


class Kept:
    """The frames of one clip's first pass, left on the GPU for the second as long as they fit."""

    def __init__(self, most: int) -> None:
        """`most`: bytes of device memory that they may take. More, and none is kept."""
        self._left = most
        self._pairs: deque[Pair] | None = deque()

    def watch(self, source: Iterator[Pair]) -> Iterator[FrameOnGpu]:
        """The same frames, kept as they come by."""
        for frame, picture in source:
            self._keep(frame, picture)
            yield frame

    def _keep(self, frame: FrameOnGpu, picture: Described) -> None:
        self._left -= sum(plane.pitch * plane.height for plane in frame.surface.planes[:2])
        if self._left < 0:
            self.drop()  # they are decoded again
        elif (pairs := self._pairs) is not None:
            pairs.append((frame, picture))

    def drop(self) -> None:
        """Let go of all: from any thread, when memory runs short."""
        self._pairs = None

    def take(self) -> Iterator[list[Pair]] | None:
        """All frames of the clip, once, CHUNK at a time; None where they did not fit."""
        pairs, self._pairs = self._pairs, None
        return _chunked(pairs) if pairs else None


def _chunked(pairs: deque[Pair]) -> Iterator[list[Pair]]:
    while pairs:
        yield [pairs.popleft() for _ in range(min(CHUNK, len(pairs)))]


@dataclass(slots=True)
class Stages:
    """The stages of one clip: on `gpu`, or on the CPU without one."""

    gpu: Gpu | None = None
    strict: bool = False
    """Nothing that is for the GPU may run on the CPU."""
    notes: list[str] = field(default_factory=list)
    """What did, each once."""
    _kept: Kept | None = None

    def say(self, note: str) -> None:
        """Note something that runs on the CPU; raises DetectorError if nothing may."""
        if self.strict:
            raise DetectorError(
                f"--strict: not everything can run on the GPU. {note}",
                todo="Leave out --strict: it is done on the CPU, and said.",
            )
        if note not in self.notes:
            self.notes.append(note)

    def frames(self, clip: Clip) -> Iterator[Frame]:
        """The clip's frames for a look: on the GPU, or on the host where it can't decode them."""
        if self.gpu is None:
            return frames(clip)
        gpu = self.gpu
        return self._on_gpu_or_not(clip, lambda: frames_on_gpu(clip, gpu), lambda: frames(clip))

    def first(self, clip: Clip) -> Iterator[Frame]:
        """The same, for the first look: they are kept for `covered` as long as they fit."""
        if self.gpu is None:
            return frames(clip)
        gpu, kept = self.gpu, Kept(self.gpu.free_bytes() // KEPT)
        gpu.keep(kept)
        self._kept = kept
        return self._on_gpu_or_not(
            clip, lambda: kept.watch(described_on_gpu(clip, gpu)), lambda: frames(clip)
        )

    def forget(self) -> None:
        """Nothing will be covered: no frame has to be kept."""
        self._kept = None

    def decodes(self, clip: Clip) -> bool:
        """Whether the clip's picture is decoded on the GPU."""
        return self.gpu is not None and not why_not_decoded(clip, self.gpu)

    def covered(
        self,
        clip: Clip,
        on_gpu: Callable[[Gpu, Sequence[FrameOnGpu]], None],
        on_cpu: Callable[[Frame], None],
    ) -> Iterator[tuple[Frame, Any]]:
        """The clip's frames for the encoder, covered; each with PyAV's own, or what it says."""

        def by_cpu() -> Iterator[tuple[Frame, Any]]:
            for frame, picture in pictures(clip):
                on_cpu(frame)
                yield frame, picture

        if self.gpu is None:
            return ahead(by_cpu())
        gpu = self.gpu
        return self._on_gpu_or_not(
            clip, lambda: self._to_encoder(clip, gpu, partial(on_gpu, gpu)), lambda: ahead(by_cpu())
        )

    def again(self, clip: Clip) -> Iterator[list[Pair]]:
        """The clip's frames on the GPU once more: kept ones, or decoded anew."""
        assert self.gpu is not None
        kept, self._kept = self._kept, None
        return (kept and kept.take()) or chunks(clip, self.gpu)

    def _to_encoder(self, clip: Clip, gpu: Gpu, cover: Covering) -> Iterator[tuple[Frame, Any]]:
        some = self.again(clip)
        if why := why_not_encoded(clip, gpu):
            self._say_encoding(f": {why}")
            return covered_pictures(some, gpu, cover)
        return covered_on_gpu(some, gpu, cover)

    def encoder(self, frame: Frame, clip: Clip, *picture: Any, **how: Any) -> PictureEncoder:
        """As encode.encoder_of: NVENC for frames that are on the GPU, if it takes them."""
        if isinstance(frame, FrameOnGpu) and self.gpu is not None:
            try:
                return NvencEncoder(self.gpu, clip, *picture, **how)
            except InputError:
                self._say_encoding(": NVENC does not take it as it is")
        elif self.gpu is not None:
            self._say_encoding("")
        return PictureEncoder(clip, *picture, **how)

    def _say_encoding(self, why: str) -> None:
        if not any(note.startswith(ENCODES_ON_CPU) for note in self.notes):
            self.say(f"{ENCODES_ON_CPU}{why}.")

    def _on_gpu_or_not(
        self, clip: Clip, first: Callable[[], Iterator[T]], other: Callable[[], Iterator[T]]
    ) -> Iterator[T]:
        assert self.gpu is not None
        if why := why_not_decoded(clip, self.gpu):
            self.say(f"The picture is decoded on the CPU: {why}.")
            yield from other()
            return
        items = first()
        try:
            head = next(items, None)
        except (GpuLostError, GpuMemoryError):
            raise
        except (DetectorError, InputError):
            # Not even one frame: a slice of a GPU without a decoder, or a profile it lacks.
            self.say("The picture is decoded on the CPU: the GPU's decoder does not open it.")
            yield from other()
            return
        yield from items if head is None else chain([head], items)
