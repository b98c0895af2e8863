"""Values that every layer shares. Imports numpy and the standard library, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Kind(StrEnum):
    """What can be found and removed."""

    FACE = "face"
    PLATE = "plate"
    SPOKEN_NAME = "spoken_name"
    # in speech too, where the policy asks for it
    SPOKEN_PHONE = "spoken_phone"
    SPOKEN_EMAIL = "spoken_email"
    SPOKEN_ADDRESS = "spoken_address"
    SPOKEN_CARD = "spoken_card"
    SPEECH = "speech"  # all of it
    # of the container
    METADATA = "metadata"
    CHAPTER = "chapter"
    SUBTITLE = "subtitle"
    CAPTION = "caption"  # inside the video stream
    DATA_STREAM = "data_stream"  # GPS, telemetry
    PICTURE = "picture"  # cover art
    HANDLER_NAME = "handler_name"


@dataclass(frozen=True, slots=True)
class Box:
    """Whole pixels x0 <= x < x1, y0 <= y < y1; origin top left; never empty."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"empty box: {self}")

    @classmethod
    def covering(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        """The smallest box that holds these edges: rounds outward, never inward."""
        return cls(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        return self.width * self.height

    def clip(self, width: int, height: int) -> Box | None:
        """The part inside a width x height frame, or None if there is none."""
        return self & Box(0, 0, width, height)

    def grow(self, share: float) -> Box:
        """Each side moved out by `share` of the box's own width or height; may leave the frame."""
        x, y = self.width * share, self.height * share
        return Box.covering(self.x0 - x, self.y0 - y, self.x1 + x, self.y1 + y)

    def __and__(self, other: Box) -> Box | None:
        """The part that both cover, or None."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def __or__(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )


class Samples(Protocol):
    """
    Mono sound, (n,) float32: an array, or what gives an array of any stretch of itself.

    A stretch is read once and let go of, for a long sound may not fit into memory.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]: ...


Plane = NDArray[Any]
"""One colour plane, (rows, columns), uint8, or uint16 for more than 8 bits."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One decoded picture, as colour planes; nothing here is ever RGB of a whole video frame.

    `planes` are Y, U, V (and alpha), or Y alone, or R, G, B (and alpha) of a still; the first
    is (height, width), the others may be subsampled, rounded up. `index` counts the frames of
    the stream in the order in which they are shown, from 0. Methods change planes in place.
    """

    planes: tuple[Plane, ...]
    depth: int  # bits per sample, 8 to 16
    index: int
    pts: int
    time_base: Fraction
    rgb: bool = False  # the planes are R, G, B
    full_range: bool = False  # black is 0, not 16 (of 8 bits)
    bt601: bool = False  # else BT.709; other matrices are treated as the nearer of the two

    @property
    def height(self) -> int:
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def alpha(self) -> Plane | None:
        """How opaque each pixel is, if the frame has such a plane. It can hold a picture too."""
        return self.planes[-1] if len(self.planes) in (2, 4) else None

    @property
    def seconds(self) -> float:
        """For messages only: everything that is compared or stored uses `pts` or `index`."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Detection:
    """One look at one frame found this. `score` is in [0, 1]."""

    kind: Kind
    box: Box
    score: float
    detector: str  # "centerface@09189deaaf8646c5": the model and the start of its sha256
    doubtful: bool = False
    """In a moving picture it counts if it is found twice within a few looks (tracking/chains)."""
    weak: bool = False
    """It counts only where a track that is believed goes on with it (tracking/chains)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One face or plate followed through the frames: a box for every frame of its span."""

    kind: Kind
    first: int  # the frame index of boxes[0]
    boxes: tuple[Box, ...]  # found or filled in, one per frame, inside the frame
    score: float  # the highest of its detections
    detector: str

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """
    A stretch of one sound stream that must go, on the clip's clock.

    Times are whole microseconds of presentation time (pts * time_base), rounded outward.
    """

    kind: Kind
    stream: int  # the stream's index in the source file
    start_us: int
    end_us: int  # exclusive, > start_us
    score: float
    detector: str
