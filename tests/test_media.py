"""Media: what is read, that what is copied is equal, and that what is encoded keeps its times."""

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from redact.errors import InputError, StoreError
from redact.media.decode import frames, pictures
from redact.media.ear import Sound, sound
from redact.media.probe import Clip, probe
from redact.media.render import render
from redact.policy import Encoding, Limits
from redact.types import Frame
from tests.media_maker import Picture, Voice, make_clip, packet_hashes

ENCODING = Encoding(preset="ultrafast")
H264 = Picture()
JPEG = Picture(codec="mjpeg", pixel_format="yuvj420p")
VIDEO = [
    (".mp4", H264, "aac"),
    (".mov", H264, "aac"),
    (".mkv", H264, "aac"),
    (".ts", H264, "aac"),
    (".avi", Picture(options={"bf": "0"}), "libmp3lame"),
    (".mp4", Picture(codec="libx265"), "aac"),
    (".mkv", Picture(codec="libx265"), "libopus"),
    (".mp4", Picture(codec="libvpx-vp9"), "aac"),
    (".webm", Picture(codec="libvpx-vp9"), "libopus"),
    (".mkv", Picture(codec="libvpx-vp9"), "vorbis"),
    (".mp4", Picture(codec="libsvtav1"), "aac"),
    (".webm", Picture(codec="libsvtav1"), "libopus"),
    (".mp4", Picture(codec="mpeg4"), "aac"),
    (".avi", Picture(codec="mpeg4"), "libmp3lame"),
    (".mov", JPEG, "pcm_s16le"),
    (".avi", JPEG, "pcm_s16le"),
    (".mkv", JPEG, "flac"),
    (".mp4", H264, "ac3"),
    (".mp4", H264, "libmp3lame"),
    (".mkv", H264, "libmp3lame"),
    (".mkv", H264, "ac3"),
    (".ts", H264, "ac3"),
    (".ts", Picture(codec="libx265"), "libmp3lame"),
    (".mkv", Picture(codec="mpeg4"), "alac"),
    (".webm", Picture(codec="libvpx"), "libopus"),
]
SOUND = [
    (".wav", "pcm_s16le"),
    (".mp3", "libmp3lame"),
    (".m4a", "aac"),
    (".m4a", "alac"),
    (".flac", "flac"),
    (".ogg", "libopus"),
    (".ogg", "flac"),
    (".ogg", "vorbis"),
    (".aac", "aac"),
]


def named(row: tuple[object, ...]) -> str:
    return "-".join(getattr(part, "codec", str(part)).strip(".") for part in row)


def blacken(frame: Frame) -> bool:
    """Covers a corner of the luma."""
    frame.planes[0][8:24, 8:24] = 0
    return True


def keep_sound(samples: object, start: Fraction) -> None:
    pass


def rendered(
    clip: Clip,
    *,
    picture: Callable[[Frame], bool] | None = None,
    sound: dict[int, object] | None = None,
    crf: int = 18,
) -> Clip:
    target = clip.path.with_name("out" + clip.suffix)
    render(
        clip,
        target,
        encoding=Encoding(preset="ultrafast", crf=crf),
        picture=picture,
        sound=sound or {},
        progress=lambda share: None,
    )
    result = probe(target, Limits())
    assert result.found == {}
    return result


def times(clip: Clip) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames(clip)]


def on_the_clock(heard: Sound) -> np.ndarray:
    """The samples from time 0 on."""
    return np.pad(heard.samples[:], (round(heard.start_us * heard.rate / 1e6), 0))


def lag(first: np.ndarray, second: np.ndarray) -> int:
    """By how many samples the second is later than the first."""
    size = 2 * max(len(first), len(second))
    product = np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))
    best = int(np.argmax(np.fft.irfft(product, size)))
    return best - size if best > size // 2 else best


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return 99.0 if not error else float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("row", VIDEO, ids=named)
def test_a_copied_clip_keeps_its_packets_and_times(tmp_path, row):
    suffix, picture, voice = row
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture, [Voice(codec=voice)]), Limits())

    copy = rendered(clip)

    assert packet_hashes(copy.path, "video") == packet_hashes(clip.path, "video")
    assert packet_hashes(copy.path, "audio") == packet_hashes(clip.path, "audio")
    assert times(copy) == times(clip)
    assert (copy.picture.frames, copy.suffix) == (clip.picture.frames, suffix)
    assert [s.start_us for s in copy.sound] == [s.start_us for s in clip.sound]


