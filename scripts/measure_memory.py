#!/usr/bin/env python3
"""
Measures how the memory of a clip's work grows with the clip's length.

    python scripts/measure_memory.py [--minutes 2 8] [--sound-minutes 20 120]

Clips of noise at 30 frames a second, 64 x 48 pixels, in which a detector without a network finds a
face in every frame: each goes the whole way (look, plan, remove, second look) in a process of its
own. What does not depend on the length (models, frames of the size that they have) is in neither
clip's difference: the growth a minute is, and for two hours of five faces follows from it.

Of sound, a hum with a little voice-like noise is listened to with the real models: the peak holds
them, and all of a clip's sound.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 30
EAR_RATE = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--minutes", type=float, nargs=2, default=(2, 8))
    parser.add_argument("--sound-minutes", type=float, nargs="*", default=(20, 120))
    options = parser.parse_args()
    short, long = options.minutes
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for faces in (0, 1):
            sizes = []
            for minutes in (short, long):
                path = _clip(Path(folder, f"{minutes}.mp4"), minutes)
                with spawn.Pool(1) as pool:
                    sizes.append(pool.apply(_peak, (path, faces)))
            growth = (sizes[1] - sizes[0]) / (long - short)
            print(
                f"{faces} faces: {sizes[0]:.0f} MB at {short:g} minutes, {sizes[1]:.0f} MB at "
                f"{long:g}; {growth:.2f} MB a minute, {120 * growth:.0f} MB for two hours"
            )

        for minutes in options.sound_minutes:
            path = _sound(Path(folder, f"{minutes}.wav"), minutes)
            with spawn.Pool(1) as pool:
                peak = pool.apply(_peak_of_sound, (path,))
            print(f"sound: {peak:.0f} MB at {minutes:g} minutes, models included", flush=True)


def _sound(path: Path, minutes: float) -> Path:
    random = np.random.default_rng(1)
    hum = 0.02 * np.sin(np.arange(EAR_RATE) * 2 * np.pi * 100 / EAR_RATE)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=EAR_RATE, layout="mono")
        for second in range(round(minutes * 60)):
            loud = 0.3 if second % 600 < 2 else 0.001
            mono = 32767 * np.clip(hum + loud * random.standard_normal(EAR_RATE), -1, 1)
            frame = av.AudioFrame.from_ndarray(mono.astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts = EAR_RATE, second * EAR_RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _peak_of_sound(path: Path) -> float:
    """The largest resident memory, in MB, of a process that opens all models and listens."""
    from redact.detectors.opened import Detectors
    from redact.listen import listen
    from redact.media.probe import probe
    from redact.policy import Policy

    policy = Policy()
    detectors = Detectors.open(policy, device="cpu")
    listen(probe(path, policy.limits), detectors.names, policy, lambda _: None)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _clip(path: Path, minutes: float) -> Path:
    if path.exists():
        return path
    noise = np.random.default_rng(1).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(minutes * 60 * RATE)):
            noise[:8, :8] = number * 41 % 256
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        output.mux(stream.encode(None))
    return path


class _Eyes:
    """Finds so many faces in every frame in which what is there was not covered."""

    name = "eyes@0"

    def __init__(self, faces: int) -> None:
        self._faces = faces

    def detect(self, frames: Any) -> Any:
        from redact.types import Box, Detection, Kind

        found = [
            Detection(Kind.FACE, Box(20, 16, 40, 40), 0.9, self.name) for _ in range(self._faces)
        ]
        return [found if frame.planes[0][16:40, 20:40].std() > 15 else [] for frame in frames]


def _peak(path: Path, faces: int) -> float:
    """The largest resident memory of this process, in MB, once the clip is done."""
    from redact import pipeline as pipelines
    from redact.detectors.opened import Detectors
    from redact.policy import Policy

    eyes: Any = _Eyes(faces)
    detectors = Detectors(
        pictures=eyes,
        pictures_again=eyes,
        names=None,
        models=(),  # type: ignore[arg-type]
    )
    pipelines.Detectors.open = lambda *_, **__: detectors  # type: ignore[method-assign]
    pipeline = pipelines.Pipeline(Policy(), device="cpu")
    clip = pipeline.probe(path, lambda _: None)
    pipeline.make(clip, path.with_suffix(".out.mp4"), None, False, lambda _: None)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
