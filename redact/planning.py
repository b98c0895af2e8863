"""Turns what was found in a clip into a plan, and says whether a plan fits a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from redact.errors import UsageError
from redact.listen import Listened
from redact.look import Seen
from redact.media.probe import Clip
from redact.plan import Cut, Looked, Model, Plan, Region
from redact.policy import Policy
from redact.types import Box, Span, Track
from redact.version import __version__

ENGINE = f"redact {__version__}"


def plan_of(
    clip: Clip, seen: Seen, heard: Listened, policy: Policy, models: tuple[Model, ...]
) -> Plan:
    """The plan for a clip: all that was seen and heard in it goes."""
    return Plan(
        source=clip.sha256,
        policy=policy.sha256,
        engine=ENGINE,
        models=models,
        looked=_looked(seen, heard),
        width=clip.picture.width if clip.picture else 0,
        height=clip.picture.height if clip.picture else 0,
        regions=_regions(clip, seen.tracks, policy),
        cuts=_cuts(heard.spans, policy),
        strip=stripped(clip),
    )


def grown(
    plan: Plan, clip: Clip, seen: tuple[Track, ...], heard: tuple[Span, ...], policy: Policy
) -> Plan:
    """The plan, and what a second look found besides."""
    return replace(
        plan,
        regions=plan.regions + _regions(clip, seen, policy),
        cuts=plan.cuts + _cuts(heard, policy),
    )


def stripped(clip: Clip) -> dict[str, int]:
    """What a plan says of the container: all that `probe` found in it goes."""
    return {str(kind): count for kind, count in sorted(clip.found.items())}


def regions_of(
    tracks: tuple[Track, ...], policy: Policy, width: int, height: int
) -> tuple[Region, ...]:
    """Tracks as what is covered: each box with the policy's margin, inside the picture."""
    return tuple(
        Region(
            kind=track.kind,
            method=policy.covering(track.kind).method,
            first=track.first,
            boxes=tuple(_with_margin(track, policy, width, height)),
            score_ppm=_ppm(track.score),
            detector=track.detector,
        )
        for track in tracks
    )


def _with_margin(track: Track, policy: Policy, width: int, height: int) -> Iterator[Box]:
    margin = policy.covering(track.kind).margin
    return (box.grow(margin).clip(width, height) or box for box in track.boxes)


def _regions(clip: Clip, tracks: tuple[Track, ...], policy: Policy) -> tuple[Region, ...]:
    if clip.picture is None:
        return ()
    return regions_of(tracks, policy, clip.picture.width, clip.picture.height)


def _cuts(spans: tuple[Span, ...], policy: Policy) -> tuple[Cut, ...]:
    return tuple(
        Cut(
            kind=span.kind,
            method=policy.names.method,
            stream=span.stream,
            start_us=span.start_us,
            end_us=span.end_us,
            score_ppm=_ppm(span.score),
            detector=span.detector,
        )
        for span in spans
    )


def fits(plan: Plan, clip: Clip, policy: Policy) -> None:
    """Raises UsageError for a plan of another file or policy, or that speaks of what it lacks."""
    if plan.source != clip.sha256:
        raise UsageError(
            "the plan was made for another file.",
            todo="Write a plan for this one: redact plan FILE -o plan.json",
        )
    if plan.policy != policy.sha256:
        raise UsageError(
            "the plan was made under another policy.",
            todo="Apply it with the --policy that it was made with.",
        )
    streams = {stream.index for stream in clip.sound}
    if any(cut.stream not in streams for cut in plan.cuts):
        raise UsageError("the plan cuts sound from a stream that the file does not have.")
    if plan.regions and clip.picture is None:
        raise UsageError("the plan covers regions of a file without a picture.")
    shape = (clip.picture.width, clip.picture.height) if clip.picture else (0, 0)
    if shape != (plan.width, plan.height):
        raise UsageError(f"the plan is for a picture of {plan.width} x {plan.height} pixels.")


def _looked(seen: Seen, heard: Listened) -> Looked:
    return Looked(
        frames=seen.frames,
        frames_scanned=seen.frames_scanned,
        sound_us=heard.sound_us,
        sound_us_scanned=heard.sound_us,
        speech_us=heard.speech_us,
        language=heard.language,
    )


def _ppm(score: float) -> int:
    return min(1_000_000, max(0, round(score * 1_000_000)))