@pytest.mark.parametrize("row", VIDEO, ids=named)
def test_an_edited_picture_leaves_the_sound_and_every_time(tmp_path, row):
    suffix, picture, voice = row
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture, [Voice(codec=voice)]), Limits())

    edited = rendered(clip, picture=blacken)

    assert packet_hashes(edited.path, "audio") == packet_hashes(clip.path, "audio")
    assert times(edited) == times(clip)
    for before, after in zip(frames(clip), frames(edited), strict=True):
        assert after.planes[0][10:22, 10:22].max() <= 40
        # What an encoder costs on a smooth pattern at crf 18: 38 dB and more for every codec here.
        assert psnr(before.planes[0][:, 40:], after.planes[0][:, 40:]) > 34
        assert psnr(before.planes[1][:, 24:], after.planes[1][:, 24:]) > 34


@pytest.mark.parametrize("row", VIDEO, ids=named)
def test_edited_sound_leaves_the_picture_and_is_in_its_place(tmp_path, row):
    suffix, picture, voice = row
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture, [Voice(codec=voice)]), Limits())

    edited = rendered(clip, sound={clip.sound[0].index: keep_sound})

    assert packet_hashes(edited.path, "video") == packet_hashes(clip.path, "video")
    assert_in_place(clip, edited)


@pytest.mark.parametrize("row", SOUND, ids=named)
def test_a_copied_sound_file_keeps_its_packets(tmp_path, row):
    suffix, codec = row
    clip = probe(make_clip(tmp_path / f"in{suffix}", None, [Voice(codec=codec)]), Limits())

    copy = rendered(clip)

    assert packet_hashes(copy.path, "audio") == packet_hashes(clip.path, "audio")
    assert (copy.media, copy.suffix) == ("sound", suffix)
    assert copy.sound[0].start_us == clip.sound[0].start_us


@pytest.mark.parametrize("row", SOUND, ids=named)
def test_an_edited_sound_file_is_in_its_place(tmp_path, row):
    suffix, codec = row
    clip = probe(make_clip(tmp_path / f"in{suffix}", None, [Voice(codec=codec)]), Limits())

    assert_in_place(clip, rendered(clip, sound={0: keep_sound}))


def assert_in_place(clip: Clip, edited: Clip) -> None:
    """Same rate, layout and start; cross-correlation finds no shift, not by one sample."""
    before, after = clip.sound[0], edited.sound[0]
    assert (after.rate, after.layout) == (before.rate, before.layout)
    (heard,), (again,) = sound(clip, before), sound(edited, after)
    first, second = on_the_clock(heard), on_the_clock(again)
    assert abs(len(first) - len(second)) <= 16 * 25  # 25 ms: less than a packet
    assert lag(first, second) == 0


def test_the_edit_sees_each_sample_at_its_time(tmp_path):
    """A click at a known time is where the callback is told that it is."""
    samples = np.zeros((2, 48_000), np.float32)
    samples[:, 12_345] = 0.9
    voice = Voice(codec="pcm_s16le", samples=samples, start=0.5)
    clip = probe(make_clip(tmp_path / "in.mov", H264, [voice]), Limits())
    clicks = []

    def edit(block, start):
        assert block.dtype == np.float32
        clicks.extend(start + Fraction(int(at), 48_000) for at in np.flatnonzero(block[0] > 0.5))
        block[:] = 0

    edited = rendered(clip, sound={clip.sound[0].index: edit})

    assert clicks == [Fraction(1, 2) + Fraction(12_345, 48_000)]
    assert not sound(edited, edited.sound[0])[0].samples[:].any()


