"""Listen to the sound of one clip: every spoken name in it, stream by stream."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from redact.detectors.names import Heard, NameDetector
from redact.detectors.speech import SEVERAL
from redact.errors import DetectorError, Reason
from redact.media.decode import Sound, sound
from redact.media.probe import Clip, SoundStream
from redact.policy import Policy
from redact.types import Kind, Span

PAD = 0.25
"""Seconds around voice that could not be searched: voice is noticed late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """What a listen found, and how much there was to listen to."""

    spans: tuple[Span, ...]
    sound_us: int  # all streams together; every microsecond of it was listened to
    speech_us: int
    language: str  # "mul" if what is heard is of several; "" without speech


def listen(
    clip: Clip, detector: NameDetector, policy: Policy, progress: Callable[[float], None]
) -> Listened:
    """
    Every spoken name in all sound streams of the clip.

    Raises InputError where the sound does not decode, DetectorError where the recogniser could
    not listen, or where speech is of a language whose names no installed model finds (unless
    the policy has such speech silenced).
    """
    spans: list[Span] = []
    speech_us = 0
    languages: set[str] = set()
    for number, stream in enumerate(clip.sound):
        voiced = 0
        for ear in sound(clip, stream):
            heard = detector.listen(ear.samples)
            spans += _spans(heard, ear, stream, detector, policy)
            voiced = max(voiced, sum(_us(end - start) for start, end in heard.speech))
            languages |= {heard.language} - {""}
        speech_us += voiced
        progress((number + 1) / len(clip.sound))
    return Listened(
        spans=tuple(spans),
        sound_us=sum(stream.duration_us for stream in clip.sound),
        speech_us=speech_us,
        language=languages.pop() if len(languages) == 1 else SEVERAL if languages else "",
    )


def _spans(
    heard: Heard, ear: Sound, stream: SoundStream, detector: NameDetector, policy: Policy
) -> list[Span]:
    """What one ear heard, as spans of its stream: names, and voice that gave no words."""
    if heard.speech and not heard.covered and policy.names.uncovered_language != "silence":
        raise DetectorError(
            f"sound stream {stream.index} has speech whose names can't be found: "
            f"its language is {heard.language or 'not clear'}.",
            todo='Take the policy "silence-uncovered", which silences all speech of such a clip.',
            reason=Reason.LANGUAGE,
        )
    found = [_padded(one) if one not in heard.names else one for one in to_remove(heard)]
    return [span_of(one, ear, stream.index, detector.name) for one in found]


def _padded(unsearched: tuple[float, float, float]) -> tuple[float, float, float]:
    start, end, score = unsearched
    return max(start - PAD, 0.0), end + PAD, score


def to_remove(heard: Heard) -> list[tuple[float, float, float]]:
    """Names (start and end in seconds, score), and voice in which they could not be searched."""
    unsearched = heard.unclear if heard.covered else heard.speech
    return [*heard.names, *((start, end, 0.0) for start, end in unsearched)]


def span_of(found: tuple[float, float, float], ear: Sound, stream: int, detector: str) -> Span:
    """A stretch of an ear's samples (start and end in seconds, score), on the clip's clock."""
    start, end, score = found
    return Span(
        kind=Kind.SPOKEN_NAME,
        stream=stream,
        start_us=ear.start_us + math.floor(start * 1_000_000),
        end_us=ear.start_us + math.ceil(end * 1_000_000),
        score=score,
        detector=detector,
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
