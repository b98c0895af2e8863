"""What is removed because something may have been said: beams, a second recogniser, other ears."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.detectors.hearing import Transcript
from redact.detectors.names import DOUBTS, NameDetector
from redact.detectors.opinions import LOST, beyond, doubted, laid_over, merged, moved
from redact.detectors.recognisers import Opened
from redact.detectors.stretches import Padding
from redact.detectors.voice import RATE
from redact.detectors.words import Said, Word
from redact.errors import DetectorError

SECRET = "Quillathorpe"


def words(text, *, unsure=(), probability=0.95):
    """One word every half second; those in `unsure` were hardly heard."""
    return tuple(
        Word(one, index / 2, index / 2 + 0.4, 0.4 if one in unsure else probability, index == 0)
        for index, one in enumerate(text.split())
    )


def test_another_text_takes_the_times_of_what_it_differs_from():
    ours = words("we met basket ball today", unsure=["ball"])
    other = laid_over(ours, f"We met {SECRET} today.".split())
    assert [word.text for word in other] == ["We", "met", SECRET, "today."]
    assert (other[2].start, other[2].end, other[2].probability) == (1.0, 1.9, 0.4)
    assert [(word.start, word.end) for word in other[:2]] == [(0.0, 0.4), (0.5, 0.9)]


def test_a_word_that_only_the_other_text_has_lies_between_its_neighbours():
    other = laid_over(words("we left"), ["we", SECRET, "left"])
    assert (other[1].start, other[1].end) == (0.4, 0.5)
    assert laid_over((), [SECRET]) == ()


texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@given(texts, texts)
def test_every_word_of_the_other_text_is_laid_over_in_its_order(ours, theirs):
    heard = words(" ".join(ours))
    other = laid_over(heard, theirs)
    assert [word.text for word in other] == (theirs if heard else [])
    assert all(0 <= word.start <= word.end <= len(ours) / 2 for word in other)


def test_passages_are_merged_beam_by_beam():
    first = Said(words=words("a"), others=(words("b"), words("c")))
    second = Said(words=words("x"), others=(words("y"),))
    whole = merged([first, second])
    assert [word.text for word in whole.words] == ["a", "x"]
    assert [[word.text for word in beam] for beam in whole.others] == [["b", "y"], ["c", "x"]]
    assert merged([]) == Said(words=())


@pytest.mark.parametrize(
    ("votes", "probability", "expected"),
    [(1, 0.4, 1), (2, 0.4, 1), (3, 0.4, 0), (1, 0.7, 0), (1, 0.95, 0)],
)
def test_a_word_needs_doubt_and_votes(votes, probability, expected):
    heard = (*words("we met"), Word("him", 1.0, 1.4, probability))
    others = [(heard, [0, 0, 0.9], 1), (heard, [0, 0, 0.8], 1)]
    scores = doubted(heard, [0, 0, 0], others, votes=votes, sure=0.7)
    assert [bool(score) for score in scores] == [False, False, bool(expected)]


def test_what_was_heard_as_a_name_is_no_matter_of_doubt():
    heard = words("we met him", unsure=["him"])
    assert doubted(heard, [0, 0, 0.9], [(heard, [0, 0, 0.9], 2)], votes=1, sure=0.7) == [0, 0, 0]


@pytest.mark.parametrize(("scores", "goes"), [([0, 0, 0.9, 0], True), ([0, 0, 0, 0], False)])
def test_a_name_goes_on_over_words_that_were_surely_heard(scores, goes):
    """ "Chris to prevent" for a name of two words: the second recogniser has it whole."""
    heard = words("it is Chris prevent")
    found = doubted(heard, scores, [(heard, [0, 0, 0.9, 0.9], 2)], votes=2, sure=0.7)
    assert [bool(score) for score in found] == [False, False, False, goes]


@pytest.mark.parametrize(
    ("unsure", "expected"),
    [
        (["said", "nothing", "kill"], [0, 0, 1, 1, 1, 0]),
        (["said", "nothing"], [0, 0, 0, 0, 0, 0]),
        (["said", "kill", "today"], [0, 0, 0, 0, 0, 0]),
    ],
)
def test_three_guesses_in_a_row_stand_for_something_else(unsure, expected):
    heard = words("and I said nothing kill today", unsure=unsure)
    scores = doubted(heard, [0] * 6, [], votes=2, sure=0.7)
    assert [int(bool(score)) for score in scores] == expected


@pytest.mark.parametrize(
    ("second", "goes"),
    [
        (words("we met ham today", unsure=["ham"]), True),
        (words("we met ham today"), False),  # it is sure
        (words("we met HIM, today", unsure=["HIM,"]), False),  # both guess the same
        (words("we met"), True),  # it hears nothing there
        (words("we met") + tuple(moved(words("him"), 3.0)), True),  # nor then
        (None, False),  # nobody else was asked
    ],
)
def test_where_two_guess_at_different_words_neither_is_believed(second, goes):
    heard = words("we met him today", unsure=["him"])
    found = doubted(heard, [0, 0, 0, 0], [], votes=2, sure=0.7, second=second)
    assert [bool(score) for score in found] == [False, False, goes, False]


@pytest.mark.parametrize(
    ("around", "first", "other", "goes"),
    [
        (0.7, 0.4, 0.4, True),  # two that do not understand write the same common word
        (0.7, 0.4, 0.6, False),
        (0.9, 0.4, 0.4, False),  # all else is clear: it mumbled
        (0.7, 0.69, 0.28, True),
        (0.7, 0.69, 0.3, False),
        (0.7, 0.75, 0.2, False),  # the first is sure
    ],
)
def test_where_speech_is_unclear_a_word_in_which_two_hardly_believe_goes(
    around, first, other, goes
):
    heard = list(words("if they met him there today then", probability=around))
    heard[3] = Word("him", 1.5, 1.9, first)
    second = [Word("him", 1.5, 1.9, other)]
    found = doubted(heard, [0] * 7, [], votes=2, sure=0.7, second=second)
    assert [index for index, score in enumerate(found) if score] == [3] * goes


def test_a_failure_to_find_names_does_not_wait_for_the_second_on_every_ear():
    heard, listens, failed = words("we met him", probability=0.4), [], threading.Event()
    made = detector(Recogniser(*[heard] * 9), second := Recogniser(*[heard] * 9))
    listen = second.listen

    def slow(samples, **options):
        listens.append(samples)
        assert failed.wait(30)
        time.sleep(0.05)
        return listen(samples, **options)

    def fail(*_):
        failed.set()
        raise DetectorError("no names")

    second.listen, made._finder = slow, SimpleNamespace(find=fail)
    with pytest.raises(DetectorError, match="no names"):
        made.listen_together([sound()] * 9)
    assert len(listens) < 9


def test_where_speech_is_unclear_a_word_that_only_the_first_hears_is_believed_if_it_is_no_guess():
    heard = words("if they met him there today then", probability=0.65)
    assert doubted(heard, [0] * 7, [], votes=2, sure=0.7, second=[]) == [0] * 7


def test_clear_speech_far_from_a_word_says_nothing_of_it():
    heard = list(words("a b c d e f g h i j k l m n o p q r s t u v", probability=0.95))
    heard[:6] = [Word("a", one.start, one.end, 0.64) for one in heard[:6]]
    second = [Word("a", one.start, one.end, 0.2) for one in heard[:6]]
    found = doubted(heard, [0] * 22, [], votes=2, sure=0.7, second=second)
    assert [index for index, score in enumerate(found) if score] == [0, 1, 2, 3]


def test_a_word_that_is_no_guess_is_believed_whatever_the_second_hears():
    heard = (*words("we met"), Word("him", 1.0, 1.4, LOST))
    assert doubted(heard, [0] * 3, [], votes=2, sure=0.7, second=words("we met")) == [0, 0, 0]


def test_the_edges_of_a_second_listen_add_nothing_but_words_do():
    best = [(1.0, 2.0, 0.9)]
    assert beyond(best, [(0.9, 2.15, 0.3)]) == []
    assert beyond(best, [(0.5, 2.1, 0.3), (4.0, 4.5, 0.4)]) == [(0.5, 1.0, 0.3), (4.0, 4.5, 0.4)]


class Recogniser:
    """Hears what it is told to; a name is a word with a capital in the middle."""

    bias = (0.0, 0.0)
    padding = Padding((0.0, 0.0), (0.0, 0.0))

    def __init__(self, *heard, others=(), covered=True):
        self.heard, self.others, self.covered, self.within = list(heard), others, covered, []

    def listen(self, samples, *, again=False, language="", within=None):
        self.within.append(within)
        heard = self.heard.pop(0)
        end = max(word.end for word in heard)
        return Transcript(
            words=heard,
            voice=((0.0, end),),
            unclear=(),
            language="en",
            covered=self.covered,
            others=self.others,
        )


def detector(first, second=None, caution="normal", known_only=()):
    """A finder that takes capitals for names, and `known_only` if it heard them before."""

    def find(heard, known=frozenset()):
        plain = [word.text.strip(".").lower() for word in heard]
        return [
            0.9 if word.text[:1].isupper() or (text in known and text in known_only) else 0.0
            for word, text in zip(heard, plain, strict=True)
        ]

    made = NameDetector.__new__(NameDetector)
    made.name = "ear@0"
    made._recogniser, made._second, made._finder = first, second, SimpleNamespace(find=find)
    made._doubt, made._also = DOUBTS[caution], frozenset()
    return made


def sound(seconds=6):
    return np.tile(np.float32([0.1, -0.1]), seconds * RATE // 2)


def muted(heard):
    """Which half seconds hold a name."""
    return {int(2 * (start + end) / 2) for start, end, _ in heard.names}


@pytest.mark.parametrize(
    ("caution", "expected"), [("low", set()), ("normal", {2}), ("high", {2})], ids=str
)
def test_a_second_recogniser_is_heard_where_the_first_is_unsure(caution, expected):
    first = Recogniser(words("we met basket ball here", unsure=["basket"]))
    second = Recogniser(words("we met Baskerville all here"))
    heard = detector(first, second, caution).listen(sound())
    assert muted(heard) == expected
    assert bool(second.within) == (caution != "low")


def test_a_first_recogniser_that_is_sure_asks_nobody():
    second = Recogniser(words("We Met Basket Ball Here"))
    heard = detector(Recogniser(words("we met basket ball here")), second).listen(sound())
    assert (heard.names, second.within) == ((), [])


@pytest.mark.parametrize(
    ("caution", "beams", "expected"),
    [("normal", 1, set()), ("normal", 2, {2}), ("high", 1, {2}), ("low", 4, set())],
)
def test_beams_have_votes(caution, beams, expected):
    ours = words("we met basket ball here", unsure=["basket"])
    first = Recogniser(ours, others=(words("we met Baskerville ball here"),) * beams)
    assert muted(detector(first, caution=caution).listen(sound())) == expected


def test_a_name_heard_in_one_ear_is_looked_for_in_the_others():
    first = Recogniser(words("then tamsin came"), words("hello Tamsin again"))
    made = detector(first, known_only=["tamsin"])
    assert [muted(one) for one in made.listen_together([sound(), sound()])] == [{1}, {1}]
    assert "tamsin" not in repr(vars(made)).lower()


@pytest.mark.parametrize("always", [False, True], ids=["ctranslate2", "pytorch"])
def test_the_second_recogniser_is_given_thirty_seconds_and_the_first_as_it_is(monkeypatch, always):
    models = []

    def opened(folder, **_how):
        models.append(SimpleNamespace(whole=always, folder=folder.name))
        return Opened(model=models[-1], bias=(0.0, 0.0), workers=1)

    monkeypatch.setattr("redact.detectors.speech.open_recogniser", opened)
    monkeypatch.setattr("redact.detectors.names.PersonFinder", lambda _folder: None)
    NameDetector(Path("first"), Path("names"), label="ear@0", second=Path("second"))
    assert [(one.folder, one.whole) for one in models] == [("first", always), ("second", True)]
