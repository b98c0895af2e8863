"""What stays in a coded stream and what goes, for every family of codecs."""

import contextlib
import functools
import io
import re
from collections import Counter

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.errors import InputError, Reason
from redact.media.bitstream import FAMILIES, Cleaner
from redact.media.bitstream.sei import KEPT, clean_messages, escape, unescape
from redact.media.bitstream.settings import X264, X265, is_encoder_settings
from redact.types import Kind

SECRET = b"Adelheid Quandt \0\0\0 at home \0\0\1"
CAPTION = b"\xb5\x00\x31GA94\x03\x41\xff" + SECRET
AVC_PROFILE = b"\1\x64\0\x1f\xff"


def encoded(codec, form, **options):
    """The header and the packets of three grey pictures, as the form's demuxer gives them."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as output:
        stream = output.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(3):
            planes = np.full((72, 64), 90 + index, np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format=stream.pix_fmt)
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    file.seek(0)
    with av.open(file, format=form) as source:
        packets = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        return source.streams.video[0].codec_context.extradata or b"", packets


def sei(kind, payload):
    head = b"\xff" * (kind // 255) + bytes([kind % 255])
    return head + b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255]) + payload


def unit(*messages, head=b"\x06"):
    return head + escape(b"".join(messages) + b"\x80")


def prefixed(*units):
    return b"".join(len(each).to_bytes(4, "big") + each for each in units)


def annex_b(*units):
    return b"".join(b"\0\0\0\1" + each for each in units)


ENCODERS = [
    ("libx264", "mp4", {}),
    ("libx264", "mpegts", {}),
    ("libx264", "matroska", {"preset": "ultrafast"}),
    ("libx265", "mp4", {"x265-params": "log-level=none"}),
    ("libx265", "mpegts", {"x265-params": "log-level=none:repeat-headers=1:aud=1:hash=1"}),
    ("mpeg4", "avi", {}),
    ("mpeg2video", "mpegts", {}),
    ("mjpeg", "avi", {}),
    ("libvpx", "webm", {}),
    ("libvpx-vp9", "webm", {}),
    ("libsvtav1", "mp4", {"preset": "12", "svtav1-params": "lp=1"}),
]


@pytest.mark.parametrize(("codec", "form", "options"), ENCODERS)
def test_what_encoders_write_stays_bit_for_bit(codec, form, options):
    names = {"libx264": "h264", "libx265": "hevc", "libvpx": "vp8", "libvpx-vp9": "vp9"}
    name = names.get(codec, {"libsvtav1": "av1"}.get(codec, codec))
    extradata, packets = encoded(codec, form, **options)

    cleaner = Cleaner(name, extradata)

    assert [cleaner.clean(packet) for packet in packets] == packets
    assert cleaner.extradata == extradata
    assert cleaner.removed == Counter()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_only_the_encoders_own_text_stays(codec):
    """The same text with a word more, or under an option that nobody knows, is dropped."""
    params = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    _, packets = encoded(codec, "h264" if codec == "libx264" else "hevc", **params)
    uuid = X264 if codec == "libx264" else X265
    start = packets[0].index(uuid)
    text = re.match(rb"[ -~]+", packets[0][start + 16 :])[0]

    assert is_encoder_settings(uuid + text + b"\0")
    assert is_encoder_settings(uuid + text)
    assert not is_encoder_settings(bytes(16) + text)
    for more in (b" adelheid", b" crf=adelheid", b" adelheid=1", b" ref=1 ref=2", b" - x", b"\xe4"):
        assert not is_encoder_settings(uuid + text + more)
    assert not is_encoder_settings(uuid + text.replace(b"Copy", b"Adelheid"))
    assert not is_encoder_settings(uuid + text.replace(b" - http", b" of Adelheid - http"))
    assert not is_encoder_settings(uuid + text + b"\0Adelheid\0")


@given(st.text(alphabet=st.characters(codec="ascii"), min_size=1, max_size=40))
def test_no_written_words_pass_as_settings(words):
    head = b"x264 - core 164 r3095 baee400 - H.264/MPEG-4 AVC codec - Copyleft 2003-2022"
    text = head + b" - http://www.videolan.org/x264.html - options: ref=1 note="
    assert not is_encoder_settings(X264 + text + words.encode())


@given(st.lists(st.integers(0, 4), max_size=40).map(bytes))
def test_escaping_is_undone_and_hides_start_codes(data):
    assert unescape(escape(data)) == data
    assert not re.search(rb"\x00\x00(?:[\x00-\x02]|\x03[^\x00-\x03])", escape(data))


@pytest.mark.parametrize(
    ("kind", "payload", "found"),
    [
        (4, CAPTION, Kind.CAPTION),
        (4, b"\xb5\x00\x3c" + SECRET, Kind.METADATA),
        (5, bytes(range(16)) + SECRET, Kind.METADATA),
        (3, SECRET, Kind.METADATA),
        (136, SECRET, Kind.METADATA),
        (200, SECRET, Kind.METADATA),
        (137, SECRET, Kind.METADATA),
        (700, SECRET * 20, Kind.METADATA),
    ],
)
@pytest.mark.parametrize("head", [b"\x06", b"\x4e\x01"])
def test_messages_that_are_not_on_the_list_go(kind, payload, found, head):
    removed = Counter()
    harmless = sei(6, b"\x84")

    assert clean_messages(unit(sei(kind, payload), head=head), len(head), removed) == b""
    assert removed == {found: 1}
    both = clean_messages(unit(harmless, sei(kind, payload), head=head), len(head), removed)
    assert both == unit(harmless, head=head)
    assert removed == {found: 2}


@given(st.sampled_from([kind for kind, size in KEPT.items() if size >= 4]), st.binary(max_size=4))
def test_messages_on_the_list_stay_as_they_are(kind, payload):
    removed = Counter()
    whole = unit(sei(kind, payload), sei(1, b"\0\0\0\1"))
    assert clean_messages(whole, 1, removed) is whole
    assert not removed


@pytest.mark.parametrize("pack", [prefixed, annex_b])
@pytest.mark.parametrize(
    ("codec", "slice_unit", "sei_head", "strangers"),
    [
        ("h264", b"\x65\x88\x80", b"\x06", (b"\x18", b"\x1f", b"\x00", b"\x0e", b"\x0c")),
        # partitions of a picture, delimiters that hold more than they can
        ("h264", b"\x65\x88\x80", b"\x06", (b"\x62", b"\x43", b"\x44", b"\x09", b"\x0a", b"\x0d")),
        ("hevc", b"\x26\x01\xaf", b"\x4e\x01", (b"\x7c\x01", b"\x52\x01", b"\x27\x01")),
        ("hevc", b"\x26\x01\xaf", b"\x4e\x01", (b"\x46\x01", b"\x48\x01", b"\x4a\x01")),
    ],
)
def test_units_that_are_not_picture_go(pack, codec, slice_unit, sei_head, strangers):
    header = b"\1\x64\0\x1f\xff\xe0\0" if codec == "h264" else b"\1" + bytes(20) + b"\xff\0"
    cleaner = Cleaner(codec, header if pack is prefixed else b"")
    spoken = unit(sei(4, CAPTION), sei(6, b"\x84"), head=sei_head)
    for stranger in strangers:
        packet = pack(spoken, slice_unit, stranger + escape(SECRET) + b"\x80")
        assert cleaner.clean(packet) == pack(unit(sei(6, b"\x84"), head=sei_head), slice_unit)
    assert cleaner.removed == {Kind.CAPTION: len(strangers), Kind.METADATA: len(strangers)}
    assert cleaner.clean(pack(slice_unit)) == pack(slice_unit)
    assert cleaner.clean(pack(unit(sei(4, CAPTION), head=sei_head))) == b""


def test_the_header_of_length_prefixed_units_is_cleaned():
    extradata, _ = encoded("libx264", "mp4")
    assert Cleaner("h264", extradata + SECRET).extradata == extradata
    extradata, _ = encoded("libx265", "mp4", **{"x265-params": "log-level=none"})
    spoken = unit(sei(5, bytes(16) + SECRET), head=b"\x4e\x01")
    array = b"\x27\0\1" + len(spoken).to_bytes(2, "big") + spoken
    more = extradata[:22] + bytes([extradata[22] + 1]) + extradata[23:] + array
    assert Cleaner("hevc", more).extradata == extradata


def test_mpeg4_keeps_the_names_that_decoders_act_on():
    cleaner = Cleaner("mpeg4", b"")
    picture = b"\0\0\1\xb6\x10\x60"
    for name in (b"XviD0050", b"DivX503b1393p", b"Lavc62.28.102"):
        packet = b"\0\0\1\xb2" + name + picture
        assert cleaner.clean(packet) == packet
    assert cleaner.clean(b"\0\0\1\xb2XviD0050 " + SECRET[:15] + picture) == picture
    assert cleaner.clean(b"\x7f") == b"\x7f"
    assert cleaner.removed == {Kind.METADATA: 1}


def test_mpeg2_loses_captions_and_user_data():
    cleaner = Cleaner("mpeg2video", b"")
    picture = b"\0\0\1\0\0\x0f\xff\xf8\0\0\1\xb5\x8f\xff\xf3\x41\x80\0\0\1\1\x12\x34"
    spoken = b"\0\0\1\xb2GA94\x03\x41" + SECRET[:15] + b"\0\0\1\xb2" + SECRET[:15]
    camera = b"\0\0\1\xb5\xb1" + SECRET[:15]
    assert cleaner.clean(spoken + picture + camera) == picture
    assert cleaner.removed == {Kind.CAPTION: 1, Kind.METADATA: 2}


def test_mjpeg_loses_what_is_not_picture():
    _, (packet, *_) = encoded("mjpeg", "avi")
    cleaner = Cleaner("mjpeg", b"")
    for marker in (0xE1, 0xE2, 0xED, 0xE5, 0xFE, 0xE0):
        segment = bytes([0xFF, marker]) + (len(SECRET) + 2).to_bytes(2, "big") + SECRET
        assert cleaner.clean(packet[:2] + segment + packet[2:]) == packet
    assert cleaner.clean(packet + packet) == packet  # a picture behind the picture
    assert cleaner.clean(packet + b"\0\0") == packet + b"\0\0"
    assert cleaner.removed == {Kind.METADATA: 7}


def test_mjpeg_keeps_both_fields_of_an_interlaced_picture():
    _, (packet, *_) = encoded("mjpeg", "avi")
    field = packet[:2] + b"\xff\xe0\0\x10AVI1\1" + bytes(9) + packet[2:]
    spoken = packet[:2] + b"\xff\xe1\0\x08Secret" + packet[2:]
    cleaner = Cleaner("mjpeg", b"")
    assert cleaner.clean(field + packet) == field + packet
    assert cleaner.clean(field + spoken) == field + packet
    assert cleaner.removed == {Kind.METADATA: 1}


def obu(kind, payload):
    size = len(payload)
    return bytes([kind << 3 | 2]) + bytes([size & 0x7F | 0x80, size >> 7]) + payload


def test_av1_loses_captions_time_codes_and_padding():
    frame, light = obu(6, b"\x10\0\0"), obu(5, b"\1\0\1\0\2\x80")
    spoken = obu(5, b"\4" + CAPTION) + obu(5, b"\4\xb5" + SECRET) + obu(5, b"\5" + SECRET)
    cleaner = Cleaner("av1", b"\x81\0\0\0" + light + obu(15, SECRET))
    assert cleaner.extradata == b"\x81\0\0\0" + light
    assert cleaner.clean(spoken + light + obu(5, b"\1" + SECRET) + frame) == light + frame
    assert cleaner.removed == {Kind.METADATA: 4, Kind.CAPTION: 1}


def test_vorbis_comments_are_emptied():
    identity, setup = b"\x01vorbis" + bytes(23), b"\x05vorbis" + bytes(300)
    comments = b"\x03vorbis" + len(SECRET).to_bytes(4, "little") + SECRET + bytes(4) + b"\1"
    laced = b"\2" + bytes([len(identity), len(comments)]) + identity + comments + setup
    cleaner = Cleaner("vorbis", laced)
    assert SECRET[:8] not in cleaner.extradata
    assert setup in cleaner.extradata
    assert cleaner.removed == {Kind.METADATA: 1}
    assert not Cleaner("vorbis", cleaner.extradata).removed


def test_sound_headers_are_cut_to_what_decoders_need():
    info = bytes(range(34))
    blocks = b"fLaC\0\0\0\x22" + info + b"\x84\0\0" + bytes([len(SECRET)]) + SECRET
    assert Cleaner("flac", blocks).extradata == b"fLaC\x80\0\0\x22" + info
    assert Cleaner("flac", info + SECRET).extradata == info
    opus = b"OpusHead\1\2" + bytes(8) + b"\0"
    assert Cleaner("opus", opus + SECRET).extradata == opus
    assert Cleaner("mp3", SECRET).extradata == b""
    assert Cleaner("aac", b"\x12\x10").extradata == b"\x12\x10"


def test_the_comment_of_an_aac_channel_map_is_overwritten():
    # AAC LC, 44.1 kHz, channels by a map: one pair in front; then the comment.
    fields = "00010 0100 0000 0 0 0 0000 01 0100 0001 0000 0000 00 000 0000 0 0 0 1 0000"
    digits = fields.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    head = int(digits, 2).to_bytes(len(digits) // 8, "big")
    cleaner = Cleaner("aac", head + b"\x08Adelheid\x56\xe5\0")
    assert cleaner.extradata == head + b"\x08" + bytes(8) + b"\x56\xe5\0"
    assert cleaner.removed == {Kind.METADATA: 1}


def test_a_codec_without_a_rule_is_refused():
    with pytest.raises(InputError) as caught:
        Cleaner("prores", b"")
    assert caught.value.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("codec", "packet"),
    [
        ("h264", b"no start code"),
        ("h264", b"\0\0\1\x06\x05\x40 too short\x80"),
        ("h264", b"\0\0\1\xe5\x88"),
        ("hevc", b"\0\0\1\x26"),
        ("mpeg4", b"no start code"),
        ("mpeg2video", b"\0\0\1"),
        ("mjpeg", b"\xff\xd8\xff\xe1\0\x40"),
        ("mjpeg", b""),
        ("av1", b"\x32\x40\0"),
        ("av1", b"\x32" + b"\xff" * 9),
    ],
)
def test_units_that_break_the_rules_are_refused(codec, packet):
    with pytest.raises(InputError) as caught:
        Cleaner(codec, b"").clean(packet)
    assert caught.value.reason is Reason.CORRUPT


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.binary(max_size=60) | st.binary(max_size=60).map(AVC_PROFILE.__add__),
    st.lists(st.sampled_from([b"\0\0\1", b"\6", b"\xff", b"\x80"]) | st.binary(max_size=9)),
)
def test_any_bytes_are_cleaned_or_refused(codec, extradata, parts):
    try:
        cleaner = Cleaner(codec, extradata)
        clean = cleaner.clean(b"".join(parts))
    except InputError:
        return
    assert Cleaner(codec, cleaner.extradata).extradata == cleaner.extradata
    again = Cleaner(codec, extradata)
    assert again.clean(clean) == clean


encoded_once = functools.cache(encoded)


@pytest.mark.parametrize(
    ("codec", "form"), [("libx264", "mp4"), ("mpeg2video", "mpegts"), ("mjpeg", "avi")]
)
@given(st.data())
def test_damaged_packets_are_cleaned_or_refused(codec, form, data):
    extradata, (packet, *_) = encoded_once(codec, form)
    at = data.draw(st.integers(0, len(packet) - 1))
    hurt = packet[:at] + data.draw(st.binary(max_size=3)) + packet[at + 1 :]
    cleaner = Cleaner({"libx264": "h264"}.get(codec, codec), extradata)
    with contextlib.suppress(InputError):
        cleaner.clean(hurt[: data.draw(st.integers(0, len(hurt)))])
