"""The recogniser: what counts as voice, how passages are cut, which words get which times."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.detectors import hearing, speech
from redact.detectors.recognisers import Opened, bias
from redact.detectors.speech import Recogniser
from redact.detectors.stretches import Padding
from redact.detectors.voice import RATE, find_voice, joined, outside, passages
from redact.detectors.words import LOOP, SENSE, Word, plausible
from redact.errors import DetectorError

SECRET = "Quillathorpe"
BASE_HEADS = [[3, 1], [4, 2], [4, 3], [4, 7], [5, 1], [5, 2], [5, 4], [5, 6]]
NO_TEXT = pytest.mark.parametrize(
    "failed",
    [{"ratio": 9.0}, {"sense": -1.1}, {"sense": np.nan}],
    ids=["loop", "guess", "no number"],
)
"""What the best of several tries looks like where all of them failed."""


def said(*words, ratio=1.0, sense=-0.3):
    """A segment as faster-whisper returns it, of (text, start, end, probability)."""
    timed = [
        SimpleNamespace(word=text, start=start, end=end, probability=probability)
        for text, start, end, probability in words
    ]
    return SimpleNamespace(
        text="".join(word.word for word in timed),
        start=timed[0].start,
        end=timed[-1].end,
        words=timed,
        compression_ratio=ratio,
        avg_logprob=sense,
    )


class FakeWhisper:
    """Answers each passage with the next of `answers`; an exception is raised."""

    whole = False

    def __init__(self, *answers, language=("en", 0.99), multilingual=True):
        self.answers = list(answers)
        self.language = language
        self.model = SimpleNamespace(is_multilingual=multilingual)
        self.calls = []
        self.beams = []
        self.expected = []

    def tell_language(self, _sound):
        return self.language

    def expect(self, sounds):
        self.expected = [*self.expected, len(sounds)]

    def transcribe(self, sound, **options):
        self.calls.append((sound, options))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return iter(answer), None

    def others(self):
        """What the other beams made of it."""
        return self.beams


def recogniser(monkeypatch, fake, *voice):
    """A recogniser on a fake model, in a sound whose voice lies where the test says."""
    made = Recogniser.__new__(Recogniser)
    made._model, made.bias = fake, (0.1, 0.3)
    monkeypatch.setattr(speech, "find_voice", lambda *_, **__: tuple(voice))
    return made


def sound(seconds=10.0):
    return np.zeros(int(seconds * RATE), np.float32)


def test_words_carry_the_times_of_the_whole_sound(monkeypatch):
    fake = FakeWhisper([said((" Good", 0.5, 0.9, 0.9), (" day", 0.9, 1.4, 0.8))])
    heard = recogniser(monkeypatch, fake, (4.0, 5.2)).listen(sound())
    start = 4.0 - hearing.FIRST.margin
    assert [(w.text, w.first) for w in heard.words] == [("Good", True), ("day", False)]
    assert [w.start for w in heard.words] == pytest.approx([start + 0.5, start + 0.9])
    assert (heard.language, heard.covered, heard.unclear) == ("en", True, ())


def test_pieces_of_a_word_are_put_together(monkeypatch):
    pieces = [(" V", 0.4, 0.6, 0.9), ("-I", 0.6, 0.8, 0.7), ("-O", 0.8, 1.0, 0.8)]
    heard = recogniser(monkeypatch, FakeWhisper([said(*pieces)]), (0.0, 1.0)).listen(sound())
    assert [(w.text, w.probability) for w in heard.words] == [("V-I-O", 0.7)]
    assert heard.words[0].end - heard.words[0].start == pytest.approx(0.6)


def test_a_word_without_times_gets_its_neighbours_and_keeps_its_place(monkeypatch):
    segment = said(
        (" oh", 0.0, 0.2, 0.9), (" well", 0.2, 0.5, 0.9), (" then", 1.0, 1.0, 0.9),
        ("-ly", 1.0, 1.0, 0.9), (" let", 1.0, 1.5, 0.9), (" us", 1.5, 2.5, 0.9),
    )  # fmt: skip
    heard = recogniser(monkeypatch, FakeWhisper([segment]), (0.0, 2.5)).listen(sound())
    assert [word.text for word in heard.words] == ["oh", "well", "then-ly", "let", "us"]
    assert (heard.words[2].start, heard.words[2].end) == (0.2, 1.5)


@pytest.mark.parametrize(
    "words",
    [
        [(" then", 0.0, 0.0, 0.9), (" go", 1.0, 2.0, 0.9)],
        [(" go", 0.0, 1.0, 0.9), (" then", 2.0, 2.0, 0.9)],
    ],
    ids=["first", "last"],
)
def test_a_word_without_times_at_an_end_reaches_to_it(monkeypatch, words):
    heard = recogniser(monkeypatch, FakeWhisper([said(*words)]), (0.0, 2.0)).listen(sound())
    (then,) = (word for word in heard.words if word.text == "then")
    assert (then.start, then.end) == (0.0, 2.0)


def test_a_word_without_times_hides_no_voice_without_words(monkeypatch):
    segment = said(
        (" oh", 0.0, 0.4, 0.9),
        (" then", 0.4, 0.4, 0.9),
        (" go", 0.4, 1.0, 0.9),
        (" so", 4.0, 5.0, 0.9),
    )
    heard = recogniser(monkeypatch, FakeWhisper([segment]), (0.0, 5.0)).listen(sound())
    assert heard.unclear == ((pytest.approx(1.3), pytest.approx(3.9)),)


def test_a_segment_without_alignment_keeps_its_words(monkeypatch):
    segment = said((" so long", 0.0, 2.0, 0.9))
    segment.words = []
    heard = recogniser(monkeypatch, FakeWhisper([segment]), (0.0, 2.0)).listen(sound())
    assert [(w.text, w.start, w.end) for w in heard.words] == [("so", 0, 2), ("long", 0, 2)]


def test_voice_without_words_is_tried_again_and_then_unclear(monkeypatch):
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))])
    heard = recogniser(monkeypatch, fake, (0.0, 1.0), (3.0, 4.0)).listen(sound())
    assert heard.unclear == ((3.0, 4.0),)
    assert heard.covered
    first, second = (options["beam_size"] for _, options in fake.calls)
    assert first != second


def test_words_of_the_second_try_are_kept_and_voice_is_clear_then(monkeypatch):
    late = [said((" then", 0.3, 1.4, 0.4))]
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))], late)
    heard = recogniser(monkeypatch, fake, (0.0, 1.0), (3.0, 4.0)).listen(sound())
    assert [w.text for w in heard.words] == ["yes", "then"]
    assert heard.unclear == ()


@NO_TEXT
def test_a_second_try_that_makes_no_sense_is_unclear(monkeypatch, failed):
    text = [said((" then", 0.3, 1.4, 0.4), **failed)]
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))], text, text)
    heard = recogniser(monkeypatch, fake, (0.0, 1.0), (3.0, 4.0)).listen(sound())
    start = 3.0 - hearing.AGAIN.margin
    assert heard.unclear == ((pytest.approx(start + 0.3), pytest.approx(start + 1.4)),)


def test_what_a_second_try_makes_of_the_padding_is_not_heard(monkeypatch):
    """A word there would stand among those of other passages, and hide voice without words."""
    late = [
        said((" then", 0.3, 9.0, 0.4), (" thanks", 10.0, 11.0, 0.9)),
        said((" bye", 12.0, 30.0, 0.9), ratio=9.0),
    ]
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))], [], [], late)
    voice = (0.0, 1.0), (4.0, 5.0), (14.0, 15.0)
    heard = recogniser(monkeypatch, fake, *voice).listen(sound(20))
    assert [word.text for word in heard.words] == ["yes", "then"]
    assert heard.words[1].end == pytest.approx(5.0 + hearing.AGAIN.margin)
    assert heard.unclear == ((14.0, 15.0),)


def test_a_short_breath_is_not_unclear(monkeypatch):
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))])
    assert recogniser(monkeypatch, fake, (0.0, 1.0), (3.0, 3.5)).listen(sound()).unclear == ()


@NO_TEXT
@pytest.mark.parametrize("again", [False, True], ids=["first look", "second look"])
def test_what_makes_no_sense_is_heard_on_thirty_seconds_and_then_unclear(
    monkeypatch, failed, again
):
    text = [said((" no", 0.0, 2.0, 0.9), **failed)]
    fake = FakeWhisper(text, text)
    made = recogniser(monkeypatch, fake, (0.0, 2.0))
    heard = made.listen_again([sound()])[0] if again else made.listen(sound())
    assert heard.unclear == ((0.0, 2.0),)
    margin = (hearing.AGAIN if again else hearing.FIRST).margin
    lengths = [pytest.approx((2 + margin) * RATE, abs=1), 30 * RATE]
    assert [len(one) for one, _ in fake.calls] == lengths


def test_passages_of_all_windows_are_heard_side_by_side_and_keep_their_order(monkeypatch):
    made = recogniser(monkeypatch, fake := FakeWhisper())
    made._workers, second_is_done = 2, threading.Event()

    def transcribe(cut, **_):
        if len(cut) == 2 * RATE:
            second_is_done.set()
        assert second_is_done.wait(30)
        return [said((f" {len(cut) // RATE}", 0.0, 1.5, 0.9))], None

    monkeypatch.setattr(fake, "transcribe", transcribe)
    monkeypatch.setattr(speech, "find_voice", lambda one, **_: ((0.0, len(one) / RATE),))
    heard = made.listen_again([sound(3), sound(2)], language="en")
    assert [one.words[0].text for one in heard] == ["3", "2"]
    assert [one.voice for one in heard] == [((0.0, 3.0),), ((0.0, 2.0),)]


@given(st.integers(0, 40), st.integers(1, 3))
def test_passages_are_decoded_a_few_at_once_by_all_workers(count, workers):
    groups = speech._groups(range(count), workers)
    assert [one for group in groups for one in group] == [*range(count)]
    assert all(0 < len(group) <= speech.TOGETHER for group in groups)
    left = count
    for group in groups:  # nobody takes what others could do meanwhile
        assert (len(group) - 1) * workers < left
        left -= len(group)
    assert count < workers * speech.TOGETHER or len(groups[0]) == speech.TOGETHER


def test_what_is_no_english_is_not_decoded_and_nothing_is_expected_in_the_end(monkeypatch):
    fake = FakeWhisper([said((" yes", 0.0, 5.0, 0.9))])
    told = iter([("fr", 0.9), ("en", 0.9)])
    monkeypatch.setattr(fake, "tell_language", lambda _: next(told))
    heard = recogniser(monkeypatch, fake, (0.0, 5.0), (20.0, 25.0)).listen(sound(30))
    assert (heard.covered, heard.language, len(fake.calls)) == (False, "fr", 1)
    assert (fake.expected[0], fake.expected[-1]) == (1, 0)


@pytest.mark.parametrize("failing", ["tell_language", "expect", "transcribe"])
def test_nothing_is_expected_after_a_failure(monkeypatch, failing):
    fake = FakeWhisper([said((" yes", 0.0, 5.0, 0.9))])

    def fail(_, **__):
        raise RuntimeError(SECRET)

    def expect(sounds):
        fake.expected.append(len(sounds))
        if sounds and failing == "expect":
            fail(sounds)

    monkeypatch.setattr(fake, failing, fail)
    monkeypatch.setattr(fake, "expect", expect)
    with pytest.raises(DetectorError) as raised:
        recogniser(monkeypatch, fake, (0.0, 5.0)).listen(sound())
    assert SECRET not in str(raised.value)
    assert fake.expected[-1] == 0


def test_the_decoder_tries_again_by_the_measure_that_its_text_is_judged_by(monkeypatch):
    fake = FakeWhisper()
    recogniser(monkeypatch, fake, (0.0, 1.0)).listen(sound())
    (_, options), *_ = fake.calls
    assert options["log_prob_threshold"] == SENSE
    assert options["compression_ratio_threshold"] == LOOP


@NO_TEXT
def test_what_makes_no_sense_to_one_that_always_has_thirty_seconds_is_unclear(monkeypatch, failed):
    fake = FakeWhisper([said((" no", 0.0, 2.0, 0.9), **failed)])
    fake.whole = True
    heard = recogniser(monkeypatch, fake, (0.0, 2.0)).listen(sound())
    assert (heard.unclear, len(fake.calls)) == (((0.0, 2.0),), 1)


@NO_TEXT
def test_what_thirty_seconds_make_of_no_text_is_believed(monkeypatch, failed):
    text, words = said((" no", 0.0, 2.0, 0.9), **failed), said((" not", 0.4, 2.0, 0.9))
    heard = recogniser(monkeypatch, FakeWhisper([text], [words]), (0.0, 2.0)).listen_again(
        [sound()]
    )[0]
    assert (heard.unclear, [word.text for word in heard.words]) == ((), ["not"])


def test_thirty_seconds_only_say_what_the_decoder_got_stuck_in(monkeypatch):
    """Not what was heard beside that, nor what they make of the padding."""
    first = [said((" so", 0.2, 0.9, 0.9)), said((" no", 1.0, 2.0, 0.9), ratio=9.0)]
    again = [
        said((" though", 0.2, 0.8, 0.9), (" not", 1.1, 1.9, 0.9)),
        said((" thanks", 5.0, 30.0, 0.9), ratio=9.0),
    ]
    fake = FakeWhisper(first, again)
    heard = recogniser(monkeypatch, fake, (0.0, 2.0), (6.0, 8.0)).listen_again([sound()])[0]
    assert [word.text for word in heard.words] == ["so", "not"]
    assert heard.unclear == ((6.0, 8.0),)


@pytest.mark.parametrize(
    ("language", "multilingual", "probability", "covered", "told"),
    [
        (("fr", 0.9), True, 0.9, False, "fr"),
        (("fr", 0.3), True, 0.2, False, "und"),  # sure of nothing, and the words are nonsense
        (("fr", 0.3), True, 0.9, True, "en"),
        (("en", 0.9), True, 0.2, True, "en"),  # mumbled, but English
        (("en", 1.0), False, 0.2, False, "und"),  # an English-only model can't tell
        (("en", 1.0), False, 0.9, True, "en"),
    ],
)
def test_language(monkeypatch, language, multilingual, probability, covered, told):
    answer = [said((" bon", 0.0, 2.0, probability), (" jour", 2.0, 5.0, probability))]
    fake = FakeWhisper(answer, language=language, multilingual=multilingual)
    heard = recogniser(monkeypatch, fake, (0.0, 5.0)).listen(sound())
    assert (heard.covered, heard.language) == (covered, told)


@pytest.mark.parametrize(("seconds", "covered", "told"), [(3.9, True, ""), (4.1, False, "und")])
def test_a_short_sound_of_no_language_is_unclear_and_holds_nothing(
    monkeypatch, seconds, covered, told
):
    fake = FakeWhisper([said((" ha", 0.0, seconds, 0.2))], language=("de", 0.3))
    heard = recogniser(monkeypatch, fake, (0.0, seconds)).listen(sound())
    assert (heard.covered, heard.language, heard.unclear) == (covered, told, ((0.0, seconds),))


@pytest.mark.parametrize(
    ("known", "covered", "told"),
    [("en", True, "en"), ("fr", False, "fr"), ("und", False, "de"), ("mul", False, "de")],
)
def test_a_known_language_is_not_told_anew(monkeypatch, known, covered, told):
    answer = [said((" hm", 0.0, 1.0, 0.2), (" well", 1.0, 5.0, 0.2))]  # mumbled
    fake = FakeWhisper(answer, language=("de", 0.9))
    heard = recogniser(monkeypatch, fake, (0.0, 5.0)).listen(sound(), language=known)
    assert (heard.covered, heard.language) == (covered, told)


@pytest.mark.parametrize(
    ("seconds", "covered", "told", "unclear"),
    [
        (1.9, True, "en", ()),  # a guess that says nothing: these may be English words
        (2.1, True, "", ((0.0, 2.1),)),  # silenced
        (3.9, True, "", ((0.0, 3.9),)),
        (4.1, False, "de", ((0.0, 4.1),)),
    ],
)
def test_a_guess_at_the_language_of_little_sound_holds_nothing(
    monkeypatch, seconds, covered, told, unclear
):
    fake = FakeWhisper([said((" yes", 0.0, seconds, 0.9))], language=("de", 0.9))
    heard = recogniser(monkeypatch, fake, (0.0, seconds)).listen(sound())
    assert (heard.covered, heard.language, heard.unclear) == (covered, told, unclear)


def test_a_known_language_is_that_of_short_sound_too(monkeypatch):
    fake = FakeWhisper([said((" yes", 0.0, 1.0, 0.9))], language=("en", 0.9))
    heard = recogniser(monkeypatch, fake, (0.0, 1.0)).listen(sound(), language="fr")
    assert (heard.covered, heard.language, heard.unclear) == (False, "fr", ((0.0, 1.0),))


def test_one_passage_in_another_language_uncovers_the_clip(monkeypatch):
    fake = FakeWhisper([said((" yes", 0.0, 3.0, 0.9))])
    languages = iter([("en", 0.9), ("de", 0.9)])
    fake.tell_language = lambda _: next(languages)
    heard = recogniser(monkeypatch, fake, (0.0, 3.0), (60.0, 64.0)).listen(sound(70))
    assert (heard.covered, heard.language) == (False, "de")


def test_no_voice_calls_no_recogniser(monkeypatch):
    fake = FakeWhisper()
    heard = recogniser(monkeypatch, fake).listen(sound())
    assert (heard.words, heard.voice, heard.language, heard.covered) == ((), (), "", True)
    assert not fake.calls


def test_the_second_look_differs_in_every_setting():
    for setting in set(speech.Setting.__slots__) - {"known"}:
        assert getattr(hearing.FIRST, setting) != getattr(hearing.AGAIN, setting)


def test_passages_side_by_side_keep_their_words_and_times(monkeypatch):
    fake = FakeWhisper()
    fake.transcribe = lambda sound, **_: (  # the loudest sample says which passage it is
        iter([said((f" word{round(float(sound.max()))}", 0.4, 4.9, 0.9))]),
        None,
    )
    made = recogniser(monkeypatch, fake, *((10.0 * n, 10.0 * n + 5.0) for n in range(6)))
    made._workers = 3
    numbers = np.repeat(np.arange(6, dtype=np.float32), 10 * RATE)
    heard = made.listen(numbers)
    assert [word.text for word in heard.words] == [f"word{n}" for n in range(6)]
    assert heard.unclear == ()


def test_a_failure_in_one_of_several_passages_is_an_error(monkeypatch):
    fake = FakeWhisper(*[[said((" yes", 0.0, 5.0, 0.9))]] * 2, ValueError(SECRET))
    made = recogniser(monkeypatch, fake, *((10.0 * n, 10.0 * n + 5.0) for n in range(3)))
    made._workers = 3
    with pytest.raises(DetectorError) as caught:
        made.listen(sound(30))
    assert SECRET not in str(caught.value)


def test_a_failure_of_the_recogniser_carries_no_text(monkeypatch):
    broken = recogniser(monkeypatch, FakeWhisper(ValueError(SECRET)), (0.0, 2.0))
    with pytest.raises(DetectorError) as caught:
        broken.listen(sound())
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_word_does_not_show_its_text():
    assert SECRET not in repr(Word(SECRET, 0.0, 1.0, 0.5))


def test_noise_and_silence_hold_no_voice():
    noise = np.random.default_rng(1).normal(0, 0.1, 5 * RATE).astype(np.float32)
    for samples in (noise, sound(5), sound(0)):
        assert find_voice(samples, threshold=0.4, longest=28.0) == ()


def test_broken_sound_is_an_error():
    with pytest.raises(DetectorError, match="no numbers"):
        find_voice(np.array([0.0, np.nan], np.float32), threshold=0.4, longest=28.0)
    with pytest.raises(ValueError, match="mono"):
        find_voice(np.zeros((2, 9), np.float32), threshold=0.4, longest=28.0)


def stretches(limit=20.0):
    edge = st.floats(0, 300).map(lambda x: round(x, 2))
    pairs = st.tuples(edge, st.floats(0.01, limit).map(lambda x: round(x, 2)))
    return st.lists(pairs, max_size=12).map(lambda found: joined((a, a + b) for a, b in found))


@given(stretches(limit=0.5), st.floats(5, 28))
def test_passages_hold_all_voice_and_are_short(voice, longest):
    packed = passages(voice, longest)
    assert all(any(a <= start and end <= b for a, b in packed) for start, end in voice)
    assert all(b - a <= max(longest, 6.1) for a, b in packed)


@given(stretches(), stretches())
def test_outside_and_inside_make_the_whole(some, others):
    rest = outside(some, others)
    for moment in np.arange(0.005, 320, 0.37):  # between edges, which are whole hundredths
        within = [any(a < moment < b for a, b in which) for which in (some, others, rest)]
        assert within[2] == (within[0] and not within[1])


def test_a_name_is_padded_by_the_bias_where_less_was_not_measured():
    assert Opened(model=None, bias=(0.1, 0.3), workers=1).padding == Padding((0.1, 0.3), (0.1, 0.3))
    base = Opened(model=None, bias=(0.05, 0.32), workers=1).padding
    assert base.sure < base.unsure == (0.05, 0.32)
    assert base.falls


def test_bias_is_read_from_the_model(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"alignment_heads": BASE_HEADS}))
    assert bias(tmp_path) == (0.05, 0.32)
    config.write_text(json.dumps({"alignment_heads": [[1, 1]]}))
    assert bias(tmp_path) == (0.30, 0.30)
    config.write_text("{}")
    with pytest.raises(DetectorError, match="alignment heads"):
        bias(tmp_path)


def test_a_model_that_does_not_open_is_an_error(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"alignment_heads": BASE_HEADS}))
    with pytest.raises(DetectorError, match="tokenizer"):
        Recogniser(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"nothing")
    with pytest.raises(DetectorError, match="can't be opened"):
        Recogniser(tmp_path)


def test_what_is_plausible():
    sure = [Word("so", 0.0, 1.0, 0.9)]
    assert plausible(sure * 6, 2.0)
    assert not plausible([], 2.0)
    assert not plausible([Word("so", 0.0, 1.0, 0.6)], 2.0)
    assert not plausible(sure * 60, 2.0)  # a loop


def test_a_loop_in_an_unknown_language_is_not_covered(monkeypatch):
    answer = [said((" so", 0.0, 2.0, 0.9), (" it", 2.0, 5.0, 0.9), ratio=9.0)]
    fake = FakeWhisper(answer, multilingual=False)
    heard = recogniser(monkeypatch, fake, (0.0, 5.0)).listen(sound())
    assert (heard.covered, heard.language) == (False, "und")


@pytest.mark.weights
@pytest.mark.slow
def test_half_a_minute_of_loud_noise_holds_nothing_and_loses_little(models: Path):
    noise = np.random.default_rng(1).normal(0, 0.1, 30 * RATE).astype(np.float32)
    listener = Recogniser(models / "speech", threads=1)
    for heard in (listener.listen(noise), *listener.listen_again([noise])):
        assert heard.covered
        # Voice is looked for at a low threshold, and what is in no language is silenced.
        assert sum(end - start for start, end in heard.voice) < 5.0
