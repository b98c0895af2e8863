"""Scores an output against the truth: what can still be seen, heard or read in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.evaluate import (
    Share,
    audible_frames,
    leaked,
    over_redaction,
    sound_leaked,
)
from redact.media.decode import frames, sound
from redact.media.probe import Clip, probe
from redact.policy import Limits
from redact.types import Box, Frame

SMALLEST = 16
"""Labelled boxes that are less high (in pixels) are not counted (design, section 13)."""


@dataclass(frozen=True)
class Seen:
    """Of one clip's labelled boxes and of the pixels outside them."""

    instances: Share  # those that leaked, of all
    longest_run: int  # frames in a row with a leak
    over: Share  # pixels redacted outside the labelled boxes


@dataclass(frozen=True)
class Heard:
    names: Share  # those that leaked, of all
    muted: Share  # names of which 80 % of the voiced frames are gone
    others: Share  # voiced frames outside the names that are gone, of all


def see(source: Path, output: Path, truth: Sequence[Sequence[Sequence[float]]]) -> Seen:
    """Compares each frame; `truth` has for each the boxes [x, y, width, height]."""
    before, after = (probe(path, Limits()) for path in (source, output))
    instances, over, run, longest = Share(0, 0), Share(0, 0), 0, 0
    for boxes, (old, new) in zip(truth, _pairs(before, after), strict=True):
        labelled = [Box.covering(x, y, x + w, y + h) for x, y, w, h in boxes]
        counted = [box for box in labelled if box.height >= SMALLEST]
        here = sum(leaked(old, new, box) for box in counted)
        instances += Share(here, len(counted))
        over += over_redaction(old, new, labelled)
        run = run + 1 if here else 0
        longest = max(longest, run)
    return Seen(instances, longest, over)


def hear(source: Path, output: Path, names: Sequence[dict[str, Any]]) -> Heard:
    """Compares the first sound streams; each name has its `times` in seconds."""
    (old, rate), (new, _) = _sound(source), _sound(output)
    spans = [(start, end) for name in names for start, end in name["times"]]
    gone = [audible_frames(old, new, rate, span) for span in spans]
    return Heard(
        names=Share(sum(sound_leaked(old, new, rate, span) for span in spans), len(spans)),
        muted=Share(sum(one.part <= 0.2 * one.whole for one in gone), len(gone)),
        others=_others(old, new, rate, spans),
    )


def left_in(output: Path, planted: dict[str, list[str]]) -> list[str]:
    """Which planted texts or bytes (under "hex") can still be found in the file's bytes."""
    data = output.read_bytes()
    found = []
    for kind, texts in planted.items():
        for text in texts:
            forms = [bytes.fromhex(text)] if kind == "hex" else _encodings(text)
            if any(form in data for form in forms):
                found.append(kind)
    return found


def _encodings(text: str) -> list[bytes]:
    return [text.encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")]


def _pairs(before: Clip, after: Clip) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    for old, new in zip(frames(before), frames(after), strict=True):
        yield _luma(old), _luma(new)


def _luma(frame: Frame) -> NDArray[np.uint8]:
    """The first plane, or of R, G, B the green one, which is nearest to it."""
    plane = frame.planes[1 if frame.rgb else 0]
    return (plane >> (frame.depth - 8)).astype(np.uint8)


def _sound(path: Path) -> tuple[NDArray[np.float32], int]:
    clip = probe(path, Limits())
    ear = sound(clip, clip.sound[0])[0]
    lead = np.zeros(max(0, ear.start_us * ear.rate // 1_000_000), np.float32)
    return np.concatenate([lead, ear.samples]), ear.rate


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
