"""
What was said, and when: voice activity, then Whisper, word by word, in memory only.

sound -> where there is voice -> passages -> words -> voice without words, heard again -> transcript
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from redact.detectors.hearing import (
    AGAIN,
    COVERED,
    FIRST,
    UNDETERMINED,
    Passage,
    Setting,
    Transcript,
    hear,
    hear_again,
)
from redact.detectors.opinions import merged
from redact.detectors.recognisers import open_recogniser
from redact.detectors.voice import Stretch, find_voice, joined, outside, passages
from redact.detectors.words import Said, Word
from redact.types import Samples

S = TypeVar("S")
T = TypeVar("T")
SEVERAL = "mul"
"""ISO 639-2 for speech in several languages."""

UNCLEAR = 0.6
"""Seconds of voice without a word from which on something was missed, not a breath or a laugh."""
TOGETHER = 3
"""Passages that are decoded at once: the decoder reads its weights once for all of them."""

Voiced = tuple[Samples, tuple[Stretch, ...]]
"""Sound, and where there is voice in it."""


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
        language: str = "",
        within: Sequence[Stretch] | None = None,
    ) -> Transcript:
        """
        Every word in `samples`, mono at 16 kHz, of a `language` if it is known.

        `within` says where there is voice, or where all that is wanted of it is; else it is found.
        Sound without voice costs no recognition. Raises DetectorError if it could not listen.
        """
        setting = replace(FIRST, known=_known(language))
        voice = tuple(within) if within is not None else _voice(samples, setting)
        return self._listen([(samples, voice)], setting)[0]

    def listen_again(self, windows: Sequence[Samples], *, language: str = "") -> list[Transcript]:
        """Each of the windows as a second look hears it, several at once; see `listen`."""
        setting = replace(AGAIN, known=_known(language))
        voices = self._each(lambda one: _voice(one, setting), windows)
        return self._listen([*zip(windows, voices, strict=True)], setting)

    def _listen(self, sounds: Sequence[Voiced], setting: Setting) -> list[Transcript]:
        """What is said in each sound, passages of all of them side by side."""
        packed = [(samples, passages(voice, setting.longest)) for samples, voice in sounds]
        heard = self._of_each(lambda some: hear(self._model, some, setting), packed)
        missed = [
            (samples, self._silent(_searched(voice, parts), merged(_said_in(parts)).words))
            for (samples, voice), parts in zip(sounds, heard, strict=True)
        ]
        tried = self._of_each(lambda some: hear_again(self._model, some), missed)
        return [
            self._whole(voice, parts, more)
            for (_, voice), parts, more in zip(sounds, heard, tried, strict=True)
        ]

    def _whole(
        self, voice: tuple[Stretch, ...], parts: Sequence[Transcript], tried: Sequence[Said]
    ) -> Transcript:
        """All passages of a sound as one, with what was put into words in a second try."""
        said = merged([*_said_in(parts), *tried])
        unclear = [
            *(stretch for part in parts for stretch in part.unclear),
            *(stretch for one in tried for stretch in one.lost),
            *self._silent(_searched(voice, parts), said.words),
        ]
        language, covered = _language_of_all(parts)
        return Transcript(
            words=said.words,
            others=said.others,
            voice=voice,
            unclear=tuple(joined(unclear)),
            language=language,
            covered=covered,
        )

    def _of_each(
        self,
        work: Callable[[Sequence[Passage]], Sequence[T]],
        sounds: Sequence[tuple[Samples, Sequence[Stretch]]],
    ) -> list[list[T]]:
        """What `work` makes of each stretch of each sound, given some of them at a time."""
        flat = [(samples, one) for samples, stretches in sounds for one in stretches]
        done = chain.from_iterable(self._each(work, _groups(flat, self._workers)))
        return [[next(done) for _ in stretches] for _, stretches in sounds]

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


def _voice(samples: Samples, setting: Setting) -> tuple[Stretch, ...]:
    return find_voice(samples, threshold=setting.voice_threshold, longest=setting.longest)


def _known(language: str) -> str:
    """A language that need not be told again, or ""."""
    return "" if language in {UNDETERMINED, SEVERAL} else language


def _groups(parts: Sequence[T], workers: int) -> list[Sequence[T]]:
    """The parts in order, TOGETHER in a group; fewer at the end, so that no worker waits long."""
    groups: list[Sequence[T]] = []
    while parts:
        size = min(TOGETHER, -(-len(parts) // workers))
        groups.append(parts[:size])
        parts = parts[size:]
    return groups


def _said_in(parts: Iterable[Transcript]) -> list[Said]:
    return [Said(words=part.words, others=part.others) for part in parts]


def _searched(voice: Sequence[Stretch], parts: Iterable[Transcript]) -> list[Stretch]:
    """Voice in a language that can be searched: other voice is no matter of clear or unclear."""
    heard = [stretch for part in parts if part.covered for stretch in part.voice]
    return outside(voice, outside(voice, heard))


def _language_of_all(parts: Sequence[Transcript]) -> tuple[str, bool]:
    """The clip's language: one passage that can't be searched speaks for all."""
    if not parts:
        return "", True
    others = [part.language for part in parts if not part.covered]
    told = COVERED if any(part.language for part in parts) else ""
    return (others[0], False) if others else (told, True)
