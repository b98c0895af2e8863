"""Every place in a container where something can be written or hidden, one by one."""

import functools
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.errors import InputError
from redact.media.container import contents, flac
from redact.types import Kind
from tests.media_maker import Picture, Voice, make_clip

NAME = b"Adelheid Quandt"
ONE = Counter({Kind.METADATA: 1})
CLIPS = {
    "in.mp4": ("libx264", "aac"),
    "in.mov": ("libx264", "aac"),
    "in.mkv": ("libx264", "aac"),
    "in.avi": ("mpeg4", "libmp3lame"),
    "in.ts": ("libx264", "aac"),
    "in.wav": (None, "pcm_s16le"),
    "in.mp3": (None, "libmp3lame"),
    "in.flac": (None, "flac"),
    "in.ogg": (None, "libopus"),
    "in.aac": (None, "aac"),
}


@functools.cache
def clean(name):
    """The bytes of a small file in which there is nothing to find."""
    codec, voice = CLIPS[name]
    picture = Picture(codec=codec, width=32, height=32, frames=3) if codec else None
    options = {"id3v2_version": "0"} if name == "in.mp3" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = make_clip(
            Path(folder) / name,
            picture,
            [Voice(codec=voice, seconds=0.1)],
            muxer={"fflags": "+bitexact", **options},
        )
        return path.read_bytes()


