"""Draws one number plate seen straight on: its layout, its frame, and what it has been through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .layouts import Colour, Layout, Row, number, pick
from .lettering import Lettering

Picture = NDArray[np.float32]
"""R G B, (rows, columns, 3), 0 to 255."""

HIGH = 96
"""Rows of a drawn plate, before its frame."""


def draw_plate(
    rng: np.random.Generator, lettering: Lettering, layout: Layout | None = None
) -> Picture:
    """A plate of one layout, of any if none is given; every call is another plate."""
    layout = layout or pick(rng)
    ground, ink = _shaded(layout, rng)
    plate = _ground(layout, ground, rng)
    left, right = _bands(plate, layout, rng)
    font = lettering.font("latin", rng)
    for row in layout.rows:
        if row.bottom > row.top:
            _write(plate, row, (left, right), ink, _font(row, font, lettering, rng), lettering, rng)
    if rng.random() < layout.border:
        _outline(plate, ink, rng)
    _bolts(plate, rng)
    return _weathered(_framed(plate, rng), rng)


def _font(row: Row, latin: str, lettering: Lettering, rng: np.random.Generator) -> str:
    return latin if row.script == "latin" else lettering.font(row.script, rng)


def _shaded(layout: Layout, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The colours of ground and ink, faded a little each in its own way."""
    ground, ink = layout.colours[int(rng.integers(len(layout.colours)) * (rng.random() < 0.7))]
    if layout.scenic and rng.random() < 0.15:  # states have plates of every colour
        ground = tuple(rng.integers(120, 256, 3).tolist())
        ink = tuple(rng.integers(0, 100, 3).tolist())
    faded = [np.clip(np.array(c) + rng.normal(0, 10, 3), 0, 255) for c in (ground, ink)]
    return tuple(faded[0].tolist()), tuple(faded[1].tolist())


def _ground(layout: Layout, colour: Colour, rng: np.random.Generator) -> Picture:
    wide = round(HIGH * layout.size[0] / layout.size[1] * rng.uniform(0.93, 1.08))
    plate = np.full((HIGH, wide, 3), colour, np.float32)
    if rng.random() < layout.scenic:
        coarse = rng.uniform(0, 255, (int(rng.integers(2, 5)), int(rng.integers(1, 5)), 3))
        scene = cv2.resize(coarse.astype(np.float32), (wide, HIGH), interpolation=cv2.INTER_CUBIC)
        strength = rng.uniform(0.1, 0.5)
        plate = np.clip(plate * (1 - strength) + scene * strength, 0, 255)
    return plate


