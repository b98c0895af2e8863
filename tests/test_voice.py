"""Voice in sound that is too long to look at in one go."""

from itertools import pairwise

import numpy as np
import pytest

from redact.detectors import voice
from redact.detectors.voice import RATE, find_voice


@pytest.fixture
def heard(monkeypatch):
    """A model without a network: voice is what is loud. Notes the longest sound it was shown."""
    shown = []

    def loud(samples, options):
        shown.append(samples.size)
        seconds = np.abs(samples[: samples.size // RATE * RATE]).reshape(-1, RATE).max(axis=1) > 0.1
        edges = np.flatnonzero(np.diff(np.concatenate([[0], seconds, [0]])))
        return [
            {"start": one * RATE, "end": end * RATE} for one, end in edges.reshape(-1, 2).tolist()
        ]

    monkeypatch.setattr(voice, "get_speech_timestamps", loud)
    monkeypatch.setattr(voice, "_views", lambda samples: [samples])
    return shown


def sound(seconds, *spoken):
    samples = np.full(seconds * RATE, 0.01, np.float32)
    for start, end in spoken:
        samples[start * RATE : end * RATE] = 0.5
    return samples


def seconds_of(stretches):
    return {second for start, end in stretches for second in range(round(start), round(end))}


@pytest.mark.parametrize(
    "spoken",
    [
        [],
        [(0, 3), (20, 25), (119, 120)],
        [(31, 33), (33, 34), (38, 41), (42, 43)],  # about the end of the first window
        [(5, 118)],  # never a pause
        [(n, n + 2) for n in range(0, 120, 3)],
    ],
    ids=["none", "few", "at the end", "without a pause", "many"],
)
def test_windows_find_the_voice_that_one_look_finds(heard, monkeypatch, spoken):
    samples = sound(120, *spoken)
    whole = find_voice(samples, threshold=0.4, longest=8.0)
    monkeypatch.setattr(voice, "WINDOW", 40)
    parts = find_voice(samples, threshold=0.4, longest=8.0)
    assert parts == whole  # no stretch is cut where a window ends
    assert seconds_of(parts) == seconds_of(spoken)
    assert all(end - start <= 8.0 for start, end in parts)
    assert all(one[1] <= other[0] for one, other in pairwise(parts))
    assert max(heard[1:]) <= (40 + 2 * voice.BESIDE) * RATE


def test_a_window_without_any_sound_is_no_error(heard, monkeypatch):
    monkeypatch.setattr(voice, "WINDOW", 40)
    samples = np.concatenate([np.zeros(100 * RATE, np.float32), sound(20, (3, 6))])
    assert seconds_of(find_voice(samples, threshold=0.4, longest=8.0)) == {103, 104, 105}


def test_voice_without_a_pause_is_parted_late_and_where_it_is_softest(heard):
    """At 7 s and then at 14: the softer places at 5 and 11 s would make short passages."""
    samples = sound(20, (0, 20))
    for second, level in ((5, 0.2), (7, 0.3), (11, 0.2), (14, 0.3)):
        samples[second * RATE : round((second + 0.1) * RATE)] = level
    parts = find_voice(samples, threshold=0.4, longest=8.0)
    assert [one for part in parts for one in part] == pytest.approx([0, 7, 7, 14, 14, 20], abs=0.05)
