"""The packets of a file: every one of them, or an error; and what they add up to."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from av.error import FFmpegError

from redact.errors import InputError
from redact.media.source import codec_of


def packets(source: Any, streams: list[Any], name: str) -> Iterator[Any]:
    """
    Every packet of these streams, in file order.

    Raises InputError (CORRUPT) for a packet that the demuxer marks as damaged or cut short.
    """
    try:
        for packet in source.demux(streams):
            if packet.is_corrupt:
                raise InputError(f"{name}: {at(packet)} is damaged or cut short.")
            if packet.size:
                yield packet
    except (FFmpegError, OSError) as error:
        raise InputError(f"{name}: the file is damaged: it can't be read to its end.") from error


def shows(packet: Any) -> bool:
    """VP8 keeps frames that are only referred to in packets of their own."""
    if packet.stream.type != "video" or codec_of(packet.stream) != "vp8":
        return True
    return bool(bytes(packet)[0] & 0x10)


def duration_of(packet: Any) -> int:
    """In the packet's ticks; 0 for the negative one that FFmpeg gives a trimmed Vorbis packet."""
    duration = packet.duration or 0
    return duration if 0 <= duration < 2**31 else 0


def trimmed(packet: Any) -> tuple[int, int]:
    """How many samples of the packet's sound a decoder drops, at its start and at its end."""
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    start, end = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return start, end


def at(packet: Any) -> str:
    """Which packet, for a message."""
    time = packet.pts if packet.pts is not None else packet.dts
    where = "" if time is None else f" at {float(time * packet.time_base):.3f} s"
    return f"track {packet.stream_index}{where}"


@dataclass(slots=True)
class Tally:
    """What the packets of one stream say. Times in its time base."""

    shown: int = 0
    hidden: int = 0
    hidden_ticks: int = 0
    trimmed_starts: int = 0  # samples of the packets that are shown
    trimmed_ends: int = 0
    start: int | None = None
    end: int = 0

    def add(self, packet: Any, *, slots: bool) -> None:
        """`slots`: the container has places in a row for its packets, and no times."""
        if not shows(packet):
            return
        if packet.is_discard:
            self.hidden += 1
            self.hidden_ticks += duration_of(packet)
            return
        self.shown += 1
        start, end = trimmed(packet)
        self.trimmed_starts += start
        self.trimmed_ends += end
        time = packet.dts if slots or packet.pts is None else packet.pts
        if time is not None:
            self.start = time if self.start is None else min(self.start, time)
            self.end = max(self.end, time + duration_of(packet))
