"""Whisper on PyTorch: the same weights hear the same words, and its errors quote nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from redact.detectors import recognisers
from redact.detectors.recognisers import open_recogniser
from redact.detectors.speech import Recogniser
from redact.detectors.voice import RATE
from redact.errors import DetectorError
from tests.openai_format import as_openai

torch = pytest.importorskip("torch")
pytest.importorskip("whisper", reason="needs openai-whisper: pip install 'redact[whisper]'")

pytestmark = [
    pytest.mark.slow,
    # openai-whisper leaves its list of words open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny(tmp_path):
    """A Whisper of one layer that knows nothing: its weights are drawn at random."""
    from whisper.model import ModelDimensions, Whisper

    sizes = {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 64, "n_audio_head": 2,
        "n_audio_layer": 1, "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": 64,
        "n_text_head": 2, "n_text_layer": 2,
    }  # fmt: skip
    torch.manual_seed(1)
    weights = Whisper(ModelDimensions(**sizes)).state_dict()
    weights["decoder.positional_embedding"].normal_()  # it is left as the memory was
    torch.save({"dims": sizes, "model_state_dict": weights}, tmp_path / "mine.pt")
    return tmp_path


def voice():
    return np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32)


def test_a_model_of_unknown_name_opens_with_a_wide_bias(tiny):
    opened = open_recogniser(tiny, threads=1, device="cpu")
    assert opened.bias == recognisers.UNKNOWN_BIAS
    assert (opened.workers, opened.note, opened.model.others()) == (1, "", [])
    language, probability = opened.model.tell_language(voice())
    assert language
    assert 0 < probability <= 1


def test_the_numbers_of_others_are_drawn_as_before(tiny):
    """A training loop's random numbers are not ours to reset."""
    opened = open_recogniser(tiny, threads=1, device="cpu")
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    options = {"language": "en", "beam_size": 1, "temperature": 0.0}
    list(opened.model.transcribe(voice(), log_prob_threshold=-1.0, **options)[0])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_file_that_is_no_model_is_an_error(tmp_path):
    (tmp_path / "base.pt").write_bytes(b"nothing")
    with pytest.raises(DetectorError, match="can't be opened"):
        open_recogniser(tmp_path, threads=1, device="cpu")


def test_a_file_that_was_put_beside_the_checked_one_is_an_error(tiny):
    (tiny / "another.pt").write_bytes((tiny / "mine.pt").read_bytes())
    with pytest.raises(DetectorError, match="several"):
        open_recogniser(tiny, threads=1, device="cpu")


def test_without_its_packages_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "base.pt").write_bytes(b"nothing")
    monkeypatch.setitem(sys.modules, "redact.detectors.torch_whisper", None)
    with pytest.raises(DetectorError, match="openai-whisper") as caught:
        open_recogniser(tmp_path, threads=1, device="cpu")
    assert "redact[whisper]" in caught.value.todo


@pytest.mark.weights
def test_the_same_weights_hear_the_same_words(models: Path, speaker, tmp_path, monkeypatch):
    """Where both are given 30 seconds, as the one on PyTorch always is."""
    monkeypatch.setattr("redact.detectors.whisper.LEAST", 3000)
    said = speaker.say("Have you met {Amara Owusu}?").sound
    sound = np.interp(np.arange(0, len(said), 1.5), np.arange(len(said)), said).astype(np.float32)
    (tmp_path / "torch").mkdir()
    as_openai(models / "speech", tmp_path / "torch" / "base.pt")
    ours, theirs = (
        Recogniser(folder, threads=1) for folder in (models / "speech", tmp_path / "torch")
    )
    assert ours.bias == theirs.bias  # by the heads that follow the sound
    heard, again = (one.listen(sound, language="en").words for one in (ours, theirs))
    assert [word.text for word in heard] == [word.text for word in again]
    assert len(heard) > 3
    assert [word.start for word in heard] == pytest.approx([w.start for w in again], abs=0.2)
