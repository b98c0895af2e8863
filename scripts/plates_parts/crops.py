"""Cuts and renders the crops that the network learns from. Crop number i is always the same."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import photographed
from .clutter import clutter, page
from .lettering import Lettering
from .paste import Corners, bounds, hide_a_part, paste, turned
from .plate import Picture, draw_plate
from .sources import Labelled, Photo, Sources
from .surroundings import Edges, ground, park

SIDE = 256
"""Pixels of a crop."""

WIDTHS, FAR = (10.0, 260.0), (8.0, 45.0)
"""Pixels of a plate in a crop, log-uniform, and of those that are far away."""

OFTEN_FAR = 0.4
"""How often a plate is: in the largest look most are, and they are the hardest to see."""

AS_IT_IS, SWAPPED, RENDERED = 0.22, 0.46, 0.62
"""Real plates; real places with a rendered plate over the real one; all rendered; then none."""

SMALLEST = (8.0, 2.5)
"""A plate less wide or high than this is not asked for, nor held against the network."""


@dataclass(frozen=True, slots=True)
class Crop:
    """`plates` are to be found; whether `ignored` are found does not matter. (n, 4) each."""

    picture: NDArray[np.uint8]  # (SIDE, SIDE, 3)
    plates: NDArray[np.float32]
    ignored: NDArray[np.float32]


def make_crop(index: int, sources: Sources, lettering: Lettering, *, seed: int = 1) -> Crop:
    """Crop number `index` of a seed."""
    rng = np.random.default_rng([seed, index])
    kind = rng.random()
    if kind < SWAPPED and sources.labelled:
        picture, plates = _real(sources, rng)
        if kind >= AS_IT_IS:
            _swap(picture, plates, rng, lettering)
    elif kind < RENDERED:
        picture, plates = _somewhere(sources, rng, lettering)
        _add(picture, plates, rng, lettering, parked=rng.random() < 0.75)
    else:
        return _finished(*_plain(sources, rng, lettering), rng, lettering, cluttered=0.4)
    while rng.random() < 0.25:
        _add(picture, plates, rng, lettering, parked=rng.random() < 0.3)
    return _finished(picture, plates, rng, lettering, cluttered=0.2)


def _finished(
    picture: Picture,
    plates: list[Edges],
    rng: np.random.Generator,
    lettering: Lettering,
    *,
    cluttered: float,
) -> Crop:
    if rng.random() < cluttered:
        clutter(picture, plates, rng, lettering)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        plates = [np.array([SIDE - x1, y0, SIDE - x0, y1]) for x0, y0, x1, y1 in plates]
    taken = photographed(np.ascontiguousarray(picture), rng).astype(np.uint8)
    return Crop(taken, *_sorted(plates))


def _sorted(plates: list[Edges]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Those to be found, clipped to the crop, and those that are too small or hardly inside."""
    wanted, ignored = [], []
    for edges in plates:
        inside = np.clip(edges, 0, SIDE)
        size, whole = inside[2:] - inside[:2], edges[2:] - edges[:2]
        if size.min() <= 0:
            continue
        enough = size.prod() >= 0.5 * whole.prod() and size[0] >= SMALLEST[0]
        (wanted if enough and size[1] >= SMALLEST[1] else ignored).append(inside)
    return _array(wanted), _array(ignored)


def _array(edges: list[Edges]) -> NDArray[np.float32]:
    return np.array(edges, np.float32).reshape(-1, 4)


def _width(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(FAR if rng.random() < OFTEN_FAR else WIDTHS))))


