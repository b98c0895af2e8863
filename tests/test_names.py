"""Names in what was said: the rules on typed sentences, and the stretches that they become."""

from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.detectors import lexicon
from redact.detectors.alike import everywhere, names_in
from redact.detectors.context import take_in_titles
from redact.detectors.hearing import Transcript
from redact.detectors.names import NameDetector
from redact.detectors.persons import PersonFinder, _batches, grow, judge
from redact.detectors.stretches import Padding, name_spans
from redact.detectors.tokens import tokens_of
from redact.detectors.words import Word, runs
from redact.errors import DetectorError

SECRET = "Quillathorpe"


def words(sentence, probability=0.9, *, unsure=""):
    """A typed sentence as a recogniser would hear it, one word every half second."""
    return [
        Word(
            text,
            0.5 * index,
            0.5 * index + 0.4,
            0.4 if text == unsure else probability,
            first=not index,
        )
        for index, text in enumerate(sentence.split())
    ]


def names_by_rules(heard):
    """The words that the rules alone take for names, without spaCy."""
    tokens = tokens_of(heard)
    scores = judge(tokens, set())
    grow(tokens, scores)
    everywhere(tokens, scores)
    take_in_titles(tokens, scores)
    return [token.core for token, score in zip(tokens, scores, strict=True) if score]


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        # introductions, whatever the recogniser makes of the name
        ("My name is Oluwaseun Adeyemi.", "Oluwaseun Adeyemi"),
        ("Yes, my name is basketball and I live here.", "basketball"),
        ("You can call me Hope.", "Hope"),
        ("Hello, this is Will from the office.", "Will"),
        ("Good morning, Siobhan.", "Siobhan"),
        ("I'm Grace and I am late.", "Grace"),
        ("A cat named Tibbles sat down.", "Tibbles"),
        # titles, also before what can't be a name
        ("Then Mr. kneeled said no.", "Mr kneeled"),
        ("We met Mrs. Dalloway-Finch.", "Mrs Dalloway-Finch"),
        ("She thanked Professor Byte.", "Professor Byte"),
        ("The doctor said so.", ""),
        ("Hey mister, Byte is here.", "Byte"),
        ("It was Sir Humphrey Poole.", "Sir Humphrey Poole"),
        ("We saw Professor Doctor Byte.", "Professor Doctor Byte"),
        # whom somebody is to somebody
        ("I know her brother Lantern well.", "Lantern"),
        ("We like his teacher, Lantern, a lot.", "Lantern"),
        ("Then Anna's wife gherkin came.", "Anna gherkin"),
        ("Give the patient gherkin soup.", ""),
        ("Then his wife kneeled and sighed.", ""),
        ("Her neighbour lives in Paris.", ""),
        ("His brother works near the river.", ""),
        ("The boss from Germany came.", ""),
        # spoken to, or of
        ("Have you met Lantern and Tin?", "Lantern and Tin"),
        ("Do you know Lantern?", "Lantern"),
        ("Do you know Germany?", ""),
        ("I spoke to Lantern about English.", "Lantern"),
        ("We know that Monday is near.", ""),
        # names that are words
        ("Then Rose and Mark left with Chase.", "Rose and Mark Chase"),
        ("The rose will mark the hope.", ""),
        # at the start of a sentence
        ("Agnieszka came late.", "Agnieszka"),
        ("Steve, come here.", "Steve"),
        ("Hope is a good thing.", ""),
        ("Typically nothing happens.", ""),
        ("Printing is a craft.", ""),
        # what belongs to a name
        ("They asked J. R. Hartley about it.", "J R Hartley"),
        ("He read Ludwig van der Moolen aloud.", "Ludwig van der Moolen"),
        ("It was Tibbet and Marrow.", "Tibbet and Marrow"),
        ("We saw Fatima's house.", "Fatima"),
        # spelled
        ("She wrote V-I-O-L-E-T down.", "V-I-O-L-E-T"),
        ("The surname is KELY with two letters.", "KELY"),
        # commands
        ("Mark the page before you go.", ""),
        ("Mark, the page is lost.", "Mark"),
        ("It began in New Orleans and went on.", ""),
        ("It is spelled V I O L E T here.", "V I O L E T"),
        ("He said I a lot.", ""),
        # places, firms, days
        ("We flew to Paris in May.", "Paris"),
        ("We live in Paris and in Germany.", ""),
        ("They met on Baker Street.", ""),
        ("She works at Wells Bank near Chicago.", ""),
        ("The Roman letters came from France on Monday.", ""),
        ("It runs on Google and Microsoft.", ""),
        ("The FBI and NASA agreed.", ""),
        ("He moved to New York.", ""),
    ],
)
def test_rules(sentence, names):
    assert names_by_rules(words(sentence)) == names.split()


