"""The units of H.264 and HEVC, in both packings: after start codes, and after their length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from redact.media.bitstream.sei import clean_messages
from redact.media.reading import Reader, corrupt
from redact.types import Kind

H264_SEI = 6
H264_FILLER = 12
# Slices, parameter sets, delimiters. Not here: what no detector looked at, because it carries a
# second view or layer or an alpha plane (13 to 15, 19 to 21) or parts of a picture that FFmpeg
# passes over (2 to 4); and the numbers that are nobody's.
H264_KEPT = frozenset({1, 5, 7, 8, 9, 10, 11})
H264_LARGEST = {9: 1, 10: 0, 11: 0}  # bytes of a delimiter, past its head
HEVC_SEI = (39, 40)
HEVC_FILLER = 38
HEVC_KEPT = frozenset({*range(10), *range(16, 22), 32, 33, 34, 35, 36, 37})
HEVC_LARGEST = {35: 1, 36: 0, 37: 0}
FILLER = re.compile(rb"\xff*\x80?\x00*", re.DOTALL)
START_CODE = b"\0\0\1"


class NalUnits:
    """Length-prefixed if the header is an avcC or hvcC record (its first byte is 1)."""

    def __init__(self, codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        self._hevc, self._removed = codec == "hevc", removed
        self._prefix = 0
        if not extradata.startswith(b"\1"):
            self.extradata = self._clean_annex_b(extradata)
        elif self._hevc:
            self.extradata = self._clean_hvcc(extradata)
        else:
            self.extradata = self._clean_avcc(extradata)

    def clean(self, packet: bytes) -> bytes:
        return self._clean_prefixed(packet) if self._prefix else self._clean_annex_b(packet)

    def _clean_prefixed(self, packet: bytes) -> bytes:
        reader, kept, changed = Reader(packet, "a unit of a picture"), [], False
        while reader.left:
            unit = reader.take(reader.number(self._prefix))
            clean = self._clean_unit(unit)
            changed = changed or clean is not unit
            if clean:
                kept.append(len(clean).to_bytes(self._prefix, "big") + clean)
        return b"".join(kept) if changed else packet

    def _clean_annex_b(self, packet: bytes) -> bytes:
        kept, changed = [], False
        for lead, unit in _annex_b(packet):
            clean = self._clean_unit(unit)
            changed = changed or clean is not unit
            if clean:
                kept.append(lead + clean)
        return b"".join(kept) if changed else packet

    def _clean_unit(self, unit: bytes) -> bytes:
        """The unit itself, a shorter one, or b"" if nothing of it stays."""
        if not unit:
            return unit
        head = 2 if self._hevc else 1
        if len(unit) < head or unit[0] & 0x80:
            raise corrupt("a unit of a picture starts in no known way.")
        if self._is_sei(unit):
            return clean_messages(unit, head, self._removed)
        if self._is_picture(unit) or self._is_empty_filler(unit):
            return unit
        self._removed[Kind.METADATA] += 1
        return b""

    def _is_sei(self, unit: bytes) -> bool:
        return self._type(unit) in HEVC_SEI if self._hevc else self._type(unit) == H264_SEI

    def _is_picture(self, unit: bytes) -> bool:
        kind = self._type(unit)
        if not self._hevc:
            return kind in H264_KEPT and len(unit) - 1 <= H264_LARGEST.get(kind, len(unit))
        layer = (unit[0] & 1) << 5 | unit[1] >> 3
        short = len(unit) - 2 <= HEVC_LARGEST.get(kind, len(unit))
        return kind in HEVC_KEPT and layer == 0 and short

    def _is_empty_filler(self, unit: bytes) -> bool:
        if self._hevc:
            return self._type(unit) == HEVC_FILLER and FILLER.fullmatch(unit, 2) is not None
        return self._type(unit) == H264_FILLER and FILLER.fullmatch(unit, 1) is not None

    def _type(self, unit: bytes) -> int:
        return unit[0] >> 1 & 0x3F if self._hevc else unit[0] & 0x1F

    def _clean_avcc(self, record: bytes) -> bytes:
        reader = Reader(record, "the avcC record")
        head = reader.take(5)
        self._prefix = (head[4] & 3) + 1
        sets = [self._clean_sets(reader, 0x1F), self._clean_sets(reader, 0xFF)]
        if reader.left >= 4 and head[1] in (100, 110, 122, 144, 244):
            sets += [reader.take(3), self._clean_sets(reader, 0xFF)]
        if reader.left:
            self._removed[Kind.METADATA] += 1
        return head + b"".join(sets)

    def _clean_sets(self, reader: Reader, mask: int) -> bytes:
        """A byte whose bits under `mask` are a count, and that many units after their lengths."""
        counter = reader.number(1)
        kept = self._kept_units(reader, counter & mask)
        return bytes([counter & ~mask | len(kept)]) + _sized(kept)

    def _kept_units(self, reader: Reader, count: int) -> list[bytes]:
        units = [reader.take(reader.number(2)) for _ in range(count)]
        return [clean for unit in units if (clean := self._clean_unit(unit))]

    def _clean_hvcc(self, record: bytes) -> bytes:
        reader = Reader(record, "the hvcC record")
        head = reader.take(22)
        self._prefix = (head[21] & 3) + 1
        arrays = []
        for _ in range(reader.number(1)):
            kind = reader.take(1)
            kept = self._kept_units(reader, reader.number(2))
            if kept:
                arrays.append(kind + len(kept).to_bytes(2, "big") + _sized(kept))
        if reader.left:
            self._removed[Kind.METADATA] += 1
        return head + bytes([len(arrays)]) + b"".join(arrays)


def _sized(units: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _annex_b(packet: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each unit with the zeros and the start code before it; trailing zeros as an empty unit."""
    start = packet.find(START_CODE)
    if packet[: max(start, 0)].strip(b"\0") or (start < 0 and packet.strip(b"\0")):
        raise corrupt("a picture has bytes before its first unit.")
    lead = packet[: start + 3] if start >= 0 else packet
    while start >= 0:
        following = packet.find(START_CODE, start + 3)
        end = following if following >= 0 else len(packet)
        unit = packet[start + 3 : end].rstrip(b"\0")
        yield lead, unit
        zeros = packet[start + 3 + len(unit) : end]
        lead = zeros + START_CODE if following >= 0 else zeros
        start = following
    if lead:
        yield lead, b""
