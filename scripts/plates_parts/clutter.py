"""Hard negatives: what has letters, stripes or lamps on it and is no plate."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .lettering import Lettering
from .plate import Picture
from .surroundings import Edges, badge, grille, lamps

WORDS = (
    "open", "sale", "hotel", "bakery", "coffee", "exit", "taxi", "police", "parking", "market",
    "pharmacy", "pizza", "service", "free", "Hauptstraße", "Rue", "Avenue", "Street", "Road",
    "Drive", "Lane", "Station", "Airport", "Centre", "North", "South", "the", "of", "and", "to",
    "in", "is", "that", "it", "was", "for", "on", "are", "with", "as", "his", "they", "at",
    "be", "this", "have", "from", "welcome", "today", "only", "new", "best", "price", "summer",
    "winter", "music", "news", "live", "chapter", "figure", "table", "Main", "Menu", "File",
    "Edit", "View", "Help", "Settings", "Search", "Home", "Next", "Back", "Cancel", "Submit",
    "Login",
)  # fmt: skip


def clutter(
    picture: Picture, taken: Sequence[Edges], rng: np.random.Generator, lettering: Lettering
) -> None:
    """Draw a few such things, in place, none over what is `taken`."""
    drawers = (
        _sign,
        _sign,
        _subtitle,
        _shop,
        _house_number,
        _text,
        _print,
        _lamp_pair,
        _bars,
        _poster,
        _maker,
    )
    before = picture.copy()
    for _ in range(int(rng.integers(1, 5))):
        drawers[int(rng.integers(len(drawers)))](picture, rng, lettering)
    for edges in taken:
        x0, y0, x1, y1 = np.round(edges + np.array([-3, -3, 3, 3])).astype(int).clip(0)
        picture[y0:y1, x0:x1] = before[y0:y1, x0:x1]


def page(side: int, rng: np.random.Generator, lettering: Lettering) -> Picture:
    """A screen full of text, a slide, a table, a form: side x side pixels."""
    paper = rng.choice([250, 240, 30, 15, 200])
    picture = np.full((side, side, 3), paper, np.float32) + rng.uniform(-15, 5, 3)
    picture = np.clip(picture, 0, 255).astype(np.float32)
    ink = [float(255 - paper + rng.uniform(-30, 30))] * 3
    font, high = lettering.font("latin", rng), int(rng.integers(7, 26))
    for y in range(int(rng.integers(0, 20)), side, int(high * rng.uniform(1.3, 2.2))):
        x = int(rng.integers(0, 30))
        while x < side * rng.uniform(0.6, 1):
            word = _word(rng) if rng.random() < 0.8 else str(rng.integers(0, 10_000))
            x += _put(picture, word, (x, y), high, ink, font, rng, lettering) + high // 2
    for _ in range(int(rng.integers(0, 5))):
        _button(picture, rng, lettering)
    return picture


def _word(rng: np.random.Generator) -> str:
    word = str(rng.choice(WORDS))
    return word.upper() if rng.random() < 0.3 else word


def _put(
    picture: Picture,
    text: str,
    at: tuple[int, int],
    high: int,
    ink: Sequence[float],
    font: str,
    rng: np.random.Generator,
    lettering: Lettering,
) -> int:
    """Letters at a place, in place; how wide they are."""
    mask = lettering.draw(text, font, rng)
    wide = max(round(mask.shape[1] * high / mask.shape[0]), 1)
    shape = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA) / np.float32(255)
    x, y = at
    x0, y0 = max(x, 0), max(y, 0)
    area = picture[y0 : max(y + high, 0), x0 : max(x + wide, 0)]
    if area.size:
        part = shape[y0 - y :, x0 - x :][: area.shape[0], : area.shape[1], np.newaxis]
        area += part * (np.array(ink, np.float32) - area)
    return wide


def _spot(picture: Picture, rng: np.random.Generator) -> tuple[int, int]:
    side = picture.shape[0]
    return int(rng.integers(-20, side - 10)), int(rng.integers(-10, side - 8))


def _colours(rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """A ground, and an ink that can be read on it."""
    ground = rng.uniform(0, 255, 3)
    ink = 255.0 if ground.mean() < 128 else 0.0
    return ground.tolist(), [float(np.clip(ink + rng.uniform(-40, 40), 0, 255))] * 3


def _sign(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    """A road sign, square to long, or round, with words that are no plate's number."""
    ground, ink = _colours(rng)
    (x, y), high, font = _spot(picture, rng), int(rng.integers(8, 40)), lettering.font("latin", rng)
    if rng.random() < 0.3:
        radius = int(high * rng.uniform(0.8, 1.4))
        cv2.circle(picture, (x + radius, y + radius), radius, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(picture, (x + radius, y + radius), radius, (200, 20, 30), max(radius // 6, 1))
        speed = str(rng.choice(["30", "50", "70", "120", "STOP"]))
        _put(
            picture,
            speed,
            (x + radius // 3, y + radius // 2),
            radius,
            (0, 0, 0),
            font,
            rng,
            lettering,
        )
        return
    lines = [
        " ".join(_word(rng) for _ in range(int(rng.integers(1, 4))))
        for _ in range(int(rng.integers(2, 5)))
    ]
    wide = int(high * max(len(line) for line in lines) * 0.65)
    gap = int(high * 1.35)
    cv2.rectangle(picture, (x, y), (x + wide, y + gap * len(lines) + high // 3), ground, -1)
    for number, line in enumerate(lines):
        _put(
            picture,
            line,
            (x + high // 3, y + high // 3 + number * gap),
            high,
            ink,
            font,
            rng,
            lettering,
        )


def _subtitle(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    high, font, side = int(rng.integers(9, 24)), lettering.font("latin", rng), picture.shape[0]
    y = int(rng.uniform(0.6, 0.92) * side)
    if rng.random() < 0.4:
        cv2.rectangle(picture, (0, y - 4), (side, y + high + 4), (10, 10, 10), -1)
    ink = (250, 250, 250) if rng.random() < 0.7 else (250, 230, 40)
    line = " ".join(_word(rng) for _ in range(int(rng.integers(3, 8))))
    at = (int(rng.integers(-30, 60)), y)
    _put(picture, line, (at[0] + 1, y + 1), high, (0, 0, 0), font, rng, lettering)
    _put(picture, line, at, high, ink, font, rng, lettering)


def _shop(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    """A front with large letters that runs through the picture."""
    ground, ink = _colours(rng)
    y, high, side = int(rng.integers(-10, 160)), int(rng.integers(14, 60)), picture.shape[0]
    cv2.rectangle(picture, (0, y), (side, y + int(high * 1.6)), ground, -1)
    line = " ".join(_word(rng) for _ in range(3))
    at = (int(rng.integers(-80, 80)), y + high // 3)
    _put(picture, line, at, high, ink, lettering.font("latin", rng), rng, lettering)


def _house_number(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    (x, y), high = _spot(picture, rng), int(rng.integers(10, 36))
    text = str(rng.integers(1, 200))
    wide = int(high * (0.7 * len(text) + 0.5))
    cv2.rectangle(picture, (x, y), (x + wide, y + int(high * 1.4)), (30, 60, 150), -1)
    at = (x + high // 4, y + high // 5)
    _put(picture, text, at, high, (250, 250, 250), lettering.font("latin", rng), rng, lettering)


def _text(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    """Letters straight on whatever is there: a time stamp, a logo, a caption."""
    line = " ".join(_word(rng) for _ in range(int(rng.integers(1, 5))))
    if rng.random() < 0.4:
        year, month, day = (int(rng.integers(*ends)) for ends in ((2000, 2030), (1, 13), (1, 29)))
        line = f"{year}-{month:02}-{day:02} 12:{rng.integers(60):02}:07"
    ink, high = rng.uniform(0, 255, 3).tolist(), int(rng.integers(7, 30))
    _put(
        picture, line, _spot(picture, rng), high, ink, lettering.font("latin", rng), rng, lettering
    )


def _print(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    """A shirt's or a bag's print: words or a number, aslant and wavy, on a patch or none."""
    wide, high = int(rng.integers(40, 200)), int(rng.integers(24, 120))
    ground, ink = _colours(rng)
    cloth = np.zeros((high, wide, 4), np.float32)
    if rng.random() < 0.4:
        middle, half = (wide // 2, high // 2), (wide // 2 - 1, high // 2 - 1)
        cv2.ellipse(cloth, middle, half, 0, 0, 360, (*ground, 255.0), -1, cv2.LINE_AA)
    lines, font = int(rng.integers(1, 4)), lettering.font("latin", rng)
    for line in range(lines):
        letters = np.zeros((high, wide, 3), np.float32)
        tall = max(int(high / (lines + 0.6)), 4)
        at = (int(rng.integers(0, max(wide // 3, 1))), int((line + 0.3) * high / (lines + 0.6)))
        word = str(rng.integers(0, 100)) if rng.random() < 0.25 else _word(rng)
        _put(letters, word, at, int(tall * 0.85), (255.0,) * 3, font, rng, lettering)
        share = letters[:, :, :1] / 255
        cloth += share * (np.array([*ink, 255.0], np.float32) - cloth)
    _lay(picture, cloth, _spot(picture, rng), rng)


def _lay(
    picture: Picture, cloth: NDArray[np.float32], at: tuple[int, int], rng: np.random.Generator
) -> None:
    """Lay R G B and how opaque, (rows, columns, 4), on the picture as wavy cloth, in place."""
    high, wide = cloth.shape[:2]
    side = int(np.hypot(high, wide)) + 12
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    turn, wave = rng.normal(0, 0.3), rng.uniform(0, 6)
    length, phase = rng.uniform(20, 80), rng.uniform(0, 6.3)
    over = x * np.cos(turn) + y * np.sin(turn) + wide / 2
    down = y * np.cos(turn) - x * np.sin(turn) + high / 2
    down += wave * np.sin(over / length * 6.3 + phase)
    laid = cv2.remap(cloth, over.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR)
    x0, y0 = max(at[0], 0), max(at[1], 0)
    part = laid[y0 - at[1] :, x0 - at[0] :]
    area = picture[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    part = part[: area.shape[0], : area.shape[1]]
    area += part[:, :, 3:] / 255 * (part[:, :, :3] - area)


def _lamp_pair(picture: Picture, rng: np.random.Generator, _lettering: Lettering) -> None:
    (x, y), wide = _spot(picture, rng), float(rng.uniform(20, 160))
    lamps(picture, np.array([x, y, x + wide, y + wide * rng.uniform(0.3, 0.8)]), rng)


def _bars(picture: Picture, rng: np.random.Generator, _lettering: Lettering) -> None:
    """A grille, a barcode, a shutter, a keyboard."""
    (x, y), wide = _spot(picture, rng), float(rng.uniform(15, 150))
    grille(picture, np.array([x, y, x + wide, y + wide * rng.uniform(0.15, 0.8)]), rng)


def _poster(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    """A coloured sheet with patches and a line of text, taller than wide or square."""
    (x, y), wide = _spot(picture, rng), int(rng.integers(20, 110))
    ground, ink = _colours(rng)
    cv2.rectangle(picture, (x, y), (x + wide, y + int(wide * rng.uniform(0.9, 1.7))), ground, -1)
    for _ in range(int(rng.integers(1, 4))):
        middle = (x + int(rng.integers(wide)), y + int(rng.integers(wide)))
        cv2.circle(picture, middle, wide // 6, rng.uniform(0, 255, 3).tolist(), -1, cv2.LINE_AA)
    font = lettering.font("latin", rng)
    _put(picture, _word(rng), (x + 2, y + wide // 3), max(wide // 5, 5), ink, font, rng, lettering)


def _maker(picture: Picture, rng: np.random.Generator, _lettering: Lettering) -> None:
    badge(picture, _spot(picture, rng), float(rng.uniform(5, 30)), rng)


def _button(picture: Picture, rng: np.random.Generator, lettering: Lettering) -> None:
    (x, y), high = _spot(picture, rng), int(rng.integers(8, 22))
    ground, ink = _colours(rng)
    word = _word(rng)
    wide = int(high * (0.65 * len(word) + 1))
    cv2.rectangle(picture, (x, y), (x + wide, y + int(high * 1.7)), ground, -1)
    font = lettering.font("latin", rng)
    _put(picture, word, (x + high // 2, y + high // 3), high, ink, font, rng, lettering)
