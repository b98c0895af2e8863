"""Draws letters as masks, in free fonts where they are at hand and in plain strokes where not."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
"""How much of each pixel is ink, (rows, columns), 0 to 255."""

TALL = 72
"""Pixels of a font's size; masks are cut to their ink and resized by who draws them."""

# Debian's packages, each with the licence that its copyright file states for the fonts used.
PACKAGES = {
    "fonts-dejavu-core": "Bitstream Vera",
    "fonts-dejavu-extra": "Bitstream Vera",
    "fonts-liberation": "GPL-2 with font exception",
    "fonts-roboto-unhinted": "Apache-2.0",
    "fonts-urw-base35": "AGPL-3 with font exception",
    "fonts-noto-core": "OFL-1.1",
    "fonts-noto-cjk": "OFL-1.1",
    "fonts-roadgeek": "MIT",
    "fonts-opendin": "OFL-1.1",
    "fonts-bebas-neue": "OFL-1.1",
    "fonts-routed-gothic": "OFL-1.1",
    "fonts-league-mono": "OFL-1.1",
    "fonts-play": "Apache-2.0",
}

FONTS = {
    "latin": (
        "RG2014*.ttf",
        "OSP-DIN.ttf",
        "BebasNeue*.otf",
        "DejaVuSans-Bold.ttf",
        "DejaVuSansCondensed-Bold.ttf",
        "DejaVuSansMono-Bold.ttf",
        "LiberationSans-Bold.ttf",
        "LiberationSansNarrow-Bold.ttf",
        "LiberationMono-Bold.ttf",
        "Roboto-Medium.ttf",
        "RobotoCondensed-Bold.ttf",
        "RobotoCondensed-Regular.ttf",
        "NimbusSans-Bold.otf",
        "NimbusSansNarrow-Bold.otf",
        "NimbusMonoPS-Bold.otf",
        "LeagueMono-*Bold.otf",
        "routed-gothic.ttf",
        "routed-gothic-narrow.ttf",
        "routed-gothic-wide.ttf",
        "Play-Bold.ttf",
        "NotoSans-Bold.ttf",
    ),
    "han": ("NotoSansCJK-*.ttc",),
    "kana": ("NotoSansCJK-*.ttc",),
    "hangul": ("NotoSansCJK-*.ttc",),
    "arabic": ("NotoSansArabic-*.ttf", "NotoKufiArabic-*.ttf", "NotoNaskhArabic-*.ttf"),
    "thai": ("NotoSansThai-*.ttf",),
    "devanagari": ("NotoSansDevanagari-*.ttf",),
    "bengali": ("NotoSansBengali-*.ttf",),
    "hebrew": ("NotoSansHebrew-*.ttf",),
    "georgian": ("NotoSansGeorgian-*.ttf",),
    "khmer": ("NotoSansKhmer-*.ttf",),
}


def fetch(packages: Iterable[str], folder: Path) -> None:
    """Lay Debian packages out under `folder`; needs apt-get, but no root. Raises OSError."""
    done = folder / "complete"
    if done.exists():
        return
    with tempfile.TemporaryDirectory() as downloads:
        command = ["apt-get", "download", "-qq", *packages]
        subprocess.run(command, cwd=downloads, check=True, stderr=subprocess.DEVNULL)
        for package in sorted(Path(downloads).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    done.touch()


class Lettering:
    """Lettering in the fonts under one folder; without a folder every script is plain strokes."""

    def __init__(self, folder: Path | None) -> None:
        self._files = {script: _files(folder, names) for script, names in FONTS.items()}

    def fonts(self, script: str) -> int:
        """How many fonts there are for a script."""
        return len(self._files.get(script, ()))

    def font(self, script: str, rng: np.random.Generator) -> str:
        """A font's file; "" means strokes."""
        files = self._files.get(script, ())
        return files[rng.integers(len(files))] if files else ""

    def draw(self, text: str, font: str, rng: np.random.Generator) -> Mask:
        """
        The text's ink, cut to it, some 50 to 70 rows high; at least one pixel.

        Other scripts' fonts lack Latin letters: runs of those are in a Latin font.
        """
        if not font:
            return _cut(_in_strokes(text, rng))
        if font in self._files["latin"] or text.isascii():
            return _cut(_in_font(text, font))
        latin = self.font("latin", rng)
        runs = [run for run in re.split(r"([!-\xff]+)", text) if run.strip()]
        return _in_a_row([_cut(_in_font(run, latin if run[0] <= "\xff" else font)) for run in runs])


def _files(folder: Path | None, names: tuple[str, ...]) -> tuple[str, ...]:
    if folder is None:
        return ()
    return tuple(sorted({str(path) for name in names for path in folder.rglob(name)}))


@cache
def _opened(font: str):  # Pillow's type, only where fonts are
    from PIL import ImageFont

    return ImageFont.truetype(font, TALL)


def _in_font(text: str, font: str) -> Mask:
    from PIL import Image, ImageDraw

    opened = _opened(font)
    x0, y0, x1, y1 = opened.getbbox(text)
    picture = Image.new("L", (int(x1 - x0) + 4, int(y1 - y0) + 4))
    ImageDraw.Draw(picture).text((2 - x0, 2 - y0), text, font=opened, fill=255)
    return np.asarray(picture)


def _in_strokes(text: str, rng: np.random.Generator) -> Mask:
    """OpenCV's own letters; of other scripts a few strokes that stand for a letter."""
    face, thick = cv2.FONT_HERSHEY_DUPLEX, int(rng.integers(4, 8))
    cells = []
    for letter in text:
        cell = np.zeros((76, 52 if ord(letter) < 128 else 64), np.uint8)
        if ord(letter) < 128:
            cv2.putText(cell, letter, (5, 62), face, 2.1, 255, thick, cv2.LINE_AA)
        else:
            _strokes(cell, np.random.default_rng(ord(letter)), thick)
        cells.append(cell[:, : 24 if letter == " " else None])
    return np.hstack(cells) if cells else np.zeros((1, 1), np.uint8)


def _strokes(cell: Mask, rng: np.random.Generator, thick: int) -> None:
    """The same strokes each time for one letter, in place."""
    for _ in range(int(rng.integers(3, 7))):
        ends = rng.integers((6, 10), (58, 66), (2, 2))
        if rng.random() < 0.7:
            ends[1, rng.integers(2)] = ends[0, rng.integers(2)]
        cv2.line(cell, *map(tuple, ends.tolist()), 255, thick, cv2.LINE_AA)


def _in_a_row(masks: list[Mask]) -> Mask:
    """One beside the other, all as high as the highest."""
    high = max(mask.shape[0] for mask in masks)
    gap = np.zeros((high, 10), np.uint8)
    same = [
        cv2.resize(mask, (max(mask.shape[1] * high // mask.shape[0], 1), high)) for mask in masks
    ]
    return np.hstack([part for mask in same for part in (mask, gap)][:-1])


def _cut(mask: Mask) -> Mask:
    rows, columns = np.nonzero(mask > 40)
    if not rows.size:
        return np.zeros((1, 1), np.uint8)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