def _bands(plate: Picture, layout: Layout, rng: np.random.Generator) -> tuple[int, int]:
    """Paint the coloured bands, in place; where the room for letters begins and ends."""
    wide = plate.shape[1]
    left, right = round(wide * 0.03), round(wide * 0.97)
    if layout.left is not None and rng.random() < 0.85:
        left = round(wide * rng.uniform(0.07, 0.11))
        plate[:, :left] = layout.left
        _emblem(plate, (left // 2, HIGH // 3), left // 3)
    if layout.right is not None:
        right = round(wide * rng.uniform(0.86, 0.93))
        plate[:, right:] = layout.right
    return left + 3, right - 3


def _emblem(plate: Picture, middle: tuple[int, int], radius: int) -> None:
    """A ring of stars and a country's letter, as they look from afar, in place."""
    cv2.circle(plate, middle, max(radius, 1), (230, 200, 50), 2, cv2.LINE_AA)
    low = (max(middle[0] - radius, 0), HIGH - 14)
    put_text(plate, "D", low, radius / 14, 240.0, 2)


def put_text(
    picture: Picture, text: str, at: tuple[int, int], scale: float, grey: float, thick: int
) -> None:
    """OpenCV's own letters in one grey, in place; `at` is their lower left corner."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.putText(mask, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thick, cv2.LINE_AA)
    picture += (mask / np.float32(255))[:, :, np.newaxis] * (grey - picture)


def _write(
    plate: Picture,
    row: Row,
    room: tuple[int, int],
    ink: Colour,
    font: str,
    lettering: Lettering,
    rng: np.random.Generator,
) -> None:
    """Put one row of letters into its place, in place: as wide as they are, or stretched."""
    mask = lettering.draw(number(row, rng), font, rng)
    top, bottom = round(row.top * HIGH), round(row.bottom * HIGH)
    most = max(round((room[1] - room[0]) * row.width), 4)
    own = round(mask.shape[1] * (bottom - top) / mask.shape[0])
    wide = round(most * rng.uniform(0.8, 1)) if own > most or rng.random() < 0.5 else own
    wide, high = max(min(wide, most), 2), max(bottom - top, 2)
    shape = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if rng.random() < 0.3:  # bolder than the font
        shape = cv2.dilate(shape, np.ones((2, 3)))
    slack = most - wide
    left = (
        room[0]
        + (room[1] - room[0] - most) // 2
        + round(slack * np.clip(rng.normal(0.5, 0.1), 0, 1))
    )
    area = plate[top : top + high, left : left + wide]
    _stamp(area, shape[: area.shape[0], : area.shape[1]], ink, embossed=rng.random() < 0.4)


def _stamp(area: Picture, shape: NDArray[np.float32], ink: Colour, *, embossed: bool) -> None:
    """Colour what is ink, in place; stamped letters have a light and a dark edge."""
    if embossed:
        slope = np.roll(shape, (1, 1), (0, 1)) - np.roll(shape, (-1, -1), (0, 1))
        np.clip(area + 35 * slope[:, :, np.newaxis], 0, 255, out=area)
    area += shape[:, :, np.newaxis] * (np.array(ink, np.float32) - area)


def _outline(plate: Picture, ink: Colour, rng: np.random.Generator) -> None:
    wide, inset = plate.shape[1], int(rng.integers(1, 5))
    colour = ink if rng.random() < 0.7 else (100, 100, 100)
    corner = (wide - 1 - inset, HIGH - 1 - inset)
    cv2.rectangle(plate, (inset, inset), corner, colour, int(rng.integers(1, 4)), cv2.LINE_AA)


def _bolts(plate: Picture, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        return
    wide, grey = plate.shape[1], float(rng.uniform(30, 220))
    for x in (rng.uniform(0.08, 0.25), rng.uniform(0.75, 0.92)):
        for y in (0.08, 0.92)[: int(rng.integers(1, 3))]:
            middle = (round(x * wide), round(y * HIGH))
            cv2.circle(plate, middle, int(rng.integers(2, 5)), (grey,) * 3, -1, cv2.LINE_AA)


def _framed(plate: Picture, rng: np.random.Generator) -> Picture:
    """In a holder, some with a dealer's line below, as often as not."""
    if rng.random() < 0.5:
        return plate
    edge, colour = int(rng.integers(2, 9)), rng.choice([15, 40, 200, 120])
    below = int(rng.integers(10, 20)) if rng.random() < 0.3 else edge
    sides = (edge, below, edge, edge)
    framed = cv2.copyMakeBorder(plate, *sides, cv2.BORDER_CONSTANT, value=(float(colour),) * 3)
    if below > edge:
        at = (round(framed.shape[1] * rng.uniform(0.1, 0.5)), framed.shape[0] - 4)
        put_text(framed, "auto haus", at, below / 35, 255.0 - float(colour), 1)
    return framed


def _weathered(plate: Picture, rng: np.random.Generator) -> Picture:
    """Dirt, a shadow's edge, a reflection; each on some plates."""
    high, wide = plate.shape[:2]
    if rng.random() < 0.35:
        spots = rng.random((int(rng.integers(3, 9)), int(rng.integers(4, 14)))).astype(np.float32)
        mud = cv2.resize(spots, (wide, high), interpolation=cv2.INTER_CUBIC)
        mud = np.clip(mud - rng.uniform(0.2, 0.7), 0, 1)[:, :, np.newaxis] * rng.uniform(0.3, 1)
        plate = plate + mud * (np.array([96, 80, 60], np.float32) * rng.uniform(0.5, 1.3) - plate)
    if rng.random() < 0.25:
        plate = plate * _edge(high, wide, rng, float(rng.uniform(0.35, 0.8)))
    if rng.random() < 0.15:
        middle = (rng.uniform(0, wide), rng.uniform(0, high))
        y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
        far = ((x - middle[0]) / wide) ** 2 + ((y - middle[1]) / high) ** 2
        plate = plate + 255 * np.exp(-far / rng.uniform(0.01, 0.1))[:, :, np.newaxis]
    return np.clip(plate, 0, 255).astype(np.float32)


def _edge(high: int, wide: int, rng: np.random.Generator, dark: float) -> NDArray[np.float32]:
    """A shadow that falls over one side: factors, (high, wide, 1)."""
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    side = (
        np.cos(turn) * (x / wide - 0.5) + np.sin(turn) * (y / high - 0.5) - rng.uniform(-0.3, 0.3)
    )
    return (dark + (1 - dark) / (1 + np.exp(-side * rng.uniform(8, 60))))[:, :, np.newaxis]
