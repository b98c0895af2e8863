"""Which threshold reaches a recall on labelled footage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from redact.detectors import PictureDetector
from redact.detectors.upright import upright
from redact.evaluate.measures import NONE, Share
from redact.evaluate.score import SMALLEST
from redact.evaluate.truth import Label, Labelled
from redact.media.decode import frames
from redact.media.probe import Clip, probe
from redact.policy import Policy
from redact.tracking import link
from redact.types import Box, Detection, Frame, Kind

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)

COVERED = 0.75
"""A labelled box is found if this share of it lies in one box that was found, or more."""

BATCH = 4


@dataclass(slots=True)
class Recall:
    """At one threshold: labelled things that were found, and boxes that hold nothing labelled."""

    threshold: float
    single: Share = NONE  # each frame for itself
    tracked: Share = NONE  # with the gaps of its track filled
    false_alarms: Share = NONE  # boxes, of frames


def recalls(
    labelled: Sequence[Labelled],
    kind: Kind,
    detectors: Sequence[PictureDetector],
    policy: Policy,
    watch: Callable[[float], None] = lambda _share: None,
) -> list[Recall]:
    """
    For each threshold, how much of what is labelled as `kind` every frame's first look finds.

    `detectors` are the first look's at THRESHOLDS.
    Each frame is looked at. What a threshold does between looks, and the second look, are not in
    it: it says which threshold to try, and `redact evaluate` what comes of it.
    """
    found = [Recall(threshold) for threshold in THRESHOLDS]
    pictures = [one for one in labelled if one.frames is not None]
    for number, one in enumerate(pictures):
        _count(one, kind, detectors, policy, found)
        watch((number + 1) / len(pictures))
    return found


def _count(
    one: Labelled,
    kind: Kind,
    detectors: Sequence[PictureDetector],
    policy: Policy,
    found: Sequence[Recall],
) -> None:
    clip = probe(one.path, policy.limits)
    assert clip.picture is not None
    labels = one.fitted(clip.picture.frames).frames or ()
    margin = policy.covering(kind).margin
    for recall, looks in zip(found, _looks(clip, kind, detectors), strict=True):
        tracks = link(
            looks,
            frames=len(labels),
            rate=float(clip.picture.rate or 25),
            width=clip.picture.width,
            height=clip.picture.height,
            cuts=(),
        )
        for index, at in enumerate(labels):
            wanted = [label for label in at if label.kind is kind and label.box.height >= SMALLEST]
            raw = [one.box for one in looks[index] if not (one.doubtful or one.weak)]
            filled = [t.boxes[index - t.first] for t in tracks if t.first <= index <= t.last]
            recall.single += _hit(wanted, [box.grow(margin) for box in raw])
            recall.tracked += _hit(wanted, [box.grow(margin) for box in filled])
            alarms = sum(not any(box & label.box for label in at) for box in raw)
            recall.false_alarms += Share(alarms, 1)


def _looks(
    clip: Clip, kind: Kind, detectors: Sequence[PictureDetector]
) -> list[dict[int, list[Detection]]]:
    """For each detector, what it finds in each frame."""
    assert clip.picture is not None
    turned = [upright(detector, clip.picture.rotation) for detector in detectors]
    looks: list[dict[int, list[Detection]]] = [{} for _ in detectors]
    for batch in _batches(frames(clip)):
        for detector, here in zip(turned, looks, strict=True):
            for frame, detections in zip(batch, detector.detect(batch), strict=True):
                here[frame.index] = [one for one in detections if one.kind is kind]
    return looks


def _hit(wanted: Sequence[Label], boxes: Sequence[Box]) -> Share:
    hits = sum(any(_covers(box, label.box) for box in boxes) for label in wanted)
    return Share(hits, len(wanted))


def _covers(box: Box, labelled: Box) -> bool:
    shared = box & labelled
    return shared is not None and shared.area >= COVERED * labelled.area


def _batches(source: Iterator[Frame]) -> Iterator[list[Frame]]:
    while batch := list(islice(source, BATCH)):
        yield batch


def suggestion(found: Sequence[Recall], wanted: float) -> str:
    """Which thresholds reach a recall, in words."""
    single = [one.threshold for one in found if one.single.value >= wanted]
    tracked = [one.threshold for one in found if one.tracked.value >= wanted]
    if not tracked and not single:
        best = max(found, key=lambda one: one.tracked.value)
        return (
            f"no threshold reaches {wanted:.1%}: at {best.threshold:g} the recall is "
            f"{best.tracked.value:.1%} with tracking. Look at a larger size (long_side)."
        )
    parts = [f"{max(tracked):g} with tracking" if tracked else ""]
    parts.append(f"{max(single):g} of single looks" if single else "no threshold of single looks")
    return f"a recall of {wanted:.1%} is reached at min_score {', '.join(filter(None, parts))}"
