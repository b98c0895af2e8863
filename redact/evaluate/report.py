"""Redacts labelled footage as a run does, and scores what was published."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from redact.errors import RedactError
from redact.evaluate.measures import NONE, Share
from redact.evaluate.score import BANDS, Bad, Heard, Leak, Seen, hear, see
from redact.evaluate.truth import Labelled
from redact.media.coded import coded
from redact.media.probe import Clip, probe
from redact.plan import Plan
from redact.policy import Policy
from redact.record import work_of
from redact.redactor import Redactor, Status
from redact.store import Store
from redact.types import Box, Kind

WORST = 12
"""So many frames are kept to be shown."""

Watch = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one labelled file; a file that is held publishes nothing that could leak."""

    name: str
    section: str
    held: str = ""  # why, if it is
    seen: Seen | None = None
    heard: Heard | None = None
    copied: Share = NONE  # streams that are bit-equal, of those with nothing to remove
    footage_s: float = 0.0
    taken_s: float | None = None  # None: an earlier run had made it


@dataclass(slots=True)
class Report:
    """Everything that was measured. `worst` holds frames of the redacted output, worst first."""

    policy: str
    rows: list[Row] = field(default_factory=list)
    unlabelled: int = 0
    worst: list[Bad] = field(default_factory=list)

    @property
    def seen(self) -> Seen:
        return reduce(Seen.__add__, (row.seen for row in self.rows if row.seen), Seen())

    @property
    def heard(self) -> Heard:
        return reduce(Heard.__add__, (row.heard for row in self.rows if row.heard), Heard())

    @property
    def copied(self) -> Share:
        return reduce(Share.__add__, (row.copied for row in self.rows), NONE)

    @property
    def times_real_time(self) -> float | None:
        timed = [row for row in self.rows if row.taken_s]
        taken = sum(row.taken_s or 0.0 for row in timed)
        return sum(row.footage_s for row in timed) / taken if taken else None


def evaluate(
    labelled: Sequence[Labelled],
    policy: Policy,
    store: Store,
    *,
    device: str = "auto",
    watch: Watch = lambda _share: None,
) -> Report:
    """
    Redact every labelled file into the store, and score each published file against its truth.

    Raises UsageError where the truth does not fit the footage, and what stops a whole run.
    """
    report = Report(policy.name)
    with Redactor(policy, device=device) as redactor:
        redactor.open()
        for number, one in enumerate(labelled):
            row, worst = _row(one, redactor, store, lambda s: watch((number + s) / len(labelled)))  # noqa: B023
            report.rows.append(row)
            report.worst = heapq.nlargest(WORST, [*report.worst, *worst], key=_badness)
    watch(1.0)
    return report


def _badness(bad: Bad) -> tuple[int, float]:
    return bad.leaks, bad.share


def _row(one: Labelled, redactor: Redactor, store: Store, watch: Watch) -> tuple[Row, list[Bad]]:
    start = time.perf_counter()
    try:
        clip = probe(one.path, redactor.policy.limits)
        one = one.fitted(clip.picture.frames if clip.picture else 0)
        result = redactor.run(one.path, store, progress=lambda share: watch(0.9 * share))
    except RedactError as error:
        if error.exit_code == 2:  # the truth or the policy is wrong, not the clip
            raise
        return Row(name=one.name, section=one.section, held=str(error.reason)), []
    taken = time.perf_counter() - start if result.status is Status.PUBLISHED else None
    assert result.output is not None
    plan, worst = _plan(clip, redactor.policy, store), list[Bad]()
    seen = heard = None
    if one.frames is not None:
        seen = see(one.path, result.output, one.frames, _covered(plan), worst)
    if one.names is not None:
        heard = hear(one.path, result.output, one.names, one.neither)
    copied = _copied(clip, probe(result.output, redactor.policy.limits), plan)
    return Row(
        name=one.name,
        section=one.section,
        seen=seen,
        heard=heard,
        copied=copied,
        footage_s=result.seconds,
        taken_s=taken,
    ), heapq.nlargest(WORST, worst, key=_badness)


def _plan(clip: Clip, policy: Policy, store: Store) -> Plan:
    """What was removed, from the restricted detail of the clip's entry."""
    entry = store.find(work_of(clip.sha256, policy, None))
    assert entry is not None
    return Plan.from_json(json.dumps(json.loads(store.recall(entry).sidecar)["plan"]))


def _covered(plan: Plan) -> list[list[Box]]:
    covered: list[list[Box]] = [[] for _ in range(plan.looked.frames)]
    for region in plan.regions:
        for index, box in enumerate(region.boxes, region.first):
            covered[index].append(box)
    return covered


