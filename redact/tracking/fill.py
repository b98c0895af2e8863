"""Fills a track: boxes between its detections, and before and after them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.types import Box, Detection, Track

TAIL_SECONDS = 0.2
"""A track goes on for this long past the look that did not find it any more."""

LEAD = 0.25
"""How far the true motion may run ahead of an even one or lag behind it, as a share of a gap."""

DOUBT_SECONDS = 0.2
"""How far to each side a box's neighbours in time are asked whether it is right."""

LEAVE_SECONDS = 1.0
"""What is on its way out of the picture, or in, is covered for this long at most past the looks
that find it, until it is out: of half a face a detector is less sure."""

SPEED_SECONDS = 0.5
"""Its speed is that of so long before the last look that found it."""

DRIFT_PER_SECOND = 0.5
"""How fast a box grows past its track's ends, each side, as a share of its size."""

DRIFT = 0.15
"""How much it grows there at most."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the tracks of one scene must know of it."""

    first: int
    end: int  # exclusive
    looked: list[int]  # the frames that were looked at, in order
    rate: float
    picture: Box
    thorough: list[int]  # of these, the looks that could find everything

    def look_before(self, index: int) -> int:
        """The last look before this frame; the scene's first frame less one if there is none."""
        return _before(self.looked, index, self.first - 1)

    def look_after(self, index: int) -> int:
        """The next look after this frame; the scene's end if there is none."""
        return _after(self.looked, index, self.end)

    def trusted(self, at: NDArray[Any]) -> list[int]:
        """The looks that can say of a track, found in the frames `at`, that it is gone."""
        return self.thorough if set(at.tolist()) <= set(self.thorough) else self.looked


def _before(looks: list[int], index: int, start: int) -> int:
    place = bisect_left(looks, index)
    return looks[place - 1] if place else start


def _after(looks: list[int], index: int, end: int) -> int:
    place = bisect_right(looks, index)
    return looks[place] if place < len(looks) else end


Chain = list[tuple[int, Detection]]
"""The detections of one track, in the order of time, with their frame indices."""


def filled(chain: Chain, scene: Scene) -> Track:
    """A track with a box for each frame, from its first tail to its last."""
    at = np.array([index for index, _ in chain])
    places = np.array([edges(found.box) for _, found in chain], float)
    first, boxes = _with_tails(at, places, _between(at, places, scene), scene)
    best = max((found for _, found in chain), key=lambda found: found.score)
    return Track(
        kind=best.kind,
        first=first,
        boxes=tuple(_inside(edges, scene.picture) for edges in boxes.tolist()),
        score=best.score,
        detector=best.detector,
    )


def filled_on(chain: Chain, longer: Chain, scene: Scene) -> Track:
    """
    A track of the chain, and of what it goes on with: `longer`, which holds it.

    What the chain covers alone stays covered: a weak detection may lie beside the thing, and where
    one was seen at all says nothing of how surely others would be.
    """
    alone = filled(chain, scene)
    if len(longer) == len(chain):
        return alone
    both = filled(longer, scene)
    first, last = min(alone.first, both.first), max(alone.last, both.last)
    return replace(both, first=first, boxes=_union((alone, both), first, last))


def _union(tracks: Sequence[Track], first: int, last: int) -> tuple[Box, ...]:
    """For each frame, the box around those of all the tracks that have one there."""
    return tuple(
        reduce(Box.__or__, (t.boxes[n - t.first] for t in tracks if t.first <= n <= t.last))
        for n in range(first, last + 1)
    )


def _inside(edges: list[float], picture: Box) -> Box:
    box = Box.covering(*edges)
    return box & picture or box


def _between(at: NDArray[Any], places: NDArray[Any], scene: Scene) -> NDArray[Any]:
    """
    The edges (frames, 4) from the first detection to the last.

    Between two detections they hold every place where the thing is if its motion leads or lags
    an even one by LEAD of the gap. Each holds the detection before it up to the next look, and
    the one after it from the look before.
    """
    frames = np.arange(at[0], at[-1] + 1)
    gap = np.minimum(np.searchsorted(at, frames, side="right"), len(at) - 1)
    start, end = at[np.maximum(gap - 1, 0)], at[gap]
    lead = np.where(np.isin(frames, at), 0, LEAD * (end - start))
    boxes = _hull(
        _on_the_way(np.maximum(frames - lead, start), at, places),
        _on_the_way(np.minimum(frames + lead, end), at, places),
    )
    for index, place in zip(at.tolist(), places, strict=True):
        near = slice(max(scene.look_before(index) + 1 - at[0], 0), scene.look_after(index) - at[0])
        boxes[near] = _hull(boxes[near], place)
    return _doubted(boxes, _on_the_way(frames, at, places), scene.rate)


