"""What the ledger is told of a clip: plain facts, from what was made of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, get_args

from redact.ledger import facts as ledger
from redact.media.probe import Clip
from redact.pipeline import Made
from redact.plan import Cut, Plan, Region
from redact.planning import ENGINE
from redact.policy import Also, Policy
from redact.types import Kind

_MEDIA = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4a": "audio/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "ts": "video/mp2t",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}


def scope_of(policy: Policy) -> frozenset[str]:
    """What a run looks for: every kind, but those that its policy turns off."""
    off = {str(kind) for kind in get_args(Also)} - set(policy.names.also)
    if not policy.plates.find:
        off.add(str(Kind.PLATE))
    return frozenset(str(kind) for kind in Kind) - off


def work_of(source: str | None, policy: Policy, plan: Plan | None) -> ledger.Clip:
    """What makes it the same work when it is asked for again. A plan by hand is other work."""
    engine = ENGINE
    if plan is not None:
        engine += f"+plan.{sha256(plan.to_json().encode()).hexdigest()[:16]}"
    return ledger.Clip(source=source, policy=policy.sha256, engine=engine)


def media_of(clip: Clip) -> str:
    """The media type of a clip and of what is published of it."""
    return _MEDIA[clip.container]


def published_facts(made: Made, policy: Policy, listing: ledger.Listing | None) -> ledger.Facts:
    clip, plan, looked = made.clip, made.plan, made.plan.looked
    return ledger.Facts(
        source=_source(clip),
        output=ledger.Output(media=media_of(clip), frames=looked.frames, dur_us=clip.duration_us),
        policy_id=policy.name,
        models=tuple(
            ledger.Model(
                slot=model.slot, name=model.name, sha256=model.sha256, thr_ppm=model.threshold_ppm
            )
            for model in plan.models
        ),
        coverage=ledger.Coverage(
            frames=looked.frames,
            frames_scanned=looked.frames_scanned,
            audio_us=looked.sound_us,
            audio_us_scanned=looked.sound_us_scanned,
            speech_us=looked.speech_us,
            passes=1,
        ),
        scope=scope_of(policy),
        removed=tuple(_removals(clip, plan)),
        check=ledger.Check(
            rounds=made.rounds,
            frames_scanned=made.verdict.frames_scanned,
            audio_us_scanned=made.verdict.sound_us_scanned,
            residual=len(made.verdict.tracks) + len(made.verdict.spans),
        ),
        listing=listing,
    )


def detail_of(made: Made, source: Mapping[str, Any]) -> bytes:
    """
    The restricted detail: the plan, with every box and time, and where the clip came from.

    The store encrypts it.
    """
    detail = {"plan": json.loads(made.plan.to_json())}
    if source:
        detail["source"] = dict(source)
    return json.dumps(detail, separators=(",", ":")).encode()


def removed_from(plan: Plan) -> dict[str, int]:
    """How many things of each kind a plan removes: tracks, spans, parts of the container."""
    counts = {kind: count for kind, count in plan.strip.items() if count}
    for kind in [*(one.kind for one in plan.regions), *(one.kind for one in plan.cuts)]:
        counts[str(kind)] = counts.get(str(kind), 0) + 1
    return counts


def _source(clip: Clip) -> ledger.Source:
    picture = clip.picture
    return ledger.Source(
        media=media_of(clip),
        dur_us=clip.duration_us,
        w=picture.width if picture else 0,
        h=picture.height if picture else 0,
        fps_num=picture.rate.numerator if picture else 0,
        fps_den=picture.rate.denominator if picture else 1,
        audio=bool(clip.sound),
    )


def _removals(clip: Clip, plan: Plan) -> list[ledger.Removal]:
    """One line for each kind and method."""
    regions: dict[tuple[str, str], list[Region]] = defaultdict(list)
    cuts: dict[tuple[str, str], list[Cut]] = defaultdict(list)
    for region in plan.regions:
        regions[str(region.kind), region.method].append(region)
    for cut in plan.cuts:
        cuts[str(cut.kind), cut.method].append(cut)
    lines = [_of_picture(clip, key, found) for key, found in sorted(regions.items())]
    lines += [_of_sound(key, found) for key, found in sorted(cuts.items())]
    lines += [
        ledger.Removal(k=kind, method="strip", count=count)
        for kind, count in sorted(plan.strip.items())
        if count
    ]
    return lines


def _of_picture(clip: Clip, key: tuple[str, str], regions: Sequence[Region]) -> ledger.Removal:
    assert clip.picture is not None
    boxes = [box for region in regions for box in region.boxes]
    area = clip.picture.width * clip.picture.height
    return ledger.Removal(
        k=key[0],
        method=key[1],
        count=len(regions),
        frames=len(boxes),
        dur_us=round(1_000_000 * len(boxes) / clip.picture.rate),
        area_ppm_max=max(1_000_000 * box.area // area for box in boxes),
        score_ppm_min=min(region.score_ppm for region in regions),
    )


def _of_sound(key: tuple[str, str], cuts: Sequence[Cut]) -> ledger.Removal:
    return ledger.Removal(
        k=key[0],
        method=key[1],
        count=len(cuts),
        dur_us=sum(cut.end_us - cut.start_us for cut in cuts),
        score_ppm_min=min(cut.score_ppm for cut in cuts),
    )
