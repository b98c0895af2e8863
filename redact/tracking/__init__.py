"""Follows what detectors found through the frames of a clip, scene by scene."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from redact.tracking.chains import believed, chained, led_on, unnested
from redact.tracking.cuts import SceneCuts, Unlike
from redact.tracking.fill import Scene, edges, filled
from redact.types import Box, Detection, Track

__all__ = ["SceneCuts", "Unlike", "link"]


def link(
    looks: Mapping[int, Sequence[Detection]],
    *,
    frames: int,
    rate: float,
    width: int,
    height: int,
    cuts: Collection[int],
    thorough: Collection[int] | None = None,
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
        thorough: the looks that could find everything; None: all. The others can't say of a track
            that they never saw that it is gone.

    Inside its scene, each detection lies in its track's boxes from the look before it to the look
    after it, and the track goes on for TAIL_SECONDS beyond the look that found it no more. Nested
    detections of one look are one. Only of doubtful ones `believed` may make no track, and weak
    ones are what a track goes on with (`led_on`). The order of detections within a look does not
    matter. Tracks come in the order of time.
    """
    starts = [0, *sorted({cut for cut in cuts if 0 < cut < frames}), frames]
    picture, trusted = Box(0, 0, width, height), frozenset(thorough or ())
    single = {i: unnested([one for one in found if not one.weak]) for i, found in looks.items()}
    weak = {i: some for i, found in looks.items() if (some := [one for one in found if one.weak])}
    tracks = []
    for first, end in pairwise(starts):
        looked = sorted(index for index in looks if first <= index < end)
        sure = looked if thorough is None else [one for one in looked if one in trusted]
        scene = Scene(first, end, looked, rate, picture, sure)
        chains = [chain for chain in chained(single, scene) if believed(chain, scene)]
        tracks += [filled(led_on(chain, weak, scene), scene) for chain in chains]
    return sorted(tracks, key=lambda track: (track.first, edges(track.boxes[0]), track.score))
