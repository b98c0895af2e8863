"""Stills: the coded picture stays bit for bit, or all of it but what was covered."""

import functools
import struct
import zlib

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.errors import InputError, Reason
from redact.media import colour_profile, orientation, still
from redact.media.bitstream.jpeg import SOS, picture
from redact.media.container import contents
from redact.media.decode import frames
from redact.media.probe import probe
from redact.policy import Encoding, Limits
from redact.types import Kind

SECRET = b"Adelheid Quandt"
WIDE = SECRET.decode().encode("utf-16-le")
Y, X = np.mgrid[0:61, 0:83]
SCENE = np.stack([127 + 90 * np.sin(X / 9), 127 + 90 * np.cos(Y / 7), 60 + X + Y], axis=-1).astype(
    np.uint8
)
TILTED = b"II*\0\x08\0\0\0\2\0\x12\1\3\0\1\0\0\0\6\0\0\0\x0f\1\2\0\x10\0\0\0\x26\0\0\0\0\0\0\0"
EXIF = TILTED + SECRET + b"\0" + WIDE


def profile(version=2):
    """An ICC profile of three tags, one of them a text."""
    tags = [
        (b"desc", b"desc" + bytes(4) + len(SECRET).to_bytes(4, "big") + SECRET),
        (b"wtpt", b"XYZ " + bytes(4) + bytes(range(12))),
        (b"rTRC", b"curv" + bytes(8)),
        (b"gTRC", b"text" + bytes(4) + SECRET),
        (b"dmnd", b"text" + bytes(4) + SECRET),
    ]
    table, bodies = b"", b""
    for tag, body in tags:
        place = 132 + 12 * len(tags) + len(bodies)
        table += tag + place.to_bytes(4, "big") + len(body).to_bytes(4, "big")
        bodies += body + bytes(-len(body) % 4)
    head = bytearray(128)
    head[8], head[12:24], head[36:40], head[48:56] = version, b"mntrRGB XYZ ", b"acsp", SECRET[:8]
    return bytes(head) + len(tags).to_bytes(4, "big") + table + bodies


def jpeg(*said, samples=SCENE, tail=b"", options=()):
    ok, data = cv2.imencode(".jpg", samples, [cv2.IMWRITE_JPEG_QUALITY, 92, *options])
    assert ok
    data = data.tobytes()
    segments = b"".join(
        bytes([0xFF, mark]) + (len(b) + 2).to_bytes(2, "big") + b for mark, b in said
    )
    return data[:2] + segments + data[2:] + tail


def png(*said, samples=SCENE, tail=b""):
    ok, data = cv2.imencode(".png", samples)
    assert ok
    data = data.tobytes()
    chunks = b"".join(chunk(kind, body) for kind, body in said)
    return data[:33] + chunks + data[33:] + tail


def chunk(kind, body):
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def webp(*said, samples=SCENE, lossless=False, flags=0x2C):
    ok, data = cv2.imencode(".webp", samples, [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 90])
    assert ok
    data = data.tobytes()
    at = 30 if data[12:16] == b"VP8X" else 12
    size = (samples.shape[1] - 1).to_bytes(3, "little") + (samples.shape[0] - 1).to_bytes(
        3, "little"
    )
    alpha = 0x10 if samples.shape[-1] == 4 else 0
    parts = [(b"VP8X", bytes([flags | alpha, 0, 0, 0]) + size), *said]
    body = b"WEBP" + b"".join(riff(*part) for part in parts) + data[at:]
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def riff(kind, body):
    return kind + len(body).to_bytes(4, "little") + body + bytes(len(body) & 1)


STILLS = {
    "in.jpg": lambda: jpeg(
        (0xE1, b"Exif\0\0" + EXIF),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
        (0xE2, b"ICC_PROFILE\0\1\1" + profile()),
        (0xE2, b"MPF\0" + SECRET),
        (0xED, b"Photoshop 3.0\0" + SECRET),
        (0xE0, b"JFXX\0\x10" + jpeg(samples=SCENE[::4, ::4].copy())),
        (0xFE, SECRET),
        tail=jpeg(samples=SCENE[::2, ::2].copy()) + SECRET,
    ),
    "in.png": lambda: png(
        (b"tEXt", b"Author\0" + SECRET),
        (b"zTXt", b"Author\0\0" + zlib.compress(SECRET)),
        (b"iTXt", b"Author\0\0\0\0\0" + SECRET),
        (b"eXIf", EXIF),
        (b"tIME", b"\x07\xe9\1\1\1\1\1"),
        (b"iCCP", SECRET + b"\0\0" + zlib.compress(profile(4))),
        (b"gAMA", (45455).to_bytes(4, "big")),
        tail=SECRET,
    ),
    "in.webp": lambda: webp(
        (b"ICCP", profile()), (b"EXIF", b"Exif\0\0" + EXIF), (b"XMP ", SECRET), (b"QUAN", SECRET)
    ),
}

