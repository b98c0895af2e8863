"""
The second look: reads the encoded output as a stranger would, and says what can still be found.

Other settings than the first look (another size of the picture, other frames, the recogniser
with other settings), a fresh reading of the container, and a comparison with what the output
was meant to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from redact.detectors import PictureDetector
from redact.detectors.opened import Detectors
from redact.detectors.upright import upright
from redact.errors import Reason, ResidualError
from redact.listen import listen
from redact.look import Looker, Seen, look_at_picture
from redact.media.ahead import ahead
from redact.media.coded import coded
from redact.media.decode import frames
from redact.media.probe import Clip, PictureStream, SoundStream, probe
from redact.plan import Cut, Plan, Region
from redact.policy import Policy
from redact.relisten import listen_again
from redact.remove import Expected, difference, thumbnail
from redact.schedule import Schedule
from redact.stages import Stages
from redact.types import Box, Frame, Kind, Span, Track

FRAME_TOLERANCE = 12.0
"""Levels of 255 by which an 8 x 8 average may change in encoding; crf 18 changes it by about 2."""
TIME_TOLERANCE = Fraction(1, 1000)
"""Seconds: Matroska counts in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a second look found: nothing, if it is clean."""

    tracks: tuple[Track, ...]
    spans: tuple[Span, ...]
    frames_scanned: int
    sound_us_scanned: int
    strip: dict[Kind, int] = field(default_factory=dict)  # what the container holds

    @property
    def clean(self) -> bool:
        return not self.tracks and not self.spans and not self.strip

    @property
    def summary(self) -> str:
        plates = sum(track.kind is Kind.PLATE for track in self.tracks)
        faces = len(self.tracks) - plates
        return f"{faces} faces, {plates} plates and {len(self.spans)} names"

    @property
    def reason(self) -> Reason:
        return Reason.STILL_VISIBLE if self.tracks else Reason.STILL_AUDIBLE


def inspect(
    clip: Clip,
    detectors: Detectors,
    policy: Policy,
    stages: Stages,
    progress: Callable[[float], None],
) -> Verdict:
    """A second look at a file of which nothing is known: what can still be found in all of it."""
    tracks: tuple[Track, ...] = ()
    scanned = 0
    if clip.picture is not None:
        schedule = Schedule(looks_per_second=policy.faces.looks_per_second)
        detector = upright(detectors.pictures_again, clip.picture.rotation)
        seen = look_at_picture(
            clip, detector, schedule, progress, source=stages.frames, pool=detectors.pool
        )
        tracks, scanned = seen.tracks, seen.frames_scanned
    heard = listen(clip, detectors.names, policy, progress)
    return Verdict(
        tracks=tracks,
        spans=heard.spans,
        frames_scanned=scanned,
        sound_us_scanned=heard.sound_us,
        strip=clip.found,
    )


def check(
    output: Path,
    source: Clip,
    plan: Plan,
    expected: Expected | None,
    detectors: Detectors,
    policy: Policy,
    stages: Stages,
    progress: Callable[[float], None],
    again: Seen | None = None,
    before: Sequence[Cut] = (),
) -> Verdict:
    """
    Look again, at the output of a plan; `expected` is None where the picture was copied.

    `before` are the cuts around which an earlier look at this clip's output has listened.

    `again` is what a `second_look` found in the source. It stands for one at the output if that
    holds the same picture bit for bit, of which this makes sure.

    Raises ResidualError for what removing once more would not mend: something of the container
    that came through, or an output that is not the source less what the plan removes.
    """
    clip = probe(output, policy.limits)
    if clip.found:
        kinds = ", ".join(sorted(clip.found))
        raise ResidualError(f"the output still holds {kinds}.", reason=Reason.NOT_STRIPPED)
    _same_shape(source, clip)
    _same_copies(source, clip, plan, picture=expected is None)
    tracks: tuple[Track, ...] = ()
    scanned = 0
    if clip.picture is not None and again is not None and _is_copy(source, expected):
        _first_alike(source, clip)
        tracks, scanned = again.tracks, again.frames_scanned
    elif clip.picture is not None:
        tracks, scanned = _look_again(clip, plan, expected, detectors, policy, stages, progress)
    spans, listened = listen_again(source, clip, plan, detectors.names, policy, before)
    return Verdict(tracks=tracks, spans=spans, frames_scanned=scanned, sound_us_scanned=listened)


def _same_shape(source: Clip, output: Clip) -> None:
    """Streams, sizes, counts and durations of the output are those of the source."""

    def shape(clip: Clip) -> tuple[object, ...]:
        picture = clip.picture
        seen = picture and (picture.width, picture.height, picture.frames, picture.rotation)
        return seen, [(one.rate, one.channels) for one in clip.sound]

    if shape(source) != shape(output):
        raise ResidualError(
            f"the output has other streams than the source: {shape(output)}, not {shape(source)}.",
            reason=Reason.CHANGED_ELSEWHERE,
        )


def _same_copies(source: Clip, output: Clip, plan: Plan, *, picture: bool) -> None:
    """Streams that were copied hold the source's packets, with their times."""
    cut = {one.stream for one in plan.cuts}
    pairs = [
        (before, after)
        for before, after in zip(source.sound, output.sound, strict=True)
        if before.index not in cut and not before.hidden
    ]
    copied: list[tuple[PictureStream | SoundStream, PictureStream | SoundStream]] = [*pairs]
    if picture and source.picture and output.picture and not source.picture.hidden:
        copied.append((source.picture, output.picture))
    for before, after in copied:
        if source.media != "still" and coded(source, before) != coded(output, after):
            raise _changed(f"track {before.index} was to be copied, and is not the same")


