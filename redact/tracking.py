"""Links detections over time into tracks, fills what lies between and around, sees scene cuts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.types import Box, Detection, Frame, Track

BRIDGE_SECONDS = 2.0
"""A face that is missed for this long, and found again near by, was there all the time."""

TAIL_SECONDS = 0.35
"""A track goes on for this long past the look that did not find it any more."""

REACH = 0.6
"""How far a centre moves between two looks, in box sizes, however short the time is."""

REACH_PER_SECOND = 2.0
"""How much farther, in box sizes a second."""

RESIZE = 2.5
"""How many times taller or wider a box becomes between two detections of one track, at most."""

LEAD = 0.25
"""How far the true motion may run ahead of an even one or lag behind it, as a share of a gap."""

DRIFT_PER_SECOND = 0.5
"""How fast a box grows past its track's ends, each side, as a share of its size."""

DRIFT = 0.3
"""How much it grows there at most."""

THUMBNAIL = 32
"""Scenes are compared at this many pixels square."""

FLAT = 4.0
"""A thumbnail whose levels spread less than this shows nothing."""

ALIKE = 0.5
"""Two thumbnails that correlate more than this are of one scene."""

CHANGE = 12.0
"""A cut changes the levels by more than this on average."""

BEYOND_USUAL = 2.5
"""And by more than this many times the largest change of the last frames."""

MEMORY = 4
"""How many frames back that goes."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """What the tracks of one scene must know of it."""

    first: int
    end: int  # exclusive
    looked: list[int]  # the frames that were looked at, in order
    rate: float
    picture: Box


_Chain = list[tuple[int, Detection]]
"""The detections of one track, in the order of time, with their frame indices."""


def link(
    looks: Mapping[int, Sequence[Detection]],
    *,
    frames: int,
    rate: float,
    width: int,
    height: int,
    cuts: Collection[int],
) -> list[Track]:
    """
    Tracks that cover every detection, and what was missed between and around them.

    Args:
        looks: by frame index, what a look at that frame found; an empty list is a look that
            found nothing, a missing key a frame that nobody looked at.
        frames: how many frames the clip has.
        rate: frames per second, for the lengths given in seconds.
        width, height: of the picture; every box lies inside it.
        cuts: the first frame of each new scene; no track crosses one.

    Inside its scene, each detection lies in its track's boxes from the look before it to the
    look after it, and the track goes on for TAIL_SECONDS beyond the look that found it no more.
    The order of detections within a look does not matter. Tracks come in the order of time.
    """
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < frames}), frames]
    picture = Box(0, 0, width, height)
    tracks = []
    for first, end in pairwise(edges):
        looked = sorted(index for index in looks if first <= index < end)
        scene = _Clip(first, end, looked, rate, picture)
        tracks += [_track(chain, scene) for chain in _chains(looks, scene)]
    return sorted(tracks, key=lambda track: (track.first, _edges(track.boxes[0]), track.score))


def _chains(looks: Mapping[int, Sequence[Detection]], scene: _Clip) -> list[_Chain]:
    """The detections of one scene, linked: each of them is in exactly one chain."""
    chains: list[_Chain] = []
    for index in scene.looked:
        found = sorted(looks[index], key=lambda item: (-item.score, _edges(item.box), item.kind))
        bridge = BRIDGE_SECONDS * scene.rate
        recent = [chain for chain in chains if index - chain[-1][0] <= bridge]
        pairs = _pairs(recent, found, index, scene.rate)
        for number, detection in enumerate(found):
            if number in pairs:
                recent[pairs[number]].append((index, detection))
            else:
                chains.append([(index, detection)])
    return chains


def _pairs(
    chains: list[_Chain], found: Sequence[Detection], index: int, rate: float
) -> dict[int, int]:
    """Which chain goes on with which detection: the nearest first, each used once at most."""
    if not chains or not found:
        return {}
    apart = _apart(chains, found, index, rate)
    pairs: dict[int, int] = {}
    for place in np.argsort(apart, axis=None, kind="stable").tolist():
        chain, detection = divmod(place, len(found))
        if apart[chain, detection] > 1:
            break
        if detection not in pairs and chain not in pairs.values():
            pairs[detection] = chain
    return pairs


def _apart(
    chains: list[_Chain], found: Sequence[Detection], index: int, rate: float
) -> NDArray[np.float64]:
    """(chains, found): how far apart they are; above 1 they can't be the same thing."""
    old = np.array([_edges(chain[-1][1].box) for chain in chains], float)[:, np.newaxis]
    new = np.array([_edges(item.box) for item in found], float)[np.newaxis]
    seconds = np.array([(index - chain[-1][0]) / rate for chain in chains])[:, np.newaxis]
    old_size, new_size = old[..., 2:] - old[..., :2], new[..., 2:] - new[..., :2]
    moved = (new[..., 2:] + new[..., :2] - old[..., 2:] - old[..., :2]) / 2
    motion = np.array([_motion(chain, index) for chain in chains])[:, np.newaxis]
    still, going = np.linalg.norm(moved, axis=-1), np.linalg.norm(moved - motion, axis=-1)
    size = (old_size + new_size).sum(axis=-1) / 4
    apart = np.minimum(still, going) / (size * (REACH + REACH_PER_SECOND * seconds))
    resize = np.maximum(old_size / new_size, new_size / old_size).max(axis=-1)
    kinds = np.array([[chain[-1][1].kind != item.kind for item in found] for chain in chains])
    return np.asarray(np.where((resize > RESIZE) | kinds, np.inf, apart))


