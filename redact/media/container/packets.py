"""What the coded packets of a file hold beside picture and sound, and what lies between them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from av.stream import Disposition

from redact.media.bitstream import Cleaner
from redact.media.container import mp4
from redact.media.reading import Bytes, corrupt, is_blank
from redact.media.source import codec_of, opened, shown
from redact.types import Kind

MAX_PIXELS = 1 << 28
"""Of one frame: what FFmpeg may allocate here. A policy's limit is checked before."""
MOVIES = frozenset({"mp4", "mov", "m4a"})
# Their own readers leave it to FFmpeg to say what their tracks are.
TRACKS_COUNTED_HERE = frozenset({"ts", "ogg"})


def find(path: Path, container: str, data: Bytes) -> Counter[Kind]:
    """
    What is inside the packets of all streams, and in a movie's `mdat` outside of every packet.

    Raises InputError for a stream that breaks its codec's rules or whose codec has none here.
    """
    found: Counter[Kind] = Counter()
    with opened(path, container, max_pixels=MAX_PIXELS) as source:
        cleaners = {s.index: _cleaner(s) for s in source.streams if _is_shown(s)}
        if container in TRACKS_COUNTED_HERE:
            found.update(_kind(s) for s in source.streams if not _is_shown(s))
        covered = []
        for packet in _packets(source, shown(path)):
            if packet.stream_index in cleaners:
                cleaners[packet.stream_index].clean(bytes(packet))
            if container in MOVIES and packet.pos is not None:
                covered.append((packet.pos, packet.pos + packet.size))
    for cleaner in cleaners.values():
        found += cleaner.removed
    found[Kind.METADATA] += sum(_gaps(data, covered)) if container in MOVIES else 0
    return found


def _is_shown(stream: Any) -> bool:
    """Is it picture or sound, and not a cover?"""
    if stream.type not in ("video", "audio"):
        return False
    return not stream.disposition & Disposition.attached_pic


def _kind(stream: Any) -> Kind:
    kinds = {"video": Kind.PICTURE, "subtitle": Kind.SUBTITLE}
    return kinds.get(stream.type, Kind.DATA_STREAM)


def _cleaner(stream: Any) -> Cleaner:
    return Cleaner(codec_of(stream), bytes(stream.codec_context.extradata or b""))


def _packets(source: Any, name: str) -> Iterator[Any]:
    try:
        yield from (packet for packet in source.demux() if packet.size)
    except FFmpegError as error:
        raise corrupt(f"{name}: the file is damaged: it can't be read to its end.") from error


def _gaps(data: Bytes, covered: list[tuple[int, int]]) -> Iterator[bool]:
    """For each stretch of an `mdat` that is in no packet: does it hold anything?"""
    packets = deque(sorted(covered))
    for start, end in mp4.payloads(data):
        at = start
        while packets and packets[0][0] < end:
            first, last = packets.popleft()
            yield not is_blank(data, at, first)
            at = max(at, last)
        yield not is_blank(data, at, end)
