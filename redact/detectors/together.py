"""Several picture detectors that look at the same frames, as one."""

from __future__ import annotations

from collections.abc import Sequence

from redact.detectors import PictureDetector
from redact.types import Detection, Frame


def together(detectors: Sequence[PictureDetector]) -> PictureDetector:
    """What any of them finds. If one could not look, nobody has looked: its error goes up."""
    return detectors[0] if len(detectors) == 1 else Together(detectors)


class Together:
    def __init__(self, detectors: Sequence[PictureDetector]) -> None:
        self.name = "+".join(one.name for one in detectors)
        self.detectors = tuple(detectors)

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        looks = [one.detect(frames) for one in self.detectors]
        return [[found for look in same for found in look] for same in zip(*looks, strict=True)]
