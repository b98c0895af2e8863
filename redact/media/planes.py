"""The samples of PyAV's frames as planes: which formats they come in, and how."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from redact.errors import InputError, Reason
from redact.types import Plane

_PLANAR = re.compile(r"(yuvj?4(20|22|44|40|11)p|yuva4(20|22|44)p|gray|gbra?p)(9|10|12|14|16)?(le)?")
_REARRANGED = {
    # The same samples in another order: nothing is lost.
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
    "rgb48le": "gbrp16le",
    "rgb48be": "gbrp16le",
    "rgba64le": "gbrap16le",
    "rgba64be": "gbrap16le",
    "ya8": "gbrap",
    "ya16be": "gbrap16le",
    "pal8": "gbrap",
    "monob": "gray",
    "monow": "gray",
}


def planar(pixel_format: str, name: str) -> str:
    """
    The planar format that holds the same samples.

    Raises InputError (UNSUPPORTED) for a format that can't be put into planes without a loss.
    """
    target = _REARRANGED.get(pixel_format, re.sub("be$", "le", pixel_format))
    if not _PLANAR.fullmatch(target):
        raise InputError(
            f"{name}: pictures of the kind {pixel_format} are not read.",
            reason=Reason.UNSUPPORTED,
        )
    return target


def planes_of(picture: Any, name: str) -> tuple[tuple[Plane, ...], Any]:
    """Copies of the planes of a PyAV frame, R, G, B for gbrp; and the planar frame they are of."""
    target = planar(picture.format.name, name)
    if target != picture.format.name:
        picture = picture.reformat(format=target)
    dtype = np.uint8 if picture.format.components[0].bits == 8 else np.uint16
    planes = tuple(view(plane, dtype).copy() for plane in picture.planes)
    if picture.format.is_rgb:
        planes = (planes[2], planes[0], planes[1], *planes[3:])
    return planes, picture


def view(plane: Any, dtype: type[np.uint8] | type[np.uint16]) -> Plane:
    """The samples of a PyAV plane, (rows, columns), in place, without the padding of its lines."""
    lines = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return lines[:, : plane.width]
