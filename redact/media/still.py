"""
Still pictures: looked at as planes, and written again without what was written around them.

A still in which nothing is covered keeps its coded picture bit for bit. One in which something is
covered is encoded again: PNG and lossless WebP keep every other pixel, JPEG stays in its own
colour planes and near its own quality.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from redact.errors import StoreError
from redact.media import still_jpeg, still_png, still_webp
from redact.media.formats import container_of
from redact.media.planes import planes_of
from redact.media.probe import Clip
from redact.media.reading import corrupt
from redact.media.source import shown
from redact.media.still_encode import ENCODERS
from redact.policy import Encoding, Limits
from redact.types import Frame

CLEANERS = {"jpeg": still_jpeg.clean, "png": still_png.clean, "webp": still_webp.clean}
CODECS = {"jpeg": "mjpeg", "png": "png", "webp": "webp"}
# Formats that become planes in two steps, or that only stills have.
PLANES = {
    "pal8": ("rgba", "gbrap"),
    "ya8": ("gbrap",),
    "ya16be": ("gbrap16le",),
    "monob": ("gray",),
    "monow": ("gray",),
    "rgb48be": ("gbrp16le",),
    "rgba64be": ("gbrap16le",),
}
FULL_RANGE = 2
MAX_PIXELS = int(Limits().megapixels * 1_000_000)


def read(path: Path, max_pixels: int = MAX_PIXELS) -> Frame:
    """
    The picture of a still, as it is coded: not turned, with its alpha plane if it has one.

    JPEG and lossy WebP give Y, U, V; the others R, G, B or one grey plane. Raises InputError
    where it does not decode.
    """
    name = shown(path)
    container = container_of(path, name)
    data = CLEANERS[container](path.read_bytes(), Counter())
    return _frame(_decoded(data, container, name, max_pixels), name)


def render(
    clip: Clip, target: Path, *, encoding: Encoding, edit: Callable[[Frame], bool] | None
) -> None:
    """
    Write the still's redacted copy to `target`, complete and synced, or raise and leave nothing.

    Args:
        edit: changes the planes in place, and says whether it did. None, or if it did not: the
            coded picture is kept bit for bit.

    Size, orientation, alpha and the colours of the profile stay. Raises InputError when the still
    does not decode or is an animation, StoreError when the target can't be written.
    """
    source = clip.path.read_bytes()
    output = CLEANERS[clip.container](source, Counter())
    if edit is not None:
        picture = _decoded(output, clip.container, clip.name, clip.max_pixels)
        frame = _frame(picture, clip.name)
        if edit(frame):
            encode = ENCODERS[clip.container]
            output = encode(output, frame, picture.format.name, encoding)
    _write(target, output, clip.name)


def _decoded(data: bytes, container: str, name: str, max_pixels: int) -> Any:
    """The picture of a clean file: what was around it might stop a strict decoder."""
    decoder = av.CodecContext.create(CODECS[container], "r")
    # The first error stops the decoder, where it would else paint over the gap.
    decoder.options = {"err_detect": "crccheck+explode", "max_pixels": str(max_pixels)}
    try:
        pictures = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except FFmpegError as error:
        raise corrupt(f"{name}: the picture does not decode.") from error
    if len(pictures) != 1:
        raise corrupt(f"{name}: a still has to hold one picture.")
    return pictures[0]


def _frame(picture: Any, name: str) -> Frame:
    for step in PLANES.get(picture.format.name, ()):
        picture = picture.reformat(format=step)
    planes, picture = planes_of(picture, name)
    return Frame(
        planes=planes,
        depth=picture.format.components[0].bits,
        index=0,
        pts=0,
        time_base=Fraction(1),
        rgb=picture.format.is_rgb,
        full_range="yuvj" in picture.format.name or picture.color_range == FULL_RANGE,
        bt601=True,
    )


def _write(target: Path, data: bytes, name: str) -> None:
    try:
        with target.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        what = os.strerror(error.errno or 0)
        raise StoreError(f"{name}: its redacted copy can't be written ({what}).") from error
