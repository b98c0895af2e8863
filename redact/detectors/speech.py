"""What was said, and when: voice activity, then Whisper, word by word, in memory only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from redact.detectors.opinions import laid_over, merged
from redact.detectors.recognisers import open_recogniser
from redact.detectors.voice import RATE, Stretch, find_voice, joined, lies_in, outside, passages
from redact.detectors.words import LOOP, SENSE, Said, Word, makes_sense, plausible, words_of
from redact.errors import DetectorError
from redact.types import Samples

S = TypeVar("S")
T = TypeVar("T")
COVERED = "en"
"""The language whose names can be found."""
UNDETERMINED = "und"
SEVERAL = "mul"
"""ISO 639-2 for speech whose language can't be told, and for speech in several."""

Piece = tuple[NDArray[np.float32], float]
"""Sound, and the second at which it starts."""

UNCLEAR = 0.6
"""Seconds of voice without a word from which on something was missed, not a breath or a laugh."""
BRIEF = 2.0
"""Seconds of voice below which a guess at its language says nothing."""
SHORT = 4.0
"""Seconds below which it says so little that the voice is silenced, and holds nothing."""
SURE_LANGUAGE = 0.5
WINDOW = 30 * RATE
"""Samples that Whisper hears at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What one look heard."""

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
    longest=13.0, margin=0.65, voice_threshold=0.15, beam=8, patience=2.0, temperatures=(0.0, 1 / 4)
)


