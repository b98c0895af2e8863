"""Vorbis comments: `KEY=value` lines that FLAC and Ogg share."""

from __future__ import annotations

import re
from collections import Counter

from redact.media.reading import Reader
from redact.types import Kind

# What the encoders call themselves, and nothing else; FFmpeg's muxer with exact bytes: "ffmpeg".
NEUTRAL_VENDORS = re.compile(rb"|ffmpeg|Lav[fc]|reference libFLAC \d\.\d\.\d \d{8}")


def find_in_comments(reader: Reader, found: Counter[Kind]) -> None:
    """Count the comments, and the vendor's name where it says more than an encoder's."""
    found[Kind.METADATA] += NEUTRAL_VENDORS.fullmatch(reader.take(reader.little(4))) is None
    for _ in range(reader.little(4)):
        key = reader.take(reader.little(4)).partition(b"=")[0].upper()
        if key in (b"METADATA_BLOCK_PICTURE", b"COVERART"):
            found[Kind.PICTURE] += 1
        else:
            found[Kind.CHAPTER if key.startswith(b"CHAPTER") else Kind.METADATA] += 1
    found[Kind.METADATA] += bool(reader.rest().strip(b"\0\1"))
