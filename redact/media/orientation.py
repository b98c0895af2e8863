"""The one field of EXIF that belongs to the picture: which way up it is."""

from __future__ import annotations

ORIENTATION = 0x0112
UPRIGHT = 1
_HEAD = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0"
_TAIL = bytes(6)


def minimal(orientation: int) -> bytes:
    """An EXIF block (TIFF) that says which way up the picture is, 1 to 8, and nothing else."""
    return _HEAD + bytes([orientation]) + _TAIL


def read(block: bytes) -> int:
    """
    The orientation that an EXIF block gives, 1 to 8.

    Upright for a block that gives none or breaks off, as every viewer does it.
    """
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(block[:4])
    if order is None:
        return UPRIGHT
    swap = slice(None, None, -1) if order == "little" else slice(None)

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size][swap], "big")

    first = number(4, 4)
    for entry in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if entry + 12 <= len(block) and number(entry, 2) == ORIENTATION:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
