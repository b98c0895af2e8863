"""Tries to read plates that were redacted: with a recogniser, and as one who knows the font."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.methods import cover
from redact.policy import PictureMethod, Plates
from redact.types import Box, Frame

Picture = NDArray[np.uint8]
"""R G B, (rows, columns, 3)."""

WIDE, HIGH = 208, 44
"""Pixels of a plate as it stands in the picture: large, straight and sharp, to help the reader."""

EDGE = 60
"""Pixels of a car's paint around it."""

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
BOX = Box(EDGE, EDGE, EDGE + WIDE, EDGE + HIGH)


@dataclass(frozen=True, slots=True)
class Way:
    """How a plate is covered."""

    method: PictureMethod
    cells: int


DEFAULTS = tuple(Way(method, Plates().cells) for method in ("fill", "pixelate", "blur"))


def text(rng: np.random.Generator) -> str:
    """A number that no country issues as such: two letters, three digits, two letters."""
    letters = [str(rng.choice(list(LETTERS))) for _ in range(4)]
    return f"{letters[0]}{letters[1]} {rng.integers(0, 1000):03} {letters[2]}{letters[3]}"


def photo(number: str, *, light: float = 1.0, noise: float = 0.0, seed: int = 0) -> Picture:
    """A plate with black stroke letters on white, on grey paint."""
    plate = np.full((HIGH * 2, WIDE * 2), 235, np.uint8)
    size, _ = cv2.getTextSize(number, cv2.FONT_HERSHEY_DUPLEX, 2.0, 5)
    at = ((WIDE * 2 - size[0]) // 2, (HIGH * 2 + size[1]) // 2)
    cv2.putText(plate, number, at, cv2.FONT_HERSHEY_DUPLEX, 2.0, 25, 5, cv2.LINE_AA)
    small = cv2.resize(plate, (WIDE, HIGH), interpolation=cv2.INTER_AREA)
    scene = np.full((HIGH + 2 * EDGE, WIDE + 2 * EDGE), 110, np.float32)
    scene[EDGE : EDGE + HIGH, EDGE : EDGE + WIDE] = small * np.float32(light)
    scene += np.random.default_rng(seed).normal(0, noise, scene.shape) if noise else 0
    return np.repeat(np.clip(scene, 0, 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def redacted(picture: Picture, way: Way) -> Picture:
    """The picture with its plate covered as the pipeline does, margin included."""
    planes = tuple(picture[:, :, channel].copy() for channel in range(3))
    frame = Frame(planes, 8, 0, 0, Fraction(1), rgb=True, full_range=True)
    box = BOX.grow(Plates().margin)
    cover(frame, box, method=way.method, cells=way.cells)
    return np.stack(planes, axis=2)


def reader() -> Callable[[Picture], list[str]]:
    """rapidocr (PP-OCR): every text that it reads, in the picture and where the plate was."""
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    from rapidocr import RapidOCR

    params = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    engine: Any = RapidOCR(params=params)

    def read(picture: Picture) -> list[str]:
        shown = np.ascontiguousarray(picture[:, :, ::-1])
        place = shown[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]
        looks = [engine(shown), engine(np.ascontiguousarray(place), use_det=False, use_cls=False)]
        return [plain(one) for look in looks for one in (look.txts or ())]

    return read


def plain(number: str) -> str:
    """Letters and digits alone, so that a read counts whatever it makes of the gaps."""
    return "".join(letter for letter in number.upper() if letter.isascii() and letter.isalnum())


def alike(read: str, number: str) -> int:
    """How many letters in a row a read has in common with the number."""
    number = plain(number)
    runs = [number[i:j] for i in range(len(number)) for j in range(i + 1, len(number) + 1)]
    return max((len(run) for run in runs if run in read), default=0)


def guessed(way: Way, *, plates: int, candidates: int, seed: int) -> int:
    """
    How often one who knows font, place and method picks the right number out of some.

    He renders each candidate, redacts it in the same way, fits the light, and takes the nearest.
    The plate was in a light that he does not know to a tenth, and its camera is a little noisy.
    Of candidates that are equally near he takes the first; the right one stands anywhere.
    """
    rng = np.random.default_rng(seed)
    right = 0
    for plate in range(plates):
        numbers = [text(rng) for _ in range(candidates)]
        truth = int(rng.integers(candidates))
        light = float(rng.uniform(0.9, 1.0))
        seen = redacted(photo(numbers[truth], light=light, noise=2.0, seed=plate), way)
        right += _nearest(seen, numbers, way) == truth
    return right


def _nearest(seen: Picture, numbers: list[str], way: Way) -> int:
    target = _levels(seen)
    return int(np.argmin([_distance(target, _levels(redacted(photo(n), way))) for n in numbers]))


def _levels(picture: Picture) -> NDArray[np.float64]:
    return picture[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1, 1].astype(float).ravel()


def _distance(seen: NDArray[np.float64], guess: NDArray[np.float64]) -> float:
    """What is left of the difference once the light is fitted, as well as one number can."""
    gain = np.clip(seen @ guess / (guess @ guess), 0.9, 1.0)
    return round(float(np.abs(seen - gain * guess).mean()), 6)
