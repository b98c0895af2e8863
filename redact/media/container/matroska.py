"""Matroska and WebM: elements in elements (EBML), each with a number and a size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from redact.media.reading import Bytes, Reader, corrupt, is_blank
from redact.types import Kind

VOID, CRC, SEGMENT, CLUSTER = 0xEC, 0xBF, 0x18538067, 0x1F43B675
EBML, SEEK_HEAD, INFO, TRACKS, CUES = 0x1A45DFA3, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B
CHAPTERS, TAGS, ATTACHMENTS = 0x1043A770, 0x1254C367, 0x1941A469
TRACK, TRACK_TYPE, APPLICATION, WRITER = 0xAE, 0x83, 0x4D80, 0x5741
CHAPTER, ATTACHED_FILE, MIME_TYPE = 0xB6, 0x61A7, 0x4660
TAG, TARGETS, SIMPLE_TAG, TAG_NAME, TAG_TEXT = 0x7373, 0x63C0, 0x67C8, 0x45A3, 0x4487
TOP = frozenset(
    {EBML, SEEK_HEAD, INFO, TRACKS, CUES, CHAPTERS, TAGS, ATTACHMENTS, CLUSTER, SEGMENT}
)
PARENTS = frozenset(
    {EBML, SEGMENT, SEEK_HEAD, INFO, TRACKS, CUES, CLUSTER, TRACK}
    | {0x4DBB, 0xE0, 0xE1, 0x55B0, 0x55D0, 0x7670, 0xBB, 0xB7, 0xA0, 0x6D80, 0x6240, 0x5034}
)
"""Also seek, video, audio, colour, mastering, projection, cue point, block group, encodings."""
TECHNICAL = frozenset(
    {0x4286, 0x42F7, 0x42F2, 0x42F3, 0x4282, 0x4287, 0x4285}  # what kind of EBML this is
    | {0x53AB, 0x53AC, 0xB3, 0xF7, 0xF1, 0xF0, 0xB2, 0x5378}  # where things lie
    | {0x2AD7B1, 0x4489}  # the clock and the length
    | {0xD7, 0x73C5, TRACK_TYPE, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x23E383, 0x234E7A}
    | {0x23314F, 0x22B59C, 0x22B59D, 0x86, 0x63A2, 0xAA, 0x56AA, 0x56BB, 0x55EE, 0x41E4}
    | {0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF}  # which track is for whom
    | {0x9A, 0x9D, 0x53B8, 0x53C0, 0xB0, 0xBA, 0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x54B0, 0x54BA}
    | {0x54B2, 0x54B3, 0x2EB524, *range(0x55B1, 0x55BE), *range(0x55D1, 0x55DB)}  # the picture
    | {0x7671, 0x7673, 0x7674, 0x7675}  # how it turns (projection; its private part is dropped)
    | {0xB5, 0x78B5, 0x9F, 0x6264, 0x52F1}  # the sound
    | {0x5031, 0x5032, 0x5033, 0x4254, 0x4255}  # header bytes that are left out
    | {0xE7, 0xA3, 0xA1, 0x9B, 0xFB, 0x75A2, 0xA7, 0xAB, 0xFA}  # the packets
)
VIDEO, SOUND, SUBTITLE = 1, 2, 17
NEUTRAL_WRITER = re.compile(rb"(Lavf)?\0*")
DURATION = re.compile(rb"\d\d:\d\d:\d\d\.\d{9}\0*")
UNKNOWN_SIZE = -1
HEADS = tuple(number.to_bytes(4, "big") for number in (EBML, SEGMENT))
SMALL_HEADS = tuple(bytes([number]) for number in (VOID, CRC))


class Element(NamedTuple):
    """`start` to `end` is what follows number and size."""

    number: int
    start: int
    end: int


def find(data: Bytes, found: Counter[Kind]) -> None:
    """
    Count what the elements hold beside the tables of tracks and the packets.

    What follows the last and is none counts as hidden.
    """
    at = 0
    while at < len(data):
        if at and data[at : at + 4] not in HEADS and data[at : at + 1] not in SMALL_HEADS:
            found[Kind.METADATA] += not is_blank(data, at, len(data))
            return
        element = next(elements(data, Element(SEGMENT, at, len(data))))
        _look(data, Element(SEGMENT, at, element.end), found)
        at = element.end


def elements(data: Bytes, parent: Element) -> Iterator[Element]:
    """
    Every element inside another.

    One of unknown size (a live recording) ends where the next of its level starts. Raises
    InputError where a size can't be right.
    """
    at = parent.start
    while at < parent.end:
        reader = Reader(data, "a Matroska element", at, parent.end)
        number, size = _number(reader), _size(reader)
        if size == UNKNOWN_SIZE:
            end = _unknown_end(data, number, reader.at, parent.end)
        elif size > reader.left:
            raise corrupt("a Matroska element does not fit where it is.")
        else:
            end = reader.at + size
        yield Element(number, reader.at, end)
        at = end


def _number(reader: Reader) -> int:
    """An element's number with its length mark, four bytes at most."""
    first = reader.number(1)
    length = 9 - first.bit_length()
    if length > 4:
        raise corrupt("a Matroska element has no number.")
    return first << 8 * (length - 1) | reader.number(length - 1)


