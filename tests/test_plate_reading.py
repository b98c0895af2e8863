"""Nobody reads a plate that was redacted with a method at its default strength."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from plates_parts import attack

from redact.policy import Plates

PLATES = 10


@pytest.fixture(scope="module")
def read():
    pytest.importorskip("rapidocr")
    return attack.reader()


@pytest.fixture(scope="module")
def plates():
    rng = np.random.default_rng(3)
    numbers = [attack.text(rng) for _ in range(PLATES)]
    return [(number, attack.photo(number, noise=2.0, seed=i)) for i, number in enumerate(numbers)]


@pytest.mark.slow
def test_the_recogniser_reads_them_before(read, plates):
    """Else the next test would show nothing."""
    exact = sum(attack.plain(number) in read(photo) for number, photo in plates)
    assert exact >= 0.8 * PLATES


@pytest.mark.slow
@pytest.mark.parametrize("way", attack.DEFAULTS, ids=lambda way: way.method)
def test_it_reads_nothing_of_them_afterwards(read, plates, way):
    """No number, and no three letters of one in a row."""
    for number, photo in plates:
        texts = read(attack.redacted(photo, way))
        assert attack.plain(number) not in texts
        assert all(attack.alike(text, number) < 3 for text in texts)


@pytest.mark.parametrize("way", attack.DEFAULTS, ids=lambda way: way.method)
def test_who_knows_the_font_can_only_guess(way):
    """Of 20 plates with 20 candidates each, chance picks 1; 6 or more by chance: once in 3,000."""
    assert attack.guessed(way, plates=20, candidates=20, seed=5) < 6


@pytest.mark.parametrize("method", ["pixelate", "blur"])
def test_with_four_cells_he_tells_numbers_apart(method):
    """Why plates have fewer cells than faces: the same attack succeeds."""
    assert attack.guessed(attack.Way(method, 4), plates=20, candidates=20, seed=5) >= 10


def test_the_default_keeps_one_average_at_most():
    assert Plates().method == "fill"
    assert Plates().cells == 1


def test_fill_keeps_nothing_at_all():
    """Two plates with other numbers are the same once they are filled."""
    fill = attack.Way("fill", Plates().cells)
    one, other = (attack.redacted(attack.photo(text), fill) for text in ("AB 123 CD", "ZX 987 WV"))
    np.testing.assert_array_equal(one, other)