def test_a_doubtful_word_where_a_name_is_likely():
    heard = words("The letter was signed by kneel again.")
    assert names_by_rules(heard) == []
    heard[5] = Word("kneel", 2.5, 2.9, 0.3)
    assert names_by_rules(heard) == ["kneel"]


def test_wild_guesses_side_by_side_stand_for_a_name():
    heard = words("About that time mental inn began to print.")
    heard[3] = Word("mental", 1.5, 1.9, 0.1)
    assert names_by_rules(heard) == []
    heard[4] = Word("inn", 2.0, 2.4, 0.2)
    assert names_by_rules(heard) == ["mental", "inn"]


def test_common_words_with_odd_capitals_are_a_name_after_by():
    assert names_by_rules(words("It came to us by Wink Into Word then.")) == [
        "Wink",
        "Into",
        "Word",
    ]


@pytest.mark.parametrize(
    ("sentence", "unsure", "names"),
    [
        ("Please write it as we are I am on the form.", "am", "we are I am"),
        ("Please write it as we are I am on the form.", "", ""),  # sure of every word
        ("It is spelled be are eye.", "eye.", "be are eye"),
        ("Write it as we think.", "we", ""),
        ("He said we are in the sea.", "sea.", ""),  # nothing is spelled
        ("How is it spelled? I am at sea.", "I", ""),
        ("Please write it as be are. I am here.", "are.", ""),
        ("Please write it as we are, I am, he said.", "I", "we are I am he"),
        (f"It is spelled {' '.join(ascii_lowercase)} there.", "q", " ".join(ascii_lowercase)),
    ],
)
def test_letters_that_were_taken_for_words_are_a_spelled_name(sentence, unsure, names):
    assert names_by_rules(words(sentence, unsure=unsure)) == names.split()


@pytest.mark.parametrize(
    ("sentence", "unsure", "names"),
    [
        ("My name is all the way soon, and I sing.", "all", "all the way soon"),
        ("My name is all the way soon, and I sing.", "", ""),
        ("My name is not on the list of this year.", "not", "not on the list of this"),
        ("The colour is all the way red.", "all", ""),
    ],
)
def test_what_was_not_understood_after_my_name_is_is_the_name(sentence, unsure, names):
    assert names_by_rules(words(sentence, unsure=unsure)) == names.split()


@pytest.mark.parametrize(
    ("sentence", "unsure", "names"),
    [
        ("Sorry, man, I did not see you.", "man,", "man"),
        ("Sorry, but I did not see you.", "but", "but"),
        ("Sorry, but I did not see you.", "", ""),
        ("Thank you, for the sake, that will do.", "sake,", "for the sake"),
        ("Thank you, for the sake, that will do.", "", ""),
        ("Thank you for the cake.", "for", ""),  # no comma: nobody is called
        ("He came, man, I did not see it.", "man,", ""),
    ],
)
def test_who_is_called_may_have_been_misheard(sentence, unsure, names):
    assert names_by_rules(words(sentence, unsure=unsure)) == names.split()


@pytest.mark.parametrize("sentence", ["Sorry, man, I sing.", "My name is all the way soon."])
def test_what_may_have_been_misheard_is_no_name_to_look_for_elsewhere(sentence):
    tokens = tokens_of(words(sentence, probability=0.4))
    scores = judge(tokens, set())
    assert any(scores)
    assert not names_in(tokens, scores)