def _real(sources: Sources, rng: np.random.Generator) -> tuple[Picture, list[Edges]]:
    """A window on a labelled picture with one of its plates inside, at a drawn width."""
    names = len(sources.labelled)
    # The phone pictures are by day, and fewer: they come as often as all dashcam frames.
    while True:
        one = sources.labelled[int(rng.integers(names))]
        if rng.random() < (1.0 if one.photo.shape[0] == one.photo.shape[1] else 0.4):
            break
    plate = one.plates[int(rng.integers(len(one.plates)))]
    wide = plate[2] - plate[0]
    least = SIDE / (1.6 * max(one.photo.shape))  # else there is hardly any picture in the crop
    scale = np.clip(_width(rng) / wide, least, 2.2)
    stretch = np.exp(rng.normal(0, 0.08))
    size = np.array([SIDE / scale * stretch, SIDE / scale / stretch])
    slack = np.maximum(size - (plate[2:] - plate[:2]) * 1.1, 0)
    middle = (plate[:2] + plate[2:]) / 2
    low = middle - size / 2 + rng.uniform(-0.5, 0.5, 2) * slack
    return _window(one, low, size, rng)


def _window(
    one: Labelled, low: NDArray[np.float64], size: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Picture, list[Edges]]:
    picture, low, factor = cut(one.photo, low, size, rng)
    plates = [(edges - np.tile(low, 2)) * np.tile(factor, 2) for edges in one.plates]
    if rng.random() < 0.35:
        _whiten(picture)
    return picture, plates


def _whiten(picture: Picture) -> None:
    """Take a camera's colour cast away, in place, so that one camera's is not learned."""
    means = picture.mean(axis=(0, 1))
    picture *= np.clip(means.mean() / np.maximum(means, 1), 0.4, 2.5)
    np.clip(picture, 0, 255, out=picture)


def cut(
    photo: Photo, low: NDArray[np.float64], size: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Picture, NDArray[np.float64], NDArray[np.float64]]:
    """
    A window as a SIDE x SIDE picture; what lies beyond the photo is black or grey.

    Also its whole-pixel corner, and crop pixels per photo pixel, (2,) each.
    """
    high, wide = photo.shape[:2]
    start = np.floor(low).astype(int)
    end = np.maximum(np.ceil(low + size).astype(int), start + 2)
    factor = SIDE / (end - start)
    x0, y0 = np.maximum(start, 0)
    x1, y1 = np.minimum(end, (wide, high))
    fill = float(rng.choice([0, 0, 114, 60]))
    picture = np.full((SIDE, SIDE, 3), fill, np.float32)
    if x1 - x0 >= 2 and y1 - y0 >= 2:
        to = np.round((np.array([[x0, y0], [x1, y1]]) - start) * factor).astype(int)
        part = (max(to[1][0] - to[0][0], 1), max(to[1][1] - to[0][1], 1))
        how = cv2.INTER_AREA if factor.min() < 1 else cv2.INTER_LINEAR
        shown = cv2.resize(photo[y0:y1, x0:x1], part, interpolation=how)
        picture[to[0][1] : to[0][1] + part[1], to[0][0] : to[0][0] + part[0]] = shown
    return picture, start.astype(float), factor


def _swap(
    picture: Picture, plates: list[Edges], rng: np.random.Generator, lettering: Lettering
) -> None:
    """Put rendered plates of other countries where the real ones are, in place."""
    for index, edges in enumerate(plates):
        if rng.random() < 0.15 or edges[2] < 0 or edges[3] < 0 or min(edges[:2]) > SIDE:
            continue
        plate = draw_plate(rng, lettering)
        corners = turned(100.0, 100.0 * plate.shape[0] / plate.shape[1], rng)
        drawn = bounds(corners)
        needed = (edges[2:] - edges[:2]) * (1.0, 0.95) / (drawn[2:] - drawn[:2])
        corners = corners * needed.max() * rng.uniform(1.0, 1.15)
        corners += (edges[:2] + edges[2:]) / 2 - (bounds(corners)[:2] + bounds(corners)[2:]) / 2
        paste(picture, plate, corners, rng)
        plates[index] = bounds(corners)


def _somewhere(
    sources: Sources, rng: np.random.Generator, lettering: Lettering
) -> tuple[Picture, list[Edges]]:
    """A place to put a plate: rendered, or a window on a photo."""
    if rng.random() < 0.45 or not (sources.plain or sources.labelled):
        return ground(SIDE, rng), []
    return _plain(sources, rng, lettering)


