"""The units of AV1 (OBUs)."""

from __future__ import annotations

from collections import Counter

from redact.media.reading import Reader, corrupt
from redact.types import Kind

METADATA = 5
PADDING = 15
# Sequence header, temporal delimiter, frame header, tile group, frame, repeated frame header.
KEPT = frozenset({1, 2, 3, 4, 6, 7})
# Metadata type: the most bytes of its payload. Content light level, mastering display,
# scalability; not T.35 and not time codes.
KEPT_METADATA = {1: 4, 2: 24, 3: 64}
T35 = 4
CAPTIONS = b"\xb5\x00\x31GA94\x03"
STOP_BIT = b"\x80"


class Obus:
    """The header is an av1C record: four bytes and then units, as in a packet."""

    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        self._removed = removed
        is_record = extradata[:1] == b"\x81" and len(extradata) >= 4
        head = extradata[:4] if is_record else b""
        self.extradata = head + self.clean(extradata[len(head) :])

    def clean(self, packet: bytes) -> bytes:
        reader, kept = Reader(packet, "a unit of an AV1 picture"), []
        while reader.left:
            start = reader.at
            kind, payload = _unit(reader)
            remove = _to_remove(kind, payload)
            if remove is None:
                kept.append(packet[start : reader.at])
            else:
                self._removed[remove] += 1
        return b"".join(kept)


def _unit(reader: Reader) -> tuple[int, bytes]:
    """The number and the payload of the next unit."""
    head = reader.number(1)
    if head & 0x80:
        raise corrupt("a unit of an AV1 picture starts in no known way.")
    if head & 4:  # an extension byte: the layer
        reader.take(1)
    size = _leb128(reader) if head & 2 else reader.left
    return head >> 3 & 15, reader.take(size)


def _to_remove(kind: int, payload: bytes) -> Kind | None:
    """What this unit counts as, if it has to go."""
    if kind == METADATA:
        return _metadata_to_remove(payload)
    if kind == PADDING:
        return Kind.METADATA if payload.strip(b"\0").strip(STOP_BIT) else None
    return None if kind in KEPT else Kind.METADATA


def _metadata_to_remove(payload: bytes) -> Kind | None:
    reader = Reader(payload, "the metadata of an AV1 picture")
    kind = _leb128(reader)
    body = reader.rest().rstrip(b"\0").removesuffix(STOP_BIT)
    if kind == T35 and body.startswith(CAPTIONS):
        return Kind.CAPTION
    return None if len(body) <= KEPT_METADATA.get(kind, -1) else Kind.METADATA


def _leb128(reader: Reader) -> int:
    """A number in groups of seven bits, the lowest first, eight bytes at most."""
    value = 0
    for position in range(8):
        byte = reader.number(1)
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value
    raise corrupt("a number in an AV1 picture does not end.")
