"""Listen to the sound of one clip: every spoken name in it, stream by stream."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redact.detectors.echoes import Levels, echoes, levels
from redact.detectors.names import Heard, NameDetector
from redact.detectors.speech import SEVERAL
from redact.errors import DetectorError, Reason
from redact.media.ear import Sound, sound
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
    ears = [(stream, ear) for stream in clip.sound for ear in sound(clip, stream)]
    progress(0.1)
    spans: list[Span] = []
    languages: set[str] = set()
    voiced: dict[int, int] = defaultdict(int)
    heard_by_all = _together(detector, [ear for _, ear in ears])
    for (stream, ear), heard in zip(ears, heard_by_all, strict=True):
        spans += _spans(heard, ear, stream, detector, policy)
        speech_us = sum(_us(end - start) for start, end in heard.speech)
        voiced[stream.index] = max(voiced[stream.index], speech_us)
        languages |= {heard.language} - {""}
    spans += echoes(spans, _levels(ears))
    progress(1.0)
    return Listened(
        spans=tuple(spans),
        sound_us=sum(stream.duration_us for stream in clip.sound),
        speech_us=sum(voiced.values()),
        language=languages.pop() if len(languages) == 1 else SEVERAL if languages else "",
    )


def _together(detector: NameDetector, ears: Sequence[Sound]) -> Sequence[Heard]:
    """What each ear hears."""
    if len(ears) == 1:
        return [detector.listen(ears[0].samples)]
    return detector.listen_together([ear.samples for ear in ears])


def _levels(ears: Sequence[tuple[SoundStream, Sound]]) -> dict[int, Levels]:
    """How loud each stream is over time, where there are several to compare."""
    first = {stream.index: ear for stream, ear in reversed(ears)}
    if len(first) == 1:
        return {}
    return {index: levels(ear.samples, ear.rate, ear.start_us) for index, ear in first.items()}


def _spans(
    heard: Heard, ear: Sound, stream: SoundStream, detector: NameDetector, policy: Policy
) -> list[Span]:
    """What one ear heard, as spans of its stream: names, and voice that gave no words."""
    hold = policy.names.uncovered_language != "silence" and Kind.SPEECH not in policy.names.also
    if heard.speech and not heard.covered and hold:
        raise DetectorError(
            f"sound stream {stream.index} has speech whose names can't be found: "
            f"its language is {heard.language or 'not clear'}.",
            todo='Take the policy "silence-uncovered", which silences all speech of such a clip.',
            reason=Reason.LANGUAGE,
        )
    found = [_padded(one) for one in to_remove(heard, policy)]
    return [span_of(one, ear, stream.index, detector.name) for one in found]


Removed = tuple[Kind, float, float, float]
"""What it is, start and end in seconds, and the score."""


def to_remove(heard: Heard, policy: Policy) -> list[Removed]:
    """Names, what else the policy wants to go, and voice that could not be searched."""
    return [
        *((Kind.SPOKEN_NAME, *name) for name in heard.names),
        *((kind, start, end, 1.0) for kind, start, end in heard.others),
        *_unsearched(heard, policy),
    ]


def _unsearched(heard: Heard, policy: Policy) -> list[Removed]:
    """Voice in which nothing could be found, or by policy all of it: its score is 0."""
    if Kind.SPEECH in policy.names.also:
        return [(Kind.SPEECH, start, end, 0.0) for start, end in heard.speech]
    stretches = heard.unclear if heard.covered else heard.speech
    return [(Kind.SPOKEN_NAME, start, end, 0.0) for start, end in stretches]


def _padded(found: Removed) -> Removed:
    """Voice is noticed late; a name has been padded by the model's bias."""
    kind, start, end, score = found
    return found if score else (kind, max(start - PAD, 0.0), end + PAD, score)


def span_of(found: Removed, ear: Sound, stream: int, detector: str) -> Span:
    """A stretch of an ear's samples (see Removed), on the clip's clock."""
    kind, start, end, score = found
    return Span(
        kind=kind,
        stream=stream,
        start_us=ear.start_us + math.floor(start * 1_000_000),
        end_us=ear.start_us + math.ceil(end * 1_000_000),
        score=score,
        detector=detector,
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
