"""One run of the encoder for the language and the words of a passage, and never another's."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from redact.detectors.voice import RATE
from redact.detectors.whisper import Whisper, _EveryBeam, _Own, _without_padding


class Model:
    """Numbers the runs of its encoder; hears French in whatever was encoded."""

    device, device_index = "cpu", [0]

    def __init__(self):
        self.runs = count()

    def encode(self, _features, *, to_cpu):
        return next(self.runs)

    def detect_language(self, _output):
        return [[("<|fr|>", 0.7), ("<|en|>", 0.3)]]


def features_of(sound):
    """As faster-whisper makes them: 80 x hundredths of a second, and one more frame."""
    return np.resize(np.float32(sound[::160]), (80, len(sound) // 160 + 1))


@pytest.fixture
def whisper():
    made = Whisper.__new__(Whisper)
    made.model, made.feature_extractor, made._own = Model(), features_of, _Own()
    return made


def passage(level, seconds=5):
    return np.full(seconds * RATE, level, np.float32)


def as_transcribed(sound):
    """The features of the first window, as `transcribe` cuts and pads them."""
    cut = features_of(sound)[:, :-1]
    return np.pad(cut, ((0, 0), (0, 3000 - cut.shape[1])))


def test_language_and_words_share_one_run(whisper):
    assert whisper.tell_language(passage(0.1)) == ("fr", 0.7)
    assert whisper.encode(as_transcribed(passage(0.1))) == 0


@pytest.mark.parametrize("other", [passage(0.2), passage(0.1, 4)], ids=["sound", "length"])
def test_another_passage_is_encoded_for_itself(whisper, other):
    whisper.tell_language(passage(0.1))
    assert whisper.encode(as_transcribed(other)) == 1


@pytest.mark.parametrize(
    ("hundredths", "expected"), [(0, 2000), (250, 2000), (1801, 2002), (2000, 2200), (2900, 3000)]
)
def test_the_encoder_gets_a_pause_after_the_sound_and_no_more(hundredths, expected):
    features = np.zeros((80, 3000), np.float32)
    features[:, :hundredths] = -1.5  # silence is not nothing: it is part of the sound
    left = _without_padding(features)
    assert left.shape == (80, expected)
    np.testing.assert_array_equal(left, features[:, :expected])


@pytest.mark.parametrize(("whole", "frames"), [(True, 3000), (False, 2000)])
def test_what_is_encoded_is_padded_to_thirty_seconds_only_if_it_is_to_be(whisper, whole, frames):
    given = []
    whisper.model.encode = lambda features, *, to_cpu: given.append(features)
    whisper.whole = whole
    whisper.encode(as_transcribed(passage(0.1)))
    assert given[0].shape == [1, 80, frames]


def test_nothing_is_kept_once_it_was_used(whisper):
    whisper.tell_language(passage(0.1))
    assert whisper.encode(as_transcribed(passage(0.1))) == 0
    assert whisper.encode(as_transcribed(passage(0.1))) == 1


@pytest.mark.weights
@pytest.mark.slow
def test_faster_whisper_asks_for_what_was_told(models: Path):
    """Its `transcribe` has to cut the features as we do, or nothing is saved."""
    made = Whisper(str(models / "speech"), device="cpu", compute_type="int8", cpu_threads=1)
    sound = (0.1 * np.sin(np.arange(3 * RATE) / 12)).astype(np.float32)
    made.tell_language(sound)
    told, asked = made._own.told[1], []
    encode = made.encode
    made.encode = lambda features: asked.append(encode(features)) or asked[-1]
    list(made.transcribe(sound, language="en", temperature=0.0)[0])
    assert asked[0] is told


def test_every_beam_is_asked_for():
    network = _EveryBeam(SimpleNamespace(generate=lambda **options: options, is_multilingual=True))
    assert network.generate(beam_size=5) == {"beam_size": 5, "num_hypotheses": 5}
    assert network.generate(beam_size=1, num_hypotheses=3)["num_hypotheses"] == 3
    assert network.is_multilingual


def test_where_others_would_draw_it_may_not_say_the_same_again():
    """As faster-whisper asks for another try at a temperature of a quarter."""
    network = _EveryBeam(SimpleNamespace(generate=lambda **options: options))
    drawn = {"beam_size": 1, "num_hypotheses": 5, "sampling_topk": 0, "sampling_temperature": 1 / 4}
    wanted = {"beam_size": 5, "num_hypotheses": 5, "no_repeat_ngram_size": 4, "patience": 2.0}
    assert network.generate(**drawn, patience=2.0) == wanted


def test_the_texts_of_the_other_beams_are_told_once(whisper):
    whisper._own.texts = [["we left", "we lift"], [" then", " than", " den"]]
    assert whisper.others() == ["we lift than", "we left den"]
    assert whisper.others() == []
