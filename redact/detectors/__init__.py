"""Detectors find personal data; they never change a frame or a sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from redact.types import Detection, Frame


class PictureDetector(Protocol):
    """Finds one kind of personal data in pictures."""

    name: str
    """What plan and ledger record: the model's name and the start of its sha256."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """
        Every region of each frame that may show personal data, one list per frame.

        An empty list means "looked, and found none". A detector that could not look raises
        DetectorError; the two are never confused. Boxes are whole pixels of the frame, rounded
        outward, inside it.
        """
        ...
