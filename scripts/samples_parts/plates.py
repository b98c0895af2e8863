"""A rendered street with number plates in motion, and the exact box of each plate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import cast

import cv2
import numpy as np

from .media import Picture
from .portrait import VISIBLE, Scene, TruthBox

WIDTH, HEIGHT = 1280, 720
HORIZON = 300
PLATE = (520, 110)  # of the drawing, as wide and high in millimetres as real ones
FOCAL = 1000  # a metre at a metre's distance is this many pixels
EYE = 1.3  # metres of the camera above the road


@dataclass(frozen=True, slots=True)
class Car:
    """A car seen from behind: its plate's text, and where it is on the road over time."""

    text: str
    colour: tuple[int, int, int]
    lane: float  # metres to the right of the camera
    near: float  # metres away when it is nearest
    far: float
    start: float  # where in its way to and fro it begins, 0 to 1

    def distance(self, seconds: float) -> float:
        share = 0.5 - 0.5 * math.cos(2 * math.pi * (seconds / 5 + self.start))
        return self.near + (self.far - self.near) * share


# Invented: no country issues plates of this form.
CARS = (
    Car("QX 4821 ZR", (60, 50, 150), -1.7, 3.6, 16.0, 0.55),
    Car("JK 07 WEV", (140, 100, 50), 1.6, 2.8, 20.0, 0.05),
)


def street(seconds: float) -> Scene:
    """The street at one time, (720, 1280, 3), and the boxes of its plates."""
    picture = _road(seconds)
    boxes = []
    for car in sorted(CARS, key=lambda car: -car.distance(seconds)):
        box = _park(picture, car, seconds)
        if box is not None:
            boxes.append(box)
    return picture, boxes


def streets(times: list[float]) -> Iterator[Scene]:
    return (street(time) for time in times)


@cache
def _town() -> Picture:
    """What stands still: sky, road and houses."""
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    sky = np.array([214, 190, 160]) + (1 - rows) * np.array([20, -20, -60])
    picture = np.broadcast_to(sky, (HEIGHT, WIDTH, 3)).astype(np.uint8, order="C")
    picture[HORIZON:] = np.array([92, 92, 96]) - 20 * (rows[HORIZON:] - 0.5)
    for house in range(9):
        left, tall, shade = house * 150 - 30, 60 + 37 * house % 90, 110 + 17 * house % 60
        right = left + 140
        cv2.rectangle(picture, (left, HORIZON - tall), (right, HORIZON), (shade,) * 3, -1)
    return picture


def _road(seconds: float) -> Picture:
    """The town with the dashes of the road's middle coming towards the camera."""
    picture = _town().copy()
    for dash in range(1, 14):
        near = dash * 4 - (seconds * 8) % 4
        corners = [_point(side, 0, near + long) for side, long in _CORNERS_OF_A_DASH]
        cv2.fillConvexPoly(picture, np.array(corners, np.int32), (225, 225, 225), cv2.LINE_AA)
    return picture


_CORNERS_OF_A_DASH = ((-0.08, 0.0), (0.08, 0.0), (0.08, 1.6), (-0.08, 1.6))


def _point(right: float, up: float, away: float) -> tuple[float, float]:
    """Where a point (metres) is seen."""
    away = max(away, 0.6)
    return WIDTH / 2 + FOCAL * right / away, HORIZON + FOCAL * (EYE - up) / away


def _park(picture: Picture, car: Car, seconds: float) -> TruthBox | None:
    """Draw the car, in place; give its plate's box unless hardly any is in the picture."""
    away = car.distance(seconds)
    sway = car.lane + 0.25 * math.sin(1.7 * seconds + car.lane)

    def part(x0: float, y0: float, x1: float, y1: float, colour: tuple[int, int, int]) -> None:
        corners = [_point(sway + x, y, away) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        points = np.array([[round(x * 16), round(y * 16)] for x, y in corners], np.int32)
        cv2.fillConvexPoly(picture, points, colour, cv2.LINE_AA, 4)

    dark = cast(tuple[int, int, int], tuple(value // 2 for value in car.colour))
    part(-0.85, 0.0, -0.60, 0.4, (25, 25, 25))
    part(0.60, 0.0, 0.85, 0.4, (25, 25, 25))
    part(-0.90, 0.25, 0.90, 0.95, car.colour)
    part(-0.72, 0.95, 0.72, 1.45, dark)
    part(-0.62, 1.0, 0.62, 1.38, (120, 105, 90))
    part(-0.88, 0.70, -0.62, 0.86, (40, 40, 210))
    part(0.62, 0.70, 0.88, 0.86, (40, 40, 210))
    return _screw_on(picture, car.text, sway, away)


def _screw_on(picture: Picture, text: str, right: float, away: float) -> TruthBox | None:
    """Draw the plate, a little crooked, in place; the exact bounds of its four corners."""
    half_width, half_height = PLATE[0] / 2000, PLATE[1] / 2000
    skew = 0.012
    corners = np.array(
        [
            _point(right + x, 0.52 + y + skew * np.sign(x), away)
            for x, y in (
                (-half_width, half_height),
                (half_width, half_height),
                (half_width, -half_height),
                (-half_width, -half_height),
            )
        ],
        np.float32,
    )
    drawing = _plate(text)
    edges = np.array([[0, 0], [PLATE[0], 0], PLATE, [0, PLATE[1]]], np.float32)
    matrix = cv2.getPerspectiveTransform(edges, corners)
    # Far plates are small: averaging first keeps their letters from flickering.
    drawing = cv2.GaussianBlur(drawing, (0, 0), max(0.3, away / 5))
    cv2.warpPerspective(
        drawing, matrix, (WIDTH, HEIGHT), dst=picture, borderMode=cv2.BORDER_TRANSPARENT
    )
    return _bounds(corners)


def _bounds(corners: np.ndarray) -> TruthBox | None:
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    whole = (x1 - x0) * (y1 - y0)
    x0, x1, y0, y1 = max(0.0, x0), min(float(WIDTH), x1), max(0.0, y0), min(float(HEIGHT), y1)
    if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < VISIBLE * whole:
        return None
    return [round(value, 1) for value in (x0, y0, x1 - x0, y1 - y0)]


def _plate(text: str) -> Picture:
    """The plate seen straight on: black letters on white, a blue field at the left."""
    width, height = PLATE
    plate = np.full((height, width, 3), 240, np.uint8)
    cv2.rectangle(plate, (0, 0), (44, height), (150, 60, 20), -1)
    cv2.rectangle(plate, (2, 2), (width - 3, height - 3), (20, 20, 20), 4)
    size, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 2.3, 9)
    origin = (44 + (width - 44 - size[0]) // 2, (height + size[1]) // 2)
    cv2.putText(plate, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 2.3, (20, 20, 20), 9, cv2.LINE_AA)
    return plate
