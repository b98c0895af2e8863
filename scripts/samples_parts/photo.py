"""A still picture as a phone writes it: JPEG with EXIF tags, a position and a thumbnail."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import cv2

from .media import Picture

MAKE, MODEL = "Exemplar", "Exemplar One"
ARTIST = "Wilhelmina Osterby"  # invented
TAKEN = "2026:05:17 14:03:22"
# 48° 12' 30.24" N, 16° 22' 19.56" E, as EXIF's whole-number fractions
LATITUDE = struct.pack("<6I", 48, 1, 12, 1, 3024, 100)
LONGITUDE = struct.pack("<6I", 16, 1, 22, 1, 1956, 100)

BYTE, ASCII, SHORT, LONG, RATIONAL = 1, 2, 3, 4, 5
UNIT = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8}
Entry = tuple[int, int, bytes]  # tag, type, value

HEADER = 8
THUMBNAIL_WIDTH = 160


def jpeg_with_exif(picture: Picture) -> bytes:
    """`picture` as JPEG, tagged, with a small copy of itself inside."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        picture, (THUMBNAIL_WIDTH, THUMBNAIL_WIDTH * height // width), interpolation=cv2.INTER_AREA
    )
    exif = b"Exif\0\0" + _tiff(_jpeg(small, 80))
    whole = _jpeg(picture, 90)
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:]


def _jpeg(picture: Picture, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _tiff(thumbnail: bytes) -> bytes:
    """The tags of the picture, those of its place, and those of the thumbnail, in this order."""
    place: list[Entry] = [
        (1, ASCII, b"N\0"),
        (2, RATIONAL, LATITUDE),
        (3, ASCII, b"E\0"),
        (4, RATIONAL, LONGITUDE),
    ]
    # A folder's length does not depend on the offsets in it: lay out once to learn them.
    first_length = len(_folder(_main(0), HEADER, 0))
    place_at = HEADER + first_length
    small_at = place_at + len(_folder(place, place_at, 0))
    bytes_at = small_at + len(_folder(_small(0, thumbnail), small_at, 0))
    return b"".join(
        [
            struct.pack("<2sHI", b"II", 42, HEADER),
            _folder(_main(place_at), HEADER, small_at),
            _folder(place, place_at, 0),
            _folder(_small(bytes_at, thumbnail), small_at, 0),
            thumbnail,
        ]
    )


def _main(place_at: int) -> list[Entry]:
    return [
        (0x010F, ASCII, _text(MAKE)),
        (0x0110, ASCII, _text(MODEL)),
        (0x0112, SHORT, struct.pack("<H", 1)),  # upright
        (0x0132, ASCII, _text(TAKEN)),
        (0x013B, ASCII, _text(ARTIST)),
        (0x8825, LONG, struct.pack("<I", place_at)),
    ]


def _small(bytes_at: int, thumbnail: bytes) -> list[Entry]:
    return [
        (0x0103, SHORT, struct.pack("<H", 6)),  # JPEG
        (0x0201, LONG, struct.pack("<I", bytes_at)),
        (0x0202, LONG, struct.pack("<I", len(thumbnail))),
    ]


def _text(value: str) -> bytes:
    return value.encode("ascii") + b"\0"


def _folder(entries: Sequence[Entry], start: int, following: int) -> bytes:
    """One image file directory at offset `start`; values over four bytes come after it."""
    spill_at = start + 2 + 12 * len(entries) + 4
    rows: list[Any] = []
    spill = b""
    for tag, kind, value in entries:
        count = len(value) // UNIT[kind]
        if len(value) <= 4:
            rows.append(struct.pack("<HHI4s", tag, kind, count, value))
        else:
            rows.append(struct.pack("<HHII", tag, kind, count, spill_at + len(spill)))
            spill += value + b"\0" * (len(value) % 2)
    return struct.pack("<H", len(entries)) + b"".join(rows) + struct.pack("<I", following) + spill