def _copied(before: Clip, after: Clip, plan: Plan) -> Share:
    """Streams of which nothing was to be removed: those that hold the same packets."""
    if before.media == "still":
        return NONE
    cut = {one.stream for one in plan.cuts}
    pairs = [
        (a, b)
        for a, b in zip(before.sound, after.sound, strict=True)
        if a.index not in cut and not a.hidden
    ]
    equal = [coded(before, a) == coded(after, b) for a, b in pairs]
    if before.picture and after.picture and not plan.regions and not before.picture.hidden:
        equal.append(coded(before, before.picture) == coded(after, after.picture))
    return Share(sum(equal), len(equal))


def as_value(report: Report) -> dict[str, Any]:
    """The report for machines: shares as [part, whole], a figure that was not measured as null."""
    return {
        "policy": report.policy,
        "clips": len(report.rows),
        "held": sum(bool(row.held) for row in report.rows),
        "not_labelled": report.unlabelled,
        **_seen_value(report.seen if any(row.seen for row in report.rows) else None),
        **_heard_value(report.heard if any(row.heard for row in report.rows) else None),
        "copied_bit_for_bit": _share(report.copied),
        "times_real_time": report.times_real_time and round(report.times_real_time, 3),
        "rows": [_row_value(row) for row in report.rows],
    }


def _row_value(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "section": row.section,
        "held": row.held or None,
        **_seen_value(row.seen),
        **_heard_value(row.heard),
        "copied_bit_for_bit": _share(row.copied),
        "footage_s": round(row.footage_s, 3),
        "taken_s": None if row.taken_s is None else round(row.taken_s, 3),
    }


def _seen_value(seen: Seen | None) -> dict[str, Any]:
    if seen is None:
        return {"leaks": None, "over_redaction": None, "psnr_db": None, "frames_on_time": None}
    return {
        "leaks": {str(kind): _leak_value(leak) for kind, leak in sorted(seen.leaks.items())},
        "over_redaction": _share(seen.over),
        "psnr_db": round(seen.psnr, 2) if seen.error.part else None,
        "frames_on_time": _share(seen.on_time),
    }


def _leak_value(leak: Leak) -> dict[str, Any]:
    return {
        "instances": _share(leak.instances),
        "by_height": {
            band: _share(share) for band, share in zip(band_names(), leak.bands, strict=True)
        },
        "tracks": _share(leak.tracks),
        "longest_run_frames": leak.longest_run,
        "uncovered": _share(leak.uncovered),
        "longest_run_uncovered_frames": leak.uncovered_run,
    }


def _heard_value(heard: Heard | None) -> dict[str, Any]:
    return {
        "names": _share(heard.names) if heard else None,
        "names_muted_80": _share(heard.muted) if heard else None,
        "other_speech_muted": _share(heard.others) if heard else None,
    }


def _share(share: Share) -> list[int]:
    return [share.part, share.whole]


def band_names() -> list[str]:
    return [f"{low}-{high}" if high < 1 << 20 else f"{low}+" for low, high in BANDS]


def as_lines(report: Report) -> Iterator[str]:
    """The report for people."""
    held = [row for row in report.rows if row.held]
    seen, heard = report.seen, report.heard
    yield f"policy {report.policy}: {len(report.rows)} files, {len(held)} held"
    if report.unlabelled:
        yield f"  {report.unlabelled} entries of the truth label nothing, and were left out"
    for row in held:
        yield f"  {row.name}: held ({row.held}); nothing of it is published, nothing counted"
    for kind, leak in sorted(seen.leaks.items()):
        yield from _leak_lines(kind, leak)
    if seen.over.whole:
        yield f"over-redaction        {seen.over.value:.2%} of the pixels outside labelled boxes"
        psnr = f"{seen.psnr:.1f} dB outside what was covered" if seen.error.part else "bit-equal"
        yield f"fidelity              {psnr}; frames on time {_of(seen.on_time)}"
    if heard.names.whole or heard.others.whole:
        yield f"names that leak       {_of(heard.names)}; muted to 80 % {_of(heard.muted)}"
        yield f"other speech muted    {heard.others.value:.1%}"
    if report.copied.whole:
        yield f"copied bit for bit    {_of(report.copied)} streams with nothing to remove"
    if report.times_real_time:
        yield f"speed                 {report.times_real_time:.2f} × real time"


def _leak_lines(kind: Kind, leak: Leak) -> Iterator[str]:
    yield f"{kind}s that leak".ljust(22) + f"{_of(leak.instances)}, of 16 px and more"
    for band, share in zip(band_names(), leak.bands, strict=True):
        if share.whole:
            yield f"  {band} px high".ljust(22) + _of(share)
    yield f"  tracks with a leak  {_of(leak.tracks)}; longest run {leak.longest_run} frames"
    if leak.uncovered.whole:
        run = f"; longest run {leak.uncovered_run} frames"
        yield "  not covered".ljust(22) + _of(leak.uncovered) + run


def _of(share: Share) -> str:
    return f"{share.part} of {share.whole}" + (f" ({share.value:.2%})" if share.whole else "")
