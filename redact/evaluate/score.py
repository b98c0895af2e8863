"""Scores one published file against the truth: what can still be seen and heard in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redact.evaluate.measures import (
    NONE,
    Luma,
    Share,
    audible_frames,
    error_outside,
    leaked,
    over_redaction,
    psnr,
    seen_cells,
    sound_leaked,
)
from redact.evaluate.truth import Label
from redact.media.decode import frames
from redact.media.ear import sound
from redact.media.probe import Clip, probe
from redact.methods import touched
from redact.policy import Limits
from redact.tracking.chains import chained
from redact.tracking.fill import Chain, Scene
from redact.types import Box, Detection, Frame, Kind

BANDS = ((10, 16), (16, 32), (32, 64), (64, 1 << 30))
"""Heights of labelled boxes, in pixels."""

SMALLEST = 16
"""Labelled boxes that are less high are not counted, but in the first band (design, section 13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Of one kind of labelled things: how many leaked, of all."""

    bands: tuple[Share, ...] = (NONE,) * len(BANDS)
    tracks: Share = NONE
    longest_run: int = 0  # frames in a row with a leak

    @property
    def instances(self) -> Share:
        return reduce(Share.__add__, self.bands[1:])

    def __add__(self, other: Leak) -> Leak:
        return Leak(
            bands=tuple(a + b for a, b in zip(self.bands, other.bands, strict=True)),
            tracks=self.tracks + other.tracks,
            longest_run=max(self.longest_run, other.longest_run),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Of one file's picture, or of several."""

    leaks: Mapping[Kind, Leak] = field(default_factory=dict)
    over: Share = NONE  # pixels redacted outside the labelled boxes
    error: Share = NONE  # squared levels, of pixels outside what was covered
    on_time: Share = NONE  # frames at the time that they had

    @property
    def psnr(self) -> float:
        """In dB, outside of what was covered; infinite where nothing differs."""
        return psnr(self.error)

    def __add__(self, other: Seen) -> Seen:
        kinds = [*self.leaks, *(kind for kind in other.leaks if kind not in self.leaks)]
        return Seen(
            leaks={k: self.leaks.get(k, Leak()) + other.leaks.get(k, Leak()) for k in kinds},
            over=self.over + other.over,
            error=self.error + other.error,
            on_time=self.on_time + other.on_time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Of one file's sound, or of several."""

    names: Share = NONE  # those that leaked, of all
    muted: Share = NONE  # names of which 80 % of the voiced frames are gone
    others: Share = NONE  # voiced frames outside the names that are gone, of all

    def __add__(self, other: Heard) -> Heard:
        return Heard(
            names=self.names + other.names,
            muted=self.muted + other.muted,
            others=self.others + other.others,
        )


@dataclass(frozen=True, slots=True)
class Bad:
    """A frame in which much of what is labelled can still be seen: the worst are shown."""

    name: str  # of the file
    share: float  # of the textured cells of the box that shows most
    leaks: int
    index: int
    frame: Frame  # of the redacted output
    labels: tuple[tuple[Label, bool], ...]  # and whether it leaked


def see(
    source: Path,
    output: Path,
    truth: Sequence[Sequence[Label]],
    covered: Sequence[Sequence[Box]] | None = None,
    worst: list[Bad] | None = None,
) -> Seen:
    """
    Compares each frame of the decoded output with that of the source.

    Args:
        truth: the labels of each frame.
        covered: of each frame, the boxes that were covered: fidelity is measured outside of them.
        worst: gets the frames in which something labelled can still be seen.

    Raises ValueError where the two have not the same number of frames, or not the truth's.
    """
    before, after = (probe(path, Limits()) for path in (source, output))
    seen = Seen()
    found: dict[int, list[tuple[Label, bool]]] = {}
    for labels, (old, new) in zip(truth, _pairs(before, after), strict=True):
        lumas = luma(old), luma(new)
        found[old.index] = [(label, leaked(*lumas, label.box)) for label in labels]
        boxes = None if covered is None else _touched(new, covered[old.index])
        seen += Seen(
            over=over_redaction(*lumas, [label.box for label in labels]),
            error=error_outside(*lumas, boxes) if boxes is not None else NONE,
            on_time=Share(int(_time(old) == _time(new)), 1),
        )
        if worst is not None and found[old.index]:
            worst += _bad(source.name, old, new, found[old.index])
    rate = float(before.picture.rate) if before.picture else 25.0
    kinds = {label.kind for labels in truth for label in labels}
    return seen + Seen(leaks={kind: _leak(kind, found, rate) for kind in kinds})


def _touched(frame: Frame, covered: Sequence[Box]) -> list[Box]:
    return [touched(box, frame.width, frame.height) for box in covered]


def _time(frame: Frame) -> float:
    return round(float(frame.pts * frame.time_base), 3)  # Matroska counts in milliseconds


def _bad(name: str, old: Frame, new: Frame, found: list[tuple[Label, bool]]) -> Iterator[Bad]:
    share = max(seen_cells(luma(old), luma(new), label.box).value for label, _ in found)
    leaks = sum(leaks for _, leaks in found)
    if share or leaks:
        yield Bad(name, share, leaks, new.index, new, tuple(found))


def _leak(kind: Kind, found: Mapping[int, Sequence[tuple[Label, bool]]], rate: float) -> Leak:
    of_kind = {index: [one for one in here if one[0].kind is kind] for index, here in found.items()}
    counted = {
        index: [one for one in here if one[0].box.height >= SMALLEST]
        for index, here in of_kind.items()
    }
    run = longest = 0
    for index in sorted(counted):
        run = run + 1 if any(leaks for _, leaks in counted[index]) else 0
        longest = max(longest, run)
    everything = [one for here in of_kind.values() for one in here]
    return Leak(
        bands=tuple(_band(everything, low, high) for low, high in BANDS),
        tracks=_tracks(counted, rate),
        longest_run=longest,
    )


def _band(found: Sequence[tuple[Label, bool]], low: int, high: int) -> Share:
    inside = [leaks for label, leaks in found if low <= label.box.height < high]
    return Share(sum(inside), len(inside))


def _tracks(found: Mapping[int, Sequence[tuple[Label, bool]]], rate: float) -> Share:
    """Tracks with one leaked frame or more: by the truth's ids, or linked by where they are."""
    by_id: dict[int | str, bool] = {}
    unknown: dict[int, list[Detection]] = {}
    leaking: set[int] = set()
    for index, here in found.items():
        unknown[index] = []
        for label, leaks in here:
            if label.track is not None:
                by_id[label.track] = by_id.get(label.track, False) or leaks
                continue
            unknown[index].append(Detection(label.kind, label.box, 1.0, "truth"))
            if leaks:
                leaking.add(id(unknown[index][-1]))
    chains = _linked(unknown, rate)
    linked = [any(id(one) in leaking for _, one in chain) for chain in chains]
    return Share(sum(by_id.values()) + sum(linked), len(by_id) + len(linked))


def _linked(found: Mapping[int, Sequence[Detection]], rate: float) -> list[Chain]:
    looked = sorted(found)
    end = looked[-1] + 1 if looked else 0
    return chained(found, Scene(0, end, looked, rate, Box(0, 0, 1, 1), looked))


def hear(
    source: Path,
    output: Path,
    spans: Sequence[tuple[float, float]],
    neither: Sequence[tuple[float, float]] = (),
) -> Heard:
    """
    Compares the first sound streams; spans are of the names, in seconds.

    What is said in `neither` counts as no name and as no other speech.
    """
    (old, rate), (new, _) = _sound(source), _sound(output)
    gone = [audible_frames(old, new, rate, span) for span in spans]
    return Heard(
        names=Share(sum(sound_leaked(old, new, rate, span) for span in spans), len(spans)),
        muted=Share(sum(one.part <= 0.2 * one.whole for one in gone), len(gone)),
        others=_others(old, new, rate, [*spans, *neither]),
    )


def _pairs(before: Clip, after: Clip) -> Iterator[tuple[Frame, Frame]]:
    yield from zip(frames(before), frames(after), strict=True)


def luma(frame: Frame) -> Luma:
    """The first plane in 8 bits, or of R, G, B the green one, which is nearest to it."""
    plane = frame.planes[1 if frame.rgb else 0]
    return (plane >> (frame.depth - 8)).astype(np.uint8)


def _sound(path: Path) -> tuple[NDArray[np.float32], int]:
    clip = probe(path, Limits())
    ear = sound(clip, clip.sound[0])[0]
    lead = np.zeros(max(0, ear.start_us * ear.rate // 1_000_000), np.float32)
    return np.concatenate([lead, ear.samples[:]]), ear.rate


def _others(
    old: NDArray[np.float32],
    new: NDArray[np.float32],
    rate: int,
    spans: Sequence[tuple[float, float]],
) -> Share:
    """Voiced frames before, between and after the names: those that can be heard no more."""
    edges = [0.0, *(edge for span in sorted(spans) for edge in span), len(old) / rate]
    lost = Share(0, 0)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end > start:
            still = audible_frames(old, new, rate, (start, end))
            lost += Share(still.whole - still.part, still.whole)
    return lost