def _add(
    picture: Picture,
    plates: list[Edges],
    rng: np.random.Generator,
    lettering: Lettering,
    *,
    parked: bool,
) -> None:
    """Paste a rendered plate where none is, in place, on a vehicle drawn for it if `parked`."""
    plate = draw_plate(rng, lettering)
    wide = _width(rng)
    corners = _free_place(plate, wide, plates, rng)
    if corners is None:
        return
    edges = bounds(corners)
    if parked and not plates:
        park(picture, edges, rng)
    paste(picture, plate, corners, rng)
    if rng.random() < 0.1 and not plates:
        hide_a_part(picture, edges, rng)
    plates.append(edges)


def _free_place(
    plate: Picture, wide: float, plates: list[Edges], rng: np.random.Generator
) -> Corners | None:
    for _ in range(8):
        corners = turned(wide, wide * plate.shape[0] / plate.shape[1], rng)
        size = bounds(corners)[2:] - bounds(corners)[:2]
        lowest, highest = size * 0.4, SIDE - size * 0.4
        corners = corners + rng.uniform(np.minimum(lowest, highest), np.maximum(lowest, highest))
        if not any(_meet(bounds(corners), other) for other in plates):
            return corners
    return None


def _meet(edges: Edges, other: Edges, margin: float = 6) -> bool:
    apart = np.maximum(edges[:2], other[:2]) > np.minimum(edges[2:], other[2:]) + margin
    return not bool(apart.any())


def _plain(
    sources: Sources, rng: np.random.Generator, lettering: Lettering
) -> tuple[Picture, list[Edges]]:
    """A picture in which there is no plate but those that are labelled."""
    picture, plates = _photographed_or_drawn(sources, rng, lettering)
    if sources.clippings and not plates and rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 5))):
            _clip_on(picture, sources.clippings[int(rng.integers(len(sources.clippings)))], rng)
    return picture, plates


def _clip_on(picture: Picture, drawing: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Lay a drawing, much enlarged or made small, somewhere on the picture, in place."""
    share = np.exp(rng.uniform(np.log(20), np.log(SIDE * 1.2))) / max(drawing.shape)
    size = [max(round(side * share), 2) for side in drawing.shape[1::-1]]
    drawn = cv2.resize(drawing, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = (rng.uniform(-0.3, 1, 2) * SIDE).astype(int).tolist()
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + size[0], SIDE), min(y + size[1], SIDE)
    if x1 <= x0 or y1 <= y0:
        return
    part = drawn[y0 - y : y1 - y, x0 - x : x1 - x]
    area = picture[y0:y1, x0:x1]
    area += part[:, :, 3:] / 255 * (part[:, :, :3] - area)


def _photographed_or_drawn(
    sources: Sources, rng: np.random.Generator, lettering: Lettering
) -> tuple[Picture, list[Edges]]:
    kind = rng.random()
    if sources.mined and kind < 0.4:
        one = sources.mined[int(rng.integers(len(sources.mined)))]
        size = np.array(one.photo.shape[1::-1]) * rng.uniform(0.6, 1.1)
        return _window(one, rng.uniform(-40, 40, 2), size, rng)
    if kind < 0.52 and sources.labelled:
        one = sources.labelled[int(rng.integers(len(sources.labelled)))]
        return _window(one, *_anywhere(one.photo, rng), rng)
    if kind < 0.82 and sources.plain:
        photo = sources.plain[int(rng.integers(len(sources.plain)))]
        return cut(photo, *_anywhere(photo, rng), rng)[0], []
    if kind < 0.91:
        return page(SIDE, rng, lettering), []
    picture = ground(SIDE, rng)
    if rng.random() < 0.5:
        wide = _width(rng)
        low = rng.uniform(0, SIDE, 2)
        park(picture, np.append(low, low + np.array([wide, wide / 3])), rng)
    clutter(picture, [], rng, lettering)
    return picture, []


def _anywhere(
    photo: Photo, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A window's corner and size: from details to the whole photo."""
    shape = np.array(photo.shape[1::-1], float)
    side = np.exp(rng.uniform(np.log(100), np.log(max(shape.max(), 101))))
    size = np.array([side, side])
    return rng.uniform(-0.05, 1, 2) * np.maximum(shape - size * 0.9, 1), size
