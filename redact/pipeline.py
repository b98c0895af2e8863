"""
The order for one clip: probe, look, plan, rehearse, remove, look again.

This is the only module that knows it.

What comes out is a finished file under a temporary name, and what is to be said of it. Recording
and publishing it is the next step, in another process (see redactor.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from redact.check import Verdict, check, inspect, second_look
from redact.cuda.calls import GpuLostError, GpuMemoryError
from redact.detectors.opened import Detectors
from redact.detectors.upright import upright
from redact.errors import InputError, ResidualError, UsageError
from redact.listen import listen
from redact.look import Seen, look_at_picture
from redact.media.probe import Clip, file_sha256, probe
from redact.media.render import render
from redact.plan import Cut, Plan
from redact.planning import fits, grown, plan_of, stripped
from redact.policy import Policy
from redact.rehearse import rehearse
from redact.remove import Cover, sound_edits
from redact.schedule import KEPT_BYTES, Schedule
from redact.stages import Stages

T = TypeVar("T")

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A redacted clip under its temporary name: what was removed, and that nothing is left."""

    clip: Clip
    plan: Plan  # with what the second look added
    rounds: int  # how often it was rendered
    verdict: Verdict
    notes: tuple[str, ...] = ()
    """What ran on the CPU, where a GPU was to be used."""


