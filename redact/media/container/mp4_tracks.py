"""One track of a movie: what it is, and what is written into its headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from redact.media.container.boxes import Box, boxes
from redact.media.container.mp4_tags import find_in_user_data, has_name, has_times
from redact.media.reading import Bytes, Reader, corrupt, is_blank
from redact.types import Kind

PARENTS = frozenset({b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"tapt"})
TIMED = frozenset({b"tkhd", b"mdhd"})
TECHNICAL = frozenset(
    {b"elst", b"tref", b"vmhd", b"smhd", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stz2"}
    | {b"stco", b"co64", b"sdtp", b"sgpd", b"sbgp", b"cslg", b"stps", b"saio", b"saiz", b"clef"}
    | {b"prof", b"enof", b"elng"}
)
"""Numbers that say where, when and how long samples are."""
SETTINGS = frozenset(
    {b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"alac", b"dOps", b"dac3", b"dec3", b"chan"}
    | {b"pasp", b"clap", b"fiel", b"gama", b"btrt", b"mdcv", b"clli", b"SmDm", b"CoLL", b"chrm"}
    | {b"dvcC", b"dvvC", b"pcmC", b"chnl", b"frma", b"enda", b"mp4a", b"srat", b"glbl", b"\0\0\0\0"}
)
"""How to decode samples and show them."""
TEXT = frozenset({b"text", b"sbtl", b"subt", b"clcp"})
VIDEO_ENTRY, COMPRESSOR = 78, slice(42, 74)
SOUND_ENTRY = {0: 28, 1: 44, 2: 64}
SELF_CONTAINED = b"\0\0\0\1"
FLAC_HEADER = 42  # bytes, with STREAMINFO alone


def named_as_chapters(data: Bytes, movie: Box) -> Iterator[int]:
    """The numbers of the tracks that other tracks point at for the names of chapters."""
    for track in _children(data, movie, b"trak"):
        for references in _children(data, track, b"tref"):
            for box in _children(data, references, b"chap"):
                reader = Reader(data, "an MP4 reference", box.start, box.end)
                while reader.left:
                    yield reader.number(4)


def find_in_track(data: Bytes, track: Box, chapters: set[int], found: Counter[Kind]) -> None:
    """Count the track if it is neither picture nor sound; else what is written into it."""
    handler = _handler(data, track)
    if handler in (b"vide", b"soun") and _number(data, track) not in chapters:
        _look(data, track, handler, found)
    elif _number(data, track) in chapters:
        found[Kind.PICTURE if handler == b"vide" else Kind.CHAPTER] += 1
    else:
        found[Kind.SUBTITLE if handler in TEXT else Kind.DATA_STREAM] += 1


def _look(data: Bytes, parent: Box, handler: bytes, found: Counter[Kind]) -> None:
    for box in boxes(data, parent.start, parent.end):
        if box.kind in PARENTS:
            _look(data, box, handler, found)
        elif box.kind in TIMED:
            found[Kind.METADATA] += has_times(data, box)
        elif box.kind == b"hdlr":
            found[Kind.HANDLER_NAME] += has_name(data, box)
        elif box.kind == b"stsd":
            for entry in boxes(data, box.start + 8, box.end):
                _look_at_description(data, entry, handler, found)
        elif box.kind == b"dref":
            found[Kind.METADATA] += _points_elsewhere(data, box)
        elif box.kind in (b"udta", b"meta"):
            find_in_user_data(data, box, found)
        elif box.kind not in TECHNICAL and not _is_blank_room(data, box):
            found[Kind.METADATA] += 1


def _look_at_description(data: Bytes, entry: Box, handler: bytes, found: Counter[Kind]) -> None:
    """A line of `stsd`: fixed fields, among them a picture codec's name, and then boxes."""
    reader = Reader(data, "an MP4 sample description", entry.start, entry.end)
    if handler == b"vide":
        fields = reader.take(VIDEO_ENTRY)
        found[Kind.METADATA] += bool(fields[COMPRESSOR].strip(b"\0"))
    else:
        fields = reader.take(SOUND_ENTRY[0])
        reader.take(SOUND_ENTRY.get(int.from_bytes(fields[8:10], "big"), 28) - 28)
    _look_at_settings(data, Box(b"", reader.at, entry.end), found)


def _look_at_settings(data: Bytes, parent: Box, found: Counter[Kind]) -> None:
    for box in boxes(data, parent.start, parent.end):
        if box.kind == b"wave":
            _look_at_settings(data, box, found)
        elif box.kind == b"colr":
            found[Kind.METADATA] += data[box.start : box.start + 3] != b"ncl"  # a colour profile
        elif box.kind == b"dfLa":
            found[Kind.METADATA] += box.end - box.start > FLAC_HEADER
        elif box.kind not in SETTINGS and not _is_blank_room(data, box):
            found[Kind.METADATA] += 1


def _points_elsewhere(data: Bytes, box: Box) -> bool:
    """Does any data reference name a place? Ours say only: in this file."""
    entries = boxes(data, box.start + 8, box.end)
    return any(data[entry.start : entry.end] != SELF_CONTAINED for entry in entries)


def _is_blank_room(data: Bytes, box: Box) -> bool:
    return box.kind in (b"free", b"skip") and is_blank(data, box.start, box.end)


def _children(data: Bytes, parent: Box, kind: bytes) -> Iterator[Box]:
    return (box for box in boxes(data, parent.start, parent.end) if box.kind == kind)


def _handler(data: Bytes, track: Box) -> bytes:
    for media in _children(data, track, b"mdia"):
        for box in _children(data, media, b"hdlr"):
            return data[box.start + 8 : box.start + 12]
    raise corrupt("an MP4 track does not say what it is.")


def _number(data: Bytes, track: Box) -> int:
    for box in _children(data, track, b"tkhd"):
        reader = Reader(data, "the header of an MP4 track", box.start, box.end)
        reader.take(16 if reader.number(4) >> 24 == 1 else 8)
        return reader.number(4)
    raise corrupt("an MP4 track has no header.")
