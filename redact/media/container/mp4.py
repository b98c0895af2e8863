"""MP4, M4A and QuickTime: which boxes there are beside tables and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from redact.media.container.boxes import Box, boxes
from redact.media.container.mp4_tags import find_in_user_data, has_times
from redact.media.container.mp4_tracks import find_in_track, named_as_chapters
from redact.media.reading import Bytes, is_blank
from redact.types import Kind

BLANK = frozenset({b"free", b"skip", b"wide"})
"""Room that was left free: it has to hold zeros."""
PARENTS = frozenset({b"moov", b"mvex", b"moof", b"traf", b"mfra"})
TIMED = b"mvhd"
USER_DATA = (b"udta", b"meta")
TECHNICAL = frozenset(
    {b"ftyp", b"styp", b"mdat", b"sidx", b"iods", b"mehd", b"trex", b"mfhd", b"tfhd", b"tfdt"}
    | {b"trun", b"tfra", b"mfro", b"sgpd", b"sbgp", b"saio", b"saiz", b"sdtp"}
)
"""Numbers that say where, when and how long samples are."""
LARGEST_FILE_TYPE = 128  # bytes: some thirty brands


def payloads(data: Bytes) -> list[tuple[int, int]]:
    """Where the samples lie."""
    return [(box.start, box.end) for box in _top(data) if box.kind == b"mdat"]


def find(data: Bytes, found: Counter[Kind]) -> None:
    """Count what the boxes hold beside tables; what is in `mdat` is left to the packets' reader."""
    movies = [box for box in _top(data) if box.kind == b"moov"]
    found[Kind.METADATA] += max(len(movies) - 1, 0)
    chapters = {number for movie in movies for number in named_as_chapters(data, movie)}
    for box in _top(data):
        _look(data, box, chapters, found)


def _top(data: Bytes) -> Iterator[Box]:
    """The boxes of the file. What follows the last and is none counts as room left free."""
    at, end = 0, len(data)
    while at < end:
        kind = data[at + 4 : at + 8]
        known = kind in TECHNICAL | PARENTS | BLANK or kind in USER_DATA
        size = int.from_bytes(data[at : at + 4], "big")
        if at and not known and (size > end - at or 1 < size < 8 or len(kind) < 4):
            yield Box(b"free", at, end)
            return
        box = next(boxes(data, at, end))
        yield box
        at = box.end


def _look(data: Bytes, box: Box, chapters: set[int], found: Counter[Kind]) -> None:
    size = box.end - box.start
    if box.kind == b"trak":
        find_in_track(data, box, chapters, found)
    elif box.kind in PARENTS:
        for child in boxes(data, box.start, box.end):
            _look(data, child, chapters, found)
    elif box.kind in BLANK:
        found[Kind.METADATA] += not is_blank(data, box.start, box.end)
    elif box.kind == TIMED:
        found[Kind.METADATA] += has_times(data, box)
    elif box.kind in USER_DATA:
        find_in_user_data(data, box, found)
    elif box.kind not in TECHNICAL or (box.kind == b"ftyp" and size > LARGEST_FILE_TYPE):
        found[Kind.METADATA] += 1
