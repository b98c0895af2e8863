"""
Where the stages of a clip's picture run. With a GPU, whatever does not run on it is said.

The looks: decoding on the GPU where it can decode the clip, else on the CPU, from which the
frames that are looked at are uploaded. Rendering: decoding and covering in the same place, then one
copy to the encoder, which runs on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from redact.cuda.calls import GpuLostError, GpuMemoryError
from redact.cuda.driver import Gpu
from redact.cuda.surfaces import FrameOnGpu
from redact.errors import DetectorError, InputError
from redact.media.decode import frames, pictures
from redact.media.on_gpu import covered_pictures, frames_on_gpu, why_not_decoded
from redact.media.probe import Clip
from redact.types import Frame

T = TypeVar("T")

ENCODES_ON_CPU = "The covered picture is encoded on the CPU."


class Kept:
    """The frames of one clip's first pass, left on the GPU for the second as long as they fit."""

    def __init__(self, most: int) -> None:
        """`most`: bytes of device memory that they may take. More, and none is kept."""
        self._left = most
        self._frames: list[FrameOnGpu] | None = []

    def watch(self, source: Iterator[Frame]) -> Iterator[Frame]:
        """The same frames, kept as they come by."""
        for frame in source:
            self._keep(frame)
            yield frame

    def _keep(self, frame: Frame) -> None:
        if self._frames is None:
            return
        if isinstance(frame, FrameOnGpu):
            self._left -= sum(plane.pitch * plane.height for plane in frame.surface.planes[:2])
        if self._left < 0 or not isinstance(frame, FrameOnGpu):
            self._frames = None  # they are decoded again
            return
        self._frames.append(frame)

    def take(self) -> list[FrameOnGpu] | None:
        """All frames of the clip, once; None where they did not fit or were not on the GPU."""
        frames, self._frames = self._frames, None
        return frames


@dataclass(slots=True)
class Stages:
    """The stages of one clip: on `gpu`, or on the CPU without one."""

    gpu: Gpu | None = None
    strict: bool = False
    """Nothing of the picture may run on the CPU."""
    notes: list[str] = field(default_factory=list)
    """What did, each once."""

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

    def decodes(self, clip: Clip) -> bool:
        """Whether the clip's picture is decoded on the GPU."""
        return self.gpu is not None and not why_not_decoded(clip, self.gpu)

    def covered(
        self,
        clip: Clip,
        on_gpu: Callable[[Gpu, Sequence[FrameOnGpu]], None],
        on_cpu: Callable[[Frame], None],
    ) -> Iterator[tuple[Frame, Any]]:
        """The clip's frames for the encoder, covered, on the host; each with PyAV's own."""

        def by_cpu() -> Iterator[tuple[Frame, Any]]:
            for frame, picture in pictures(clip):
                on_cpu(frame)
                yield frame, picture

        if self.gpu is None:
            return by_cpu()
        gpu = self.gpu
        self.say(ENCODES_ON_CPU)
        return self._on_gpu_or_not(
            clip, lambda: covered_pictures(clip, gpu, lambda some: on_gpu(gpu, some)), by_cpu
        )

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
