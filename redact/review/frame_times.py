"""
The child process that reads how players show published files: when each frame, and which way up.

A file is opened here and never in the page's process: a fault in a demuxer or decoder costs the
outlines of these files, and nothing else. Writes a line of JSON for each file, null for one that
can't be read.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from av.sidedata.sidedata import Type

from redact.errors import RedactError
from redact.media.formats import STILLS, container_of
from redact.media.packets import packets, shows
from redact.media.source import opened, without_core_dump

MEMORY = 4 << 30
UPRIGHT = [1, 0, 0, 1]


def read(path: Path, max_pixels: int) -> dict[str, Any]:
    """
    `times`: when each frame is shown, in order, microseconds from the start of the clip; `start`:
    where that lies on the file's clock; `turn`: a, b, c, d of its display matrix (x' = a x + c y,
    y' = b x + d y, y down); `aspect`: a pixel's width over its height.

    Raises InputError, or FFmpegError for a picture that does not decode.
    """
    container = container_of(path, path.name)
    starts: dict[int, int] = {}
    times: list[int] = []
    with opened(path, container, max_pixels=max_pixels) as source:
        pictures = {stream.index for stream in source.streams.video}
        for packet in packets(source, list(source.streams), path.name):
            if packet.pts is None or packet.is_discard:
                continue
            time = round(packet.pts * packet.time_base * 1_000_000)
            starts[packet.stream_index] = min(time, starts.get(packet.stream_index, time))
            if packet.stream_index in pictures and shows(packet):
                times.append(time)
    start = max(min(starts.values(), default=0), 0)
    shown = [0] if container in STILLS else [time - start for time in sorted(times)]
    first = _first(path, container, max_pixels) if pictures else {"turn": UPRIGHT, "aspect": 1.0}
    return {"times": shown, "start": start, **first}


def _first(path: Path, container: str, max_pixels: int) -> dict[str, Any]:
    """Which way up the first frame is shown, and the shape of its pixels."""
    with opened(path, container, max_pixels=max_pixels) as source:
        for frame in source.decode(source.streams.video[0]):
            aspect = source.streams.video[0].sample_aspect_ratio
            return {"turn": _turn(frame), "aspect": float(aspect) if aspect else 1.0}
    raise ValueError("no picture")


def _turn(frame: Any) -> list[int]:
    """Of the display matrix: 3 x 3 numbers of 16.16 bits, of which the third column is fixed."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return UPRIGHT
    numbers = struct.unpack_from("=9i", bytes(matrix))
    return [round(numbers[place] / 65536) for place in (0, 1, 3, 4)]


def main() -> None:
    without_core_dump()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for path in sys.argv[2:]:
        try:
            found = json.dumps(read(Path(path), int(sys.argv[1])))
        except (RedactError, FFmpegError, OSError, ValueError, MemoryError):
            found = "null"
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