def _size(reader: Reader) -> int:
    first = reader.number(1)
    length = 9 - first.bit_length()
    if length > 8:
        raise corrupt("a Matroska element has no size.")
    bits = 7 * length
    size = (first << 8 * (length - 1) | reader.number(length - 1)) & (1 << bits) - 1
    return UNKNOWN_SIZE if size == (1 << bits) - 1 else size


def _unknown_end(data: Bytes, number: int, start: int, end: int) -> int:
    """Where the next element begins that can't be inside one of this number."""
    if number == SEGMENT:
        return end
    if number != CLUSTER:
        raise corrupt("a Matroska element does not say where it ends.")
    reader = Reader(data, "a Matroska element", start, end)
    while reader.left:
        at = reader.at
        if _number(reader) in TOP:
            return at
        size = _size(reader)
        if not 0 <= size <= reader.left:
            raise corrupt("a Matroska element does not fit where it is.")
        reader.at += size
    return end


def _look(data: Bytes, parent: Element, found: Counter[Kind]) -> None:
    for element in elements(data, parent):
        number = element.number
        if number == TRACK:
            _look_at_track(data, element, found)
        elif number in PARENTS:
            _look(data, element, found)
        elif number == VOID:
            found[Kind.METADATA] += not is_blank(data, element.start, element.end)
        elif number in (APPLICATION, WRITER):
            text = data[element.start : element.end]
            found[Kind.METADATA] += NEUTRAL_WRITER.fullmatch(text) is None
        elif number == CRC:
            found[Kind.METADATA] += element.end - element.start != 4
        elif number not in TECHNICAL:
            _count(data, element, found)


def _look_at_track(data: Bytes, track: Element, found: Counter[Kind]) -> None:
    """Count the track if it is neither picture nor sound; else what is written into it."""
    kinds = [e for e in elements(data, track) if e.number == TRACK_TYPE]
    kind = int.from_bytes(data[kinds[-1].start : kinds[-1].end], "big") if kinds else 0
    if kind in (VIDEO, SOUND):
        _look(data, track, found)
    else:
        found[Kind.SUBTITLE if kind == SUBTITLE else Kind.DATA_STREAM] += 1


def _count(data: Bytes, element: Element, found: Counter[Kind]) -> None:
    """What an element that is no table counts as: each chapter, file and tag for itself."""
    if element.number == CHAPTERS:
        found[Kind.CHAPTER] += max(_chapters(data, element), 1)
    elif element.number == ATTACHMENTS:
        for file in _filled(data, element):
            found[Kind.PICTURE if _is_picture(data, file) else Kind.METADATA] += 1
    elif element.number == TAGS:
        found[Kind.METADATA] += sum(_tags(data, tag) for tag in _filled(data, element))
    else:
        found[Kind.METADATA] += 1


def _chapters(data: Bytes, parent: Element) -> int:
    """How many chapters there are at any depth. (Editions are 0x45B9.)"""
    inner = [e for e in elements(data, parent) if e.number in (CHAPTER, 0x45B9)]
    return sum((e.number == CHAPTER) + _chapters(data, e) for e in inner)


def _filled(data: Bytes, parent: Element) -> Iterator[Element]:
    """The elements but for checksums and room that was left free."""
    for element in elements(data, parent):
        blank = element.number == VOID and is_blank(data, element.start, element.end)
        if element.number != CRC and not blank:
            yield element


def _is_picture(data: Bytes, file: Element) -> bool:
    if file.number != ATTACHED_FILE:
        return False
    texts = [data[e.start : e.end] for e in elements(data, file) if e.number == MIME_TYPE]
    return any(text.startswith(b"image/") for text in texts)


def _tags(data: Bytes, tag: Element) -> int:
    """How many tags there are, but for the length that the muxer writes for each track."""
    if tag.number != TAG:
        return 1
    parts = [part for part in _filled(data, tag) if part.number != TARGETS]
    return sum(not _is_duration(data, part) for part in parts)


def _is_duration(data: Bytes, simple: Element) -> bool:
    if simple.number != SIMPLE_TAG:
        return False
    fields = {e.number: data[e.start : e.end] for e in elements(data, simple)}
    text = fields.get(TAG_TEXT, b"")
    return (
        fields.keys() == {TAG_NAME, TAG_TEXT}
        and fields[TAG_NAME] == b"DURATION"
        and DURATION.fullmatch(text) is not None
    )
