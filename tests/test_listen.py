"""What the first listen tells of all the streams of a clip together."""

from dataclasses import replace

import pytest

from redact.detectors.names import Heard
from redact.errors import DetectorError
from redact.listen import listen
from redact.media.ear import Sound
from redact.media.probe import probe
from redact.policy import Policy
from redact.types import Kind
from tests.media_maker import Voice, make_clip
from tests.test_echoes import speech

POLICY = Policy()
SILENCING = replace(POLICY, names=replace(POLICY.names, uncovered_language="silence"))


class Ears:
    """Hears in each stream the next of some languages."""

    name = "ears@0"

    def __init__(self, *languages):
        self.languages = list(languages)

    def listen(self, samples):
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


class Talk:
    """Hears French, and a number of a phone in it."""

    name = "ear@0"

    def listen(self, samples):
        return Heard(
            names=(),
            speech=((0.3, 0.6),),
            unclear=((0.3, 0.6),),
            language="fr",
            covered=False,
            others=((Kind.SPOKEN_PHONE, 0.4, 0.5),),
        )


def heard_by(tmp_path, **names):
    clip = make_clip(tmp_path / "clip.mkv", None, [Voice(codec="flac", seconds=1.0)])
    policy = replace(POLICY, names=replace(POLICY.names, **names))
    return listen(probe(clip, POLICY.limits), Talk(), policy, lambda _: None).spans


def test_all_speech_goes_by_policy_whatever_its_language(tmp_path):
    with pytest.raises(DetectorError, match="language is fr"):
        heard_by(tmp_path)
    phone, speech = heard_by(tmp_path, also=("spoken_phone", "speech"))
    assert (phone.kind, phone.start_us, phone.end_us) == (Kind.SPOKEN_PHONE, 400_000, 500_000)
    assert (speech.kind, speech.start_us, speech.end_us) == (Kind.SPEECH, 49_999, 850_000)


class Alike:
    """Hears a name in the first of two ears."""

    name = "ear@0"

    def listen_together(self, ears):
        some = [((0.2, 0.5, 0.9),), ()]
        return [
            Heard(names=names, speech=((0.0, 1.0),), unclear=(), language="en", covered=True)
            for names in some
        ]


@pytest.mark.parametrize(("other", "streams"), [(1, {0, 1}), (2, {0})], ids=["same", "other"])
def test_a_name_goes_from_every_track_that_sounds_alike(tmp_path, monkeypatch, other, streams):
    ears = iter([speech(1), speech(other)])
    clip = make_clip(tmp_path / "clip.mkv", None, [Voice(codec="flac", seconds=1.0)] * 2)
    monkeypatch.setattr("redact.listen.sound", lambda *_: [Sound(next(ears), 16_000, 0)])
    found = listen(probe(clip, POLICY.limits), Alike(), POLICY, lambda _: None)
    assert {(span.stream, span.start_us) for span in found.spans} == {
        (one, 200_000) for one in streams
    }
