"""Reads the labelled pictures that are for measuring alone, as they are and shrunk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .measuring import Truth
from .sources import Photo


def mosaics(pictures: list[tuple[Photo, Truth]]) -> Iterator[tuple[Photo, Truth]]:
    """Twelve shrunken pictures in each of 1280 x 720, cut to 320 x 240 around their plates."""
    rng, per = np.random.default_rng(7), 12
    for start in range(0, len(pictures) - per + 1, per):
        canvas, plates = np.zeros((720, 1280, 3), np.uint8), []
        for place, (photo, (plate,)) in enumerate(pictures[start : start + per]):
            wide = np.exp(rng.uniform(*np.log((20, 40))))
            share = min(wide / (plate[2] - plate[0]), 1)
            small = cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
            middle = (plate[:2] + plate[2:]) / 2 * share
            low = np.clip(
                middle - (160, 120), 0, np.maximum(np.array(small.shape[1::-1]) - (320, 240), 0)
            )
            x, y = low.astype(int)
            part = small[y : y + 240, x : x + 320]
            column, row = place % 4 * 320, place // 4 * 240
            canvas[row : row + part.shape[0], column : column + part.shape[1]] = part
            plates.append(plate * share - (x, y, x, y) + (column, row, column, row))
        yield canvas, np.array(plates)


def measuring_only(data: Path) -> Iterator[tuple[Photo, Truth]]:
    truth = json.loads((data / "truth.json").read_text())["plates"]
    for name, one in truth.items():
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in one["boxes"]], float)
        yield read(data / "plates" / name), boxes.reshape(-1, 4)


def openalpr(folder: Path) -> Iterator[tuple[Photo, Truth]]:
    """One labelled plate a picture; other plates in it count as false boxes."""
    for path in sorted(folder.glob("*.txt")):
        name, *box = path.read_text().split("\t")[:5]
        x, y, wide, high = map(float, box)
        yield read(folder / name), np.array([[x, y, x + wide, y + high]])


def read(path: Path) -> Photo:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
