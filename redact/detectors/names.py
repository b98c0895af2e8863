"""Where in a sound names of persons are spoken: words that are names, as padded stretches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from redact.detectors.alike import names_in
from redact.detectors.contacts import contacts
from redact.detectors.hearing import Transcript
from redact.detectors.opinions import beyond, doubted, moved
from redact.detectors.persons import PersonFinder
from redact.detectors.speech import Recogniser
from redact.detectors.stretches import Found, name_spans
from redact.detectors.tokens import tokens_of
from redact.detectors.voice import Stretch, around
from redact.detectors.words import Word
from redact.policy import Caution
from redact.types import Kind, Samples

SECOND = 2
"""Votes of the second recogniser: it errs elsewhere than the first, which a beam hardly does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """
    How much doubt is enough to remove a word that was not heard as a name.

    sure: probability from which on the recogniser is believed.
    votes: that a less sure word needs; a beam that came second or later has one, the second
        recogniser two.
    """

    sure: float
    votes: int


DOUBTS: dict[Caution, Doubt | None] = {
    "low": None,
    "normal": Doubt(sure=0.7, votes=2),
    "high": Doubt(sure=0.9, votes=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """
    What listening found, in seconds from the first sample, in order; never what was said.

    names: (start, end, score); padded as was measured for the model, extended to the neighbouring
        words, joined. Empty when `covered` is False means nothing.
    speech: where there is voice.
    unclear: voice of more than 0.6 s that the recogniser put no words to, and what it made no sense
        of in any of its tries.
    language: ISO 639-1; "und" if it can't be told; "" without speech.
    covered: whether names can be found in all of the speech.
    others: what else the policy wants removed, padded like the names.
    """

    names: tuple[Found, ...]
    speech: tuple[Stretch, ...]
    unclear: tuple[Stretch, ...]
    language: str
    covered: bool
    others: tuple[tuple[Kind, float, float], ...] = ()


class NameDetector:
    """
    Finds spoken names with a Whisper and a spaCy model.

    Args:
        speech: folder of a Whisper, see `open_recogniser`.
        names: folder of a spaCy model with a "ner" component.
        label: what plan and ledger record, see `name`.
        threads: of the CPU; 0 takes all that this process may use.
        device: "cpu" or "cuda".
        second: folder of another Whisper, asked where the first is unsure.
        caution: how much doubt is enough, see the policy.
        also: kinds of speech beside names to look for.

    Raises DetectorError if a model can't be opened.
    """

    name: str
    """The models' names and the starts of their sha256."""
    _turn = threading.Lock()
    """One clip at a time is listened to, of those that a process works on."""

    def __init__(
        self,
        speech: Path,
        names: Path,
        *,
        label: str,
        threads: int = 0,
        device: str = "cpu",
        second: Path | None = None,
        caution: Caution = "normal",
        also: frozenset[Kind] = frozenset(),
    ) -> None:
        self.name = label
        self._recogniser = Recogniser(speech, threads=threads, device=device)
        self._finder = PersonFinder(names)
        # Its words are votes against the first one's: what it guesses would remove speech.
        self._second = (
            Recogniser(second, threads=threads, device=device, whole=True) if second else None
        )
        self._doubt = DOUBTS[caution]
        self._also = also
        self.note = self._recogniser.note
        """What the user should know of where it runs."""

    def listen(self, samples: Samples) -> Heard:
        """
        Find the names in `samples`, mono at 16 kHz.

        No names is "listened, and heard none"; DetectorError is raised if it could not listen.
        """
        return self.listen_together([samples])[0]

    def listen_again(self, windows: Sequence[Samples], *, language: str = "") -> list[Heard]:
        """
        What a second look hears in each window, as `listen`; several windows at once.

        With another setting (passages, voice threshold, beam, temperatures). `language` is what
        they are known to be in, as an earlier listen to more of them told it; it is told anew
        where it is "", "und" or "mul".
        """
        with self._turn:
            heard = self._recogniser.listen_again(windows, language=language)
            # The second look holds a clip: what it only doubts must not.
            return [
                self._find_all([one], [samples], doubt=None)[0]
                for one, samples in zip(heard, windows, strict=True)
            ]

    def listen_together(self, ears: Sequence[Samples]) -> list[Heard]:
        """As `listen`, to several ears of one clip: a name heard in one is looked for in all."""
        with self._turn:
            heard = [self._recogniser.listen(samples) for samples in ears]
            return self._find_all(heard, ears, doubt=self._doubt)

    def _find_all(
        self,
        heard: Sequence[Transcript],
        ears: Sequence[Samples],
        doubt: Doubt | None,
    ) -> list[Heard]:
        with ThreadPoolExecutor(1) as pool:  # the second listens while names are found
            asked = [
                pool.submit(self._second_words, one, samples, doubt)
                for one, samples in zip(heard, ears, strict=True)
            ]
            try:
                known = self._surely_heard(heard)
                return [
                    self._find(*one, known, doubt) for one in zip(heard, ears, asked, strict=True)
                ]
            finally:  # after a failure nobody waits for the others
                pool.shutdown(wait=False, cancel_futures=True)

    def _surely_heard(self, heard: Sequence[Transcript]) -> frozenset[str]:
        """The names in what was said, in memory for as long as these ears are listened to."""
        scores = [self._finder.find(one.words) for one in heard]
        return frozenset[str]().union(
            *(
                names_in(tokens_of(one.words), score)
                for one, score in zip(heard, scores, strict=True)
            )
        )

    def _find(
        self,
        heard: Transcript,
        samples: Samples,
        asked: Future[list[Word] | None],
        known: frozenset[str],
        doubt: Doubt | None,
    ) -> Heard:
        scores = self._finder.find(heard.words, known)
        names = name_spans(heard.words, scores, samples, self._recogniser.padding)
        doubts = self._doubts(heard, scores, asked, known, doubt) if doubt else []
        more = name_spans(heard.words, doubts, samples, self._recogniser.padding)
        return Heard(
            names=tuple(sorted([*names, *beyond(names, more)])),
            speech=heard.voice,
            unclear=heard.unclear,
            language=heard.language,
            covered=heard.covered,
            others=tuple(self._contacts(heard, samples)),
        )

    def _second_words(
        self, heard: Transcript, samples: Samples, doubt: Doubt | None
    ) -> list[Word] | None:
        """What the second recogniser hears where the first is unsure; None if it is not asked."""
        if doubt is None or self._second is None or not heard.covered:
            return None
        unsure = [word for word in heard.words if word.probability < doubt.sure]
        if not unsure:
            return None
        within = around(heard.voice, unsure)
        other = self._second.listen(samples, language=heard.language, within=within)
        return moved(other.words, _late(self._second) - _late(self._recogniser))

    def _doubts(
        self,
        heard: Transcript,
        scores: Sequence[float],
        asked: Future[list[Word] | None],
        known: frozenset[str],
        doubt: Doubt,
    ) -> list[float]:
        """A score for each word that was not surely heard, and that may be a name."""
        others = [(words, self._finder.find(words, known), 1) for words in heard.others]
        second = asked.result()
        if second is not None:
            others.append((tuple(second), self._finder.find(second, known), SECOND))
        return doubted(
            heard.words, scores, others, votes=doubt.votes, sure=doubt.sure, second=second
        )

    def _contacts(self, heard: Transcript, samples: Samples) -> Iterator[tuple[Kind, float, float]]:
        """What else the policy wants to go, kind by kind."""
        found = contacts(tokens_of(heard.words), self._also) if self._also else []
        for kind in sorted({kind for kind, _, _ in found}):
            scores = [0.0] * len(heard.words)
            for first, last in ((first, last) for other, first, last in found if other == kind):
                scores[first:last] = [1.0] * (last - first)
            for start, end, _ in name_spans(heard.words, scores, samples, self._recogniser.padding):
                yield kind, start, end


def _late(recogniser: Recogniser) -> float:
    """Seconds by which its words are heard after the times it gives."""
    before, after = recogniser.bias
    return (after - before) / 2
