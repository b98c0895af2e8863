"""What is said in passages of sound: their language first, then their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from redact.detectors.opinions import laid_over
from redact.detectors.voice import RATE, Stretch, joined, lies_in, outside
from redact.detectors.words import LOOP, SENSE, Said, Word, makes_sense, plausible, words_of
from redact.errors import DetectorError
from redact.types import Samples

T = TypeVar("T")
COVERED = "en"
"""The language whose names can be found."""
UNDETERMINED = "und"
"""ISO 639-2 for speech whose language can't be told."""

Passage = tuple[Samples, Stretch]
"""Sound, and the seconds of it that are a passage."""
Cut = tuple[NDArray[np.float32], float]
"""Sound, and the second at which it starts."""

BRIEF = 2.0
"""Seconds of voice below which a guess at its language says nothing."""
SHORT = 4.0
"""Seconds below which it says so little that the voice is silenced, and holds nothing."""
SURE_LANGUAGE = 0.5
WINDOW = 30 * RATE
"""Samples that Whisper hears at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was heard in a passage, or in all of them."""

    words: tuple[Word, ...]
    voice: tuple[Stretch, ...]
    unclear: tuple[Stretch, ...]  # voice that no words were put to, or none that make sense
    language: str  # ISO 639-1, "und" where it can't be told, "" without speech
    covered: bool
    others: tuple[tuple[Word, ...], ...] = field(default=(), repr=False)
    """The same sound as the beams have it that came second, third and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How to listen. The second look differs from the first in all of these."""

    longest: float  # seconds of a passage; the encoder's time grows faster than they do
    margin: float  # seconds of sound taken along on each side, so that no word is cut in two
    voice_threshold: float
    beam: int
    patience: float
    temperatures: tuple[float, ...]  # the next is tried where the one before looks wrong: 1 / n
    known: str = ""  # the language, where it need not be told


# Whisper's own list of temperatures ends at 1.0, where it invents whole sentences. See _EveryBeam.
FIRST = Setting(
    longest=18.0,
    margin=0.4,
    voice_threshold=0.2,
    beam=5,
    patience=1.0,
    temperatures=(0.0, 1 / 5, 1 / 3),
)
AGAIN = Setting(
    longest=17.0, margin=0.65, voice_threshold=0.15, beam=8, patience=2.0, temperatures=(0.0, 1 / 4)
)


def hear(model: Any, passages: Sequence[Passage], setting: Setting) -> list[Transcript]:
    """What is said in each passage, told and decoded together."""
    cuts = [_cut(passage, setting) for passage in passages]
    try:
        told = [
            _language(model, cut, stretch[1] - stretch[0], setting)
            for cut, (_, stretch) in zip(cuts, passages, strict=True)
        ]
        english = [cut for cut, (other, _) in zip(cuts, told, strict=True) if not other]
        words = iter(_put_into_words(model, english, setting))
    finally:
        model.expect(())  # keeps nothing of it
    return [
        _untold(stretch, other) if other else _told(stretch, next(words), sure)
        for (_, stretch), (other, sure) in zip(passages, told, strict=True)
    ]


def hear_again(model: Any, passages: Sequence[Passage]) -> list[Said]:
    """What is said in passages that got no words, taken for English: on 30 s, as in training."""
    cuts = [_cut(passage, AGAIN) for passage in passages]
    try:
        said = _put_into_words(model, [_on_thirty_seconds(cut) for cut in cuts], AGAIN)
    finally:
        model.expect(())
    return [_in_the_cut(one, cut) for one, cut in zip(said, cuts, strict=True)]


def _cut(passage: Passage, setting: Setting) -> Cut:
    """The sound of a passage with its margins, and the second at which it starts."""
    samples, (start, end) = passage
    first = max(0.0, start - setting.margin)
    return samples[int(first * RATE) : int((end + setting.margin) * RATE)], first


def _language(model: Any, cut: Cut, seconds: float, setting: Setting) -> tuple[str, bool]:
    """The language of so many seconds, or "" to take it for English; whether that is sure."""
    language, sure = _told_language(model, cut, setting)
    if sure and language != COVERED and (setting.known or seconds >= BRIEF):
        return (language if setting.known or seconds >= SHORT else UNDETERMINED), True
    return "", sure and language == COVERED


def _told_language(model: Any, cut: Cut, setting: Setting) -> tuple[str, bool]:
    """The language of a passage, and whether the model is sure of it."""
    if setting.known:
        return setting.known, True
    if not model.model.is_multilingual:
        return UNDETERMINED, False  # an English-only model calls everything English
    sound, start = cut
    language, probability = without_text(
        f"the language of the sound from {start:.1f} s on could not be told",
        lambda: model.tell_language(sound),
    )
    return language, probability >= SURE_LANGUAGE


