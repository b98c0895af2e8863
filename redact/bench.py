"""
How fast this machine is: decoding, each kernel, the detector, and whole clips, many at once.

Nothing here is a figure by itself: `measured` measures on the machine that it runs on.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from redact.bench_kernels import kernels
from redact.bench_machine import made_on
from redact.cuda.driver import Gpu
from redact.detectors.opened import Detectors
from redact.detectors.upright import upright
from redact.errors import RedactError
from redact.look import Seen, look_at_picture
from redact.media.on_gpu import chunks, covered_on_gpu, decoder_name
from redact.media.probe import Clip
from redact.pipeline import Pipeline
from redact.plan import Looked, Plan, Region
from redact.planning import regions_of
from redact.policy import Policy
from redact.remove import Cover
from redact.schedule import Schedule
from redact.stages import Stages
from redact.types import Box, Frame, Kind

RATE = 30
"""Frames per second of the footage of which years are counted."""
YEARS = 80
"""Of footage, a day: what has to be got through."""
PATCH = 0.05
"""Share of each picture that is covered, besides what is found in it."""

Say = Callable[[str], None]


def years_a_day(fps: float) -> float:
    """Years of footage that a day at so many frames a second gets through."""
    return fps / RATE / 365.25


def machines(fps: float) -> int:
    """How many machines at this speed get through YEARS of footage in a day."""
    return math.ceil(YEARS / years_a_day(fps))


def measured(
    device: str,
    *,
    at_once: Sequence[int],
    seconds: int,
    footage: Path | None,
    say: Say,
    keep: Callable[[dict[str, Any]], None] = lambda _result: None,
) -> dict[str, Any]:
    """
    All parts, as plain data. `at_once`: how many clips are worked on together, each in turn.

    `footage` is a clip to work on; without it one of so many seconds is made: 1080p30 H.264,
    nobody in it. `keep` gets what there is after each part. A part that fails says why, in
    "failed", and the others go on. Raises what opening a run raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Policy(), device=device)
        clip = pipeline.probe(footage or made(Path(folder, "clip.mp4"), seconds), _quiet)
        gpu = pipeline.detectors.gpu
        result = _where(gpu) | {"clip": _described(clip, made=footage is None), "failed": {}}
        for name, work in _parts(pipeline, clip, at_once, Path(folder)):
            say(name)
            part, _, count = name.partition(", ")
            try:
                found = work()
            except RedactError as error:
                result["failed"][name] = error.what.replace(clip.name, "the clip")
            else:
                result[part] = [*result.get(part, []), found] if count else found
            keep(result)
        return result


def _where(gpu: Gpu | None) -> dict[str, Any]:
    """Machine and versions; and whether a stand-in plays the GPU."""
    versions = (
        "av", "numpy", "onnxruntime", "onnxruntime-gpu", "cuda-core", "cuda-bindings",
        "nvidia-cuda-nvrtc", "PyNvVideoCodec",
    )  # fmt: skip
    return made_on(*versions) | {
        "device": "cpu" if gpu is None else gpu.name,
        "stand_in": gpu is not None and gpu.memory_kind != "cuda",  # then no figure is one
        "decoder": "PyAV" if gpu is None else decoder_name(),
        "driver": None if gpu is None else ".".join(map(str, gpu.driver_version)),
    }


