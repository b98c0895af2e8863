"""The same sound in several tracks, and sound so soft that it has to be amplified."""

import numpy as np
import pytest

from redact.detectors.echoes import echoes, levels
from redact.detectors.voice import LOUD, MOST, RATE, amplified
from redact.types import Kind, Span

SPAN = Span(
    kind=Kind.SPOKEN_NAME, stream=1, start_us=4_000_000, end_us=4_600_000, score=0.9, detector="a@0"
)


def speech(seed, seconds=10.0):
    """Noise whose loudness goes up and down several times a second, like that of a voice."""
    draw = np.random.default_rng(seed)
    loud = np.repeat(draw.uniform(0, 0.3, round(seconds * 5)), RATE // 5)
    return (loud * draw.normal(size=loud.size)).astype(np.float32)


def found(there, *, start_us=0):
    tracks = {1: levels(speech(1), RATE, 0), 2: levels(there, RATE, start_us)}
    return [(span.stream, span.start_us) for span in echoes([SPAN], tracks)]


@pytest.mark.parametrize("late", [0, 300, -300], ids=["in step", "later", "earlier"])
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_a_span_goes_from_a_track_that_sounds_alike(late, gain):
    assert found(np.roll(speech(1), late) * np.float32(gain)) == [(2, 4_000_000)]


@pytest.mark.parametrize("there", [speech(2), np.zeros(10 * RATE, np.float32), speech(1, 2.0)])
def test_a_track_that_sounds_otherwise_keeps_its_sound(there):
    assert found(there) == []


def test_a_track_that_starts_late_is_compared_on_the_clock():
    assert found(speech(1)[2 * RATE :], start_us=2_000_000) == [(2, 4_000_000)]
    assert found(speech(1)[2 * RATE :]) == []


def test_soft_sound_is_amplified_and_loud_sound_left():
    loud = speech(3) / np.abs(speech(3)).max()
    assert amplified(loud) is loud
    soft = loud * np.float32(0.01)
    assert np.abs(amplified(soft)).max() == pytest.approx(LOUD, rel=0.01)
    assert np.abs(amplified(loud * np.float32(1e-6))).max() == pytest.approx(MOST * 1e-6, rel=0.01)


def test_a_loud_stretch_does_not_hide_a_soft_one_a_minute_later():
    loud = speech(3, 60.0) / np.abs(speech(3, 60.0)).max()
    both = np.concatenate([loud, loud * np.float32(0.003)])
    late = amplified(both)[-20 * RATE :]
    assert np.abs(late).max() > 0.2
    assert np.abs(amplified(both)).max() <= 1.0
