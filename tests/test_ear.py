"""That a long track is heard as a short one is, with only a part of it in memory."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.errors import InputError
from redact.media import ear
from redact.media.ear import EAR_RATE, Tape, sound
from redact.media.probe import probe
from redact.policy import Limits
from tests.media_maker import Voice, make_clip

SIZE, PIECE, HELD = 1037, 20, 4
WHOLE = np.random.default_rng(1).uniform(-1, 1, SIZE).astype(np.float32)


def pieces(samples=WHOLE):
    for first in range(0, samples.size, PIECE):
        yield samples[first : first + PIECE]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(ear, "PIECE", PIECE)
    monkeypatch.setattr(ear, "HELD", 2 * HELD)  # for two channels
    monkeypatch.setattr(ear, "LEAST", 1)


edges = st.integers(-SIZE - 50, SIZE + 50)


@given(st.lists(st.tuples(edges, edges), max_size=12))
def test_a_tape_gives_what_an_array_gives(wanted):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ear, "PIECE", PIECE)
        tape = Tape(pieces(), pieces, HELD)
        assert len(tape) == SIZE
        for first, last in wanted:
            np.testing.assert_array_equal(tape[first:last], WHOLE[first:last])
            assert sum(piece.size for piece in tape._held.values()) <= HELD * PIECE
    np.testing.assert_array_equal(tape[:], WHOLE)


def test_what_is_still_held_is_not_decoded_again():
    begun = []
    tape = Tape(pieces(), lambda: begun.append(1) or pieces(), HELD)
    for first in [*range(0, SIZE, 7), SIZE - 3 * PIECE, SIZE - PIECE]:
        tape[first : first + 30]
    assert len(begun) == 1  # the first pass had gone to the end
    short = Tape(pieces(WHOLE[: HELD * PIECE]), lambda: pytest.fail("all of it is held"), HELD)
    for first in (60, 0, 30):
        np.testing.assert_array_equal(short[first:], WHOLE[first : HELD * PIECE])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_no_silence(value):
    """Whatever lies beside them: a channel of such a piece and silence is not loud."""
    broken = np.zeros(PIECE * 3, np.float32)
    broken[PIECE + 3] = value
    with pytest.raises(InputError, match="no numbers"):
        Tape(pieces(broken), lambda: pieces(broken), HELD)


def test_threads_may_share_a_tape():
    def slowly():
        for piece in pieces():
            time.sleep(0.0001)  # so that another thread has its turn
            yield piece

    tape = Tape(pieces(), slowly, HELD)
    starts = np.random.default_rng(2).permutation(SIZE)[:60]
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda first: tape[first : first + 50], starts.tolist())
        for first, part in zip(starts, parts, strict=True):
            np.testing.assert_array_equal(part, WHOLE[first : first + 50])


@pytest.mark.parametrize("left", [0, PIECE * 5, SIZE - 1, SIZE + 1])
def test_a_file_that_changes_while_it_is_listened_to_is_an_error(left):
    changed = np.resize(WHOLE, left)
    tape = Tape(pieces(), lambda: pieces(changed), HELD)
    with pytest.raises(InputError, match="changed"):
        tape[:]
    with pytest.raises(InputError, match="changed"):  # and stays one
        tape[SIZE - 1 :] if left < SIZE else tape[:]


def test_samples_are_not_given_in_another_order():
    with pytest.raises(ValueError, match="order"):
        Tape(pieces(), pieces, HELD)[::2]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".mp4", ".mkv"])
@pytest.mark.parametrize("channels", ["alike", "apart"])
def test_a_track_read_again_is_the_same_bit_for_bit(tmp_path, monkeypatch, suffix, channels):
    draw = np.random.default_rng(3).uniform(-0.4, 0.4, (2, 3 * 48_000)).astype(np.float32)
    samples = draw if channels == "apart" else np.stack([draw[0], 0.5 * draw[0]])
    codec = {".wav": "pcm_s16le", ".mp4": "aac", ".mkv": "libopus"}[suffix]
    voice = Voice(codec=codec, rate=48_000, layout="stereo", samples=samples)
    clip = probe(make_clip(tmp_path / f"clip{suffix}", None, [voice]), Limits())

    monkeypatch.setattr(ear, "PIECE", 60 * EAR_RATE)
    at_once = [one.samples[:] for one in sound(clip, clip.sound[0])]
    assert len(at_once) == (2 if channels == "apart" else 1)
    assert all(one.size > 2 * EAR_RATE for one in at_once)

    monkeypatch.setattr(ear, "PIECE", 1000)
    given, make = [], ear.audio_frame
    monkeypatch.setattr(
        ear, "audio_frame", lambda *args: given.append(args[0].shape[1]) or make(*args)
    )
    ears = sound(clip, clip.sound[0])
    for _ in range(2):  # forward from the start, twice
        for one, whole in zip(ears, at_once, strict=True):
            parts = [one.samples[at : at + 7001] for at in range(0, whole.size, 7000)]
            for number, part in enumerate(parts):
                np.testing.assert_array_equal(part, whole[7000 * number :][:7001])
            assert sum(piece.size for piece in one.samples._held.values()) <= 1000 * HELD
    assert max(given) < 1.2 * 48_000  # what is resampled at once


@pytest.mark.parametrize(("tracks", "held"), [(1, 4), (2, 2), (8, 1), (9, 1)])
def test_the_more_tracks_the_less_is_held_of_each(tmp_path, tracks, held):
    voice = Voice(codec="pcm_s16le", rate=16_000, layout="stereo", seconds=0.1)
    clip = probe(make_clip(tmp_path / "clip.mkv", None, [voice] * tracks), Limits())
    ears = [one for stream in clip.sound for one in sound(clip, stream)]
    assert [len(one.samples._held) for one in ears] == [held] * tracks
