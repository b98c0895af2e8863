"""The script that measures spoken names, on tones whose truth is known."""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from measure_names import RATE, measure, table

from redact.errors import DetectorError

NAME = (1.0, 2.0)


@pytest.fixture
def data(tmp_path):
    """Two clips of noise with a name in each, and one without."""
    (tmp_path / "speech").mkdir()
    truth = {}
    for file, names in (("a-2.wav", [NAME]), ("b-3.wav", [NAME]), ("c-5.wav", [])):
        samples = np.random.default_rng(5).integers(-9000, 9000, 4 * RATE, np.int16)
        with wave.open(str(tmp_path / "speech" / file), "wb") as target:
            target.setparams((1, 2, RATE, 0, "NONE", ""))
            target.writeframes(samples.tobytes())
        truth[file] = {"kind": "person", "names": [{"name": "x", "times": names}] if names else []}
    (tmp_path / "truth.json").write_text(json.dumps({"speech": truth}))
    return tmp_path


def silenced(start, end):
    def output(_path, samples):
        result = samples.copy()
        result[int(start * RATE) : int(end * RATE)] = 0
        return result

    return output


@pytest.mark.parametrize(
    ("cut", "leaked", "muted"),
    [((0, 0), 2, 0), (NAME, 0, 2), ((1.0, 1.7), 2, 0), ((1.0, 1.78), 0, 0), ((1.0, 1.82), 0, 2)],
)
def test_a_name_leaks_from_a_quarter_on(data, cut, leaked, muted):
    of = measure(data, silenced(*cut))["groups"]["all"]
    assert (of["clips"], of["held"], of["names"]) == (3, 0, 2)
    assert (of["leaked"], of["muted"], of["leak"]) == (leaked, muted, leaked / 2)


def test_other_speech_is_counted_apart(data):
    groups = measure(data, silenced(2.0, 3.0))["groups"]
    assert groups["all"]["other_muted_with"] == pytest.approx(1 / 3, abs=0.01)
    assert groups["all"]["other_muted_without"] == pytest.approx(1 / 4, abs=0.01)
    assert groups["all"]["sound_muted"] == pytest.approx(1 / 4, abs=0.01)
    assert [groups[half]["clips"] for half in ("tuned on", "kept aside")] == [1, 2]
    assert groups["tuned on"]["other_muted_without"] is None


def test_an_output_that_ends_early_is_silent_there(data):
    of = measure(data, lambda _path, samples: samples[: 3 * RATE])["groups"]["all"]
    assert (of["leaked"], of["sound_muted"]) == (2, pytest.approx(1 / 4, abs=0.01))


def test_a_held_clip_leaks_nothing_and_is_counted(data):
    def output(path, samples):
        if path.name == "a-2.wav":
            raise DetectorError("could not listen.")
        return samples

    result = measure(data, output)
    of = result["groups"]["all"]
    assert (of["clips"], of["held"], of["names"], of["leaked"]) == (3, 1, 1, 1)
    assert "3 clips (1 held)" in "\n".join(table(result))