class Recogniser:
    """
    Puts speech into words with a Whisper. Arguments and errors: see `open_recogniser`.

    `whole` pads each passage to the 30 seconds of its training: it is surer then, and takes longer.
    """

    _workers = 1

    def __init__(
        self, folder: Path, *, threads: int = 0, device: str = "cpu", whole: bool = False
    ) -> None:
        opened = open_recogniser(folder, threads=threads, device=device)
        self._model, self._workers = opened.model, opened.workers
        self.bias, self.padding = opened.bias, opened.padding
        self._model.whole |= whole
        self.note = opened.note
        """What the user should know of where it runs."""

    def listen(
        self,
        samples: Samples,
        *,
        again: bool = False,
        language: str = "",
        within: Sequence[Stretch] | None = None,
    ) -> Transcript:
        """
        Every word in `samples`, mono at 16 kHz, of a `language` if it is known.

        `within` says where there is voice, or where all that is wanted of it is; else it is found.
        Sound without voice costs no recognition. Raises DetectorError if it could not listen.
        """
        known = {UNDETERMINED: "", SEVERAL: ""}.get(language, language)
        setting = replace(AGAIN if again else FIRST, known=known)
        voice = tuple(within) if within is not None else _voice(samples, setting)
        parts = self._each(
            lambda part: self._hear(samples, part, setting), passages(voice, setting.longest)
        )
        said = [Said(words=part.words, others=part.others) for part in parts]
        # Voice in a language that can't be searched is no matter of clear or unclear.
        heard = [stretch for part in parts if part.covered for stretch in part.voice]
        searched = outside(voice, outside(voice, heard))
        missed = self._silent(searched, merged(said).words)
        tried = self._each(
            lambda part: self._put_into_words(_cut(samples, part, AGAIN), AGAIN), missed
        )
        whole = merged([*said, *tried])
        unclear = [
            *(stretch for part in parts for stretch in part.unclear),
            *(stretch for one in tried for stretch in one.lost),
            *self._silent(searched, whole.words),
        ]
        language, covered = _language(parts)
        return Transcript(
            words=whole.words,
            others=whole.others,
            voice=voice,
            unclear=tuple(joined(unclear)),
            language=language,
            covered=covered,
        )

    def listen_again(self, windows: Sequence[Samples], *, language: str = "") -> list[Transcript]:
        """Each of the windows as a second look hears it, several at once; see `listen`."""
        return self._each(lambda one: self.listen(one, again=True, language=language), windows)

    def _each(self, work: Callable[[S], T], parts: Sequence[S]) -> list[T]:
        """What `work` makes of each part, several at once."""
        if len(parts) < 2 or self._workers == 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(work, parts))

    def _silent(self, voice: Sequence[Stretch], words: Iterable[Word]) -> list[Stretch]:
        """Voice that got no words, allowing for the model's bias."""
        before, after = self.bias
        spoken = joined((word.start - before, word.end + after) for word in words)
        return [(start, end) for start, end in outside(voice, spoken) if end - start > UNCLEAR]

    def _hear(self, samples: Samples, part: Stretch, setting: Setting) -> Transcript:
        """One passage: its language first, then its words."""
        cut = _cut(samples, part, setting)  # once: others go on, and to go back takes time
        language, sure = self._tell_language(cut, setting)
        seconds = part[1] - part[0]
        if sure and language != COVERED and (setting.known or seconds >= BRIEF):
            known = setting.known or seconds >= SHORT
            return _untold(part, language if known else UNDETERMINED)
        said = self._put_into_words(cut, setting)
        told = sure and language == COVERED
        if not told and (said.lost or not plausible(said.words, part[1] - part[0])):
            return _untold(part, UNDETERMINED, said.words)
        return Transcript(
            words=said.words,
            voice=(part,),
            unclear=said.lost,
            language=COVERED,
            covered=True,
            others=said.others,
        )

    def _tell_language(self, cut: Piece, setting: Setting) -> tuple[str, bool]:
        """The language of a passage, and whether the model is sure of it."""
        if setting.known:
            return setting.known, True
        if not self._model.model.is_multilingual:
            return UNDETERMINED, False  # an English-only model calls everything English
        sound, start = cut
        language, probability = without_text(
            f"the language of the sound from {start:.1f} s on could not be told",
            lambda: self._model.tell_language(sound),
        )
        return language, probability >= SURE_LANGUAGE

    def _put_into_words(self, cut: Piece, setting: Setting) -> Said:
        """What is said in a passage."""
        said = self._said(*cut, setting)
        if said.lost and not self._model.whole:
            return self._on_thirty_seconds(said, cut, setting)
        return said

    def _on_thirty_seconds(self, said: Said, cut: Piece, setting: Setting) -> Said:
        """The same, but where it made no sense, what is said there on 30 s: these it knows."""
        sound, start = cut
        whole = np.pad(sound, (0, max(0, WINDOW - len(sound))))
        again = self._said(whole, start, setting)
        lost = joined(said.lost)
        words = [
            *(word for word in said.words if not lies_in(lost, (word.start + word.end) / 2)),
            *(word for word in again.words if lies_in(lost, word.start, word.end)),
        ]
        return Said(
            words=tuple(sorted(words, key=lambda word: word.start)),
            lost=tuple(outside(lost, outside(lost, joined(again.lost)))),
        )

    def _said(self, sound: NDArray[np.float32], start: float, setting: Setting) -> Said:
        segments, others = without_text(
            f"the speech recogniser failed on the sound from {start:.1f} s on",
            lambda: self._transcribe(sound, setting),
        )
        lost = [segment for segment in segments if not makes_sense(segment)]
        words = tuple(words_of(segments, start))
        return Said(
            words=words,
            lost=tuple((start + segment.start, start + segment.end) for segment in lost),
            others=tuple(laid_over(words, text.split()) for text in others),
        )

    def _transcribe(
        self, sound: NDArray[np.float32], setting: Setting
    ) -> tuple[list[Any], list[str]]:
        """Segments as faster-whisper has them, and the texts that came second, third and so on."""
        self._model.others()  # forget what a failure left
        segments, _ = self._model.transcribe(
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
        return list(segments), self._model.others()


def _voice(samples: Samples, setting: Setting) -> tuple[Stretch, ...]:
    return find_voice(samples, threshold=setting.voice_threshold, longest=setting.longest)


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


def _untold(part: Stretch, language: str, words: Iterable[Word] = ()) -> Transcript:
    """
    A passage in a language whose names can't be found, or in none that can be told.

    A laugh, a shout or a sound like a voice is short and of no language: it alone is unclear.
    """
    short = language == UNDETERMINED and part[1] - part[0] < SHORT
    return Transcript(
        words=tuple(words),
        voice=(part,),
        unclear=(part,),
        language="" if short else language,
        covered=short,
    )


def _cut(samples: Samples, part: Stretch, setting: Setting) -> Piece:
    """The sound of a passage with its margins, and the second at which it starts."""
    start = max(0.0, part[0] - setting.margin)
    return samples[int(start * RATE) : int((part[1] + setting.margin) * RATE)], start


def _language(parts: Sequence[Transcript]) -> tuple[str, bool]:
    """The clip's language: one passage that can't be searched speaks for all."""
    if not parts:
        return "", True
    others = [part.language for part in parts if not part.covered]
    told = COVERED if any(part.language for part in parts) else ""
    return (others[0], False) if others else (told, True)
