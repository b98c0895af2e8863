"""Sound methods: nothing is left inside a cut, and nothing is touched beyond its fades."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact import methods
from redact.errors import UsageError
from redact.methods import audio
from redact.methods.audio import FADE_US, MICRO, TONE_HERTZ, TONE_LEVEL, remove

RATES = [8000, 11025, 16000, 44100, 48000, 96000]


def noise(length, *, channels=2, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (channels, length)).astype(np.float32)


def cut_spans():
    span = st.tuples(st.integers(0, 120_000), st.integers(1, 60_000))
    return st.lists(span.map(lambda s: (s[0], s[0] + s[1])), max_size=4)


def times():
    """Starts of a stream: any time base, before the zero of the clock too."""
    return st.fractions(min_value=-1, max_value=2000, max_denominator=90_000)


def test_the_table_lists_these_methods():
    sound = [name for name, method in methods.METHODS.items() if method.medium == "sound"]
    assert sound == list(audio.METHODS)


@given(
    times(),
    st.sampled_from(RATES),
    cut_spans(),
    st.sampled_from(audio.METHODS),
    st.lists(st.integers(0, 1500), max_size=5),
)
@settings(max_examples=80, deadline=None)
def test_block_borders_do_not_matter(time, rate, cuts, method, borders):
    cuts = [(int(time * MICRO) + start, int(time * MICRO) + end) for start, end in cuts]
    whole, parts = noise(1500), noise(1500)
    remove(whole, time, rate, cuts, method=method)
    edges = [0, *sorted(borders), 1500]
    for start, end in pairwise(edges):
        remove(parts[:, start:end], time + Fraction(start, rate), rate, cuts, method=method)

    np.testing.assert_array_equal(whole, parts)


@given(times(), st.sampled_from(RATES), cut_spans(), st.sampled_from(audio.METHODS))
@settings(max_examples=80, deadline=None)
def test_a_cut_keeps_nothing_and_the_rest_is_untouched(time, rate, cuts, method):
    cuts = [(int(time * MICRO) + start, int(time * MICRO) + end) for start, end in cuts]
    before, other = noise(1500), noise(1500, seed=1)
    after = before.copy()
    remove(after, time, rate, cuts, method=method)
    remove(other, time, rate, cuts, method=method)
    part = time.denominator * rate  # of a microsecond: whole numbers are quicker than fractions
    spans = [(start * part, end * part) for start, end in cuts]
    fade = (FADE_US + 1) * part
    for number in range(1500):
        start = (time.numerator * rate + number * time.denominator) * MICRO
        end = start + time.denominator * MICRO
        if any(start < cut[1] and end > cut[0] for cut in spans):
            assert (after[:, number] == other[:, number]).all()
        elif all(end <= cut[0] - fade or start >= cut[1] + fade for cut in spans):
            assert (after[:, number] == before[:, number]).all()


@pytest.mark.parametrize("method", audio.METHODS)
def test_what_is_no_number_is_gone_too(method):
    """A NaN times 0 is a NaN, and a zero can keep a sign."""
    samples = np.full((1, 100), np.nan, np.float32)
    samples[:, 50:] = -1.0
    remove(samples, Fraction(0), 1000, [(0, 100_000)], method=method)
    assert np.isfinite(samples).all()
    if method == "silence":
        assert samples.tobytes() == bytes(samples.nbytes)


def test_fades_are_short_and_rise():
    samples = np.ones((1, 48_000), np.float32)
    remove(samples, Fraction(0), 48_000, [(400_000, 500_000)], method="silence")
    before, after = samples[0, :19_200], samples[0, 24_000:]
    assert (before < 1).sum() == (after < 1).sum() == 480
    assert (np.diff(before) <= 0).all()
    assert (np.diff(after) >= 0).all()
    assert np.abs(np.diff(samples[0])).max() < 0.01  # no click


def test_the_tone_is_a_kilohertz_in_step_with_the_clock():
    rate = 44_100
    samples = noise(rate)
    remove(samples, Fraction(7, 3), rate, [(0, 10 * MICRO)], method="tone")
    seconds = 7 / 3 + np.arange(rate) / rate
    expected = TONE_LEVEL * np.sin(2 * np.pi * TONE_HERTZ * seconds)
    np.testing.assert_allclose(samples, np.stack([expected, expected]), atol=1e-7)


def test_what_cannot_be_removed_is_refused():
    with pytest.raises(UsageError, match="no method"):
        remove(noise(10), Fraction(0), 8000, [(0, 10)], method="fill")
    with pytest.raises(UsageError, match="before it starts"):
        remove(noise(10), Fraction(0), 8000, [(10, 10)], method="silence")
