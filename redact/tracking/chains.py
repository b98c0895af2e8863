"""Links the detections of one scene over time: which of them are one and the same thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from redact.tracking.fill import Chain, Scene, edges
from redact.types import Detection, Kind

TWICE_IN = {Kind.FACE: 3, Kind.PLATE: 5}
"""Looks in a row in which a doubtful thing has to be found twice."""

BRIDGE_SECONDS = 2.0
"""A face that is missed for this long, and found again near by, was there all the time."""

REACH = 1.0
"""How far a centre moves between two looks, in box sizes, however short the time is."""

REACH_PER_SECOND = 2.0
"""How much farther, in box sizes a second."""

FARTHEST = 2.0
"""And no farther than this, however long: beyond it lies somebody else."""

NESTED = 0.75
"""Two boxes of one look are of one thing if this share of the smaller one lies in the other."""

GOES_ON_SECONDS = 0.5
"""Weak detections carry a track on for as long as none is missing for more than this."""

GOES_ON = 0.5
"""How far apart they may be, as a share of what two others may."""

RESIZE = 2.5
"""How many times taller or wider a box becomes between two detections of one track, at most; and
is than one that it is nested in."""


def chained(looks: Mapping[int, Sequence[Detection]], scene: Scene) -> list[Chain]:
    """The detections of one scene, linked: each of them is in exactly one chain."""
    done: list[Chain] = []
    open_chains: list[Chain] = []
    for index in scene.looked:
        bridge = BRIDGE_SECONDS * scene.rate
        done += [chain for chain in open_chains if index - chain[-1][0] > bridge]
        open_chains = [chain for chain in open_chains if index - chain[-1][0] <= bridge]
        found = _best_first(looks[index])
        pairs = _pairs(open_chains, found, index, scene.rate)
        for number, detection in enumerate(found):
            if number in pairs:
                open_chains[pairs[number]].append((index, detection))
            else:
                open_chains.append([(index, detection)])
    return done + open_chains


def _best_first(found: Sequence[Detection]) -> list[Detection]:
    return sorted(found, key=lambda item: (-item.score, edges(item.box), item.kind))


def unnested(found: Sequence[Detection]) -> list[Detection]:
    """
    What one look found, nested boxes as one box around both.

    A chain of its own, begun by half a face inside the box of the whole, would be filled for as
    long as the face's.
    """
    kept: list[Detection] = []
    for one in _best_first(found):
        place = next((n for n, other in enumerate(kept) if _nested(one, other)), None)
        if place is None:
            kept.append(one)
        else:
            best = kept[place]
            doubtful = best.doubtful and one.doubtful
            kept[place] = replace(best, box=best.box | one.box, doubtful=doubtful)
    return kept


def _nested(one: Detection, other: Detection) -> bool:
    a, b = one.box, other.box
    shared = a & b
    if one.kind is not other.kind or shared is None:
        return False
    sides = a.width / b.width, a.height / b.height
    resize = max(*sides, *(1 / side for side in sides))
    return resize <= RESIZE and shared.area >= NESTED * min(a.area, b.area)


def believed(chain: Chain, scene: Scene) -> bool:
    """
    False if all of a chain is doubtful and no two of its detections lie within TWICE_IN looks.

    Where a scene has fewer looks than that, as a still has, every plate counts, and no face.
    """
    if not all(found.doubtful for _, found in chain):
        return True
    kind = chain[0][1].kind
    if len(scene.looked) < TWICE_IN[kind]:
        return kind is Kind.PLATE
    looks = [scene.looked.index(at) for at, _ in chain]
    return any(later - look < TWICE_IN[kind] for look, later in pairwise(looks))


def led_on(chain: Chain, weak: Mapping[int, Sequence[Detection]], scene: Scene) -> Chain:
    """
    The chain, and before and after it the weak detections that go on with it.

    A low score says little of a place where nothing was, and much of one that a track has led to:
    so ByteTrack (Zhang et al., 2022) takes low scores for what turns away or is half hidden.
    """
    looked = [index for index in scene.looked if index in weak]
    after = [index for index in looked if index > chain[-1][0]]
    before = [index for index in reversed(looked) if index < chain[0][0]]
    onward = _goes_on(chain[-2:], weak, after, scene.rate)
    back = _goes_on(chain[1::-1], weak, before, scene.rate)
    return [*reversed(back), *chain, *onward]


def _goes_on(
    end: Chain, weak: Mapping[int, Sequence[Detection]], looked: Sequence[int], rate: float
) -> Chain:
    """What goes on from the last of `end`, in the order of `looked`: it may lead back in time."""
    found: Chain = []
    for index in looked:
        last = [*end, *found][-2:]
        if abs(index - last[-1][0]) > GOES_ON_SECONDS * rate:
            break
        apart = _apart([last], weak[index], index, rate)[0]
        nearest = int(np.argmin(apart))
        if apart[nearest] <= GOES_ON:
            found.append((index, weak[index][nearest]))
    return found


def _pairs(
    chains: list[Chain], found: Sequence[Detection], index: int, rate: float
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
    chains: list[Chain], found: Sequence[Detection], index: int, rate: float
) -> NDArray[np.float64]:
    """(chains, found): how far apart they are; above 1 they can't be the same thing."""
    old = np.array([edges(chain[-1][1].box) for chain in chains], float)[:, np.newaxis]
    new = np.array([edges(item.box) for item in found], float)[np.newaxis]
    seconds = np.array([abs(index - chain[-1][0]) / rate for chain in chains])[:, np.newaxis]
    old_size, new_size = old[..., 2:] - old[..., :2], new[..., 2:] - new[..., :2]
    moved = (new[..., 2:] + new[..., :2] - old[..., 2:] - old[..., :2]) / 2
    motion = np.array([_motion(chain, index) for chain in chains])[:, np.newaxis]
    still, going = np.linalg.norm(moved, axis=-1), np.linalg.norm(moved - motion, axis=-1)
    size = (old_size + new_size).sum(axis=-1) / 4
    reach = np.minimum(REACH + REACH_PER_SECOND * seconds, FARTHEST)
    apart = np.minimum(still, going) / (size * reach)
    resize = np.maximum(old_size / new_size, new_size / old_size).max(axis=-1)
    kinds = np.array([[chain[-1][1].kind != item.kind for item in found] for chain in chains])
    return np.asarray(np.where((resize > RESIZE) | kinds, np.inf, apart))


def _motion(chain: Chain, index: int) -> tuple[float, float]:
    """How far right and down the box goes from its last place to `index` if it goes on."""
    if len(chain) < 2:
        return 0.0, 0.0
    (start, before), (end, last) = chain[-2:]
    a, b, share = before.box, last.box, (index - end) / (end - start)
    return (b.x0 + b.x1 - a.x0 - a.x1) / 2 * share, (b.y0 + b.y1 - a.y0 - a.y1) / 2 * share