class Pipeline:
    """Holds the detectors of one policy open; several threads may work on a clip each."""

    def __init__(
        self, policy: Policy, *, device: str = "auto", threads: int = 0, strict: bool = False
    ) -> None:
        if strict and device not in ("cuda", "tensorrt"):
            raise UsageError("--strict is for --device cuda.")
        self.policy = policy
        self.detectors = Detectors.open(policy, device=device, threads=threads)
        self._device, self._threads, self._strict = device, threads, strict
        self._lost = ""  # once the GPU is: the note of each clip from then on
        self._lock = threading.Lock()
        self._spare: Pipeline | None = None  # on the CPU, once the GPU has failed

    def probe(self, path: Path, progress: Progress) -> Clip:
        """What the file is; raises InputError for one that can't be read to its end."""
        clip = probe(path, self.policy.limits)
        progress(1.0)
        return clip

    def plan(self, clip: Clip, progress: Progress) -> Plan:
        """What has to go from the clip. Reads only."""
        return self._or_on_cpu(lambda one, stages: one._plan(clip, stages, progress)[0])

    def _or_on_cpu(self, work: Callable[[Pipeline, Stages], T]) -> T:
        """
        The work; on the CPU if the GPU has no memory for this clip, or is lost from here on.

        Only for the device "auto": who asked for the GPU gets the error, and the clip is held.
        """
        note = self._lost
        if not note:
            try:
                return work(self, self._stages())
            except (GpuLostError, GpuMemoryError) as error:
                if self._device != "auto":
                    raise
                note = f"Done on the CPU: {error.what}"
                if isinstance(error, GpuLostError):
                    self._lost = note
        with self._lock:  # other clips may have come to it too
            self._spare = self._spare or self._open_on_cpu()
        return work(self._spare, Stages(notes=[note]))

    def _open_on_cpu(self) -> Pipeline:
        return Pipeline(self.policy, device="cpu", threads=self._threads)

    def _stages(self) -> Stages:
        stages = Stages(self.detectors.gpu, strict=self._strict)
        for note in (*self.detectors.on_cpu, *(stages.gpu.notes if stages.gpu else ())):
            stages.say(note)
        return stages

    def _plan(self, clip: Clip, stages: Stages, progress: Progress) -> tuple[Plan, Seen | None]:
        """The plan; and, if it covers nothing, what a second look at the same frames found."""
        policy = self.policy
        seen, kept = Seen(tracks=(), frames=0, frames_scanned=0), None
        # On a GPU another round costs less than to look there at frames that are then covered anew.
        rehearsed = clip.media == "video" and not stages.gpu
        if clip.picture is not None:
            schedule = Schedule(looks_per_second=policy.faces.looks_per_second)
            detector = upright(self.detectors.pictures, clip.picture.rotation)
            share = 0.6 if clip.sound else 0.8
            quick = self.detectors.pictures_quick
            keep = KEPT_BYTES if rehearsed else 0
            again = second_look(clip, self.detectors, policy, keep=keep)
            seen = look_at_picture(
                clip,
                detector,
                schedule,
                _part(progress, 0.0, share),
                quick=quick and upright(quick, clip.picture.rotation),
                again=again,
                source=stages.first,
                pool=self.detectors.pool,
            )
            kept = again.kept()
        heard = listen(clip, self.detectors.names, policy, _part(progress, 0.6, 0.8))
        plan = plan_of(clip, seen, heard, policy, self.detectors.models)
        if seen.again is not None:
            plan = grown(plan, clip, seen.again.tracks, (), policy)
        if plan.regions and rehearsed:
            rest = _part(progress, 0.8, 1.0)
            plan = rehearse(clip, plan, self.detectors, policy, rest, kept)
        return plan, seen.again

    def make(
        self, clip: Clip, target: Path, plan: Plan | None, trust: bool, progress: Progress
    ) -> Made:
        """
        Write the clip to `target`, less what the plan says (or what a look finds, without one).

        Without a plan, what the second look still finds is removed too; after
        `policy.check.rounds` of that, ResidualError. A plan that is given is carried out as it
        is: what the second look still finds is a ResidualError at once, or with `trust` goes into
        the record. On any failure `target` is not left behind.
        """
        return self._or_on_cpu(
            lambda one, stages: one._make(clip, target, plan, trust, stages, progress)
        )

    def _make(
        self,
        clip: Clip,
        target: Path,
        plan: Plan | None,
        trust: bool,
        stages: Stages,
        progress: Progress,
    ) -> Made:
        try:
            if plan is None:
                looked, again = self._plan(clip, stages, _part(progress, 0.0, 0.5))
                rest = _part(progress, 0.5, 1.0)
                made = self._until_clean(clip, target, looked, again, stages, rest)
            else:
                made = self._as_planned(clip, target, plan, trust, stages, progress)
            _check_unchanged(clip)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return replace(made, notes=tuple(stages.notes))

    def look_again(self, clip: Clip, progress: Progress) -> Verdict:
        """A second look at a file that nothing is known of."""
        return self._or_on_cpu(
            lambda one, stages: inspect(clip, one.detectors, one.policy, stages, progress)
        )

    def _as_planned(
        self,
        clip: Clip,
        target: Path,
        plan: Plan,
        trust: bool,
        stages: Stages,
        progress: Progress,
    ) -> Made:
        fits(plan, clip, self.policy)
        plan = replace(plan, models=self.detectors.models, strip=stripped(clip))
        verdict = self._once(clip, target, plan, stages, progress)
        if not verdict.clean and not trust:
            raise ResidualError(
                f"the second look still finds {verdict.summary} that the plan leaves.",
                todo="Add it to the plan; or, if it is nothing, apply with --trust-plan, which the "
                "ledger records.",
                reason=verdict.reason,
            )
        return Made(clip=clip, plan=plan, rounds=1, verdict=verdict)

    def _until_clean(
        self,
        clip: Clip,
        target: Path,
        plan: Plan,
        again: Seen | None,
        stages: Stages,
        progress: Progress,
    ) -> Made:
        before: tuple[Cut, ...] = ()
        for round_ in range(1, self.policy.check.rounds + 2):
            verdict = self._once(clip, target, plan, stages, progress, again, before)
            if verdict.clean:
                return Made(clip=clip, plan=plan, rounds=round_, verdict=verdict)
            before = plan.cuts
            plan = grown(plan, clip, verdict.tracks, verdict.spans, self.policy)
        raise ResidualError(
            f"after {self.policy.check.rounds + 1} tries the second look still finds "
            f"{verdict.summary}.",
            todo="Give it more tries (check.rounds in the policy); or write a plan (redact plan), "
            "add what is missing by hand, and apply it.",
            reason=verdict.reason,
        )

    def _once(
        self,
        clip: Clip,
        target: Path,
        plan: Plan,
        stages: Stages,
        progress: Progress,
        again: Seen | None = None,
        before: Sequence[Cut] = (),
    ) -> Verdict:
        """Render the plan, and look at what came out."""
        cover = Cover(plan, self.policy)
        covers = any(region.boxes for region in plan.regions)
        if not covers:
            stages.forget()
        # A still is covered where it is decoded; frames are, before the encoder is shown them.
        edit = cover if clip.media == "still" else cover.remember
        render(
            clip,
            target,
            encoding=self.policy.encoding,
            picture=edit if covers else None,
            sound=sound_edits(plan, clip),
            progress=_part(progress, 0.0, 0.6),
            shown=lambda clip: stages.covered(clip, cover.on_gpu, cover.change),
            encoder=stages.encoder,
        )
        expected = cover.expected if cover.expected.pts else None
        rest = _part(progress, 0.6, 1.0)
        looked = (self.detectors, self.policy, stages, rest, again, before)
        return check(target, clip, plan, expected, *looked)


def _check_unchanged(clip: Clip) -> None:
    if file_sha256(clip.path) != clip.sha256:
        raise InputError("the file changed while it was being worked on.")


def _part(progress: Progress, start: float, end: float) -> Progress:
    """A stretch of the whole work, as a progress of its own."""
    return lambda share: progress(start + (end - start) * share)
