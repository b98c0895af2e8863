"""MPEG-TS: packets of 188 bytes, and the tables among them that name programmes and times."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from redact.media.reading import Bytes, Reader, corrupt
from redact.types import Kind

SYNC, SIZE = 0x47, 188
PAT, SDT, NULL = 0x0000, 0x0011, 0x1FFF
FIRST_FREE = 0x20  # packet numbers below this are for the standards' own tables
PAT_TABLE, PMT_TABLE, SDT_TABLE = 0x00, 0x02, 0x42
TABLE_HEAD, CRC = 8, 4
# What FFmpeg's muxer calls the service and its provider.
NEUTRAL_SERVICE = b"\x48\x12\x01\x06FFmpeg\x09Service01"
# Registration, language, bitrate, AVC, HEVC, stream id, AC-3, E-AC-3, DTS, AAC, extension (Opus).
DESCRIPTORS = frozenset({0x05, 0x0A, 0x0E, 0x28, 0x38, 0x52, 0x6A, 0x7A, 0x7B, 0x7C, 0x7F, 0x81})


def find(data: Bytes, found: Counter[Kind]) -> None:
    """
    Count tables that name something, private bytes, and packets that belong to no stream.

    A table counts once for what it says, however often it is sent.
    """
    tables, numbers = _read(data, found)
    maps = {number for section in tables[PAT] for number in _programmes(section)}
    streams = set()
    for section in (section for number in maps for section in tables[number]):
        streams |= _streams(section, found)
    found[Kind.METADATA] += sum(_names_more(section) for section in tables[SDT])
    for number in numbers - maps - streams - {PAT, SDT, NULL}:
        found[Kind.METADATA if number < FIRST_FREE else Kind.DATA_STREAM] += 1


def _read(data: Bytes, found: Counter[Kind]) -> tuple[dict[int, set[bytes]], set[int]]:
    """The different tables of each packet number that may have any, and all the numbers."""
    tables: dict[int, set[bytes]] = defaultdict(set)
    begun: dict[int, bytes] = {}
    numbers: set[int] = set()
    maps: set[int] = {PAT, SDT}
    private: set[int] = set()
    for packet in _packets(data, found):
        number = int.from_bytes(packet[1:3], "big") & 0x1FFF
        numbers.add(number)
        payload, is_private = _payload(packet)
        if is_private or (number == NULL and payload.strip(b"\xff").strip(b"\0")):
            private.add(number)
        if number in maps:
            starts = bool(packet[1] & 0x40)
            for section in _sections(number, payload, starts, begun):
                tables[number].add(section)
                maps |= set(_programmes(section)) if number == PAT else set()
    found[Kind.METADATA] += len(private)
    return tables, numbers


def _packets(data: Bytes, found: Counter[Kind]) -> Iterator[bytes]:
    """Each packet; cameras put four bytes of time before it, which count once."""
    lead = 0 if data[0] == SYNC else 4
    found[Kind.METADATA] += lead > 0
    whole = len(data) - len(data) % (lead + SIZE)
    for at in range(lead, whole, lead + SIZE):
        packet = data[at : at + SIZE]
        if packet[0] != SYNC:
            raise corrupt("a packet of an MPEG-TS file does not start as one.")
        yield packet
    found[Kind.METADATA] += bool(data[whole:].strip(b"\0\xff"))


def _payload(packet: bytes) -> tuple[bytes, bool]:
    """What the packet carries, and whether there are private bytes before that."""
    if not packet[3] & 0x20:
        return packet[4:], False
    reader = Reader(packet, "a packet of an MPEG-TS file", 4)
    field = Reader(reader.take(reader.number(1)), "the head of an MPEG-TS packet")
    if not field.left:
        return reader.rest(), False
    flags = field.number(1)
    clocks = (6 if flags & 0x10 else 0) + (6 if flags & 8 else 0) + (1 if flags & 4 else 0)
    field.take(clocks)
    # Only stuffing may follow: no private bytes, no extension.
    is_private = bool(field.rest().strip(b"\xff"))
    return (reader.rest() if packet[3] & 0x10 else b""), is_private


def _sections(
    number: int, payload: bytes, starts: bool, begun: dict[int, bytes]
) -> Iterator[bytes]:
    """The tables that are complete with this packet, without their checksum."""
    if starts:
        reader = Reader(payload, "a table of an MPEG-TS file")
        reader.take(reader.number(1))
        begun[number] = reader.rest()
    else:
        begun[number] = begun.get(number, b"") + payload
    while len(table := begun[number]) >= 3 and table[0] != 0xFF:
        size = 3 + (int.from_bytes(table[1:3], "big") & 0xFFF)
        if len(table) < size:
            return
        if size < TABLE_HEAD + CRC:
            raise corrupt("a table of an MPEG-TS file is too short.")
        yield table[: size - CRC]
        begun[number] = table[size:]
    if table.startswith(b"\xff"):  # stuffing up to the end of the packet
        begun[number] = b""


def _programmes(section: bytes) -> Iterator[int]:
    """The packet numbers of the programmes' maps."""
    reader = Reader(section, "the list of programmes", TABLE_HEAD)
    while section[0] == PAT_TABLE and reader.left:
        programme, number = reader.number(2), reader.number(2) & 0x1FFF
        if programme:
            yield number


def _streams(section: bytes, found: Counter[Kind]) -> set[int]:
    """The packet numbers of a programme's streams; what it says beside is counted."""
    if section[0] != PMT_TABLE:
        found[Kind.METADATA] += 1
        return set()
    reader = Reader(section, "the map of a programme", TABLE_HEAD)
    numbers = {reader.number(2) & 0x1FFF}
    found[Kind.METADATA] += _strange_descriptors(reader.take(reader.number(2) & 0xFFF))
    while reader.left:
        reader.number(1)
        numbers.add(reader.number(2) & 0x1FFF)
        found[Kind.METADATA] += _strange_descriptors(reader.take(reader.number(2) & 0xFFF))
    return numbers


def _strange_descriptors(data: bytes) -> int:
    reader, count = Reader(data, "a descriptor of an MPEG-TS file"), 0
    while reader.left:
        count += reader.number(1) not in DESCRIPTORS
        reader.take(reader.number(1))
    return count


def _names_more(section: bytes) -> bool:
    """Does a table of services say more than the muxer's own words?"""
    if section[0] != SDT_TABLE:
        return True
    reader = Reader(section, "the services of an MPEG-TS file", TABLE_HEAD + 3)
    while reader.left:
        reader.take(3)
        if reader.take(reader.number(2) & 0xFFF) != NEUTRAL_SERVICE:
            return True
    return False
