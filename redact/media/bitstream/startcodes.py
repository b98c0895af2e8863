"""The units of MPEG-1, MPEG-2 and MPEG-4 part 2 pictures, each after 00 00 01 and its number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from redact.media.reading import corrupt
from redact.types import Kind

START_CODE = b"\0\0\1"
USER_DATA = 0xB2
EXTENSION = 0xB5
# Pictures and slices, user data (looked at), sequence header, extension, end, group of pictures.
MPEG2_KEPT = frozenset({*range(0xB0), 0xB3, EXTENSION, 0xB7, 0xB8})
# Sequence, display, quantisers, scaling, picture display and coding: not copyright and camera.
MPEG2_EXTENSIONS = frozenset({1, 2, 3, 5, 7, 8, 9, 10})
# Objects and their layers, sequence start and end, group, visual object, picture.
MPEG4_KEPT = frozenset({*range(0x30), 0xB0, 0xB1, 0xB3, 0xB5, 0xB6, 0xB7})
# Decoders choose their arithmetic by these names, so they are part of the picture.
MPEG4_ENCODERS = re.compile(
    rb"(DivX\d{3,4}(b|Build)\d{1,4}p?|XviD\d{4}|Lavc\d{2}\.\d{1,3}\.\d{3}|Lavc|FFmpe?g\d?)\0*"
)
CAPTIONS = (b"GA94\x03", b"CC\x01\xf8", b"\x03")
# A picture that was dropped: DivX writes one byte in its place.
NO_PICTURE = b"\x7f"


class StartCodes:
    def __init__(self, codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        self._mpeg4, self._removed = codec == "mpeg4", removed
        self.extradata = self.clean(extradata)

    def clean(self, packet: bytes) -> bytes:
        if packet == NO_PICTURE:
            return packet
        units = list(_units(packet))
        kept = [unit for unit in units if self._is_kept(unit)]
        return packet if len(kept) == len(units) else b"".join(kept)

    def _is_kept(self, unit: bytes) -> bool:
        kind = self._to_remove(unit[3], unit[4:])
        if kind is not None:
            self._removed[kind] += 1
        return kind is None

    def _to_remove(self, number: int, body: bytes) -> Kind | None:
        """What this unit counts as, if it has to go."""
        if number == USER_DATA:
            if self._mpeg4 and MPEG4_ENCODERS.fullmatch(body):
                return None
            return Kind.CAPTION if body.startswith(CAPTIONS) else Kind.METADATA
        if self._mpeg4:
            return None if number in MPEG4_KEPT else Kind.METADATA
        if number == EXTENSION and (not body or body[0] >> 4 not in MPEG2_EXTENSIONS):
            return Kind.METADATA
        return None if number in MPEG2_KEPT else Kind.METADATA


def _units(packet: bytes) -> Iterator[bytes]:
    """Each unit with its start code, and the zeros before it left with the one before."""
    start = packet.find(START_CODE)
    if packet[: start if start >= 0 else None].strip(b"\0"):
        raise corrupt("a picture has bytes before its first unit.")
    if start < 0 or start + 3 >= len(packet):
        if packet.strip(b"\0"):
            raise corrupt("a unit of a picture breaks off.")
        return
    while start >= 0:
        following = packet.find(START_CODE, start + 3)
        end = following if following >= 0 else len(packet)
        if end - start < 4:
            raise corrupt("a unit of a picture breaks off.")
        yield packet[start:end]
        start = following
