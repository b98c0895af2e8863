"""Bad input: every file that breaks off, lies or points elsewhere is refused, with its reason."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from redact.errors import InputError, Reason
from redact.media.decode import frames
from redact.media.ear import sound
from redact.media.probe import probe
from redact.policy import Limits
from tests.media_maker import Picture, Voice, make_clip

JPEG = Picture(codec="mjpeg", pixel_format="yuvj420p")
CUT = [
    (".mp4", Picture(), "aac"),
    (".mov", JPEG, "pcm_s16le"),
    (".mkv", Picture(), "aac"),
    (".webm", Picture(codec="libvpx-vp9"), "libopus"),
    (".avi", Picture(codec="mpeg4"), "libmp3lame"),
    (".ts", Picture(), "aac"),
    (".wav", None, "pcm_s16le"),
    (".mp3", None, "libmp3lame"),
    (".m4a", None, "aac"),
    (".flac", None, "flac"),
    (".ogg", None, "libopus"),
    (".aac", None, "aac"),
]
DAMAGED = [
    # VP9 and MP3 decode any bits: what is heard or seen then is what is looked at.
    (".mp4", Picture(), None),
    (".mp4", Picture(codec="libx265"), None),
    (".mp4", Picture(codec="mpeg4"), None),
    (".mp4", Picture(codec="libsvtav1"), None),
    (".avi", JPEG, None),
    (".m4a", None, "aac"),
    (".flac", None, "flac"),
    (".ts", None, "aac"),
]


def read_to_the_end(path: Path) -> None:
    clip = probe(path, Limits())
    for _ in frames(clip):
        pass
    for stream in clip.sound:
        sound(clip, stream)


def refused(path: Path, reason: Reason, limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        probe(path, limits or Limits())
    assert caught.value.reason is reason
    return caught.value


def voices(codec: str | None) -> list[Voice]:
    return [Voice(codec=codec)] if codec else []


def test_an_empty_file(tmp_path):
    path = tmp_path / "in.mp4"
    path.touch()

    refused(path, Reason.EMPTY)


@pytest.mark.parametrize("text", [b"hello, this is a text\n" * 40, b"\0" * 4096, b"x"])
def test_a_file_that_is_not_media(tmp_path, text):
    path = tmp_path / "in.mp4"
    path.write_bytes(text)

    refused(path, Reason.UNSUPPORTED)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("row", CUT, ids=lambda row: row[0])
def test_a_file_cut_in_the_middle(tmp_path, row, share):
    suffix, picture, voice = row
    path = make_clip(tmp_path / f"in{suffix}", picture, voices(voice))
    read_to_the_end(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share) | 1])

    with pytest.raises(InputError) as caught:
        read_to_the_end(path)

    assert caught.value.reason is Reason.CORRUPT


@pytest.mark.parametrize("row", DAMAGED, ids=lambda row: f"{row[0]}-{row[1] or row[2]}"[:32])
def test_a_corrupt_packet_is_found(tmp_path, row):
    suffix, picture, voice = row
    path = make_clip(tmp_path / f"in{suffix}", picture, voices(voice))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packet = [packet for packet in source.demux() if packet.size][8]
        # From its head on for a picture: arithmetic coding makes sense of any bits that follow.
        start = packet.pos + (packet.size // 3 if voice else 0)
        size = max(8, packet.size // 3)
    data[start : start + size] = bytes(byte ^ 0xFF for byte in data[start : start + size])
    path.write_bytes(data)

    where = rf"in{suffix}: .*(at \d+\.\d+ s|a packet|picture)"
    with pytest.raises(InputError, match=where) as caught:
        read_to_the_end(path)

    assert caught.value.reason is Reason.CORRUPT


def test_damage_inside_a_picture_is_not_painted_over(tmp_path):
    path = make_clip(tmp_path / "in.mp4", Picture(width=192, height=128, frames=3))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packet = next(source.demux())
        start, end = packet.pos + packet.size * 6 // 10, packet.pos + packet.size * 9 // 10
    data[start:end] = bytes(byte ^ 0xFF for byte in data[start:end])
    path.write_bytes(data)

    with pytest.raises(InputError, match="does not decode"):
        read_to_the_end(path)


def test_a_clip_that_starts_without_its_key_frame(tmp_path):
    """Frames that refer to one that is not there don't come: they are counted."""
    path = make_clip(tmp_path / "in.mkv", Picture(options={"bf": "0"}, gop=10))
    headless = tmp_path / "headless.mkv"
    with av.open(str(path)) as source, av.open(str(headless), "w") as output:
        track = output.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(source.demux()):
            if packet.size and number > 3:
                packet.stream = track
                output.mux(packet)

    with pytest.raises(InputError) as caught:
        read_to_the_end(headless)

    assert caught.value.reason is Reason.CORRUPT


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_clip_of_no_frames(tmp_path, suffix):
    path = tmp_path / f"in{suffix}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 96, 64
        output.start_encoding()

    with pytest.raises(InputError) as caught:
        read_to_the_end(path)

    assert caught.value.reason in (Reason.EMPTY, Reason.CORRUPT)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_header_that_says_60000_by_60000(tmp_path, suffix):
    """Refused by what the header says: a decoder that believed it would ask for 5 GB."""
    codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4"
    path = make_clip(tmp_path / f"in{suffix}", Picture(codec=codec))
    data = path.read_bytes()
    if suffix in (".mp4", ".mov"):
        small, large = struct.pack(">HH", 96, 64), struct.pack(">HH", 60_000, 60_000)
    elif suffix == ".avi":
        small, large = struct.pack("<II", 96, 64), struct.pack("<II", 60_000, 60_000)
    else:
        path = tmp_path / f"made{suffix}"
        with av.open(str(path), "w") as output:
            stream = output.add_mux_stream("vp9", rate=25, width=60_000, height=60_000)
            packet = av.Packet(bytes(50))
            packet.pts = packet.dts = 0
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            output.mux(packet)
        data, small, large = path.read_bytes(), b"", b""
    assert small in data
    path.write_bytes(data.replace(small, large) if small else data)

    refused(path, Reason.LIMITS)


