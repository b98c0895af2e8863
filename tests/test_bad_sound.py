"""Sound that is hard to hear: the names in it are found, or the clip is held; never passed over."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from redact.detectors import voice as voices
from redact.detectors.hearing import FIRST
from redact.detectors.names import NameDetector
from redact.detectors.voice import RATE, find_voice
from redact.errors import RedactError
from redact.listen import listen
from redact.media import ear
from redact.media.probe import probe
from redact.policy import Policy
from tests.command import bytes_of, redact
from tests.media_maker import Voice, make_clip

pytestmark = [pytest.mark.weights, pytest.mark.slow]

POLICY = Policy()
SCRIPT = "I handed the keys to {Margaret Thompson} before lunch."
NAME = "Thompson"
EDGE = 0.1
"""Share of a name that its first and last sounds may take: where they end is a matter of taste."""


@pytest.fixture(scope="module")
def said(speaker):
    """A sentence as float32 (n,) at 16 kHz, and when its name is heard."""
    speech = speaker.say(SCRIPT)
    (name,) = speech.names
    return SimpleNamespace(sound=at_rate(speech.sound, 24_000, RATE), name=(name.start, name.end))


@pytest.fixture(scope="module")
def detector(models: Path):
    return NameDetector(
        models / "speech", models / "names", label="x", threads=1, second=models / "speech-small"
    )


def at_rate(samples, rate, wanted):
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("flt", "mono", wanted)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def band(sound, low, high):
    spectrum, hertz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


def telephone(sound):
    """A far voice on the telephone, in steps of 8 bits: few of them are used."""
    return np.round(band(sound, 300, 3400) * 0.3 * 127).astype(np.float32) / 127


def noise(seconds, seed=1):
    return np.random.default_rng(seed).normal(0, 1, round(seconds * RATE)).astype(np.float32)


def music(seconds):
    """Chords of decaying strings, half a second each, with a drum."""
    draw, parts = np.random.default_rng(5), []
    time = np.arange(RATE // 2) / RATE
    for _ in range(round(2 * seconds)):
        notes = 110 * 2 ** (draw.choice([0, 3, 5, 7, 10, 12], 3) / 12)
        tones = [np.sin(2 * np.pi * k * note * time) / k for note in notes for k in range(1, 7)]
        beat = draw.normal(size=time.size) * np.exp(-40 * time)
        parts.append(np.sum(tones, axis=0) * np.exp(-3 * time) + beat)
    return (0.1 * np.concatenate(parts)).astype(np.float32)


def mixed(sound, other, decibels):
    """The sound with another one so much softer."""
    other = np.resize(other, sound.size)
    gain = np.sqrt(np.mean(sound**2) / np.mean(other**2)) * 10 ** (-decibels / 20)
    return np.clip(sound + gain * other, -1, 1)


CHANGED = {
    "clipped": lambda sound: np.clip(12 * sound, -1, 1),
    "very soft": lambda sound: 0.004 * sound,
    "in noise": lambda sound: mixed(sound, noise(5), 8),
    "telephone": telephone,
    "over music": lambda sound: mixed(sound, music(6), 6),
    "begins late": lambda sound: np.concatenate([np.zeros(40 * RATE, np.float32), sound]),
}
LATE = {"begins late": 40.0}
STORED = {
    "8 kHz, 8 bits": Voice(codec="pcm_u8", rate=8_000, layout="mono"),
    "96 kHz, 24 bits": Voice(codec="flac", rate=96_000, layout="mono"),
    "behind, of 5.1": Voice(codec="flac", layout="5.1"),
    "a late track": Voice(codec="aac", layout="mono", start=3.0),
    "a gap": Voice(codec="flac", layout="mono", gap=(0.3, 5.0)),
}
SUFFIX = {"pcm_u8": ".wav", "flac": ".mkv", "aac": ".mp4"}


def spans_of(path, detector):
    clip = probe(path, POLICY.limits)
    return [
        (span.start_us / 1e6, span.end_us / 1e6)
        for span in listen(clip, detector, POLICY, lambda _: None).spans
    ]


def gone(spans, name):
    """Whether the spans cover the name, but for its edges."""
    moments = np.linspace(*name, 101)
    covered = [any(start <= moment <= end for start, end in spans) for moment in moments]
    return np.mean(covered) >= 1 - 2 * EDGE


def stored(path, sound, voice):
    """The sound in a file, in the last channel alone; the first of several hums softly."""
    channels = av.AudioLayout(voice.layout).nb_channels
    samples = np.zeros((channels, round(len(sound) * voice.rate / RATE) + 99), np.float32)
    one = at_rate(sound, RATE, voice.rate)
    samples[0] = 0.01 * np.sin(2 * np.pi * 90 * np.arange(samples.shape[1]) / voice.rate)
    samples[-1, : one.size] = one
    return make_clip(path.with_suffix(SUFFIX[voice.codec]), None, [replace(voice, samples=samples)])


@pytest.mark.parametrize("how", CHANGED)
def test_a_name_in_bad_sound_is_found(how, said, detector, tmp_path):
    sound = CHANGED[how](said.sound).astype(np.float32)
    path = stored(tmp_path / "clip", sound, Voice(codec="flac", rate=RATE, layout="mono"))
    late = LATE.get(how, 0.0)
    assert gone(spans_of(path, detector), [second + late for second in said.name])


@pytest.mark.parametrize("how", STORED)
def test_a_name_in_any_kind_of_track_is_found(how, said, detector, tmp_path):
    voice = STORED[how]
    path = stored(tmp_path / "clip", said.sound, voice)
    late = voice.start + (voice.gap[1] if voice.gap[1] else 0.0)
    assert gone(spans_of(path, detector), [second + late for second in said.name])


def test_two_who_speak_at_once_both_lose_their_names_or_the_clip_is_held(
    said, speaker, detector, tmp_path
):
    from samples_parts.voice import MAN

    other = speaker.say("The report was written by {Daniel Foster} over the weekend.", MAN)
    second = at_rate(other.sound, 24_000, RATE)
    both = np.zeros(max(second.size, said.sound.size), np.float32)
    both[: second.size] += second
    both[: said.sound.size] += said.sound
    path = stored(tmp_path / "clip", both, Voice(codec="flac", rate=RATE, layout="mono"))
    try:
        spans = spans_of(path, detector)
    except RedactError:
        return  # held
    assert gone(spans, said.name)
    assert gone(spans, (other.names[0].start, other.names[0].end))


def test_silence_and_music_alone_are_not_held_and_lose_little(detector, tmp_path):
    for number, sound in enumerate((np.zeros(30 * RATE, np.float32), music(12))):
        voice = Voice(codec="flac", rate=RATE, layout="mono")
        path = stored(tmp_path / f"clip{number}", sound, voice)
        assert sum(end - start for start, end in spans_of(path, detector)) < 1.5


def test_in_a_long_track_a_name_is_found_with_seconds_of_it_in_memory(
    said, detector, tmp_path, monkeypatch
):
    monkeypatch.setattr(voices, "WINDOW", 8)
    pause = np.zeros(10 * RATE, np.float32)
    sound = np.concatenate([pause, said.sound, pause])
    path = stored(tmp_path / "clip", sound, Voice(codec="flac", rate=RATE, layout="mono"))
    at_once = spans_of(path, detector)
    monkeypatch.setattr(ear, "PIECE", RATE)
    monkeypatch.setattr(ear, "HELD", 2)
    monkeypatch.setattr(ear, "LEAST", 2)
    asked, give = [], ear.Tape.__getitem__
    monkeypatch.setattr(
        ear.Tape, "__getitem__", lambda *args: asked.append(one := give(*args)) or one
    )

    spans = spans_of(path, detector)

    assert spans == at_once
    assert gone(spans, [second + 10.0 for second in said.name])
    assert max(one.size for one in asked) <= (8 + 2 * voices.BESIDE) * RATE < sound.size / 2


BARELY = {
    "telephone, far away": lambda sound: telephone(0.27 * sound),
    "under music": lambda sound: mixed(sound, music(6), -5),
    "in a hum": lambda sound: mixed(0.03 * sound, np.sin(np.arange(6 * RATE) / 51), -25),
    "clipped": CHANGED["clipped"],
}


@pytest.mark.parametrize("how", BARELY)
def test_a_mans_voice_is_noticed_in_bad_sound(how, speaker):
    from samples_parts.voice import MAN

    speech = speaker.say(SCRIPT, MAN)
    sound = BARELY[how](at_rate(speech.sound, 24_000, RATE)).astype(np.float32)
    name = speech.names[0].start, speech.names[0].end
    assert gone(find_voice(sound, threshold=FIRST.voice_threshold, longest=28.0), name)


def test_what_was_said_is_in_no_byte_of_a_run(said, tmp_path):
    inputs, store = tmp_path / "in", tmp_path / "store"
    temporary, keys = tmp_path / "tmp", tmp_path / "keys"
    for folder in (inputs, temporary):
        folder.mkdir()
    stored(inputs / "clip", said.sound, Voice(codec="aac", layout="mono"))
    done = redact("run", inputs, "--store", store, "--json", keys=keys, TMPDIR=str(temporary))
    assert done.code == 0
    assert done.lines[0]["removed"]
    written = [bytes_of(folder) for folder in (store, temporary, keys)]
    for part in (done.out, done.err, *written):
        assert not any(os.fsencode(word) in part for word in (NAME, NAME.lower(), "Margaret"))
