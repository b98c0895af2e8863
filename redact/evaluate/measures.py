"""Measures what a redaction left behind, and what it took too much, by the design's section 13."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.types import Box

Luma = NDArray[np.uint8]
"""The light of one picture, (height, width)."""

CELLS = 8
"""A box is cut into cells of its shorter side / CELLS, so that a face has the same cells at any
size: eyes, nose, mouth and their edges."""

SMALLEST_CELL = 4
"""Pixels: in smaller cells, the noise of a codec correlates with anything."""

TEXTURE = 3.0
"""A cell is textured if its levels spread more than this (standard deviation, high-pass)."""

CORRELATION = 0.5
"""A cell is still seen if it correlates with the original by more than this."""

SEEN = 1 / 3
"""A box leaks if this share of its textured cells is still seen."""

CHANGED = 30
"""Levels by which a pixel differs that was redacted; a codec stays below."""

AROUND = 0.35
"""What lies in a labelled box grown by this share was redacted rightly."""

FRAME_SECONDS = 0.02
"""Sound is judged in frames of this length."""

VOICED = 0.1
"""A frame is voiced if it is louder than this share of the span's loudest frame, and than HUSH."""

HUSH = 1e-3
"""Root mean square below which nothing is heard (-60 dB)."""

AUDIBLE = 0.25
"""A name leaks if this share of its voiced frames is still audible."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many. Of nothing, the share is 0."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 0.0

    def __add__(self, other: Share) -> Share:
        return Share(self.part + other.part, self.whole + other.whole)


NONE = Share(0, 0)


def leaked(original: Luma, redacted: Luma, box: Box) -> bool:
    """
    Whether what was in the box can still be seen.

    Both pictures are (height, width) uint8 of one size. The box's part inside them is cut into
    cells; of both pictures only what is finer than two cells counts (a high-pass), so that the
    colours around a face, which a fill may keep, are no leak. Where no cell is textured there is
    nothing to see, and it leaks only if it was left as it is.
    """
    seen = seen_cells(original, redacted, box)
    if seen.whole:
        return seen.part >= SEEN * seen.whole
    inside = _inside(box, original)
    if inside is None:
        return False
    change = cv2.absdiff(_crop(original, inside), _crop(redacted, inside))
    return bool(change.mean() < TEXTURE)


def seen_cells(original: Luma, redacted: Luma, box: Box) -> Share:
    """
    Of the box's textured cells, those that still correlate with the original.

    A cell of one colour shows nothing, whatever the high-pass carries into it from what lies beside
    it: a fill may be of one colour, and its neighbour is often the same in both pictures.
    """
    _check(original, redacted)
    inside = _inside(box, original)
    if inside is None:
        return Share(0, 0)
    cell = max(min(inside.width, inside.height) // CELLS, SMALLEST_CELL)
    pairs = [_cells(_fine(picture, inside, cell), cell) for picture in (original, redacted)]
    spread = [cells.std(axis=1) for cells in pairs]
    textured = spread[0] > TEXTURE
    product = (pairs[0] * pairs[1]).mean(axis=1) - pairs[0].mean(axis=1) * pairs[1].mean(axis=1)
    correlation = product / np.maximum(spread[0] * spread[1], 1e-6)
    left = _cells(_crop(redacted, inside), cell)
    seen = textured & (correlation > CORRELATION) & (left.min(axis=1) < left.max(axis=1))
    return Share(int(seen.sum()), int(textured.sum()))


def over_redaction(original: Luma, redacted: Luma, boxes: Iterable[Box]) -> Share:
    """Of the pixels outside all labelled boxes, grown by AROUND, those that were redacted."""
    there = outside(original, redacted, [box.grow(AROUND) for box in boxes])
    changed = cv2.absdiff(original, redacted) > CHANGED
    return Share(int((changed & there).sum()), int(there.sum()))


def error_outside(original: Luma, redacted: Luma, boxes: Iterable[Box]) -> Share:
    """Squared differences of the pixels outside what was covered, over their number."""
    there = outside(original, redacted, boxes)
    squares = (original.astype(np.int64) - redacted)[there] ** 2
    return Share(int(squares.sum()), int(there.sum()))


def psnr(error: Share, *, peak: float = 255.0) -> float:
    """Peak signal to noise, in dB; infinite where nothing differs."""
    return float(10 * np.log10(peak**2 / error.value)) if error.part else float("inf")


def sound_leaked(
    original: NDArray[np.float32],
    redacted: NDArray[np.float32],
    rate: int,
    span: tuple[float, float],
) -> bool:
    """
    Whether what was said in the span can still be heard.

    Both are float32 (samples,) in [-1, 1], in step; the span is in seconds. A voiced frame is
    audible if it correlates with the original by more than CORRELATION and is not below HUSH: a
    tone in its place is no leak, and neither is the hiss that a codec leaves.
    """
    audible = audible_frames(original, redacted, rate, span)
    return audible.whole > 0 and audible.part >= AUDIBLE * audible.whole


def audible_frames(
    original: NDArray[np.float32],
    redacted: NDArray[np.float32],
    rate: int,
    span: tuple[float, float],
) -> Share:
    """Of the voiced frames of a span, those that are still audible."""
    length = max(round(rate * FRAME_SECONDS), 1)
    start, end = round(span[0] * rate), round(span[1] * rate)
    before, after = (_frames(sound[max(start, 0) : end], length) for sound in (original, redacted))
    missing = len(before) - len(after)  # an output that ends early is silent there
    after = np.pad(after, ((0, max(missing, 0)), (0, 0)))[: len(before)]
    loud, left = (np.sqrt((frames**2).mean(axis=1)) for frames in (before, after))
    voiced = loud > max(VOICED * loud.max(initial=0), HUSH)
    alike = (before * after).mean(axis=1) / np.maximum(loud * left, 1e-12)
    heard = voiced & (left > HUSH) & (alike > CORRELATION)
    return Share(int(heard.sum()), int(voiced.sum()))


def _frames(sound: NDArray[np.float32], length: int) -> NDArray[Any]:
    whole = len(sound) // length * length
    return sound[:whole].astype(float).reshape(-1, length)


def _fine(picture: Luma, inside: Box, cell: int) -> NDArray[np.float32]:
    """The box's part of a picture, without what is coarser than two cells."""
    part = _crop(picture, inside).astype(np.float32)
    side = 2 * cell + 1
    return np.asarray(part - cv2.blur(part, (side, side)), np.float32)


def _cells(part: NDArray[Any], cell: int) -> NDArray[Any]:
    """(cells, pixels); what does not fill a cell at the right and below is left out."""
    rows, columns = part.shape[0] // cell, part.shape[1] // cell
    part = part[: rows * cell, : columns * cell].astype(float)
    return part.reshape(rows, cell, columns, cell).swapaxes(1, 2).reshape(-1, cell * cell)


def outside(original: Luma, redacted: Luma, boxes: Iterable[Box]) -> NDArray[np.bool_]:
    """(height, width): which pixels lie in none of the boxes."""
    _check(original, redacted)
    there = np.ones(original.shape, bool)
    for box in boxes:
        inside = _inside(box, original)
        if inside is not None:
            there[inside.y0 : inside.y1, inside.x0 : inside.x1] = False
    return there


def _inside(box: Box, picture: Luma) -> Box | None:
    return box.clip(picture.shape[1], picture.shape[0])


def _crop(picture: Luma, box: Box) -> Luma:
    return picture[box.y0 : box.y1, box.x0 : box.x1]


def _check(original: Luma, redacted: Luma) -> None:
    if original.shape != redacted.shape:
        raise ValueError(f"pictures of two sizes: {original.shape} and {redacted.shape}")
