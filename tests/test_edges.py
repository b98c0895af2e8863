"""Where a padded stretch ends: silence is given back, the name's own sound never."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.detectors.edges import FRAME, trimmed
from redact.detectors.stretches import Padding, name_spans
from redact.detectors.voice import RATE
from redact.detectors.words import Word

GENERATOR = np.random.default_rng(3)


def sound(*parts, noise=0.0):
    """Voice of (level, seconds) one after the other, over noise of a level."""
    voice = [level * GENERATOR.standard_normal(round(seconds * RATE)) for level, seconds in parts]
    whole = np.concatenate(voice)
    return (whole + noise * GENERATOR.standard_normal(len(whole))).astype(np.float32)


def test_silence_around_a_name_is_given_back():
    samples = sound((0, 1.0), (0.1, 0.5), (0, 1.0))
    start, end = trimmed(samples, (0.95, 1.4), (0.7, 1.8))
    assert (start, end) == (pytest.approx(0.97, abs=0.011), pytest.approx(1.53, abs=0.011))


def test_voice_around_a_name_stays_covered():
    samples = sound((0.1, 3.0))
    assert trimmed(samples, (1.0, 1.5), (0.9, 1.8)) == (0.9, 1.8)


def test_a_pause_inside_a_name_stays_covered():
    samples = sound((0, 1.0), (0.1, 0.2), (0, 0.15), (0.1, 0.4), (0, 1.0))
    start, end = trimmed(samples, (0.98, 1.6), (0.9, 1.9))
    assert start < 1.0
    assert end > 1.75


def test_a_short_closure_after_what_was_heard_stays_covered():
    samples = sound((0.1, 1.5), (0, 0.07), (0.1, 1.0))
    assert trimmed(samples, (1.0, 1.45), (0.9, 2.2)) == (0.9, 2.2)


def test_a_stretch_ends_where_the_voice_falls_off_between_words():
    samples = sound((0.1, 1.7), (0.006, 0.03), (0.1, 1.0))
    start, end = trimmed(samples, (1.0, 1.5), (0.9, 1.8))
    assert start == 0.9
    assert 1.71 < end < 1.76


def test_nor_does_it_where_the_recogniser_is_not_sure_of_the_end():
    samples = sound((0.1, 1.7), (0.006, 0.03), (0.1, 1.0))
    assert trimmed(samples, (1.0, 1.5), (0.9, 1.8), sure_of_end=False) == (0.9, 1.8)


@pytest.mark.parametrize(("probability", "falls"), [(0.6, True), (0.4, False)])
def test_whether_it_is_sure_says_the_word_before_the_end(probability, falls):
    samples = sound((0.1, 1.7), (0.006, 0.03), (0.1, 1.0))
    words = [Word("a", 1.0, 1.5, probability), Word("b", 1.78, 2.0, 0.9)]
    padding = Padding(sure=(0.1, 0.3), unsure=(0.1, 0.3))
    ((_, end, _),) = name_spans(words, [1.0, 0.0], samples, padding)
    assert (end < 1.77) is falls


def test_a_fall_right_after_what_was_heard_is_the_names_own():
    samples = sound((0.1, 1.6), (0.006, 0.03), (0.1, 1.0))
    assert trimmed(samples, (1.0, 1.5), (0.9, 1.8)) == (0.9, 1.8)


def test_a_loud_beginning_does_not_make_a_fall_of_a_soft_end():
    samples = sound((0.5, 1.2), (0.06, 1.0), (0.02, 0.03), (0.06, 1.0))
    assert trimmed(samples, (0.5, 2.0), (0.5, 2.3)) == (0.5, 2.3)


def test_a_stretch_begins_where_the_voice_falls_off_between_words():
    samples = sound((0.1, 0.96), (0.006, 0.03), (0.1, 1.0))
    start, end = trimmed(samples, (1.0, 1.5), (0.9, 1.8))
    assert 0.94 < start < 0.98
    assert end == 1.8


@pytest.mark.parametrize("falls", [True, False])
def test_but_not_of_a_model_whose_words_may_be_late(falls):
    samples = sound((0.1, 0.96), (0.006, 0.03), (0.1, 1.0))
    padding = Padding(sure=(0.1, 0.3), unsure=(0.1, 0.3), falls=falls)
    words = [Word("a", 1.0, 1.5, 0.9)]
    ((start, _, _),) = name_spans(words, [1.0], samples, padding)
    assert (start > 0.93) is falls


def test_a_fall_inside_what_was_heard_is_the_names_own():
    samples = sound((0.1, 1.05), (0.006, 0.03), (0.1, 1.0))
    assert trimmed(samples, (1.0, 1.5), (0.9, 1.8)) == (0.9, 1.8)


def test_in_noise_nothing_is_given_back():
    samples = sound((0, 1.0), (0.1, 0.5), (0, 1.0), noise=0.05)
    assert trimmed(samples, (0.95, 1.4), (0.7, 1.8)) == (0.7, 1.8)


def test_digital_silence_is_no_error():
    assert trimmed(np.zeros(RATE, np.float32), (0.2, 0.5), (0.0, 0.9)) == (0.0, 0.9)


seconds = st.floats(0.0, 4.0)


@given(st.lists(seconds, min_size=4, max_size=4), st.lists(st.floats(0, 1), max_size=8))
def test_what_was_heard_in_voice_is_never_given_back(times, levels):
    outer, start, end, last = sorted(times)
    samples = sound(*((level, 0.3) for level in levels), (0.1, 0.2))
    kept = trimmed(samples, (start, end), (outer, last))
    assert outer <= kept[0]
    assert end - FRAME / RATE <= kept[1] <= last
