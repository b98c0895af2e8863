"""What the second look makes of sound that it does not understand."""

import numpy as np
import pytest

from redact.detectors.names import Heard
from redact.errors import ResidualError
from redact.listen import to_remove
from redact.media.ear import Sound, sound
from redact.media.probe import probe
from redact.plan import Cut
from redact.relisten import _removed, _silent, _windows
from redact.types import Kind, Span
from tests.media_maker import Picture, Voice, make_clip
from tests.test_pipeline import POLICY, made_of, make, nobody

NAME = (0.5, 0.8)


class Ear:
    """Hears a name at first; listening again, the sound of the windows gives it no words."""

    name = "ear@0"

    def __init__(self, *, unclear=(), covered=True, stubborn=False):
        self.unclear, self.covered, self.stubborn = unclear, covered, stubborn

    def listen(self, samples, *, again=False):
        if not again:
            speech = ((0.0, len(samples) / 16_000),)
            return Heard(
                names=((*NAME, 0.8),), speech=speech, unclear=(), language="en", covered=True
            )
        loud = [one for one in self.unclear if self.stubborn or self._is_loud(samples, one)]
        return Heard(
            names=(),
            speech=tuple(loud),
            unclear=tuple(loud),
            language="en" if self.covered else "de",
            covered=self.covered or not loud,
        )

    def listen_again(self, windows, *, language=""):
        return [self.listen(one, again=True) for one in windows]

    @staticmethod
    def _is_loud(samples, stretch):
        start, end = (int(second * 16_000) for second in stretch)
        return np.abs(samples[start:end]).max(initial=0) > 0.05


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip.mkv", Picture(frames=50), [Voice(codec="flac", seconds=2.0)])


@pytest.mark.parametrize("covered", [True, False], ids=["unclear", "another language"])
def test_what_the_second_look_can_not_put_into_words_is_removed(clip, covered):
    ear = Ear(unclear=((1.2, 1.9),), covered=covered)
    made, target = make(made_of(nobody(), names=ear), clip)
    assert made.rounds == 2
    output = probe(target, POLICY.limits)
    (heard,) = sound(output, output.sound[0])
    assert np.abs(heard.samples[int(1.22 * 16_000) : int(1.88 * 16_000)]).max() < 0.01
    assert np.abs(heard.samples[: int(0.4 * 16_000)]).max() > 0.1


def test_a_stretch_that_was_removed_is_not_removed_again(clip):
    made, _ = make(made_of(nobody(), names=Ear(unclear=(NAME,), stubborn=True)), clip)
    assert made.rounds == 1


class Patient(Ear):
    """Hears two names at first, and one more in the second window that it listens to again."""

    def __init__(self):
        super().__init__()
        self.windows = []

    def listen(self, samples, *, again=False):
        names = ((*NAME, 0.8), (16.0, 16.3, 0.8))
        if again:
            self.windows.append(len(samples) / 16_000)
            names = ((2.0, 3.0, 0.8),) if len(self.windows) == 2 else ()
        return Heard(names=names, speech=(), unclear=(), language="en", covered=True)


def test_another_round_listens_around_what_is_new(tmp_path):
    """Around the first name nothing has changed since; it counts as listened to all the same."""
    voice = [Voice(codec="flac", seconds=24.0)]
    ear = Patient()
    made, _ = make(made_of(nobody(), names=ear), make_clip(tmp_path / "clip.mkv", None, voice))
    assert made.rounds == 2
    around = [4.8, 8.3, 9.0]  # the first name, the second, and what was found from 14 to 15 s
    assert ear.windows == pytest.approx(around, abs=0.01)
    assert made.verdict.sound_us_scanned == pytest.approx(15_100_000, abs=10_000)


class Reader(Patient):
    """Notes how long the windows are that it is given at once, and whether they were read."""

    def listen_again(self, windows, *, language=""):
        read = all(isinstance(one, np.ndarray) for one in windows)
        self.windows.append(([round(len(one) / 16_000) for one in windows], read))
        return [Heard(names=(), speech=(), unclear=(), language="en", covered=True)] * len(windows)


@pytest.mark.parametrize(
    ("seconds", "given"),
    [(15, [([5, 8], True)]), (12, [([5], False), ([8], False)])],
    ids=["both", "one after the other"],
)
def test_windows_are_listened_to_side_by_side_as_far_as_they_fit(
    tmp_path, monkeypatch, seconds, given
):
    monkeypatch.setattr("redact.relisten.AT_ONCE", seconds * 16_000)
    ear = Reader()
    voice = [Voice(codec="flac", seconds=24.0)]
    made, _ = make(made_of(nobody(), names=ear), make_clip(tmp_path / "clip.mkv", None, voice))
    assert (made.rounds, ear.windows) == (1, given)


def test_unsearched_speech_goes_with_the_names_in_it():
    heard = Heard(
        names=((1.0, 2.0, 0.9),), speech=((0.0, 3.0),), unclear=(), language="de", covered=False
    )
    name = Kind.SPOKEN_NAME
    assert to_remove(heard, POLICY) == [(name, 1.0, 2.0, 0.9), (name, 0.0, 3.0, 0.0)]


def cut(start_us, end_us):
    return Cut(
        kind=Kind.SPOKEN_NAME,
        method="silence",
        stream=0,
        start_us=start_us,
        end_us=end_us,
        score_ppm=0,
        detector="ear@0",
    )


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ([(0, 600_000)], True),
        ([(0, 450_000)], False),
        ([(0, 300_000), (0, 300_000)], False),  # cuts that overlap remove it once
        ([(0, 300_000), (700_000, 1_000_000)], True),
    ],
)
def test_a_span_counts_as_removed_if_less_than_a_word_is_left(cuts, expected):
    span = Span(
        kind=Kind.SPOKEN_NAME, stream=0, start_us=0, end_us=1_000_000, score=0.9, detector="ear@0"
    )
    assert _removed(span, [cut(*one) for one in cuts]) is expected


def test_a_long_span_of_which_a_whole_word_is_left_is_not_removed():
    span = Span(
        kind=Kind.SPOKEN_NAME, stream=0, start_us=0, end_us=4_000_000, score=0.9, detector="ear@0"
    )
    assert not _removed(span, [cut(0, 3_400_000)])


@pytest.mark.parametrize("at", [None, 2, 299])
def test_a_word_left_in_five_silenced_minutes_is_noticed(at):
    samples = np.zeros(301 * 16_000, np.float32)
    if at is not None:
        samples[at * 16_000 :][:4000] = 0.05
    ear, silenced = Sound(samples, 16_000, 0), [cut(0, 300_000_000)]
    if at is None:
        _silent(ear, silenced)
    else:
        with pytest.raises(ResidualError, match="was to be silent"):
            _silent(ear, silenced)


def test_windows_are_the_sound_around_the_cuts_each_once():
    samples = np.arange(100 * 1000, dtype=np.float32)
    cuts = [cut(50_000_000, 51_000_000), cut(10_000_000, 11_000_000), cut(12_000_000, 13_000_000)]
    first, second = _windows(Sound(samples, 1000, 1_000_000), cuts)
    assert (first.start_us, len(first.samples)) == (6_000_000, 11_000)
    assert (second.start_us, len(second.samples)) == (46_000_000, 9_000)
    for part in (slice(None), slice(3, 9000), slice(-10, None), slice(8000, 20_000)):
        np.testing.assert_array_equal(first.samples[part], samples[5000:16_000][part])
    (last,) = _windows(Sound(samples, 1000, 0), [cut(99_000_000, 120_000_000)])
    assert len(last.samples) == len(last.samples[:]) == 5000
