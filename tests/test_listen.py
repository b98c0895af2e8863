"""What the first listen tells of all the streams of a clip together."""

from dataclasses import replace

import pytest

from redact.detectors.names import Heard
from redact.listen import listen
from redact.media.probe import probe
from redact.policy import Policy
from tests.media_maker import Voice, make_clip

POLICY = Policy()
SILENCING = replace(POLICY, names=replace(POLICY.names, uncovered_language="silence"))


class Ears:
    """Hears in each stream the next of some languages."""

    name = "ears@0"

    def __init__(self, *languages):
        self.languages = list(languages)

    def listen(self, samples, *, again=False, language=""):
        told = self.languages.pop(0)
        speech = ((0.0, 0.5),) if told else ()
        return Heard(names=(), speech=speech, unclear=(), language=told, covered=told in ("", "en"))

    def listen_together(self, ears):
        return [self.listen(samples) for samples in ears]


@pytest.mark.parametrize(
    ("languages", "told"),
    [
        (("en", "en"), "en"),
        (("", "en"), "en"),
        (("", ""), ""),
        (("en", "fr"), "mul"),
        (("fr", "fr"), "fr"),
    ],
)
def test_the_language_is_told_only_if_all_streams_agree(tmp_path, languages, told):
    clip = make_clip(tmp_path / "clip.mkv", None, [Voice(codec="flac", seconds=1.0)] * 2)
    heard = listen(probe(clip, POLICY.limits), Ears(*languages), SILENCING, lambda _: None)
    assert heard.language == told
