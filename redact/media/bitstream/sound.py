"""The headers of sound codecs that have room for text: Vorbis, Opus, FLAC, AAC."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.reading import Reader, corrupt
from redact.types import Kind

# Sizes and names of the vendors that say nothing: none, and what FFmpeg's muxer writes.
EMPTY_COMMENTS = re.compile(
    rb"\x03vorbis(\x00{4}|\x06\x00{3}ffmpeg|\x04\x00{3}Lavf)\x00{4}\x01\x00*", re.DOTALL
)
# A Vorbis comment header with no vendor, no comments, and its framing bit.
NO_COMMENTS = b"\x03vorbis" + bytes(4) + bytes(4) + b"\x01"
STREAMINFO_SIZE = 34
LONGEST_AAC = 320  # bytes: a channel map with the longest comment


class Vorbis:
    """Its header is three packets, laced together: identification, comments, set-up."""

    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        identity, comments, setup = _laced(extradata)
        if identity[:7] != b"\x01vorbis" or setup[:7] != b"\x05vorbis":
            raise corrupt("the Vorbis header is none.")
        if not EMPTY_COMMENTS.fullmatch(comments):
            removed[Kind.METADATA] += 1
        lacing = b"\x02" + _lace(len(identity)) + _lace(len(NO_COMMENTS))
        self.extradata = lacing + identity + NO_COMMENTS + setup

    def clean(self, packet: bytes) -> bytes:
        return packet


class Opus:
    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        """Cuts the header where its channel mapping ends."""
        reader = Reader(extradata, "the Opus header")
        if extradata:
            head = reader.take(19)
            if head[:8] != b"OpusHead":
                raise corrupt("the Opus header is none.")
            reader.take(2 + head[9] if head[18] else 0)
        if reader.left:
            removed[Kind.METADATA] += 1
        self.extradata = extradata[: reader.at]

    def clean(self, packet: bytes) -> bytes:
        return packet


class Flac:
    """Its header is the STREAMINFO block, or a whole list of blocks after "fLaC"."""

    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        if extradata.startswith(b"fLaC"):
            self.extradata = b"fLaC\x80" + b"\0\0\x22" + _streaminfo(extradata, removed)
            return
        if len(extradata) < STREAMINFO_SIZE:
            raise corrupt("the FLAC header breaks off.")
        if len(extradata) > STREAMINFO_SIZE:
            removed[Kind.METADATA] += 1
        self.extradata = extradata[:STREAMINFO_SIZE]

    def clean(self, packet: bytes) -> bytes:
        return packet


class Aac:
    """Its header may hold a channel map with a comment: that is overwritten with zeros."""

    def __init__(self, _codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        if len(extradata) > LONGEST_AAC:
            raise corrupt("the AAC header is too long to be one.")
        self.extradata = extradata
        comment = _aac_comment(extradata)
        if comment is None:
            return
        start, end = comment
        if extradata[start:end].strip(b"\0"):
            removed[Kind.METADATA] += 1
            self.extradata = extradata[:start] + bytes(end - start) + extradata[end:]

    def clean(self, packet: bytes) -> bytes:
        return packet


def _laced(extradata: bytes) -> list[bytes]:
    """Three packets after Xiph's lacing, or each after two bytes of length."""
    reader = Reader(extradata, "the Vorbis header")
    if extradata.startswith(b"\x00\x1e"):
        return [reader.take(reader.number(2)) for _ in range(3)]
    if reader.number(1) != 2:
        raise corrupt("the Vorbis header is none.")
    sizes = [_unlace(reader), _unlace(reader)]
    return [reader.take(sizes[0]), reader.take(sizes[1]), reader.rest()]


def _unlace(reader: Reader) -> int:
    total = 0
    while (byte := reader.number(1)) == 0xFF:
        total += byte
    return total + byte


def _lace(size: int) -> bytes:
    return b"\xff" * (size // 255) + bytes([size % 255])


def _streaminfo(extradata: bytes, removed: Counter[Kind]) -> bytes:
    """The one block that a decoder needs; the others are counted."""
    reader, found, last = Reader(extradata, "the FLAC header", 4), b"", False
    while not last and reader.left:
        head = reader.number(1)
        body, last = reader.take(reader.number(3)), head >= 0x80
        if head & 0x7F == 0:
            found = body
        else:
            removed[Kind.PICTURE if head & 0x7F == 6 else Kind.METADATA] += 1
    if len(found) != STREAMINFO_SIZE:
        raise corrupt("the FLAC header has no STREAMINFO block.")
    return found


class _Bits:
    """Reads whole numbers of some bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, count: int) -> int:
        if self.at + count > 8 * len(self.data):
            raise corrupt("the AAC header breaks off.")
        value = int.from_bytes(self.data, "big") >> 8 * len(self.data) - self.at - count
        self.at += count
        return value & (1 << count) - 1


def _aac_comment(extradata: bytes) -> tuple[int, int] | None:
    """Where the comment of an AudioSpecificConfig's channel map is (ISO 14496-3, 4.4.1.1)."""
    bits = _Bits(extradata)
    if not extradata or bits.number(5) not in (1, 2, 3, 4) or bits.number(4) == 15:
        return None
    if bits.number(4) != 0:  # the channels are one of the usual layouts: there is no map
        return None
    bits.number(1)
    if bits.number(1):
        bits.number(14)
    bits.number(1 + 4 + 2 + 4)
    front, side, back, low, data, coupling = (bits.number(n) for n in (4, 4, 4, 2, 3, 4))
    for size in (4, 4, 3):  # the three mixes, each after a bit that says if it is there
        if bits.number(1):
            bits.number(size)
    bits.number(5 * (front + side + back + coupling) + 4 * (low + data))
    bits.at += -bits.at % 8
    size = bits.number(8)
    bits.number(8 * size)
    return bits.at // 8 - size, bits.at // 8