def _parts(
    pipeline: Pipeline, clip: Clip, at_once: Sequence[int], folder: Path
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is measured: "PART", or "PART, N at once"."""
    if pipeline.detectors.gpu is not None:
        yield "kernels", partial(kernels, pipeline.detectors.gpu)
    for name, work in (("decode", _decode), ("tensors", _tensors), ("files", _files)):
        for count in at_once:
            how = partial(_together, work, pipeline, clip, count, folder)
            yield f"{name}, {count} at once", how
        if name == "decode":
            yield "detector", partial(_detector, pipeline, clip)


def made(path: Path, seconds: int) -> Path:
    """A camera over a picture of soft noise; H.264, 1920 x 1080, no sound."""
    noise = np.random.default_rng(1).integers(0, 255, (140, 250), np.uint8)
    scenery = noise.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"crf": "20", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(RATE * seconds):
            x, y = number % 80, number % 40
            view = np.ascontiguousarray(scenery[y : y + 1080, x : x + 1920])
            frame = av.VideoFrame.from_ndarray(view, format="gray").reformat(format="yuv420p")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _quiet(_share: float) -> None:
    """Nobody watches."""


Work = Callable[[Pipeline, Clip, Path], list[str]]
"""Works on one clip; says what of it ran on the CPU."""


def _together(
    work: Work, pipeline: Pipeline, clip: Clip, count: int, folder: Path
) -> dict[str, Any]:
    gpu = pipeline.detectors.gpu
    targets = [folder / f"{number}{clip.suffix}" for number in range(count)]
    before = gpu.crossed if gpu else 0
    start = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        notes = list(pool.map(lambda target: work(pipeline, clip, target), targets))
    wall = time.perf_counter() - start
    assert clip.picture is not None
    frames = count * clip.picture.frames
    fps = frames / wall
    size = frames * clip.picture.width * clip.picture.height * 1.5
    crossed = {"crossed_percent": round(100 * (gpu.crossed - before) / size, 3)} if gpu else {}
    return crossed | {
        "at_once": count,
        "seconds": round(wall, 3),
        "fps": round(fps, 2),
        "years_a_day": round(years_a_day(fps), 4),
        "machines_for_80_years_a_day": machines(fps),
        "on_cpu": sorted({note for some in notes for note in some}),
    }


def _decode(pipeline: Pipeline, clip: Clip, _target: Path) -> list[str]:
    gpu = pipeline.detectors.gpu
    stages = Stages(gpu)
    if gpu is not None and stages.decodes(clip):
        for _ in chunks(clip, gpu):
            pass
    else:
        for _ in stages.frames(clip):
            pass
    return stages.notes


def _tensors(pipeline: Pipeline, clip: Clip, _target: Path) -> list[str]:
    """Look, plan, and cover; the frames are dropped where a training job would take them."""
    gpu, stages, policy = pipeline.detectors.gpu, Stages(pipeline.detectors.gpu), pipeline.policy
    seen = look(pipeline, clip, stages.first)
    cover = Cover(_plan(clip, seen, policy), policy)
    if gpu is None or not stages.decodes(clip):
        for frame in stages.frames(clip):
            cover.change(frame)
    else:
        for _ in covered_on_gpu(stages.again(clip), gpu, partial(cover.on_gpu, gpu)):
            pass
    return stages.notes


def _files(pipeline: Pipeline, clip: Clip, target: Path) -> list[str]:
    """The whole way of a run but recording and publishing: both looks, rendering, checking."""
    made_ = pipeline.make(clip, target, None, False, _quiet)
    target.unlink()
    return list(made_.notes)


def look(pipeline: Pipeline, clip: Clip, source: Callable[[Clip], Iterator[Frame]]) -> Seen:
    """The first look of a run."""
    assert clip.picture is not None
    detectors, rotation = pipeline.detectors, clip.picture.rotation
    quick = detectors.pictures_quick
    return look_at_picture(
        clip,
        upright(detectors.pictures, rotation),
        Schedule(looks_per_second=pipeline.policy.faces.looks_per_second),
        _quiet,
        quick=quick and upright(quick, rotation),
        source=source,
        pool=detectors.pool,
    )


def _plan(clip: Clip, seen: Seen, policy: Policy) -> Plan:
    """What was found, and a patch that wanders over PATCH of each picture."""
    assert clip.picture is not None
    width, height = clip.picture.width, clip.picture.height
    side = round(math.sqrt(PATCH * width * height))
    boxes = tuple(
        Box(x, height // 4, x + min(side, width - x), min(height // 4 + side, height))
        for x in (7 * number % (width - side) for number in range(clip.picture.frames))
    )
    patch = Region(
        kind=Kind.FACE, method=policy.faces.method, first=0, boxes=boxes, score_ppm=0, detector=""
    )
    looked = Looked(
        frames=seen.frames, frames_scanned=seen.frames_scanned, sound_us=0, sound_us_scanned=0,
        speech_us=0, language="",
    )  # fmt: skip
    return Plan(
        source=clip.sha256, policy=policy.sha256, engine="", models=(), looked=looked,
        width=width, height=height, cuts=(), strip={},
        regions=(*regions_of(seen.tracks, policy, width, height), patch),
    )  # fmt: skip


def _detector(pipeline: Pipeline, clip: Clip) -> list[dict[str, Any]]:
    """Thorough looks a second, by how many frames are shown at once."""
    stages = Stages(pipeline.detectors.gpu)
    frames = stages.frames(clip)
    frame = next(iter(frames))
    rows = []
    for count in (1, 4, 16, 64) if pipeline.detectors.gpu else (1, 4):
        some = [replace(frame, index=number) for number in range(count)]
        seconds = repeated(partial(_looks, pipeline.detectors, some))
        rows.append({"frames": count, "looks_a_second": round(count / seconds, 2)})
    return rows


def _looks(detectors: Detectors, frames: list[Frame]) -> list[Any]:
    """A thorough look at each frame, as a run takes them."""
    if detectors.pool is None:
        return detectors.pictures.detect(frames)
    return list(detectors.pool.map(detectors.pictures.detect, [[frame] for frame in frames]))


def repeated(work: Callable[[], object], *, times: int = 5) -> float:
    """The median of so many wall times, after one that does not count."""
    work()
    walls = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
    return statistics.median(walls)


def _described(clip: Clip, *, made: bool) -> dict[str, Any]:
    assert clip.picture is not None
    picture = clip.picture
    return {
        "made": made,
        "codec": picture.codec,
        "width": picture.width,
        "height": picture.height,
        "frames": picture.frames,
        "fps": float(Fraction(picture.rate)),
    }