def second_look(
    clip: Clip,
    detectors: Detectors,
    policy: Policy,
    through: Sequence[Callable[[PictureDetector], PictureDetector]] = (),
    keep: int = 0,
) -> Looker:
    """
    What looks again at a clip's frames: with other settings.

    `through` is what its detectors look through, if anything: the thorough one, and the quick one.
    `keep` is as for a Chooser.
    """
    assert clip.picture is not None
    schedule = Schedule(looks_per_second=policy.check.looks_per_second, phase=0.5)
    thorough, quick = (
        one and upright(one, clip.picture.rotation)
        for one in (detectors.pictures_again, detectors.pictures_again_quick)
    )
    assert thorough is not None
    if through:
        thorough, quick = through[0](thorough), quick and through[1](quick)
    return Looker(thorough, schedule, quick=quick, pool=detectors.pool, keep=keep)


def _is_copy(source: Clip, expected: Expected | None) -> bool:
    """Whether `_same_copies` has compared the packets of the picture: then they are the same."""
    assert source.picture is not None
    return expected is None and source.media == "video" and not source.picture.hidden


def _first_alike(source: Clip, output: Clip) -> None:
    """The same packets also decode to the same picture: the codec's settings came along."""
    before, after = next(frames(source)), next(frames(output))
    pairs = zip(before.planes, after.planes, strict=True)
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise _changed("the first frame of the copy does not decode to the source's")


def _look_again(
    clip: Clip,
    plan: Plan,
    expected: Expected | None,
    detectors: Detectors,
    policy: Policy,
    stages: Stages,
    progress: Callable[[float], None],
) -> tuple[tuple[Track, ...], int]:
    assert clip.picture is not None
    looker = second_look(clip, detectors, policy)
    for frame in ahead(stages.frames(clip)):
        if expected is not None:
            _compare(frame, expected)
        looker.take(frame)
        progress(min(frame.index / max(plan.looked.frames, 1), 1.0))
    seen = looker.seen(rate=float(clip.picture.rate or 25), ignore=Covered(plan.regions).hides)
    if seen.frames != plan.looked.frames:
        raise _changed(f"{seen.frames} frames, not {plan.looked.frames}")
    return seen.tracks, seen.frames_scanned


def _compare(frame: Frame, expected: Expected) -> None:
    time = frame.pts * frame.time_base
    if frame.index >= len(expected.pts):
        raise _changed(f"more than {len(expected.pts)} frames")
    if abs(time - expected.pts[frame.index] * expected.time_base) > TIME_TOLERANCE:
        raise _changed(f"frame {frame.index} at {float(time):.4f} s")
    wanted = expected.thumbnails.get(frame.index)
    if wanted is not None:
        far = difference(thumbnail(frame), wanted)
        if far > FRAME_TOLERANCE:
            raise _changed(f"frame {frame.index}, by {far:.0f} levels of 255")


def _changed(how: str) -> ResidualError:
    return ResidualError(
        f"the output is not what was rendered: {how}.", reason=Reason.CHANGED_ELSEWHERE
    )


class Covered:
    """Which part of each frame some regions cover."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions

    def hides(self, index: int, box: Box) -> bool:
        """Whether at least three quarters of the box lie under the regions of that frame."""
        over = [r.boxes[index - r.first] for r in self._regions if r.first <= index <= r.last]
        under = np.zeros((16, 16), bool)
        ys = box.y0 + (np.arange(16) + 0.5) * box.height / 16
        xs = box.x0 + (np.arange(16) + 0.5) * box.width / 16
        for one in over:
            rows = (one.y0 <= ys) & (ys < one.y1)
            under |= rows[:, None] & ((one.x0 <= xs) & (xs < one.x1))[None, :]
        return bool(under.mean() >= 0.75)