VARIABLE = [0, 900, 1000, 4000, 4100, 9000, 9001, 12_000, 15_000, 90_000]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("late", [0, 135_007], ids=["at once", "late start"])
@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
def test_variable_frame_rate_and_late_start_are_kept(tmp_path, suffix, late, edit):
    base = Fraction(1, 1000) if suffix == ".mkv" else Fraction(1, 90_000)
    step = 90 if suffix == ".mkv" else 1
    # MPEG-TS has no times before 0 for the frames that B-frames wait for.
    start = 90_000 if suffix == ".ts" else 0
    pts = [start + late // step + time for time in VARIABLE]
    picture = Picture(time_base=base, times=pts)
    muxer = {"movie_timescale": "90000"} if suffix in (".mp4", ".mov") else {}
    path = make_clip(tmp_path / f"in{suffix}", picture, [Voice()], muxer=muxer)
    clip = probe(path, Limits())

    result = rendered(clip, picture=edit)

    assert times(result) == times(clip)
    assert [b - a for a, b in pairwise(times(clip))] == [(b - a) * base for a, b in pairwise(pts)]


@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".avi"])
def test_the_rate_of_television(tmp_path, suffix, edit):
    """30000/1001 frames a second is no whole number of anything."""
    picture = Picture(rate=Fraction(30_000, 1001), frames=40, options={"bf": "0"})
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture), Limits())

    result = rendered(clip, picture=edit)

    assert times(result) == times(clip)
    assert len(times(clip)) == 40


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_interlaced_pictures_stay_interlaced(tmp_path, order):
    picture = Picture(options={"x264-params": f"{order}=1"}, frames=6)
    clip = probe(make_clip(tmp_path / "in.mp4", picture), Limits())

    edited = rendered(clip, picture=blacken)

    assert [shown.interlaced_frame for _, shown in pictures(edited)] == [True] * 6
    with av.open(str(clip.path)) as before, av.open(str(edited.path)) as after:
        first, second = before.streams.video[0], after.streams.video[0]
        assert first.codec_context.field_order == second.codec_context.field_order


@pytest.mark.skipif(os.geteuid() != 0, reason="SVT-AV1 does so for root alone")
def test_an_encoder_leaves_other_processes_their_share(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mp4", Picture(codec="libsvtav1", frames=3)), Limits())
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    policies = set()

    def edit(frame):
        threads = os.listdir("/proc/self/task")
        policies.update(os.sched_getscheduler(int(thread)) for thread in threads)
        return True

    target = tmp_path / "out.mp4"
    render(clip, target, encoding=Encoding(), picture=edit, sound={}, progress=lambda _: None)
    assert policies == {os.SCHED_OTHER}


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4"])
def test_the_same_input_gives_the_same_bytes(tmp_path, codec):
    picture = Picture(codec=codec, width=160, height=128)
    clip = probe(make_clip(tmp_path / "in.mp4", picture, [Voice()]), Limits())
    sounds = {1: keep_sound}

    first = rendered(clip, picture=blacken, sound=sounds).sha256
    second = rendered(clip, picture=blacken, sound=sounds).sha256

    assert first == second


def test_a_matroska_clock_that_can_not_be_written_is_refused(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mkv", Picture(frames=3)), Limits())
    finer = replace(clip, picture=replace(clip.picture, time_base=Fraction(1, 90_000)))

    with pytest.raises(InputError):
        rendered(finer)


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv444p"),
        ("libx265", "gray"),
        ("libx265", "yuv420p10le"),
        ("libx265", "yuv422p10le"),
        ("libx265", "gbrp"),
        ("libsvtav1", "yuv420p10le"),
        ("libvpx-vp9", "yuv444p"),
    ],
)
def test_depth_and_chroma_are_kept(tmp_path, codec, pixel_format):
    picture = Picture(codec=codec, pixel_format=pixel_format, frames=5)
    clip = probe(make_clip(tmp_path / "in.mkv", picture), Limits())

    edited = rendered(clip, picture=blacken)

    assert edited.picture.pixel_format == clip.picture.pixel_format == pixel_format
    first = next(frames(clip))
    assert first.planes[0].dtype == (np.uint16 if "10" in pixel_format else np.uint8)
    assert first.depth == clip.picture.depth == (10 if "10" in pixel_format else 8)
    shift = first.depth - 8
    expected = next(frames(edited)).planes[0][:, 40:] >> shift
    assert psnr(first.planes[0][:, 40:] >> shift, expected) > 34


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        (".mp4", "libx264", "yuv444p"),
        (".webm", "libvpx-vp9", "yuv420p"),
        (".mp4", "libsvtav1", "yuv420p"),
        (".avi", "mpeg4", "yuv420p"),
        (".mov", "mjpeg", "yuvj420p"),
    ],
)
def test_odd_sizes_are_kept(tmp_path, suffix, codec, pixel_format):
    picture = Picture(codec=codec, width=97, height=65, frames=5, pixel_format=pixel_format)
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture), Limits())

    edited = rendered(clip, picture=blacken)

    assert (edited.picture.width, edited.picture.height) == (97, 65)
    frame = next(frames(edited))
    assert [plane.shape for plane in frame.planes] == [
        plane.shape for plane in next(frames(clip)).planes
    ]
    assert frame.planes[0].shape == (65, 97)