def test_a_common_word_with_an_odd_capital_is_a_name_if_in_doubt():
    heard = words("They took the Word with them.")
    assert names_by_rules(heard) == []
    heard[3] = Word("Word", 1.5, 1.9, 0.6)
    assert names_by_rules(heard) == ["Word"]


def test_a_name_heard_once_is_found_everywhere():
    heard = words("Then Schoffer came in. It was shafer who spoke, and schoffer again.")
    assert names_by_rules(heard) == ["Schoffer", "shafer", "schoffer"]


def test_a_common_word_is_not_taken_for_a_name_that_sounds_alike():
    assert names_by_rules(words("Then Brian said the brain is soft.")) == ["Brian"]


def test_lower_case_and_accents_do_not_matter_to_the_lists():
    assert lexicon.fold("Zoë\u2019s") == "zoe's"
    assert "zoe" in lexicon.first_names()
    assert {"zeynep", "sakura", "chukwuemeka", "giulia"} <= lexicon.first_names()
    assert {"nakamura", "okafor", "baskerville"} <= lexicon.last_names()
    assert lexicon.first_names().isdisjoint({"so", "an", "the"})


@given(st.lists(st.sampled_from([0.0, 0.4, 0.9])))
def test_runs_hold_every_score_once(scores):
    inside = [index for first, last, _ in runs(scores) for index in range(first, last)]
    assert inside == [index for index, score in enumerate(scores) if score]


@given(st.lists(st.booleans(), max_size=900))
def test_batches_hold_every_word_once(ends):
    heard = [Word("so." if end else "so", 0, 1, 1) for end in ends]
    tokens = tokens_of(heard)
    inside = [index for first, last in _batches(tokens) for index in range(first, last)]
    assert inside == list(range(len(tokens)))


# Stretches


def spans(scores, heard=None, by=(0.1, 0.2), unsure=None, duration=60.0):
    voice = np.tile(np.float32([0.1, -0.1]), round(duration * 8000))  # without a pause
    heard = heard or words("a b c d e f")[: len(scores)]
    return name_spans(heard, scores, voice, Padding(by, unsure or by))


def test_a_name_is_padded():
    heard = [Word("Ann", 1.0, 1.5, 0.9)]
    assert spans([0.9], heard, by=(0.5, 0.6)) == [(0.5, 2.1, 0.9)]


@pytest.mark.parametrize(
    ("probabilities", "found"),
    [
        ((0.9, 0.9, 0.9), (0.9, 2.1)),
        ((0.4, 0.9, 0.9), (0.5, 2.1)),  # the word before is in doubt
        ((0.9, 0.4, 0.9), (0.5, 2.6)),
        ((0.9, 0.9, 0.4), (0.9, 2.6)),
    ],
)
def test_an_edge_is_padded_more_where_a_word_beside_it_is_in_doubt(probabilities, found):
    before, name, after = probabilities
    heard = [Word("a", 0, 1, before), Word("Ann", 1, 2, name), Word("b", 2, 3, after)]
    one = spans([0, 0.9, 0], heard, by=(0.1, 0.1), unsure=(0.5, 0.6))
    assert one == [(pytest.approx(found[0]), pytest.approx(found[1]), 0.9)]


def test_a_name_reaches_to_its_neighbours_but_not_far():
    heard = [Word("a", 0, 1.0, 1), Word("B", 1.25, 2.0, 1), Word("c", 5.0, 6.0, 1)]
    assert spans([0, 0.7, 0], heard) == [(1.0, pytest.approx(2.3), 0.7)]


def test_neighbouring_names_are_one_stretch_with_the_higher_score():
    assert spans([0.5, 0.9, 0.0]) == [(0.0, pytest.approx(1.1), 0.9)]


def test_overlapping_stretches_are_joined():
    heard = [Word("A", 0.0, 1.0, 1), Word("b", 1.0, 1.1, 1), Word("C", 1.1, 2.0, 1)]
    assert spans([0.5, 0.0, 0.6], heard, by=(0.1, 0.1)) == [(0.0, pytest.approx(2.3), 0.6)]