def test_a_coded_picture_that_says_60000_by_60000(tmp_path):
    """The container says 96x64; the JPEG in it says otherwise."""
    path = make_clip(tmp_path / "in.mkv", JPEG)
    data = path.read_bytes()
    small = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 64, 96)
    assert small in data
    path.write_bytes(data.replace(small, small[:5] + struct.pack(">HH", 60_000, 60_000)))

    with pytest.raises(InputError):
        read_to_the_end(path)


def test_limits_on_bytes_streams_and_hours(tmp_path):
    large = make_clip(tmp_path / "in.mov", None, [Voice(codec="pcm_s16le", seconds=6)])
    path = make_clip(tmp_path / "in.mkv", Picture(time_base=Fraction(1, 1000), times=[0, 99_000]))
    tracks = make_clip(tmp_path / "tracks.mkv", None, [Voice(codec="flac", seconds=0.1)] * 3)

    refused(large, Reason.LIMITS, Limits(gigabytes=0.001))
    refused(path, Reason.LIMITS, Limits(hours=0.02))
    refused(tracks, Reason.LIMITS, Limits(streams=2))


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{other}'\n",
    "concat": "file '{other}'\nfile '{other}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?>\n<MPD><BaseURL>{other}</BaseURL></MPD>\n',
    "pls": "[playlist]\nFile1={other}\n",
    "address": "{other}\n",
}


@pytest.mark.parametrize("other", ["/etc/hostname", "http://127.0.0.1:9/x.mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ts"])
def test_a_list_that_points_elsewhere(tmp_path, kind, other, suffix):
    path = tmp_path / f"in{suffix}"
    path.write_text(PLAYLISTS[kind].format(other=other))
    local = kind == "address" and other.startswith("/")  # then it is a text like any other

    error = refused(path, Reason.UNSUPPORTED if local else Reason.REMOTE)

    assert other not in str(error)


def test_a_movie_whose_samples_are_in_another_file(tmp_path):
    path = make_clip(tmp_path / "in.mov", Picture())
    data = path.read_bytes()
    inside = b"url \0\0\0\x01"
    assert inside in data
    path.write_bytes(data.replace(inside, b"url \0\0\0\0"))

    refused(path, Reason.REMOTE)


