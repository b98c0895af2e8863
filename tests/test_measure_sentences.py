"""The measuring ground for spoken names: its halves, its clips, its scores. No voice is needed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from measure_sentences import added
from names_parts.heard import is_heard
from names_parts.spoken import NOTHING, kind_of, score
from names_parts.takes import HALVES, RATE, Name, Take, halves, scripts, sentences
from names_parts.voices import pieces

from redact.evaluate import Share


def test_every_sentence_is_in_one_half():
    parted = halves()
    together = [line for half in HALVES for line in parted[half]]
    assert sorted(together) == sorted(sentences())
    assert len(set(together)) == len(together) == 300
    for named in (True, False):
        sizes = [sum(("{" in line) == named for line in parted[half]) for half in HALVES]
        assert abs(sizes[0] - sizes[1]) <= 1


@pytest.mark.parametrize("half", HALVES)
def test_each_take_says_every_sentence_of_its_half_once(half):
    for take in range(2):
        said = [line for clip in scripts(half, take) for line in clip]
        assert sorted(said) == sorted(halves()[half])
    assert scripts(half, 0) != scripts(half, 1)
    assert scripts(half, 0) == scripts(half, 0)


def test_names_are_told_from_the_words_around_them():
    assert pieces("Then {Will} met {*Mei Lin}.") == [
        ("Then", False),
        ("Will", True),
        ("met", False),
        ("Mei Lin", True),
        (".", False),
    ]


def take(*names):
    sound = np.random.default_rng(1).normal(0, 0.1, 4 * RATE).astype(np.float32)
    return Take(
        sound=sound, clean=sound, names=names, voice="tester one", noise="none", half="tune"
    )


def test_a_score_counts_what_leaks_and_what_is_lost():
    one = take(Name(1.0, 1.5, "Will", False), Name(2.0, 2.5, "Mei Lin", True))
    output = one.sound.copy()
    output[RATE : round(1.5 * RATE)] = 0  # the plain name
    output[: RATE // 2] = 0  # and a sixth of the other speech
    shares = score(one, output, 0.0, None).shares
    assert shares["leaked plain"] == Share(0, 1)
    assert shares["leaked rare"] == Share(1, 1)
    assert shares["other speech, with names"] == Share(25, 150)
    assert score(take(), output, 0.0, None).shares["other speech, without"] == Share(50, 200)


def test_voices_are_scored_by_kind():
    assert kind_of("espeak en-us") == "robotic voices"
    assert kind_of("hibari deep") == kind_of("piper joe") == "natural voices"


def test_parts_that_were_measured_at_different_times_add_up():
    def row(part, leaked, held=0):
        shares = {"leaked plain": [leaked, 9]}
        return {"key": "aside, normal, x", "part": part, "clips": 3, "held": held, "shares": shares}

    (rows,) = added([row("1/2", 1), row("2/2", 2, held=1)]).values()
    assert rows == {"clips": 6, "held": 1, "shares": {"leaked plain": [3, 18]}}


def test_scores_add_up():
    one = take(Name(1.0, 1.5, "Will", False))
    once = score(one, one.sound, 2.0, None)
    twice = NOTHING + once + once
    assert (twice.clips, twice.work, twice.seconds) == (2, 4.0, 8.0)
    assert twice.shares["leaked plain"] == Share(2, 2)


@pytest.mark.parametrize(
    ("written", "name", "expected"),
    [
        ("We met will.", "Will", True),
        ("We met Bill's dog.", "Will", False),
        ("Ask Mei Lynn", "Mei Lin", False),
        ("ask may lin", "Mei Lin", False),
        ("signed J.R. Hartley", "J R Hartley", True),
        ("it is V-I-O-L-E-T here", "V I O L E T", True),
        ("Priyankas house", "Priyanka's", True),
        ("", "Will", False),
    ],
)
def test_a_name_is_heard_only_whole(written, name, expected):
    assert is_heard(lambda _: written, take().sound, 1.0, 1.5, name) == expected


def test_in_silence_nobody_is_asked():
    def broken(_):
        raise AssertionError("asked about silence")

    assert not is_heard(broken, np.zeros(4 * RATE, np.float32), 1.0, 1.5, "Will")