FOUND = {
    "in.jpg": {Kind.METADATA: 7, Kind.PICTURE: 1},
    "in.png": {Kind.METADATA: 7},
    "in.webp": {Kind.METADATA: 4},
}


def opened(path):
    return probe(path, Limits())


def rendered(tmp_path, name, data, edit=None):
    source, target = tmp_path / name, tmp_path / f"out-{name}"
    source.write_bytes(data)
    still.render(opened(source), target, encoding=Encoding(), edit=edit)
    return source, target


def blacken(frame):
    for plane in frame.planes[:3]:
        plane[8:16, 8:24] = 0
    return True


def assert_nothing_left(path):
    data = path.read_bytes()
    for form in (SECRET, WIDE, SECRET.decode().encode("utf-16-be")):
        assert form not in data
    if path.suffix == ".png":
        reader, at = data, 8
        while at < len(reader):
            size = int.from_bytes(reader[at : at + 4], "big")
            body = reader[at + 8 : at + 8 + size]
            if reader[at + 4 : at + 8] == b"iCCP":
                assert SECRET not in zlib.decompress(body.partition(b"\0")[2][1:])
            at += size + 12
    assert not contents(path)


@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
@pytest.mark.parametrize("name", STILLS)
def test_nothing_written_around_a_still_is_left(tmp_path, name, edit):
    source, target = rendered(tmp_path, name, STILLS[name](), edit)

    assert contents(source) == FOUND[name]
    assert_nothing_left(target)
    way = {"in.jpg": b"Exif\0\0", "in.png": b"eXIf", "in.webp": b"EXIF"}[name]
    assert way in target.read_bytes()
    assert orientation.minimal(6) in target.read_bytes()


@pytest.mark.parametrize("name", STILLS)
def test_an_unedited_still_keeps_its_samples_and_colours(tmp_path, name):
    source, target = rendered(tmp_path, name, STILLS[name](), lambda _: False)

    before, after = still.read(source), still.read(target)
    assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))
    if name == "in.png":
        return  # its profile is packed
    assert colour_profile.neutral(profile()) in target.read_bytes()


def test_a_copied_jpeg_keeps_its_coded_data(tmp_path):
    source, target = rendered(tmp_path, "in.jpg", STILLS["in.jpg"]())
    scans = [
        b"".join(
            data[one.start : one.end]
            for one in picture(data)
            if one.marker in (SOS, 0xDB, 0xC4, 0xC0)
        )
        for data in (source.read_bytes(), target.read_bytes())
    ]
    assert scans[0] == scans[1]


SAMPLINGS = {
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("progressive", [0, 1])
def test_an_edited_jpeg_stays_near_its_own_planes(tmp_path, sampling, progressive):
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    source, target = rendered(tmp_path, "in.jpg", jpeg(options=options), blacken)

    before, after = still.read(source), still.read(target)
    assert (after.width, after.height) == (83, 61)
    assert after.planes[0][10:14, 10:22].max() <= 12
    difference = before.planes[0][:, 32:].astype(int) - after.planes[0][:, 32:]
    # One more coding at quality 92 or finer costs little; a shifted or wrong plane, far more.
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 42
    assert target.stat().st_size < 4 * source.stat().st_size


DEEP = (SCENE.astype(np.uint16) << 8) + np.arange(83, dtype=np.uint16)[None, :, None]
ALPHA = (X * 3).astype(np.uint8)[..., None]
PNGS = {
    "rgb": SCENE,
    "rgba": np.concatenate([SCENE, ALPHA], -1),
    "grey": SCENE[..., 0].copy(),
    "rgb16": DEEP,
    "rgba16": np.concatenate([DEEP, ALPHA.astype(np.uint16) * 257], -1),
    "grey16": DEEP[..., 0].copy(),
}


@pytest.mark.parametrize("kind", PNGS)
def test_an_edited_png_keeps_every_other_sample(tmp_path, kind):
    source, target = rendered(tmp_path, "in.png", png(samples=PNGS[kind]), blacken)
    before, after = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (source, target))
    np.testing.assert_array_equal(before, PNGS[kind])
    before[8:16, 8:24, ...] = after[8:16, 8:24, ...]
    np.testing.assert_array_equal(after, before)
    colours = after if after.ndim == 2 else after[..., :3]
    assert not colours[8:16, 8:24].any()


