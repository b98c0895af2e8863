"""That nothing of a sound stream goes unheard."""

import av
import numpy as np
import pytest

from redact.errors import InputError, Reason
from redact.media.ear import sound
from redact.media.probe import probe
from redact.media.render import render
from redact.media.sound import blocks
from redact.policy import Encoding, Limits
from tests.media_maker import MUXERS, Voice, make_clip, packet_hashes

RATE = 8_000


def with_times(path, source, change):
    """A copy of the sound in `source` whose packets have the times `change(time)`."""
    with (
        av.open(str(source)) as before,
        path.open("wb") as file,
        av.open(file, "w", format=MUXERS[path.suffix]) as output,
    ):
        track = before.streams.audio[0]
        made = output.add_stream_from_template(track)
        for packet in (one for one in before.demux(track) if one.size):
            packet.pts = packet.dts = change(packet.pts)
            packet.stream = made
            output.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_sound_that_overlaps_itself_is_refused(tmp_path, suffix, share):
    """A player plays all of it; who goes by the times would hear a part."""
    source = make_clip(tmp_path / f"in{suffix}", None, [Voice(seconds=3)])
    path = with_times(tmp_path / f"out{suffix}", source, lambda time: int(max(time, 0) * share))
    clip = probe(path, Limits())
    with pytest.raises(InputError, match="overlaps itself") as caught:
        list(blocks(clip, clip.sound[0]))
    assert caught.value.reason is Reason.UNSUPPORTED


def test_a_stretch_that_is_told_twice_is_refused_however_late(tmp_path):
    source = make_clip(tmp_path / "in.mkv", None, [Voice(codec="pcm_s16le", seconds=9)])
    path = with_times(
        tmp_path / "out.mkv", source, lambda time: time if time < 7000 else max(7000, time - 300)
    )
    clip = probe(path, Limits())
    with pytest.raises(InputError, match="overlaps itself"):
        list(blocks(clip, clip.sound[0]))


def test_clocks_that_drift_apart_are_no_overlap_that_matters(tmp_path):
    source = make_clip(tmp_path / "in.mkv", None, [Voice(codec="pcm_s16le", seconds=60)])
    path = with_times(tmp_path / "out.mkv", source, lambda time: int(time * 0.9992))
    clip = probe(path, Limits())
    heard = sum(block.samples.shape[1] for block in blocks(clip, clip.sound[0]))
    assert heard / 48_000 == pytest.approx(60 * 0.9992, abs=0.05)


def test_one_short_word_in_a_channel_of_a_long_stream_is_heard(tmp_path):
    """In the mean of all its samples that channel is as quiet as nothing."""
    samples = np.zeros((6, 120 * RATE), np.float32)
    samples[2, :2000] = 0.001 * np.sin(np.arange(2000) * 0.3)
    samples[0, 3 * RATE : 4 * RATE] = 0.3 * np.sin(np.arange(RATE) * 0.2)
    voice = Voice(codec="pcm_s16le", rate=RATE, samples=samples, layout="5.1")
    clip = probe(make_clip(tmp_path / "in.wav", None, [voice]), Limits())
    ears = sound(clip, clip.sound[0])
    assert len(ears) == 2
    assert max(np.abs(ear.samples[:4000]).max() for ear in ears) > 0.0009


def test_what_a_long_run_up_hides_does_not_go_over(tmp_path):
    """Two seconds that a player skips, because the file calls them the codec's own."""
    path = make_clip(tmp_path / "in.mkv", None, [Voice(codec="libopus", seconds=4)])
    data = path.read_bytes()
    at = data.index(b"\x56\xaa\x83")  # CodecDelay, and SeekPreRoll behind it
    assert data[at + 6 : at + 9] == b"\x56\xbb\x84"
    delay = b"\x56\xaa\x88" + (2_000_000_000).to_bytes(8, "big") + b"\xec\x80"
    path.write_bytes(data[:at] + delay + data[at + len(delay) :])
    clip = probe(path, Limits())
    assert clip.sound[0].hidden

    target = tmp_path / "out.mkv"
    render(clip, target, encoding=Encoding(), picture=None, sound={}, progress=lambda _: None)

    assert len(packet_hashes(target, "audio")[0]) <= len(packet_hashes(path, "audio")[0]) // 2 + 2
    result = probe(target, Limits())
    assert not result.sound[0].hidden
    (before,), (after,) = sound(clip, clip.sound[0]), sound(result, result.sound[0])
    assert abs(len(before.samples) - len(after.samples)) < 400
    assert before.start_us == pytest.approx(after.start_us, abs=2_000)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        (".mp4", "aac", 16_000),
        (".m4a", "aac", 44_100),
        (".ogg", "libopus", 48_000),
        (".webm", "libopus", 48_000),
        (".mp3", "libmp3lame", 16_000),
        (".ogg", "vorbis", 44_100),
    ],
)
def test_a_codecs_own_run_up_hides_nothing(tmp_path, suffix, codec, rate):
    path = make_clip(tmp_path / f"in{suffix}", None, [Voice(codec=codec, rate=rate, seconds=2.03)])
    assert not probe(path, Limits()).sound[0].hidden


def test_packets_that_decode_to_nothing_are_no_silence(tmp_path):
    """Another decoder may make words of them."""
    source = make_clip(tmp_path / "in.mkv", None, [Voice(codec="aac", seconds=2)])
    path = tmp_path / "out.mkv"
    with av.open(str(source)) as before, av.open(str(path), "w") as output:
        track = before.streams.audio[0]
        made = output.add_stream_from_template(track)
        for number, packet in enumerate(one for one in before.demux(track) if one.size):
            if 20 <= number < 40:
                packet = emptied(packet)
            packet.stream = made
            output.mux(packet)
    clip = probe(path, Limits())
    with pytest.raises(InputError, match="decodes to nothing"):
        list(blocks(clip, clip.sound[0]))


def emptied(packet):
    """An AAC packet that says only that it ends, at the time of this one."""
    end = av.Packet(b"\xe0")
    end.pts, end.dts, end.duration = packet.pts, packet.dts, packet.duration
    end.time_base = packet.time_base
    return end
