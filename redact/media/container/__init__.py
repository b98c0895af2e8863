"""
Says what a media file holds beside picture and sound, by reading its bytes.

What a demuxer reports is what its author thought of. These readers start from the other end: they
know the few parts that our own muxers write, and count all others. So the same look says what was
found in a source and whether anything is left in an output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path

from redact.media import still_jpeg, still_png, still_webp
from redact.media.container import (
    avi,
    flac,
    matroska,
    mp3,
    mp4,
    mpegts,
    ogg,
    packets,
    wav,
)
from redact.media.formats import STILLS, container_of
from redact.media.reading import Bytes, corrupt
from redact.media.source import shown
from redact.types import Kind

Find = Callable[[Bytes, Counter[Kind]], object]
"""Counts what it finds; of a still, what its cleaning would remove."""

READERS: dict[str, Find] = {
    "mp4": mp4.find,
    "mov": mp4.find,
    "m4a": mp4.find,
    "mkv": matroska.find,
    "webm": matroska.find,
    "avi": avi.find,
    "ts": mpegts.find,
    "wav": wav.find,
    "mp3": mp3.find,
    "aac": mp3.find,
    "flac": flac.find,
    "ogg": ogg.find,
    "jpeg": still_jpeg.clean,
    "png": still_png.clean,
    "webp": still_webp.clean,
}


def contents(path: Path) -> Counter[Kind]:
    """
    How many things of each kind the file holds that do not go over into a redacted copy.

    Empty for what our own muxers write. Raises InputError where the bytes break the format's
    rules, and for a codec of which redact can't tell what else it holds.
    """
    name = shown(path)
    container = container_of(path, name)
    found: Counter[Kind] = Counter()
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        try:
            READERS[container](data, found)
        except RecursionError as error:
            raise corrupt(f"{name}: its parts lie in each other without end.") from error
        if container not in STILLS:
            found += packets.find(path, container, data)
    return +found