@pytest.fixture
def look(tmp_path):
    def find(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return contents(path)

    return find


@pytest.mark.parametrize("name", CLIPS)
def test_a_file_with_nothing_in_it_counts_as_nothing(look, name):
    assert not look(name, clean(name))


@pytest.mark.parametrize("name", [n for n in CLIPS if n not in ("in.flac", "in.ts")])
def test_bytes_after_the_end_are_found(look, name):
    assert look(name, clean(name) + NAME * 3)[Kind.METADATA] >= 1


def box(kind, *parts):
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def in_moov(data, extra):
    """The movie header is last in these files, so that its growth moves no sample."""
    at = data.rindex(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    assert at + size == len(data)
    return data[:at] + (size + len(extra)).to_bytes(4, "big") + data[at + 4 :] + extra


ITEM = box(b"\xa9nam", box(b"data", bytes(8), NAME))
HANDLER = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
TOP_BOXES = {
    "uuid": (box(b"uuid", bytes(16), NAME), ONE),
    "free": (box(b"free", NAME), ONE),
    "skip": (box(b"skip", NAME), ONE),
    "udta": (box(b"udta", box(b"\xa9xyz", NAME)), ONE),
    "unknown": (box(b"Quan", NAME), ONE),
    "samples of nothing": (box(b"mdat", NAME), ONE),
    "blank": (box(b"free", bytes(9)), Counter()),
}


@pytest.mark.parametrize("case", TOP_BOXES)
@pytest.mark.parametrize("name", ["in.mp4", "in.mov"])
def test_boxes_beside_the_movie_are_found(look, name, case):
    extra, found = TOP_BOXES[case]
    assert look(name, clean(name) + extra) == found


COVER = box(b"covr", box(b"data", bytes(8), NAME))
FREEFORM = box(b"----", box(b"mean", NAME), box(b"name", NAME), box(b"data", NAME))
MOVIE_BOXES = {
    "tag of itunes": (box(b"udta", box(b"meta", bytes(4), HANDLER, box(b"ilst", ITEM))), ONE),
    "of any form": (box(b"udta", box(b"meta", bytes(4), HANDLER, box(b"ilst", FREEFORM))), ONE),
    "tag of quicktime": (box(b"udta", box(b"\xa9nam", b"\0\x0f\0\0", NAME), bytes(4)), ONE),
    "meta of quicktime": (box(b"meta", HANDLER, box(b"ilst", ITEM)), ONE),
    "cover": (
        box(b"udta", box(b"meta", bytes(4), HANDLER, box(b"ilst", COVER))),
        Counter({Kind.PICTURE: 1}),
    ),
    "chapters": (
        box(b"udta", box(b"chpl", b"\1", bytes(7), b"\2", NAME)),
        Counter({Kind.CHAPTER: 2}),
    ),
    "xml": (box(b"meta", bytes(4), HANDLER, box(b"xml ", NAME)), ONE),
    "uuid": (box(b"uuid", bytes(16), NAME), ONE),
    "nothing": (
        box(b"udta", box(b"meta", bytes(4), HANDLER, box(b"ilst")), bytes(4)),
        Counter(),
    ),
}


@pytest.mark.parametrize("case", MOVIE_BOXES)
@pytest.mark.parametrize("name", ["in.mp4", "in.mov"])
def test_boxes_in_the_movie_are_found(look, name, case):
    extra, found = MOVIE_BOXES[case]
    assert look(name, in_moov(clean(name), extra)) == found


def test_a_second_movie_header_is_found(look):
    data = clean("in.mp4")
    assert look("in.mp4", data + data[data.rindex(b"moov") - 4 :])[Kind.METADATA] >= 1


@pytest.mark.parametrize("kind", [b"mvhd", b"tkhd", b"mdhd"])
def test_times_in_the_headers_are_found(look, kind):
    data = bytearray(clean("in.mp4"))
    at = data.index(kind) + 8
    assert not any(data[at : at + 8])
    data[at : at + 4] = (3_800_000_000).to_bytes(4, "big")
    assert look("in.mp4", bytes(data)) == ONE


def test_names_in_the_tracks_headers_are_found(look):
    data = clean("in.mp4")
    assert b"VideoHandler" in data
    named = data.replace(b"VideoHandler", b"Quandt's cam")
    assert look("in.mp4", named) == Counter({Kind.HANDLER_NAME: 1})
    at = data.index(b"avc1", data.index(b"stsd")) + 4 + 42
    coded = data[:at] + b"\x06Quandt" + data[at + 7 :]
    assert look("in.mp4", coded) == ONE


def test_bytes_between_the_samples_are_found(look):
    """Eight bytes in front of the first sample, and every place of a chunk moved by as many."""
    data = clean("in.mp4")
    at = data.index(b"mdat") + 4
    size = int.from_bytes(data[at - 8 : at - 4], "big")
    for hidden, found in ((b"Adelheid", ONE), (bytes(8), Counter())):
        moved = data[: at - 8] + (size + 8).to_bytes(4, "big") + b"mdat" + hidden + data[at:]
        place = 0
        while (place := moved.find(b"stco", place + 1)) >= 0:
            count = int.from_bytes(moved[place + 8 : place + 12], "big")
            for entry in range(place + 12, place + 12 + 4 * count, 4):
                old = int.from_bytes(moved[entry : entry + 4], "big")
                moved = moved[:entry] + (old + 8).to_bytes(4, "big") + moved[entry + 4 :]
        assert look("in.mp4", moved) == found


def element(number, body):
    head = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return head + (len(body) | 1 << 56).to_bytes(8, "big") + body


CHAPTERS = element(0x45B9, element(0xB6, element(0x80, NAME)) * 2)
ELEMENTS = {
    "void": (element(0xEC, NAME), ONE),
    "blank": (element(0xEC, bytes(20)), Counter()),
    "checksum": (element(0xBF, b"1234"), Counter()),
    "not a checksum": (element(0xBF, NAME), ONE),
    "unknown": (element(0x4F4F, NAME), ONE),
    "chapters": (element(0x1043A770, CHAPTERS), Counter({Kind.CHAPTER: 2})),
    "tag": (
        element(0x1254C367, element(0x7373, element(0x67C8, element(0x45A3, b"DURATION")))),
        ONE,
    ),
    "false duration": (
        element(
            0x1254C367,
            element(0x7373, element(0x67C8, element(0x45A3, b"DURATION") + element(0x4487, NAME))),
        ),
        ONE,
    ),
    "file": (element(0x1941A469, element(0x61A7, element(0x465C, NAME))), ONE),
    "picture": (
        element(0x1941A469, element(0x61A7, element(0x4660, b"image/png"))),
        Counter({Kind.PICTURE: 1}),
    ),
    "title": (element(0x1549A966, element(0x7BA9, NAME)), ONE),
    "date": (element(0x1549A966, element(0x4461, bytes(8))), ONE),
    "identity": (element(0x1549A966, element(0x73A4, NAME)), ONE),
    "writer": (element(0x1549A966, element(0x5741, NAME)), ONE),
}


@pytest.mark.parametrize("case", ELEMENTS)
def test_elements_are_found(look, case):
    extra, found = ELEMENTS[case]
    data = clean("in.mkv")
    at = data.index(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(data[at : at + 8], "big") & (1 << 56) - 1
    assert at + 8 + size == len(data)
    grown = (size + len(extra) | 1 << 56).to_bytes(8, "big")
    assert look("in.mkv", data[:at] + grown + data[at + 8 :] + extra) == found


def test_the_parts_of_a_track_are_found(look):
    data = clean("in.mkv")
    at = data.index(b"\x83\x81\x01")  # the type of the picture's track
    subtitle = data[:at] + b"\x83\x81\x11" + data[at + 3 :]
    assert look("in.mkv", subtitle)[Kind.SUBTITLE] == 1


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_movie_in_fragments_is_read(look, tmp_path, codec):
    path = make_clip(
        tmp_path / "parts.mp4",
        Picture(codec=codec, width=64, height=64),
        [Voice()],
        muxer={"movflags": "frag_keyframe+empty_moov", "fflags": "+bitexact"},
    )
    data = path.read_bytes()
    assert data.count(b"moof") > 1
    assert not contents(path)
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    hidden = data[at + size :].replace(b"moof", b"free", 1)
    assert look("in.mp4", data[: at + size] + hidden)[Kind.METADATA] >= 1


def test_a_live_recording_is_read(look, tmp_path):
    """Matroska that was written to a pipe: segment and clusters do not know their size."""
    path = make_clip(
        tmp_path / "live.mkv",
        Picture(width=32, height=32),
        muxer={"live": "1", "fflags": "+bitexact", "cluster_time_limit": "200"},
    )
    assert b"\x18\x53\x80\x67\x01\xff\xff\xff" in path.read_bytes()
    assert not contents(path)


def chunk(kind, body):
    return kind + len(body).to_bytes(4, "little") + body + bytes(len(body) & 1)


CHUNKS = {
    "junk": (chunk(b"JUNK", NAME), ONE),
    "blank": (chunk(b"JUNK", bytes(8)), Counter()),
    "info": (chunk(b"LIST", b"INFO" + chunk(b"IART", NAME) + chunk(b"INAM", NAME)), ONE + ONE),
    "unknown": (chunk(b"Quan", NAME), ONE),
    "exif": (chunk(b"LIST", b"exif" + chunk(b"ecor", NAME)), ONE),
}
WAVE_CHUNKS = {
    **CHUNKS,
    **{
        kind: (chunk(kind.encode(), NAME.ljust(602)), ONE)
        for kind in ("bext", "iXML", "id3 ", "cue ")
    },
}


@pytest.mark.parametrize(
    ("name", "case"),
    [("in.avi", case) for case in CHUNKS] + [("in.wav", case) for case in WAVE_CHUNKS],
)
def test_chunks_are_found(look, name, case):
    extra, found = WAVE_CHUNKS[case]
    data = clean(name)
    size = int.from_bytes(data[4:8], "little")
    grown = data[:4] + (size + len(extra)).to_bytes(4, "little") + data[8:] + extra
    assert look(name, grown) == found


def test_the_name_of_a_track_in_avi_is_found(look):
    data = clean("in.avi")
    at = data.index(b"JUNK", data.index(b"strl"))
    assert look("in.avi", data[:at] + b"strn" + data[at + 4 :]) == ONE
    text = data.index(b"JUNK") + 20
    assert look("in.avi", data[:text] + NAME + data[text + len(NAME) :]) == ONE


def id3(*frames):
    body = b"".join(k + len(b).to_bytes(4, "big") + b"\0\0" + b for k, b in frames) + bytes(12)
    return b"ID3\3\0\0" + bytes([0, 0, len(body) >> 7, len(body) & 127]) + body


APE = NAME + b"APETAGEX" + bytes(4) + (32 + 15).to_bytes(4, "little") + bytes(16)
AROUND = {
    "id3": (id3((b"TIT2", NAME), (b"TPE1", NAME)), b"", ONE + ONE),
    "cover": (id3((b"APIC", NAME)), b"", Counter({Kind.PICTURE: 1})),
    "chapter": (id3((b"CHAP", NAME)), b"", Counter({Kind.CHAPTER: 1})),
    "version 1": (b"", b"TAG" + NAME.ljust(125, b"\0"), ONE),
    "enhanced": (b"", b"TAG+" + NAME.ljust(223, b"\0") + b"TAG" + bytes(125), ONE),
    "ape": (b"", APE, ONE),
    "lyrics": (b"", b"LYRICSBEGIN" + NAME + b"000026LYRICS200", ONE),
    "two": (b"", APE + b"TAG" + NAME.ljust(125, b"\0"), ONE + ONE),
}


@pytest.mark.parametrize("case", AROUND)
@pytest.mark.parametrize("name", ["in.mp3", "in.aac"])
def test_tags_around_sound_are_found(look, name, case):
    before, after, found = AROUND[case]
    assert look(name, before + clean(name) + after) == found


def test_bytes_between_frames_of_sound_are_found(look):
    data = clean("in.mp3")
    second = data.index(data[:2], 4)
    assert look("in.mp3", data[:second] + NAME * 9 + data[second:]) == ONE
    at = data.index(b"Lavf", 0, 200)
    assert look("in.mp3", data[:at] + b"Adelheid." + data[at + 9 :]) == ONE


def block(kind, body, *, last=False):
    return bytes([kind | (0x80 if last else 0)]) + len(body).to_bytes(3, "big") + body


LINES = (1).to_bytes(4, "little") + (20).to_bytes(4, "little") + b"ARTIST=" + NAME[:13]
BLOCKS = {
    "comment": (block(4, bytes(4) + LINES), ONE),
    "vendor": (block(4, len(NAME).to_bytes(4, "little") + NAME + bytes(4)), ONE),
    "picture": (block(6, NAME), Counter({Kind.PICTURE: 1})),
    "cue sheet": (block(5, NAME), Counter({Kind.CHAPTER: 1})),
    "application": (block(2, NAME), ONE),
    "padding": (block(1, NAME), ONE),
    "blank": (block(1, bytes(9)), Counter()),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_of_flac_are_found(case):
    """By the blocks alone: FFmpeg opens no file with a cue sheet as short as this one."""
    extra, expected = BLOCKS[case]
    data = clean("in.flac")
    found = Counter()
    flac.find(data[:42] + extra + data[42:], found)
    assert +found == expected


@pytest.mark.parametrize("codec", ["libopus", "flac", "vorbis"])
def test_comments_of_ogg_are_found(tmp_path, codec):
    tags = {"artist": NAME.decode(), "title": NAME.decode()}
    clip = make_clip(
        tmp_path / "in.ogg", None, [Voice(codec=codec)], tags=tags, muxer={"fflags": "+bitexact"}
    )
    # A sound encoder names itself among the comments.
    assert contents(clip)[Kind.METADATA] >= 2


def ts_packet(number, table):
    body = b"\0" + table
    head = bytes([0x47, 0x40 | number >> 8, number & 255, 0x10])
    return head + body.ljust(184, b"\xff")


def section(table, body):
    whole = body + bytes(4)
    return bytes([table]) + (0xB000 | len(whole)).to_bytes(2, "big") + whole


SERVICE = b"\0\1\xc1\0\0\xff\x01\xff\0\1\xfc\x80"
SERVICES = SERVICE + bytes([19, 0x48, 17, 1, 0, 14]) + NAME[:14]
PACKETS = {
    "service": (ts_packet(0x11, section(0x42, SERVICES)), ONE),
    "programme guide": (ts_packet(0x12, section(0x4E, NAME)), ONE),
    "time": (ts_packet(0x14, section(0x70, NAME)), ONE),
    "stranger": (ts_packet(0x300, section(0x80, NAME)), Counter({Kind.DATA_STREAM: 1})),
    "stuffing": (b"\x47\x1f\xff\x10" + NAME.ljust(184, b"\xff"), ONE),
    "blank": (b"\x47\x1f\xff\x10" + b"\xff" * 184, Counter()),
    "private": (b"\x47\x1f\xff\x20\xb7\x02\x0f" + NAME.ljust(181, b"\xff"), ONE),
}


@pytest.mark.parametrize("case", PACKETS)
def test_packets_of_mpeg_ts_are_found(look, case):
    extra, found = PACKETS[case]
    assert look("in.ts", clean("in.ts") + extra) == found


@pytest.mark.parametrize("name", CLIPS)
@given(st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory, name, data):
    """Cut, overwritten, with a piece twice: an answer or an InputError, and nothing else."""
    whole = clean(name)
    at = data.draw(st.integers(0, min(len(whole), 6000) - 1))
    hurt = (
        whole[:at] + data.draw(st.binary(max_size=9)) + whole[at + data.draw(st.integers(0, 9)) :]
    )
    hurt = hurt[: data.draw(st.integers(1, len(hurt)))] if data.draw(st.booleans()) else hurt
    path = tmp_path_factory.getbasetemp() / f"hurt-{name}"
    path.write_bytes(hurt)
    try:
        contents(path)
    except InputError:
        return


def test_parts_in_parts_without_end_are_refused(look):
    deep = b""
    for _ in range(3000):
        deep = box(b"moov", deep)
    with pytest.raises(InputError):
        look("in.mp4", in_moov(clean("in.mp4"), deep))
