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
        self.runs, self.decoded = count(1), []

    def encode(self, features, *, to_cpu):
        return np.full((1, features.shape[2] // 2, 2), next(self.runs), np.float32)

    def generate(self, output, prompts, **options):
        """The numbers of the runs that it decodes."""
        runs = np.asarray(output)[:, 0, 0].astype(int).tolist()
        assert len(prompts) == len(runs)
        self.decoded.append((runs, options))
        return [f"run {run}" for run in runs]

    def detect_language(self, _output):
        return [[("<|fr|>", 0.7), ("<|en|>", 0.3)]]


def features_of(sound):
    """As faster-whisper makes them: 80 x hundredths of a second, and one more frame."""
    return np.resize(np.float32(sound[::160]), (80, len(sound) // 160 + 1))


@pytest.fixture
def whisper():
    made = Whisper.__new__(Whisper)
    made.feature_extractor, made._own = features_of, _Own()
    made.model = _EveryBeam(Model(), made._own)
    return made


def passage(level, seconds=5):
    return np.full(seconds * RATE, level, np.float32)


def as_transcribed(sound):
    """The features of the first window, as `transcribe` cuts and pads them."""
    cut = features_of(sound)[:, :-1]
    return np.pad(cut, ((0, 0), (0, 3000 - cut.shape[1])))


def run_of(output):
    return output[0, 0, 0]


def test_language_and_words_share_one_run(whisper):
    assert whisper.tell_language(passage(0.1)) == ("fr", 0.7)
    whisper.expect([passage(0.1)])
    assert run_of(whisper.encode(as_transcribed(passage(0.1)))) == 1


@pytest.mark.parametrize("other", [passage(0.2), passage(0.1, 4)], ids=["sound", "length"])
def test_another_passage_is_encoded_for_itself(whisper, other):
    whisper.tell_language(passage(0.1))
    whisper.expect([passage(0.1)])
    assert run_of(whisper.encode(as_transcribed(other))) == 2


def outputs_of(whisper, *sounds):
    whisper.expect(sounds)
    return [whisper.encode(as_transcribed(sound)) for sound in sounds]


def test_passages_of_one_length_are_decoded_at_once(whisper):
    sounds = passage(0.1), passage(0.2, 25), passage(0.3, 6)
    outputs = outputs_of(whisper, *sounds)
    said = [whisper.model.generate(output, [[1]], beam_size=5) for output in outputs]
    assert said == [["run 1"], ["run 2"], ["run 3"]]
    assert [runs for runs, _ in whisper.model.decoded] == [[1, 3], [2]]


def test_another_try_is_of_one_passage(whisper):
    first, _ = outputs = outputs_of(whisper, passage(0.1), passage(0.2))
    again = {"num_hypotheses": 5, "sampling_topk": 0, "sampling_temperature": 1 / 4}
    whisper.model.generate(first, [[1]], beam_size=5)
    assert whisper.model.generate(first, [[1]], beam_size=1, **again) == ["run 1"]
    assert whisper.model.generate(outputs[1], [[1]], beam_size=5) == ["run 2"]
    assert [runs for runs, _ in whisper.model.decoded] == [[1, 2], [1]]
    assert whisper.model.decoded[1][1]["no_repeat_ngram_size"] == 4


def test_what_was_decoded_for_another_question_is_no_answer(whisper):
    outputs = outputs_of(whisper, passage(0.1), passage(0.2))
    whisper.model.generate(outputs[0], [[1]], beam_size=5)
    whisper.model.generate(outputs[1], [[2]], beam_size=5)
    whisper.model.generate(outputs[1], [[2]], beam_size=8)
    assert [runs for runs, _ in whisper.model.decoded] == [[1, 2], [2], [2]]


def test_on_a_gpu_each_is_decoded_alone(whisper, monkeypatch):
    monkeypatch.setattr(Model, "device", "cuda")
    for output in outputs_of(whisper, passage(0.1), passage(0.2)):
        whisper.model.generate(output, [[1]], beam_size=5)
    assert [runs for runs, _ in whisper.model.decoded] == [[1], [2]]


def test_what_is_not_expected_is_decoded_alone(whisper):
    output, _ = outputs_of(whisper, passage(0.1), passage(0.2))
    whisper.expect(())
    assert whisper.model.generate(output, [[1]], beam_size=5) == ["run 1"]


@pytest.mark.parametrize(
    ("hundredths", "expected"), [(0, 2080), (250, 2080), (1881, 2082), (2000, 2200), (2900, 3000)]
)
def test_the_encoder_gets_a_pause_after_the_sound_and_no_more(hundredths, expected):
    features = np.zeros((80, 3000), np.float32)
    features[:, :hundredths] = -1.5  # silence is not nothing: it is part of the sound
    left = _without_padding(features)
    assert left.shape == (80, expected)
    np.testing.assert_array_equal(left, features[:, :expected])


@pytest.mark.parametrize(("whole", "frames"), [(True, 3000), (False, 2080)])
def test_what_is_encoded_is_padded_to_thirty_seconds_only_if_it_is_to_be(whisper, whole, frames):
    given = []
    whisper.model._network.encode = lambda features, *, to_cpu: given.append(features)
    whisper.whole = whole
    whisper.encode(as_transcribed(passage(0.1)))
    assert given[0].shape == [1, 80, frames]


def test_nothing_is_kept_once_nothing_is_expected(whisper):
    whisper.tell_language(passage(0.1))
    whisper.expect([passage(0.1)])
    whisper.expect(())
    assert (whisper._own.told, whisper._own.expected) == ([], [])
    assert run_of(whisper.encode(as_transcribed(passage(0.1)))) == 2


@pytest.mark.weights
@pytest.mark.slow
def test_faster_whisper_asks_for_what_is_expected(models: Path):
    """Its `transcribe` has to cut the features as we do, and hears the same words in them."""
    made = Whisper(str(models / "speech"), device="cpu", compute_type="int8", cpu_threads=1)
    tones = [0.1 * np.sin(np.arange(3 * RATE) / pitch) for pitch in (12, 17)]
    sounds = [tone.astype(np.float32) for tone in tones]
    network, batches = made.model._network, []

    def generate(output, prompts, **options):
        batches.append(len(prompts))
        return network.generate(output, prompts, **options)

    made.model._network = SimpleNamespace(
        generate=generate,
        **{name: getattr(network, name) for name in ("device", "device_index", "encode", "align")},
        is_multilingual=True,
    )
    alone = [tokens_of(made, sound) for sound in sounds]
    made.expect(sounds)
    assert [tokens_of(made, sound) for sound in sounds] == alone
    assert all(alone)
    assert batches.count(2) == 1  # what is left behind the last word is decoded alone


def tokens_of(whisper, sound):
    """What is said, how sure it is, and when; of one try."""
    options = {"temperature": 0.0, "word_timestamps": True, "no_speech_threshold": None}
    segments, _ = whisper.transcribe(sound, language="en", **options)
    return [(one.tokens, one.avg_logprob, one.start, one.end) for one in segments]


def test_every_beam_is_asked_for():
    given = SimpleNamespace(generate=lambda *_, **options: options, is_multilingual=True)
    network = _EveryBeam(given, _Own())
    assert network.generate(0, [[1]], beam_size=5) == {"beam_size": 5, "num_hypotheses": 5}
    assert network.generate(0, [[1]], beam_size=1, num_hypotheses=3)["num_hypotheses"] == 3
    assert network.is_multilingual


def test_where_others_would_draw_it_may_not_say_the_same_again():
    """As faster-whisper asks for another try at a temperature of a quarter."""
    network = _EveryBeam(SimpleNamespace(generate=lambda *_, **options: options), _Own())
    drawn = {"beam_size": 1, "num_hypotheses": 5, "sampling_topk": 0, "sampling_temperature": 1 / 4}
    wanted = {"beam_size": 5, "num_hypotheses": 5, "no_repeat_ngram_size": 4, "patience": 2.0}
    assert network.generate(0, [[1]], **drawn, patience=2.0) == wanted


def test_the_texts_of_the_other_beams_are_told_once(whisper):
    whisper._own.texts = [["we left", "we lift"], [" then", " than", " den"]]
    assert whisper.others() == ["we lift than", "we left den"]
    assert whisper.others() == []
