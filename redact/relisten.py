"""The second listen: the recogniser, with other settings, on the sound around what was removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from redact.detectors.names import Heard, NameDetector
from redact.detectors.voice import joined, outside
from redact.errors import Reason, ResidualError
from redact.listen import span_of, to_remove
from redact.media.ear import PIECE, Sound, sound
from redact.media.probe import Clip
from redact.plan import Cut, Plan
from redact.policy import Policy
from redact.types import Samples, Span

AROUND_SECONDS = 4.0
"""How much sound around a removed span is listened to again."""
BEYOND_A_WORD_US = 500_000
"""How much less than this of a found name may lie beside what was removed."""
AT_ONCE = 12 * PIECE
"""Samples of windows that are in memory, and listened to side by side."""
SILENT = 0.003
"""Root mean square of what may be left inside a silenced span by a lossy encoder."""


def listen_again(
    source: Clip,
    clip: Clip,
    plan: Plan,
    detector: NameDetector,
    policy: Policy,
    known: Sequence[Cut] = (),
) -> tuple[tuple[Span, ...], int]:
    """
    The recogniser on the sound around every removed span, with other settings.

    `known` are the cuts around which an earlier second look listened: what it found there is among
    the others, and nothing else has changed. The microseconds count what it listened to as well:
    the same sound, encoded once more.
    """
    found: list[Span] = []
    listened = 0
    for before, after in zip(source.sound, clip.sound, strict=True):
        cuts = [cut for cut in plan.cuts if cut.stream == before.index]
        ears = sound(clip, after) if cuts else []
        # Channels may be heard one by one that were not, before more of them was cut.
        new = cuts if len(ears) > 1 else [cut for cut in cuts if cut not in known]
        for ear in ears:
            _silent(ear, cuts)
            listened += sum(_us_of(window) for window in _windows(ear, cuts))
            for window, heard in _heard(_windows(ear, new), detector, plan.looked.language):
                # The first look understood it all: what this one does not is removed.
                for one in to_remove(heard, policy):
                    span = span_of(one, window, before.index, detector.name)
                    found += [] if _removed(span, cuts) else [span]
    return tuple(found), listened


def _heard(
    windows: Iterable[Sound], detector: NameDetector, language: str
) -> Iterator[tuple[Sound, Heard]]:
    """What is heard again in each window: in some at once, that are read one after the other."""
    for some in _some(windows):
        samples = [one.samples for one in some]
        if len(some) > 1:
            samples = [one[:] for one in samples]
        yield from zip(some, detector.listen_again(samples, language=language), strict=True)


def _some(windows: Iterable[Sound]) -> Iterator[list[Sound]]:
    """The windows in order, as many at once as AT_ONCE allows; a longer one alone."""
    some: list[Sound] = []
    for window in windows:
        if some and sum(len(one.samples) for one in [*some, window]) > AT_ONCE:
            yield some
            some = []
        some.append(window)
    if some:
        yield some


def _silent(ear: Sound, cuts: Sequence[Cut]) -> None:
    """Nothing is left inside a silenced span, but what a lossy encoder smears into its ends."""
    for cut in sorted(cuts, key=lambda cut: cut.start_us):
        if cut.method != "silence":
            continue
        inside = _piece(ear, cut.start_us + 30_000, cut.end_us - 30_000).samples
        if any(_level(part) > SILENT for part in _parts(inside)):
            raise ResidualError(
                f"the sound at {cut.start_us / 1e6:.2f} s was to be silent, and is not.",
                reason=Reason.STILL_AUDIBLE,
            )


def _parts(samples: Samples) -> Iterator[NDArray[np.float32]]:
    """The samples in equal parts of at most PIECE: in the mean of an hour a word is nothing."""
    count = -(-len(samples) // PIECE)
    for one in range(count):
        yield samples[len(samples) * one // count : len(samples) * (one + 1) // count]


def _level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _windows(ear: Sound, cuts: Sequence[Cut]) -> Iterator[Sound]:
    """The sound around the cuts, each stretch once."""
    around = round(AROUND_SECONDS * 1_000_000)
    near = joined((cut.start_us - around, cut.end_us + around) for cut in cuts)
    pieces = (_piece(ear, int(start), int(end)) for start, end in near)
    return (piece for piece in pieces if len(piece.samples))


@dataclass(frozen=True, slots=True)
class _Part:
    """samples[first:last], read when it is asked for."""

    samples: Samples
    first: int
    last: int

    def __len__(self) -> int:
        return len(range(self.first, min(self.last, len(self.samples))))

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        first, last, _ = part.indices(len(self))
        return self.samples[self.first + first : self.first + last]


def _us_of(window: Sound) -> int:
    return len(window.samples) * 1_000_000 // window.rate


def _piece(ear: Sound, start_us: int, end_us: int) -> Sound:
    first = max(0, (start_us - ear.start_us) * ear.rate // 1_000_000)
    last = max(first, (end_us - ear.start_us) * ear.rate // 1_000_000)
    return replace(
        ear,
        samples=_Part(ear.samples, first, last),
        start_us=ear.start_us + first * 1_000_000 // ear.rate,
    )


def _removed(span: Span, cuts: Sequence[Cut]) -> bool:
    """Whether nearly all of the span is removed: a recogniser's times reach past a word."""
    removed = joined((cut.start_us, cut.end_us) for cut in cuts)
    left = sum(end - start for start, end in outside([(span.start_us, span.end_us)], removed))
    return left < BEYOND_A_WORD_US and left * 2 <= span.end_us - span.start_us
