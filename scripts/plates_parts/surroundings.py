"""What stands around a plate: rendered streets and vehicles, one of them carrying the plate."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .plate import Picture, put_text

Edges = NDArray[np.float64]
"""x0, y0, x1, y1 in pixels."""


def ground(side: int, rng: np.random.Generator) -> Picture:
    """A rendered place of side x side pixels: sky, houses, road, or just coarse patches."""
    if rng.random() < 0.5:
        return _patches(side, rng)
    picture = np.empty((side, side, 3), np.float32)
    horizon = int(side * rng.uniform(0.05, 0.7))
    light = float(rng.uniform(0.25, 1.1))
    sky = np.array([190, 200, 215]) * rng.uniform(0.6, 1.2) + rng.normal(0, 15, 3)
    road = np.full(3, rng.uniform(50, 140)) + rng.normal(0, 6, 3)
    picture[:horizon], picture[horizon:] = sky, road
    for _ in range(int(rng.integers(2, 9))):
        _house(picture, horizon, rng)
    for _ in range(int(rng.integers(0, 5))):
        _marking(picture, horizon, rng)
    rough = rng.normal(0, rng.uniform(2, 12), (side, side, 1))
    return np.clip((picture + rough) * light, 0, 255).astype(np.float32)


def _patches(side: int, rng: np.random.Generator) -> Picture:
    """Coarse noise at several sizes: foliage, stone, cloth, blurred anything."""
    base = np.full((side, side, 3), rng.uniform(20, 220, 3), np.float32)
    for cells in (2, 5, 12, 32, 80)[: int(rng.integers(2, 6))]:
        coarse = rng.normal(0, rng.uniform(5, 45), (cells, cells, 1 if rng.random() < 0.6 else 3))
        how = cv2.INTER_CUBIC if rng.random() < 0.6 else cv2.INTER_NEAREST
        fine = cv2.resize(coarse.astype(np.float32), (side, side), interpolation=how)
        base += fine[:, :, np.newaxis] if fine.ndim == 2 else fine
    return np.clip(base, 0, 255)


def _house(picture: Picture, horizon: int, rng: np.random.Generator) -> None:
    side = picture.shape[0]
    left, wide = int(rng.integers(-20, side)), int(rng.integers(20, 120))
    top = horizon - int(rng.integers(10, max(horizon, 11)))
    colour = rng.uniform(50, 220, 3).tolist()
    cv2.rectangle(picture, (left, top), (left + wide, horizon), colour, -1)
    step, glass = int(rng.integers(8, 24)), rng.uniform(20, 240, 3).tolist()
    for x in range(left + 4, left + wide - step // 2, step):
        for y in range(top + 4, horizon - step // 2, step):
            cv2.rectangle(picture, (x, y), (x + step // 2, y + step // 2), glass, -1)


def _marking(picture: Picture, horizon: int, rng: np.random.Generator) -> None:
    side = picture.shape[0]
    start = (int(rng.integers(0, side)), int(rng.integers(horizon, side)))
    end = (int(rng.integers(-side // 2, side * 3 // 2)), side)
    colour = [float(rng.uniform(150, 250))] * 3
    cv2.line(picture, start, end, colour, int(rng.integers(1, 8)), cv2.LINE_AA)


def park(picture: Picture, plate: Edges, rng: np.random.Generator) -> None:
    """
    Draw the front or rear of a vehicle, in place, such that its plate would sit at these edges.

    Proportions vary far more than real ones: cars, vans, motorcycles, lorries.
    """
    wide = max(plate[2] - plate[0], plate[3] - plate[1])
    middle = np.array([(plate[0] + plate[2]) / 2, (plate[1] + plate[3]) / 2])
    paint = _paint(rng)
    half = wide * rng.uniform(0.8, 2.0)
    top, bottom = middle[1] - wide * rng.uniform(0.5, 2.2), middle[1] + wide * rng.uniform(0.3, 1.2)
    body = np.array([middle[0] - half, top, middle[0] + half, bottom])
    _panel(picture, body, paint, rng)
    if rng.random() < 0.6:
        pane = [body[0] + half * 0.2, top - wide * rng.uniform(0.4, 1), body[2] - half * 0.2, top]
        _panel(picture, np.array(pane), rng.uniform(10, 110, 3), rng)
    for _ in range(int(rng.integers(0, 4))):
        _seam(picture, body, rng)
    if rng.random() < 0.4:
        grille(picture, _between(body, middle, wide, rng), rng)
    if rng.random() < 0.8:
        lamps(picture, body, rng)
    if rng.random() < 0.6:  # the recess
        edge = wide * rng.uniform(0.03, 0.25)
        recess = plate + np.array([-edge, -edge / 2, edge, edge / 2])
        _panel(picture, recess, paint * rng.uniform(0.2, 0.9), rng)
    if rng.random() < 0.4:
        badge(picture, (middle[0], middle[1] - wide * rng.uniform(0.35, 0.8)), wide * 0.1, rng)


def _paint(rng: np.random.Generator) -> NDArray[np.float64]:
    """The greys of most cars, or a colour."""
    if rng.random() < 0.65:
        return np.full(3, rng.choice([18, 45, 90, 150, 190, 235])) + rng.normal(0, 8, 3)
    return rng.uniform(10, 230, 3)


def _between(body: Edges, middle: Edges, wide: float, rng: np.random.Generator) -> Edges:
    """Somewhere above or below the plate, as wide as a grille."""
    half, high = (body[2] - body[0]) * rng.uniform(0.2, 0.45), wide * rng.uniform(0.1, 0.35)
    y = middle[1] + wide * rng.choice([-0.45, 0.3])
    return np.array([middle[0] - half, y - high / 2, middle[0] + half, y + high / 2])


def _panel(
    picture: Picture, edges: Edges, colour: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """A sheet with a soft change of light over it, in place."""
    x0, y0, x1, y1 = _inside(picture, edges)
    if x1 <= x0 or y1 <= y0:
        return
    shade = np.linspace(rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.4), y1 - y0)[:, None, None]
    across = np.linspace(rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2), x1 - x0)[None, :, None]
    picture[y0:y1, x0:x1] = np.clip(shade * across * colour, 0, 255)


def _inside(picture: Picture, edges: Edges) -> tuple[int, int, int, int]:
    high, wide = picture.shape[:2]
    x0, y0, x1, y1 = np.clip(np.round(edges), 0, [wide, high, wide, high]).astype(int).tolist()
    return x0, y0, x1, y1


def _seam(picture: Picture, body: Edges, rng: np.random.Generator) -> None:
    y = int(rng.uniform(body[1], body[3]))
    grey = [float(rng.uniform(5, 90))] * 3
    cv2.line(
        picture, (int(body[0]), y), (int(body[2]), y), grey, int(rng.integers(1, 4)), cv2.LINE_AA
    )


def lamps(picture: Picture, body: Edges, rng: np.random.Generator) -> None:
    """A pair of lamps at the sides of a body, lit or not, in place."""
    wide, high = (
        (body[2] - body[0]) * rng.uniform(0.08, 0.25),
        (body[3] - body[1]) * rng.uniform(0.1, 0.5),
    )
    y = rng.uniform(body[1], body[3] - high)
    colour = [(200, 25, 25), (235, 235, 225), (240, 140, 30), (150, 20, 40)][int(rng.integers(4))]
    for left in (body[0] + wide * 0.1, body[2] - wide * 1.1):
        edges = np.array([left, y, left + wide, y + high])
        _panel(picture, edges, np.array(colour, float), rng)
        if rng.random() < 0.5:
            inner = edges + np.array([wide, high, -wide, -high]) * rng.uniform(0.1, 0.35)
            _panel(picture, inner, rng.uniform(100, 255, 3), rng)


def grille(picture: Picture, edges: Edges, rng: np.random.Generator) -> None:
    """A radiator's bars: letters to a detector that only knows stripes. In place."""
    x0, y0, x1, y1 = _inside(picture, edges)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return
    dark, bright = float(rng.uniform(5, 60)), float(rng.uniform(60, 240))
    picture[y0:y1, x0:x1] = dark
    step = int(rng.integers(3, 12))
    if rng.random() < 0.6:
        picture[y0:y1:step, x0:x1] = bright
    if rng.random() < 0.6:
        picture[y0:y1, x0 : x1 : step + 1] = bright
    if rng.random() < 0.5:
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), [bright] * 3, int(rng.integers(1, 3)))


def badge(
    picture: Picture, middle: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    """A maker's badge: an ellipse, or raised letters. In place."""
    at, grey = (int(middle[0]), int(middle[1])), [float(rng.uniform(120, 250))] * 3
    if rng.random() < 0.6:
        axes = (max(int(size * rng.uniform(0.5, 1.5)), 1), max(int(size), 1))
        cv2.ellipse(picture, at, axes, 0, 0, 360, grey, int(rng.integers(1, 4)), cv2.LINE_AA)
    else:
        word = "".join(rng.choice(list("ABCDEFGHILMNORSTUVX"), int(rng.integers(3, 7))))
        put_text(picture, word, at, max(size / 22, 0.15), grey[0], 1)