@pytest.mark.parametrize("pixel_format", ["pal8", "ya8", "monob"])
def test_an_edited_png_of_another_kind_keeps_every_other_sample(tmp_path, pixel_format):
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, pixel_format, 1
    frame = av.VideoFrame(64, 48, pixel_format)
    for plane in frame.planes:
        size = plane.buffer_size
        plane.update((np.arange(size) * 7919 % 251).astype(np.uint8).tobytes())
    data = b"".join(bytes(p) for p in [*codec.encode(frame), *codec.encode(None)])
    source, target = rendered(tmp_path, "in.png", data, blacken)
    before, after = still.read(source), still.read(target)
    for first, second in zip(before.planes, after.planes, strict=True):
        np.testing.assert_array_equal(first[16:], second[16:])
        np.testing.assert_array_equal(first[:, 24:], second[:, 24:])
    assert not after.planes[0][8:16, 8:24].any()


@pytest.mark.parametrize("alpha", [False, True])
def test_an_edited_lossless_webp_keeps_every_other_sample(tmp_path, alpha):
    samples = PNGS["rgba"] if alpha else SCENE
    source, target = rendered(tmp_path, "in.webp", webp(samples=samples, lossless=True), blacken)
    before, after = still.read(source), still.read(target)
    for first, second in zip(before.planes, after.planes, strict=True):
        np.testing.assert_array_equal(first[16:], second[16:])
    assert not after.planes[0][8:16, 8:24].any()


@pytest.mark.parametrize("alpha", [False, True])
def test_an_edited_lossy_webp_stays_near_its_own_planes(tmp_path, alpha):
    samples = PNGS["rgba"] if alpha else SCENE
    source, target = rendered(tmp_path, "in.webp", webp(samples=samples), blacken)
    before, after = still.read(source), still.read(target)
    assert len(before.planes) == len(after.planes) == 3 + alpha
    difference = before.planes[0][:, 32:].astype(int) - after.planes[0][:, 32:]
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 36
    if alpha:
        np.testing.assert_array_equal(before.planes[3], after.planes[3])


def test_animations_are_refused(tmp_path):
    for name, data in {
        "in.png": png((b"acTL", bytes(8))),
        "in.webp": webp((b"ANIM", bytes(6)), flags=0x02),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as caught:
            contents(tmp_path / name)
        assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize("version", [2, 4])
def test_a_neutral_profile_keeps_its_numbers_and_no_words(version):
    neutral = colour_profile.neutral(profile(version))
    assert SECRET[:6] not in neutral
    assert b"XYZ " + bytes(4) + bytes(range(12)) in neutral
    assert colour_profile.neutral(neutral) == neutral
    assert len(neutral) == int.from_bytes(neutral[:4], "big")


@pytest.mark.parametrize("way", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders(way):
    little = TILTED.replace(b"\6\0\0\0", bytes([way, 0, 0, 0]))
    assert orientation.read(little) == way
    assert orientation.read(orientation.minimal(way)) == way


@given(st.binary(max_size=60).map(lambda tail: b"II*\0" + tail) | st.binary(max_size=80))
def test_an_orientation_that_breaks_off_is_upright(block):
    assert 1 <= orientation.read(block) <= 8


once = functools.cache(lambda name: STILLS[name]())


@pytest.mark.parametrize("name", STILLS)
@given(st.data())
def test_damaged_stills_are_read_or_refused(tmp_path_factory, name, data):
    whole = once(name)
    at = data.draw(st.integers(0, len(whole) - 1))
    hurt = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + 1 :]
    hurt = hurt[: data.draw(st.integers(1, len(hurt)))]
    path = tmp_path_factory.getbasetemp() / f"hurt-{name}"
    path.write_bytes(hurt)
    try:
        contents(path)
    except InputError:
        return


def test_a_disk_that_is_full_leaves_nothing(tmp_path):
    source = tmp_path / "in.png"
    source.write_bytes(png())
    with pytest.raises(Exception, match="can't be written"):
        still.render(opened(source), tmp_path / "no" / "out.png", encoding=Encoding(), edit=None)
    assert source.read_bytes() == png()


def test_a_second_picture_behind_a_jpeg_does_not_keep_it_from_being_looked_at(tmp_path):
    """Phones put a smaller picture, or a film, behind the one that is shown."""
    one, two = tmp_path / "one.jpg", tmp_path / "two.jpg"
    cv2.imwrite(str(one), np.full((64, 96, 3), 90, np.uint8))
    cv2.imwrite(str(two), np.full((32, 48, 3), 200, np.uint8))
    two.write_bytes(one.read_bytes() + two.read_bytes())
    clip = probe(two, Limits())
    (frame,) = frames(clip)
    assert (frame.width, frame.height, clip.picture.frames) == (96, 64, 1)


def test_a_still_that_is_shown_turned_says_so(tmp_path):
    path = tmp_path / "turned.jpg"
    cv2.imwrite(str(path), np.full((64, 96, 3), 90, np.uint8))
    block = b"Exif\0\0" + orientation.minimal(6)  # to be turned clockwise
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:])
    assert probe(path, Limits()).picture.rotation == -90