@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_rotation_aspect_and_colours_are_kept(tmp_path, suffix, edit):
    picture = Picture(
        codec="libx265",
        pixel_format="yuv420p10le",
        rotation=90,
        aspect=Fraction(4, 3),
        colours=(9, 16, 9, 1),
        frames=5,
    )
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture), Limits())

    result = rendered(clip, picture=edit)

    assert result.picture.rotation == clip.picture.rotation == 90
    _, shown = next(pictures(result))
    assert (shown.color_primaries, shown.color_trc) == (9, 16)
    assert (shown.colorspace, shown.color_range) == (9, 1)
    with av.open(str(result.path)) as source:
        assert source.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_several_tracks_their_layouts_and_the_default(tmp_path):
    voices = [
        Voice(layout="mono"),
        Voice(layout="5.1", seconds=2.5, default=False),
        Voice(rate=44_100, start=0.3, default=False),
    ]
    clip = probe(make_clip(tmp_path / "in.mkv", H264, voices), Limits())

    edited = rendered(clip, sound={2: keep_sound})

    assert [(s.layout, s.rate) for s in edited.sound] == [
        ("mono", 48_000),
        ("5.1", 48_000),
        ("stereo", 44_100),
    ]
    before, after = packet_hashes(clip.path, "audio"), packet_hashes(edited.path, "audio")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert [s.start_us for s in edited.sound] == [s.start_us for s in clip.sound]
    with av.open(str(edited.path)) as source:
        assert [int(s.disposition) & 1 for s in source.streams.audio] == [1, 0, 0]


