"""
A second look at what a plan would leave to be seen, before anything is encoded.

What the second look would find in the output is nearly all found here, and costs a look at some
frames instead of another round of encoding. It judges nothing: the output is looked at all the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from redact.check import Covered, second_look
from redact.detectors import PictureDetector
from redact.detectors.opened import Detectors
from redact.look import Looker
from redact.media.ahead import ahead
from redact.media.decode import frames
from redact.media.probe import Clip
from redact.methods import Patch
from redact.plan import Plan
from redact.planning import grown
from redact.policy import Policy
from redact.remove import Cover
from redact.schedule import Chooser
from redact.types import Detection, Frame, Track

Known = dict[tuple[int, int], tuple[list[Patch], list[Detection]]]
"""By frame and its number of planes: how it was covered, and what was found in it then."""


def rehearse(
    clip: Clip,
    plan: Plan,
    detectors: Detectors,
    policy: Policy,
    progress: Callable[[float], None],
    kept: Chooser | None = None,
) -> Plan:
    """
    The plan, and what a second look finds in the clip's frames once they are covered as it says.

    As often as the output might be rendered: what covers one thing may look like another. `kept` is
    what a second look chose of the clip's frames; without it they are decoded each time. Raises
    InputError where the picture does not decode, DetectorError where a detector could not look.
    """
    known: tuple[Known, Known] = ({}, {})  # thorough, quick
    for _ in range(policy.check.rounds + 1):
        cover = Cover(plan, policy)
        eyes = [partial(_OnceCovered, cover=cover, known=one) for one in known]
        looker = second_look(clip, detectors.wary(), policy, through=eyes)
        tracks = _left(clip, plan, looker, kept, progress)
        if not tracks:
            break
        plan = grown(plan, clip, tracks, (), policy)
    return plan


def _left(
    clip: Clip,
    plan: Plan,
    looker: Looker,
    kept: Chooser | None,
    progress: Callable[[float], None],
) -> tuple[Track, ...]:
    """What the looker finds that the plan does not cover."""
    assert clip.picture is not None
    if kept is not None:
        looker.look_at(kept)
    for frame in ahead(frames(clip)) if kept is None else ():
        looker.take(frame)
        progress(min(frame.index / max(plan.looked.frames, 1), 1.0))
    rate = float(clip.picture.rate or 25)
    return looker.seen(rate=rate, ignore=Covered(plan.regions).hides).tracks


class _OnceCovered:
    """A detector that covers a copy of each frame before it looks; what it knows, it looks up."""

    def __init__(self, detector: PictureDetector, cover: Cover, known: Known) -> None:
        self.name = detector.name
        self._detector, self._cover, self._known = detector, cover, known

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """See PictureDetector.detect."""
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> list[Detection]:
        patches = self._cover.patches(frame)
        key = (frame.index, len(frame.planes))
        before = self._known.get(key)
        if before is None or before[0] != patches:
            copy = replace(frame, planes=tuple(np.copy(plane) for plane in frame.planes))
            self._cover.change(copy)
            before = self._known[key] = (patches, self._detector.detect([copy])[0])
        return list(before[1])