def _on_the_way(frames: NDArray[Any], at: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    return np.stack([np.interp(frames, at, edge) for edge in places.T], axis=1)


def _doubted(boxes: NDArray[Any], path: NDArray[Any], rate: float) -> NDArray[Any]:
    """
    Boxes that also hold the middle between where the thing was and where it will be.

    One look may find a chin for a face, or half of it: its neighbours know better. On a straight
    path this adds nothing.
    """
    for frames in range(1, min(round(DOUBT_SECONDS * rate), (len(path) - 1) // 2) + 1):
        middle = (path[: -2 * frames] + path[2 * frames :]) / 2
        boxes[frames:-frames] = _hull(boxes[frames:-frames], middle)
    return boxes


def _with_tails(
    at: NDArray[Any], places: NDArray[Any], boxes: NDArray[Any], scene: Scene
) -> tuple[int, NDArray[Any]]:
    """The track's first frame and edges, its tails included."""
    tail = ceil(TAIL_SECONDS * scene.rate)
    sure = scene.trusted(at)
    into, out = _leaving(at[::-1], places[::-1], scene), _leaving(at, places, scene)
    since = min(scene.look_before(int(at[0])) - tail, _before(sure, int(at[0]), scene.first - 1))
    until = max(scene.look_after(int(at[-1])) + tail, _after(sure, int(at[-1]), scene.end))
    first = max(min(since, int(at[0]) - len(into)), scene.first)
    end = min(max(until, int(at[-1]) + len(out)) + 1, scene.end)
    before = _tail(at[::-1], places[::-1], int(at[0]) - first, scene.rate)
    after = _tail(at, places, end - 1 - int(at[-1]), scene.rate)
    return first, np.concatenate([_with(before, into)[::-1], boxes, _with(after, out)])


def _with(tail: NDArray[Any], leaving: NDArray[Any]) -> NDArray[Any]:
    """The tail's edges (n, 4), which also hold where something is while it leaves the picture."""
    both = min(len(tail), len(leaving))
    return np.concatenate([_hull(tail[:both], leaving[:both]), tail[both:]])


def _leaving(at: NDArray[Any], places: NDArray[Any], scene: Scene) -> NDArray[Any]:
    """
    The edges (n, 4) of what leaves the picture, for the frames past its last detection.

    None, if it would not get to the picture's edge within a tail. It is out once the side across
    from that edge is: one that the edge cuts off seems to stand still.
    """
    if len(at) < 2:
        return np.empty((0, 4))
    start = min(int(np.argmax(np.abs(at - at[-1]) <= SPEED_SECONDS * scene.rate)), len(at) - 2)
    speed = (places[-1] - places[start]) / abs(int(at[-1]) - int(at[start]))
    outward, across = np.array([-1, -1, 1, 1]), [2, 3, 0, 1]
    left = outward * (np.array(edges(scene.picture)) - places[-1])  # of the way to each edge
    behind = outward * (np.array(edges(scene.picture)) - places[-1][across])
    going = outward * speed[across]
    leaves = (going > 0) & (left <= 1 + going * TAIL_SECONDS * scene.rate)
    if not leaves.any():
        return np.empty((0, 4))
    frames = min(ceil((behind[leaves] / going[leaves]).min()), round(LEAVE_SECONDS * scene.rate))
    motion = np.tile((speed[:2] + speed[2:]) / 2, 2)
    return np.asarray(places[-1] + motion * np.arange(1, frames + 1)[:, np.newaxis])


def _tail(at: NDArray[Any], places: NDArray[Any], length: int, rate: float) -> NDArray[Any]:
    """
    The edges of `length` frames past the last detection (before the first, if all is reversed).

    Each holds the last place, follows its motion, and grows with the distance: where nobody
    knows, more is covered.
    """
    last = places[-1]
    distance = np.arange(1, length + 1)[:, np.newaxis]
    motion = np.zeros(4)
    if len(at) > 1:
        moved = (places[-1] - places[-2]) / abs(int(at[-1]) - int(at[-2]))
        motion = np.tile((moved[:2] + moved[2:]) / 2, 2)
    ahead = last + motion * np.minimum(distance, TAIL_SECONDS * rate)
    grown = np.minimum(distance / rate * DRIFT_PER_SECOND, DRIFT)
    drift = grown * np.tile(last[2:] - last[:2], 2) * (-1, -1, 1, 1)
    return _hull(ahead, last + drift)


def _hull(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The smallest boxes that hold both, of edges (n, 4)."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.concatenate([low[..., :2], high[..., 2:]], axis=-1)


def edges(box: Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.x1, box.y1