@pytest.mark.parametrize("edit", [None, blacken], ids=["nothing to remove", "edited"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_what_an_edit_list_hides_does_not_go_over(tmp_path, suffix, edit):
    """Frames and sound before time 0 are in the file, and no player shows them."""
    picture = Picture(times=range(-10, 10), time_base=Fraction(1, 25))
    voice = Voice(start=-0.4, seconds=1.2)
    clip = probe(make_clip(tmp_path / f"in{suffix}", picture, [voice]), Limits())
    assert (clip.picture.hidden, clip.sound[0].hidden) == (True, True)

    result = rendered(clip, picture=edit)

    assert times(clip) == times(result) == [Fraction(i, 25) for i in range(10)]
    with av.open(str(result.path), options={"ignore_editlist": "1"}) as source:
        assert sum(packet.size > 0 for packet in source.demux(video=0)) == 10
    with av.open(str(result.path), options={"ignore_editlist": "1"}) as source:
        length = sum(frame.samples for frame in source.decode(audio=0)) / 48_000
    assert 0.8 <= length < 0.8 + 3 * 1024 / 48_000
    assert_in_place(clip, result)


def test_an_edit_list_that_hides_an_encoders_run_up_is_kept(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mp4", H264, [Voice()]), Limits())

    assert (clip.picture.hidden, clip.sound[0].hidden) == (False, False)
    assert rendered(clip).sound[0].start_us == 0


def test_b_frames_in_avi_keep_their_slots(tmp_path):
    picture = Picture(options={"bf": "2", "b_strategy": "0"})
    clip = probe(make_clip(tmp_path / "in.avi", picture), Limits())

    edited = rendered(clip, picture=blacken)

    gaps = {b - a for a, b in pairwise(times(edited))}
    assert gaps == {Fraction(1, 25)}
    assert edited.picture.frames == clip.picture.frames == 20


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_hdr_metadata_is_kept(tmp_path, codec):
    """Mastering display and light level lie in the packets: an encoder has to write them again."""
    points = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    light = {
        "G": (0.265, 0.69),
        "B": (0.15, 0.06),
        "R": (0.68, 0.32),
        "WP": (0.3127, 0.329),
    }
    unit = "".join(f"{k}({x},{y})" for k, (x, y) in light.items()) + "L(1000,0.005)"
    options = {
        "libx264": {"x264-params": f"mastering-display={points}:cll=1000,400"},
        "libx265": {
            "x265-params": f"log-level=none:master-display={points}:max-cll=1000,400:hdr10=1"
        },
        "libsvtav1": {"svtav1-params": f"lp=1:mastering-display={unit}:content-light=1000,400"},
    }[codec]
    picture = Picture(codec=codec, pixel_format="yuv420p10le", options=options, frames=4)
    clip = probe(make_clip(tmp_path / "in.mkv", picture), Limits())

    edited = rendered(clip, picture=blacken)

    before, after = hdr(clip), hdr(edited)
    assert len(before) == 2
    assert after == before


def hdr(clip: Clip) -> dict[str, list[float]]:
    _, shown = next(pictures(clip))
    found = {}
    for side in shown.side_data:
        if side.type.name == "MASTERING_DISPLAY_METADATA":
            numbers = np.frombuffer(bytes(side)[:80], np.int32).reshape(10, 2)
            found["mastering"] = [round(float(a / b), 3) for a, b in numbers]
        if side.type.name == "CONTENT_LIGHT_LEVEL":
            found["light"] = np.frombuffer(bytes(side)[:8], np.uint32).tolist()
    return found


def test_sound_longer_than_the_picture_and_the_other_way_round(tmp_path):
    for seconds in (0.2, 2.0):
        clip = probe(
            make_clip(tmp_path / f"{seconds}.mp4", H264, [Voice(seconds=seconds)]), Limits()
        )

        edited = rendered(clip, picture=blacken, sound={1: keep_sound})

        assert times(edited) == times(clip)
        assert edited.duration_us == clip.duration_us
        assert edited.sound[0].duration_us == clip.sound[0].duration_us


def test_a_fragmented_movie(tmp_path):
    path = make_clip(
        tmp_path / "in.mp4", H264, [Voice()], muxer={"movflags": "frag_keyframe+empty_moov"}
    )
    clip = probe(path, Limits())

    assert times(rendered(clip)) == times(clip)
    assert times(rendered(clip, picture=blacken)) == times(clip)


def test_a_failure_leaves_no_target(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mp4", H264, [Voice()]), Limits())
    target = tmp_path / "out.mp4"

    def fail(frame):
        if frame.index == 7:
            raise RuntimeError
        return False

    with pytest.raises(RuntimeError):
        render(clip, target, encoding=ENCODING, picture=fail, sound={}, progress=lambda share: None)

    assert not target.exists()


def test_a_full_disk_is_a_store_error(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mp4", H264, [Voice()]), Limits())
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    target = tmp_path / "out.mp4"
    target.symlink_to("/dev/full")

    with pytest.raises(StoreError):
        render(clip, target, encoding=ENCODING, picture=None, sound={}, progress=lambda share: None)

    assert not target.is_symlink()


def test_progress_rises_to_one(tmp_path):
    clip = probe(make_clip(tmp_path / "in.mp4", H264, [Voice()]), Limits())
    shares = []

    render(
        clip,
        tmp_path / "out.mp4",
        encoding=ENCODING,
        picture=None,
        sound={},
        progress=shares.append,
    )

    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.2
    assert shares[-1] == 1.0


@pytest.mark.parametrize("edit", [None, blacken], ids=["copied", "encoded"])
def test_a_clip_without_sound(tmp_path, edit):
    clip = probe(make_clip(tmp_path / "in.mp4", H264), Limits())

    assert clip.sound == ()
    assert times(rendered(clip, picture=edit)) == times(clip)
