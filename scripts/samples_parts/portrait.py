"""A photo of a face, moved, turned and scaled over a backdrop, with the face's exact box."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from .media import Picture
from .packages import SCIKIT_IMAGE, Shelf

TruthBox = list[float]  # x, y, width, height in pixels
Scene = tuple[Picture, list[TruthBox]]

# The face in the still (512 x 512), as an ellipse: found by eye in a fourfold enlargement with a
# grid of ten pixels over it. Left cheek at x 181, right cheek at x 267, the edge of the hair
# over the forehead at y 76 to 82, the chin at y 178; the ears are nearly covered by hair.
FACE_CENTRE = (224.0, 127.5)
FACE_HALF = (44.5, 52.0)

# A face of which less than this share of the box lies in the picture is not asked of a detector.
VISIBLE = 0.25


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the photo's face is in the frame (pixels), how large the photo, how far turned."""

    x: float
    y: float
    scale: float
    degrees: float = 0.0

    def matrix(self) -> np.ndarray:
        """Photo to frame, (2, 3) float64: the face's centre goes to (x, y)."""
        turn = math.radians(self.degrees)
        a, b = self.scale * math.cos(turn), self.scale * math.sin(turn)
        u, v = FACE_CENTRE
        return np.array([[a, -b, self.x - a * u + b * v], [b, a, self.y - b * u - a * v]])

    def box(self, width: int, height: int) -> TruthBox | None:
        """The turned ellipse's exact bounds, cut to the frame; None if hardly any is inside."""
        turn = math.radians(self.degrees)
        half_x = self.scale * math.hypot(
            FACE_HALF[0] * math.cos(turn), FACE_HALF[1] * math.sin(turn)
        )
        half_y = self.scale * math.hypot(
            FACE_HALF[0] * math.sin(turn), FACE_HALF[1] * math.cos(turn)
        )
        x0, x1 = max(0.0, self.x - half_x), min(float(width), self.x + half_x)
        y0, y1 = max(0.0, self.y - half_y), min(float(height), self.y + half_y)
        if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < VISIBLE * 4 * half_x * half_y:
            return None
        return [round(value, 1) for value in (x0, y0, x1 - x0, y1 - y0)]


Course = Callable[[float], Pose]  # from seconds


def astronaut(shelf: Shelf) -> Picture:
    """The photo, (512, 512, 3)."""
    return still(shelf, "astronaut.png")


def still(shelf: Shelf, name: str) -> Picture:
    """One of scikit-image's pictures."""
    data = np.frombuffer(shelf.read(SCIKIT_IMAGE, f"skimage/data/{name}"), np.uint8)
    return cast(Picture, cv2.imdecode(data, cv2.IMREAD_COLOR))


def backdrop(width: int, height: int) -> Picture:
    """A plain studio wall: light in the middle, dark towards the edges."""
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    light = 1 - 0.45 * np.clip(x**2 + y**2, 0, 1.6)
    colour = np.array([128, 112, 92])
    return cast(Picture, (light[..., None] * colour).astype(np.uint8))


def scenes(
    photo: Picture, courses: Sequence[Course], size: tuple[int, int], times: Sequence[float]
) -> Iterator[Scene]:
    """For each time, the photo at the pose that each course gives, and the boxes of its faces."""
    wall = backdrop(*size)
    for time in times:
        picture = wall.copy()
        poses = [course(time) for course in courses]
        for pose in poses:
            _lay(picture, photo, pose)
        boxes = [box for pose in poses if (box := pose.box(*size)) is not None]
        yield picture, boxes


def _lay(picture: Picture, photo: Picture, pose: Pose) -> None:
    """Draw the photo into `picture`, in place."""
    cv2.warpAffine(
        photo,
        pose.matrix(),
        (picture.shape[1], picture.shape[0]),
        dst=picture,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