@pytest.mark.parametrize(
    "name",
    [
        b"with space.mp4",
        b'quote\'s "double".mp4',
        b"new\nline.mp4",
        b"caf\xe9 \xff.mp4",
        b"-i.mp4",
        b"http:x.mp4",
        b"%d.mp4",
        "名前.mp4".encode(),
    ],
)
def test_odd_file_names(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    make_clip(path, Picture(frames=3))

    clip = probe(path, Limits())

    assert sum(1 for _ in frames(clip)) == 3
    assert clip.name.isprintable()
    assert clip.name.encode("utf-8")


def test_no_permission(tmp_path, monkeypatch):
    """The mode of the file says so to everyone but root; for root, opening is made to fail."""
    path = make_clip(tmp_path / "in.mp4", Picture(frames=2))
    path.chmod(0)
    if os.geteuid() == 0:

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)

    refused(path, Reason.NO_PERMISSION)


def test_a_folder_is_not_a_clip(tmp_path):
    with pytest.raises(InputError):
        probe(tmp_path, Limits())


def test_messages_hold_nothing_of_the_file(tmp_path):
    """A demuxer may quote tags in its messages: they don't reach ours."""
    path = make_clip(tmp_path / "in.mp4", Picture(), tags={"title": "Jane Roe"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    with pytest.raises(InputError) as caught:
        read_to_the_end(path)

    assert "Jane" not in str(caught.value)


def test_what_a_clip_is(tmp_path):
    picture = Picture(rotation=90, frames=10)
    path = make_clip(tmp_path / "in.mp4", picture, [Voice(layout="mono"), Voice(codec="ac3")])

    clip = probe(path, Limits())

    assert (clip.container, clip.suffix, clip.media) == ("mp4", ".mp4", "video")
    assert (clip.picture.codec, clip.picture.rotation, clip.picture.frames) == ("h264", 90, 10)
    assert (clip.picture.width, clip.picture.height) == (96, 64)
    assert [(s.codec, s.layout, s.channels) for s in clip.sound] == [
        ("aac", "mono", 1),
        ("ac3", "stereo", 2),
    ]
    assert len(clip.sha256) == 64


def test_a_name_in_opposite_phase_or_in_one_of_many_channels_is_heard(tmp_path):
    rate = 48_000
    word = 0.3 * np.sin(np.arange(rate) * 0.1).astype(np.float32)
    hidden = np.zeros((2, 2 * rate), np.float32)
    hidden[0, :rate], hidden[1, :rate] = word, -word
    hidden[:, rate:] = 0.1 * word
    surround = np.zeros((6, rate), np.float32)
    surround[2] = word
    plain = Voice(codec="flac", samples=np.stack([word, word]))
    path = make_clip(
        tmp_path / "in.mkv",
        None,
        [
            plain,
            Voice(codec="flac", samples=hidden),
            Voice(codec="flac", samples=surround, layout="5.1"),
        ],
    )

    clip = probe(path, Limits())
    one, two, many = (sound(clip, stream) for stream in clip.sound)

    assert [len(ears) for ears in (one, two, many)] == [1, 2, 1]
    assert np.abs(two[0].samples[2_000:12_000]).max() > 0.25
    assert np.abs(many[0].samples[:]).max() > 0.25


def test_a_gap_in_the_sound_is_silence_of_its_length(tmp_path):
    rate = 48_000
    path = tmp_path / "in.mkv"
    loud = np.full((2, rate // 2), 0.25, np.float32)
    parts = [
        make_clip(tmp_path / f"{start}.mkv", None, [Voice(codec="flac", samples=loud, start=start)])
        for start in (0.0, 1.5)
    ]
    with av.open(str(parts[0])) as like, av.open(str(path), "w") as output:
        track = output.add_stream_from_template(like.streams[0], opaque=True)
        for part in parts:
            with av.open(str(part)) as source:
                for packet in source.demux():
                    if packet.size:
                        packet.stream = track
                        output.mux(packet)

    clip = probe(path, Limits())
    (ear,) = sound(clip, clip.sound[0])

    level = np.abs(ear.samples[:])
    assert len(level) == 2 * 16_000
    assert level[:7900].min() > 0.2
    assert level[8200:23_800].max() < 0.01
    assert level[24_200:31_900].min() > 0.2


@pytest.mark.parametrize("left", [1, 2, 6, 7])
def test_sound_that_ends_with_the_first_bytes_of_another_packet_is_refused(tmp_path, left):
    path = make_clip(tmp_path / "in.aac", None, voices("aac"))
    data = path.read_bytes()
    path.write_bytes(data + data[:left])

    with pytest.raises(InputError) as caught:
        probe(path, Limits())

    assert caught.value.reason is Reason.CORRUPT
