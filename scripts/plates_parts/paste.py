"""Puts a drawn plate into a picture: turned in space, in the light of the place, partly covered."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .plate import Picture
from .surroundings import Edges

Corners = NDArray[np.float64]
"""Top left, top right, bottom right, bottom left: (4, 2), x and y in pixels."""


def turned(wide: float, high: float, rng: np.random.Generator) -> Corners:
    """The corners, about the origin, of a plate that is seen from some side, `wide` if in front."""
    spread = rng.choice([0.4, 1.0], p=[0.6, 0.4])
    yaw, pitch, roll = np.radians(rng.normal(0, [28, 14, 6]) * spread)
    if rng.random() < 0.15:  # a motorcycle on its stand, a phone that was held aslant
        roll = rng.uniform(-0.6, 0.6)
    yaw, pitch = np.clip(yaw, -1.1, 1.1), np.clip(pitch, -0.7, 0.7)
    flat = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * (wide / 2, high / 2, 0)
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    placed = flat @ np.array(about_y).T @ np.array(about_x).T @ np.array(about_z).T
    away = 1 + placed[:, 2:] / (wide * rng.uniform(3, 20))
    return placed[:, :2] / away


def bounds(corners: Corners) -> Edges:
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def paste(picture: Picture, plate: Picture, corners: Corners, rng: np.random.Generator) -> None:
    """Draw the plate with its corners there, in place, in the light of what is around it."""
    lit = _in_the_light(plate, _around(picture, bounds(corners)), rng)
    x0, y0, x1, y1 = bounds(corners)
    low = np.floor([x0 - 2, y0 - 2]).astype(int)
    size = np.ceil([x1 + 2, y1 + 2]).astype(int) - low
    drawn, cover = _warped(lit, (corners - low), (int(size[0]), int(size[1])))
    soft = max(float(size[0]) / 60 * rng.uniform(0.0, 0.9), 0)
    if soft > 0.35:
        drawn = cv2.GaussianBlur(drawn, (0, 0), soft)
        cover = cv2.GaussianBlur(cover, (0, 0), min(soft, 1.2))
    _blend(picture, drawn, cover, (int(low[0]), int(low[1])))


def _around(picture: Picture, edges: Edges) -> NDArray[np.float64]:
    """The mean colour about a place, (3,)."""
    margin = (edges[3] - edges[1]) * 0.8
    grown = edges + np.array([-margin, -margin, margin, margin])
    high, wide = picture.shape[:2]
    x0, y0, x1, y1 = np.clip(np.round(grown), 0, [wide, high, wide, high]).astype(int)
    if x1 <= x0 or y1 <= y0:
        return np.full(3, 128.0)
    return picture[y0:y1, x0:x1].mean(axis=(0, 1), dtype=float)


def _in_the_light(plate: Picture, around: NDArray[np.float64], rng: np.random.Generator) -> Picture:
    """As bright and as tinted as its surroundings, roughly: some shine, some lie in shadow."""
    level = max(float(around.mean()), 1.0)
    gain = np.clip(level / 120, 0.25, 1.15) * rng.uniform(0.6, 1.6)
    pale = rng.uniform(0.0, 0.5)
    tint = 1 - pale + pale * np.clip(around / level, 0.3, 2)
    contrast = rng.uniform(0.45, 1.05)
    flat = plate.mean() + (plate - plate.mean()) * contrast
    return np.clip(flat * gain * tint, 0, 255).astype(np.float32)


def _warped(plate: Picture, corners: Corners, size: tuple[int, int]) -> tuple[Picture, Picture]:
    """The plate on a sheet of `size` (x, y), and how much of each pixel it covers, (y, x, 1)."""
    double = 2  # drawn at twice the size, then averaged
    high, wide = plate.shape[:2]
    target = (size[0] * double, size[1] * double)
    shrink = wide / max(float(np.linalg.norm(corners[1] - corners[0])) * double, 1)
    if shrink > 1.5:
        small = (max(int(wide / shrink), 4), max(int(high / shrink), 3))
        plate = cv2.resize(plate, small, interpolation=cv2.INTER_AREA)
        high, wide = plate.shape[:2]
    source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (corners * double).astype(np.float32))
    drawn = cv2.warpPerspective(plate, matrix, target, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.ones((high, wide), np.float32), matrix, target)
    drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    return drawn, cv2.resize(cover, size, interpolation=cv2.INTER_AREA)


def _blend(picture: Picture, drawn: Picture, cover: Picture, low: tuple[int, int]) -> None:
    high, wide = picture.shape[:2]
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(low[0] + drawn.shape[1], wide), min(low[1] + drawn.shape[0], high)
    if x1 <= x0 or y1 <= y0:
        return
    part = (slice(y0 - low[1], y1 - low[1]), slice(x0 - low[0], x1 - low[0]))
    share = cover[part][:, :, np.newaxis]
    picture[y0:y1, x0:x1] += share * (drawn[part] - picture[y0:y1, x0:x1])


def hide_a_part(picture: Picture, edges: Edges, rng: np.random.Generator) -> None:
    """A tow bar, a bicycle, a passer-by in front of up to a third of a plate, in place."""
    wide, high = edges[2] - edges[0], edges[3] - edges[1]
    colour = rng.uniform(0, 255, 3).tolist()
    if rng.random() < 0.5:
        x, thick = int(rng.uniform(edges[0], edges[2])), max(int(wide * rng.uniform(0.03, 0.15)), 1)
        tilt = int(rng.normal(0, wide * 0.2))
        ends = (x, int(edges[1] - high)), (x + tilt, int(edges[3] + high))
        cv2.line(picture, *ends, colour, thick, cv2.LINE_AA)
        return
    side, share = int(rng.integers(4)), rng.uniform(0.1, 0.35)
    low, high_corner = edges[:2].copy(), edges[2:].copy()
    axis = side % 2
    if side < 2:
        high_corner[axis] = low[axis] + (edges[2 + axis] - edges[axis]) * share
        low[axis] -= wide
    else:
        low[axis] = high_corner[axis] - (edges[2 + axis] - edges[axis]) * share
        high_corner[axis] += wide
    corners = [tuple(np.round(corner).astype(int).tolist()) for corner in (low, high_corner)]
    cv2.rectangle(picture, *corners, colour, -1)