def _motion(chain: _Chain, index: int) -> tuple[float, float]:
    """How far right and down the box goes from its last place to `index` if it goes on."""
    if len(chain) < 2:
        return 0.0, 0.0
    return _speed(chain[-2], chain[-1], index - chain[-1][0])


def _speed(
    start: tuple[int, Detection], end: tuple[int, Detection], time: int
) -> tuple[float, float]:
    a, b = start[1].box, end[1].box
    share = time / abs(end[0] - start[0])
    return (b.x0 + b.x1 - a.x0 - a.x1) / 2 * share, (b.y0 + b.y1 - a.y0 - a.y1) / 2 * share


def _track(chain: _Chain, scene: _Clip) -> Track:
    before = _tail(chain, -1, scene)[::-1]
    boxes = [*before, chain[0][1].box]
    for (start, a), (end, b) in pairwise(chain):
        boxes += [*_between(start, a.box, end, b.box, scene), b.box]
    boxes += _tail(chain, 1, scene)
    inside = [box & scene.picture for box in boxes]
    best = max(chain, key=lambda item: item[1].score)[1]
    return Track(
        kind=best.kind,
        first=chain[0][0] - len(before),
        boxes=tuple(box for box in inside if box is not None),
        score=best.score,
        detector=best.detector,
    )


def _between(start: int, a: Box, end: int, b: Box, scene: _Clip) -> list[Box]:
    """
    One box for each frame between two detections.

    It holds every place where the thing is if its motion leads or lags an even one by LEAD of
    the gap; and all of a detection's own box up to the next look on that side.
    """
    after = scene.looked[bisect_right(scene.looked, start)]
    before = scene.looked[bisect_left(scene.looked, end) - 1]
    boxes = []
    for index in range(start + 1, end):
        share = (index - start) / (end - start)
        box = _part_way(a, b, max(share - LEAD, 0)) | _part_way(a, b, min(share + LEAD, 1))
        if index < after:
            box |= a
        if index > before:
            box |= b
        boxes.append(box)
    return boxes


def _part_way(a: Box, b: Box, share: float) -> Box:
    return Box.covering(
        *(old + (new - old) * share for old, new in zip(_edges(a), _edges(b), strict=True))
    )


def _tail(chain: _Chain, step: int, scene: _Clip) -> list[Box]:
    """
    One box for each frame past the chain's end (step 1) or before its beginning (step -1).

    As far as the next look, which did not find it any more, and TAIL_SECONDS on; to the end of
    the scene if nobody looked again. Each holds the last box, follows its motion, and grows with
    the distance: where nobody knows, more is covered.
    """
    (index, end), inner = (chain[-1], chain[-2:-1]) if step > 0 else (chain[0], chain[1:2])
    right, down = _speed(inner[0], (index, end), 1) if inner else (0.0, 0.0)
    boxes = []
    for distance in range(1, _tail_length(index, step, scene) + 1):
        moving = min(distance, TAIL_SECONDS * scene.rate)
        x, y = right * moving, down * moving
        x0, y0, x1, y1 = _edges(end.box)
        ahead = Box.covering(x0 + x, y0 + y, x1 + x, y1 + y)
        drift = min(distance / scene.rate * DRIFT_PER_SECOND, DRIFT)
        boxes.append(end.box.grow(drift) | (ahead & scene.picture or end.box))
    return boxes


def _tail_length(index: int, step: int, scene: _Clip) -> int:
    """How many frames past `index`, inside its scene."""
    tail = ceil(TAIL_SECONDS * scene.rate)
    if step > 0:
        later = scene.looked[bisect_right(scene.looked, index) :][:1]
        return min([scene.end - 1, *(look + tail for look in later)]) - index
    earlier = scene.looked[: bisect_left(scene.looked, index)][-1:]
    return index - max([scene.first, *(look - tail for look in earlier)])


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.x1, box.y1


class SceneCuts:
    """
    Sees hard cuts, given every frame of a clip in order.

    A cut that is not seen costs nothing but a patch on the wrong scene for a moment; a cut that
    is not one ends tracks too early. So it wants to be sure: the picture's layout has to differ
    from each of the last few pictures (a flash is over before that), and by far more than they
    differed from one another (motion does that all the time). A picture without contrast, as in
    a fade to black, is no scene.
    """

    def __init__(self) -> None:
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=MEMORY)
        self._changes: deque[float] = deque(maxlen=MEMORY)

    def __call__(self, frame: Frame) -> bool:
        """Whether a new scene starts with this frame; never the clip's first."""
        picture = _thumbnail(frame)
        if float(picture.std()) < FLAT:
            return False
        alike = max((_correlation(picture, old) for old in self._recent), default=1.0)
        change = float(np.abs(picture - self._recent[-1]).mean()) if self._recent else 0.0
        usual = max(self._changes) if len(self._changes) > 1 else np.inf
        cut = alike < ALIKE and change > max(CHANGE, BEYOND_USUAL * usual)
        if cut:
            self._recent.clear()
        self._recent.append(picture)
        self._changes.append(change)
        return cut


def _thumbnail(frame: Frame) -> NDArray[np.float32]:
    """The first plane as 8-bit levels, small: where light and dark are, and no detail."""
    plane = frame.planes[0]
    step = max(min(plane.shape) // (4 * THUMBNAIL), 1)
    small = cv2.resize(
        np.ascontiguousarray(plane[::step, ::step]),
        (THUMBNAIL, THUMBNAIL),
        interpolation=cv2.INTER_AREA,
    )
    return np.asarray(small, np.float32) / np.float32(1 << (frame.depth - 8))


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))