def test_stretches_stay_inside_the_sound():
    assert spans([0.5], [Word("A", 0.05, 0.9, 1)], duration=1.0) == [(0.0, 1.0, 0.5)]


@given(st.lists(st.sampled_from([0.0, 0.6]), min_size=1, max_size=40))
def test_every_name_is_inside_a_stretch(scores):
    heard = words(" ".join("x" for _ in scores))
    found = spans(scores, heard, by=(0.0, 0.0))
    for word, score in zip(heard, scores, strict=True):
        assert not score or any(a <= word.start and word.end <= b for a, b, _ in found)
    assert all(one[1] < two[0] for one, two in pairwise(found))


# The detector


class FakeRecogniser:
    bias = (0.1, 0.2)
    padding = Padding((0.1, 0.2), (0.1, 0.2))

    def __init__(self, *heard, covered=True):
        self.heard, self.covered, self.settings = heard, covered, []

    def listen_again(self, windows, *, language):
        self.settings.append(language)
        return [self.listen(one) for one in windows]

    def listen(self, samples):
        return Transcript(
            words=self.heard,
            voice=((0.0, 2.0),),
            unclear=((1.0, 2.0),),
            language="en",
            covered=self.covered,
        )


def detector(recogniser, score=0.9):
    made = NameDetector.__new__(NameDetector)
    made._recogniser = recogniser
    made._finder = SimpleNamespace(find=lambda words, known=frozenset(): [score for _ in words])
    made._second, made._doubt, made._also = None, None, frozenset()
    return made


def test_listening_gives_stretches_and_no_words():
    fake = FakeRecogniser(Word(SECRET, 1.0, 1.5, 0.9))
    window = np.zeros(48_000, np.float32)
    heard, other = detector(fake).listen_again([window, window], language="en")
    assert heard == other == detector(fake).listen(window)
    assert heard.names == ((0.7, 1.8, 0.9),)
    assert (heard.speech, heard.unclear) == (((0.0, 2.0),), ((1.0, 2.0),))
    assert (heard.language, heard.covered, fake.settings) == ("en", True, ["en"])
    assert SECRET not in repr(heard)


def test_no_names_model_is_an_error(tmp_path):
    with pytest.raises(DetectorError, match="can't be opened"):
        PersonFinder(tmp_path)


def test_a_failure_of_the_names_model_carries_no_text():
    def broken(text):
        raise ValueError(text)

    finder = PersonFinder.__new__(PersonFinder)
    finder._nlp = broken
    with pytest.raises(DetectorError) as caught:
        finder.find(words(f"Hello {SECRET} again"))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.weights
@pytest.mark.slow
def test_spacy_adds_what_the_rules_do_not_know(models: Path):
    finder = PersonFinder(models / "names")
    heard = words("Earlier on we talked to Apple Jones about it.")
    assert [w.text for w, s in zip(heard, finder.find(heard), strict=True) if s][-1] == "Jones"
    assert not any(finder.find(words("The letters were cut in steel and cast in lead.")))


@pytest.mark.weights
@pytest.mark.shared
@pytest.mark.slow
def test_names_in_real_speech(models: Path, shared: Path, caplog, capfd):
    caplog.set_level("DEBUG")
    listener = NameDetector(models / "speech", models / "names", label="base", threads=1)
    heard = listener.listen(read(shared / "speech" / "katiesteve_mono.wav"))
    for start, end in ((1.5, 2.1), (2.95, 3.45)):
        assert sum(max(0, min(end, b) - max(start, a)) for a, b, _ in heard.names) > 0.4
    assert sum(b - a for a, b, _ in heard.names) < 3.5
    assert (heard.language, heard.covered, heard.unclear) == ("en", True, ())
    told = caplog.text + "".join(capfd.readouterr())
    assert not any(text in told for text in ("Steve", "Katie", "morning"))


def read(path):
    """A sound file as mono float32 at 16 kHz."""
    import av

    resampler = av.AudioResampler("flt", "mono", 16_000)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts)