def _told(stretch: Stretch, said: Said, sure: bool) -> Transcript:
    """A passage that was taken for English, and may not be."""
    if not sure and (said.lost or not plausible(said.words, stretch[1] - stretch[0])):
        return _untold(stretch, UNDETERMINED, said.words)
    return Transcript(
        words=said.words,
        voice=(stretch,),
        unclear=said.lost,
        language=COVERED,
        covered=True,
        others=said.others,
    )


def _untold(stretch: Stretch, language: str, words: Iterable[Word] = ()) -> Transcript:
    """
    A passage in a language whose names can't be found, or in none that can be told.

    A laugh, a shout or a sound like a voice is short and of no language: it alone is unclear.
    """
    short = language == UNDETERMINED and stretch[1] - stretch[0] < SHORT
    return Transcript(
        words=tuple(words),
        voice=(stretch,),
        unclear=(stretch,),
        language="" if short else language,
        covered=short,
    )


def _put_into_words(model: Any, cuts: Sequence[Cut], setting: Setting) -> list[Said]:
    """What is said in each piece of sound."""
    start = cuts[0][1] if cuts else 0.0
    without_text(_failed(start), lambda: model.expect([sound for sound, _ in cuts]))
    return [_sensible(model, cut, setting) for cut in cuts]


def _sensible(model: Any, cut: Cut, setting: Setting) -> Said:
    """What is said; where that makes no sense, what is said there on 30 s, as in training."""
    said = _said(model, *cut, setting)
    if not said.lost or model.whole or len(cut[0]) >= WINDOW:
        return said
    again, lost = _said(model, *_on_thirty_seconds(cut), setting), joined(said.lost)
    words = [
        *(word for word in said.words if not lies_in(lost, (word.start + word.end) / 2)),
        *(word for word in again.words if lies_in(lost, word.start, word.end)),
    ]
    return Said(
        words=tuple(sorted(words, key=lambda word: word.start)),
        lost=tuple(outside(lost, outside(lost, joined(again.lost)))),
    )


def _on_thirty_seconds(cut: Cut) -> Cut:
    sound, start = cut
    return np.pad(sound, (0, max(0, WINDOW - len(sound)))), start


def _in_the_cut(said: Said, cut: Cut) -> Said:
    """What was said, without what was made of the silence that it was padded with."""
    sound, start = cut
    end = start + len(sound) / RATE

    def inside(words: Iterable[Word]) -> tuple[Word, ...]:
        return tuple(replace(one, end=min(one.end, end)) for one in words if one.start < end)

    return Said(
        words=inside(said.words),
        others=tuple(inside(other) for other in said.others),
        lost=tuple((first, min(last, end)) for first, last in said.lost if first < end),
    )


def _said(model: Any, sound: NDArray[np.float32], start: float, setting: Setting) -> Said:
    segments, others = without_text(_failed(start), lambda: _transcribed(model, sound, setting))
    lost = [segment for segment in segments if not makes_sense(segment)]
    words = tuple(words_of(segments, start))
    return Said(
        words=words,
        lost=tuple((start + segment.start, start + segment.end) for segment in lost),
        others=tuple(laid_over(words, text.split()) for text in others),
    )


def _failed(start: float) -> str:
    return f"the speech recogniser failed on the sound from {start:.1f} s on"


def _transcribed(
    model: Any, sound: NDArray[np.float32], setting: Setting
) -> tuple[list[Any], list[str]]:
    """Segments as faster-whisper has them, and the texts that came second, third and so on."""
    model.others()  # forget what a failure left
    segments, _ = model.transcribe(
        sound,
        language=COVERED,
        beam_size=setting.beam,
        patience=setting.patience,
        temperature=setting.temperatures,
        compression_ratio_threshold=LOOP,
        log_prob_threshold=SENSE,
        word_timestamps=True,
        condition_on_previous_text=False,
        # Voice was found here: what Whisper takes for silence is unclear, not silent.
        no_speech_threshold=None,
    )
    return list(segments), model.others()


def without_text(what: str, work: Callable[[], T]) -> T:
    """
    What `work` returns, any failure of it turned into a DetectorError that quotes nothing.

    An error of a recogniser or of spaCy may carry the text it failed on. So its message is dropped,
    and it is not even kept as the context: the raise stands outside the except block.
    """
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - raised again below, see above
        kind = type(error).__name__
    raise DetectorError(f"{what} ({kind}).")
