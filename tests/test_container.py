"""What a file holds beside picture and sound is found, and none of it is in what we write."""

import re
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from redact.media.bitstream.sei import escape, unescape
from redact.media.container import contents
from redact.media.probe import probe
from redact.media.render import render
from redact.policy import Encoding, Limits
from redact.types import Kind
from tests.media_maker import Picture, Voice, make_clip
from tests.test_media import SOUND, VIDEO, blacken, keep_sound, named

ENCODING = Encoding(preset="ultrafast")
NAME = "Quándt"
PLACE = "+48.1374+011.5755/"
DAY = "2024-03-05T06:07:08.000000Z"


def rendered(source, *, picture=None, sound=None):
    clip = probe(source, Limits())
    target = source.with_name("out" + clip.suffix)
    render(
        clip,
        target,
        encoding=ENCODING,
        picture=picture,
        sound=sound or {},
        progress=lambda share: None,
    )
    return target


@pytest.mark.parametrize("row", VIDEO, ids=named)
@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
def test_what_our_muxers_write_counts_as_nothing(tmp_path, row, edit):
    suffix, picture, voice = row
    source = make_clip(
        tmp_path / f"in{suffix}", picture, [Voice(codec=voice)], tags={"title": NAME}
    )
    sound = {1: keep_sound} if edit else None
    assert contents(source)[Kind.METADATA] >= 1
    assert not contents(rendered(source, picture=edit, sound=sound))


@pytest.mark.parametrize("row", SOUND, ids=named)
@pytest.mark.parametrize("edit", [None, keep_sound], ids=["copied", "encoded"])
def test_what_our_muxers_write_around_sound_counts_as_nothing(tmp_path, row, edit):
    suffix, voice = row
    source = make_clip(
        tmp_path / f"in{suffix}", None, [Voice(codec=voice)], tags={"title": NAME, "artist": NAME}
    )
    assert contents(source)[Kind.METADATA] >= (2 if suffix != ".aac" else 0)
    output = rendered(source, sound={0: edit} if edit else None)
    assert not contents(output)
    assert_nothing_left(output)


def cover():
    """A PNG picture with a text in it."""
    data = cv2.imencode(".png", np.full((16, 16, 3), 99, np.uint8))[1].tobytes()
    body = b"tEXtAuthor\0" + NAME.encode("latin-1")
    check = zlib.crc32(body).to_bytes(4, "big")
    return data[:33] + (len(body) - 4).to_bytes(4, "big") + body + check + data[33:]


def spoken(codec):
    """A unit with captions and a unit with text of its own, as cameras and encoders write them."""
    captions = b"\xb5\x00\x31GA94\x03\x41\0\0\1" + NAME.encode("utf-8")
    text = bytes(16) + NAME.encode("utf-16-le") + b"\0\0\0" + PLACE.encode()
    units = b""
    for kind, payload in ((4, captions), (5, text)):
        body = escape(bytes([kind, len(payload)]) + payload + b"\x80")
        unit = (b"\x06" if codec == "h264" else b"\x4e\x01") + body
        units += len(unit).to_bytes(4, "big") + unit
    return units


def planted(path, base):
    """A clip with a name in each place that there is for one."""
    movie = path.suffix in (".mp4", ".mov")
    with av.open(str(base)) as source, av.open(str(path), "w") as output:
        output.metadata.update(
            title=f"{NAME} at home", artist=NAME, comment=NAME, location=PLACE,
            creation_time=DAY, **({"timecode": "01:02:03:04"} if path.suffix == ".mov" else {}),
        )  # fmt: skip
        output.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000),
                 "metadata": {"title": f"{NAME} speaks"}},
                {"id": 2, "start": 400, "end": 800, "time_base": Fraction(1, 1000),
                 "metadata": {"title": f"{NAME} goes"}},
            ]
        )  # fmt: skip
        made = {s.index: output.add_stream_from_template(s, opaque=True) for s in source.streams}
        for stream in made.values():
            stream.metadata.update(handler_name=f"{NAME}'s camera", title=NAME)
        subtitle = output.add_mux_stream("mov_text" if movie else "subrip")
        subtitle.time_base = Fraction(1, 1000)
        picture = _cover_stream(output, movie)
        first = True
        for packet in source.demux():
            if not packet.size:
                continue
            stream = packet.stream
            data = bytes(packet)
            if stream.type == "video":
                data = spoken(stream.codec_context.codec.canonical_name) + data
            copy = av.Packet(data)
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
            copy.stream = made[stream.index]
            output.mux(copy)
            if first:
                first = False
                _mux_extras(output, subtitle, picture, movie)
    return path


def _cover_stream(output, movie):
    if not movie:
        output.add_attachment(f"{NAME}.png", "image/png", cover())
        output.add_attachment(f"{NAME}.txt", "text/plain", NAME.encode())
        return None
    stream = output.add_mux_stream("png", width=16, height=16)
    stream.disposition = Disposition.attached_pic
    return stream


def _mux_extras(output, subtitle, picture, movie):
    text = f"{NAME} speaks".encode()
    words = av.Packet(len(text).to_bytes(2, "big") + text if movie else text)
    words.pts = words.dts = 0
    words.duration, words.time_base, words.stream = 400, Fraction(1, 1000), subtitle
    output.mux(words)
    if picture is not None:
        image = av.Packet(cover())
        image.pts = image.dts = 0
        image.time_base, image.stream, image.is_keyframe = Fraction(1, 90_000), picture, True
        output.mux(image)


def searched(data):
    """The bytes; without the 3s of the coded pictures; and what is packed in them."""
    yield data
    yield unescape(data)
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        unpacker = zlib.decompressobj()
        try:
            yield unpacker.decompress(data[match.start() :], 1 << 20)
        except zlib.error:
            continue


def holds(data, text):
    forms = [text.encode(code) for code in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")]
    return any(form in part for part in searched(data) for form in forms)


def assert_nothing_left(path):
    data = path.read_bytes()
    for text in (NAME, PLACE, "48.1374", "2024-03", "Lavf6", "Lavc6"):
        assert not holds(data, text)


PLANTED = [
    (suffix, codec) for suffix in (".mp4", ".mov", ".mkv") for codec in ("libx264", "libx265")
]


@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
@pytest.mark.parametrize(("suffix", "codec"), PLANTED)
def test_nothing_planted_in_a_clip_is_left(tmp_path, suffix, codec, edit):
    base = make_clip(tmp_path / f"base{suffix}", Picture(codec=codec), [Voice()])
    source = planted(tmp_path / f"in{suffix}", base)
    before = source.read_bytes()
    assert holds(before, NAME)
    assert holds(before, PLACE)

    found = contents(source)
    output = rendered(source, picture=edit, sound={1: keep_sound} if edit else None)

    assert found[Kind.METADATA] >= 5
    assert found[Kind.CHAPTER] >= 1
    assert found[Kind.SUBTITLE] == 1
    assert found[Kind.CAPTION] == 20
    # FFmpeg writes no cover into QuickTime files, and a time code track into those alone.
    assert found[Kind.PICTURE] == (0 if suffix == ".mov" else 1)
    assert found[Kind.DATA_STREAM] == (1 if suffix == ".mov" else 0)
    assert found[Kind.HANDLER_NAME] >= (0 if suffix == ".mkv" else 2)
    assert not contents(output)
    assert_nothing_left(output)
    with av.open(str(output)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        assert not file.chapters()
        assert "creation_time" not in file.metadata
