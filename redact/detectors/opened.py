"""The detectors of one policy, opened once for many clips."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnxruntime

from redact.cuda.driver import Gpu
from redact.detectors import PictureDetector
from redact.detectors.doubt import FAINT, WEAK
from redact.detectors.faces import FaceDetector
from redact.detectors.gathered import Gathered
from redact.detectors.insightface_pack import InsightFacePack
from redact.detectors.names import NameDetector
from redact.detectors.on_gpu import placed
from redact.detectors.plates import EIGHT_BIT, PlateDetector
from redact.detectors.together import Together, together
from redact.errors import DetectorError
from redact.plan import Model
from redact.policy import Policy
from redact.types import Kind
from redact.weights import Opened, open_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    pictures: PictureDetector
    """Everything that is looked for in pictures: `together`, if it takes several models."""
    pictures_quick: PictureDetector | None = None
    """Less of the same, for every second look; None: each look is thorough."""
    pictures_again: PictureDetector
    """For the second look: the default models at another size."""
    pictures_again_quick: PictureDetector | None = None
    """Less of the same, as in the first look."""
    names: NameDetector
    models: tuple[Model, ...]
    """What plan and ledger record of them."""
    gpu: Gpu | None = None
    """Where frames may stay from the decoder on; None: everything runs on the CPU."""
    pool: Executor | None = None
    """Threads that look at a frame each, on the CPU: a network's own threads wait for each other
    at every layer. None: the networks have threads, or there is one core."""
    on_cpu: tuple[str, ...] = ()
    """What of this runs on the CPU although there is a GPU: lines for the user."""

    @classmethod
    def open(cls, policy: Policy, *, device: str = "auto", threads: int = 0) -> Detectors:
        """
        Every model that the policy needs, its digests checked.

        Raises DetectorError for a model that is missing, changed or does not open, and
        UsageError for one whose licence does not allow the policy's purpose.
        """
        asked = device
        device, gpu, said = _device("cuda" if asked == "tensorrt" else asked)
        networks = asked if asked == "tensorrt" else device
        opened = partial(open_model, purpose=policy.purpose, accept_licences=policy.accept_licences)
        face, speech, text = opened("faces"), opened(policy.names.model), opened("names")
        voice = opened("voice-activity")  # faster-whisper opens it; its digest is checked here
        second = opened(_second_slot(policy)) if policy.names.caution != "low" else None
        names = _names(policy, speech, text, second, device, threads)
        pool = _pool(policy, device, threads)
        threads = 1 if pool else threads
        own = _faces(face, policy, policy.faces.long_side, networks, threads)
        first, quick = _first_look(own, policy, device)
        again = own.at_size(policy.check.long_side)
        plate = opened("plates") if policy.plates.find else None
        plates = [] if plate is None else [_plates(plate, policy, networks, threads)]
        plates_again = [one.again() for one in plates]
        made = cls(
            pictures=together([_by_turns(first), *plates]),
            pictures_quick=quick and together([quick, *(one.quick() for one in plates)]),
            pictures_again=together([again, *plates_again]),
            pictures_again_quick=together([again.quick(), *(one.quick() for one in plates_again)]),
            names=names,
            pool=pool,
            models=(
                *_faces_records(first, face, policy),
                *([] if plate is None else [_plates_record(plate, policy, device)]),
                _record("voice-activity", voice, 0),
                *(_record(one.model.slot, one, 0) for one in (speech, second) if one),
                _record("names", text, 0),
            ),
            on_cpu=(*said, *([names.note] if names.note else [])),
        )
        return made if gpu is None else made.moved_to(gpu)

    def wary(self) -> Detectors:
        """The same for frames that are yet to be encoded, whose second look sees plates sooner."""
        again, quick = self.pictures_again, self.pictures_again_quick
        return replace(
            self, pictures_again=_wary(again), pictures_again_quick=quick and _wary(quick)
        )

    def moved_to(self, gpu: Gpu) -> Detectors:
        """The same, for frames that are on the GPU; names are not a matter of frames."""
        first, first_said = placed(self.pictures, gpu)
        again, again_said = placed(self.pictures_again, gpu)
        quick = self.pictures_quick and placed(self.pictures_quick, gpu)[0]
        again_quick = self.pictures_again_quick and placed(self.pictures_again_quick, gpu)[0]
        return replace(
            self,
            pictures=first,
            pictures_quick=quick,
            pictures_again=again,
            pictures_again_quick=again_quick,
            gpu=gpu,
            on_cpu=tuple(dict.fromkeys((*self.on_cpu, *first_said, *again_said))),
        )


def _wary(detector: PictureDetector) -> PictureDetector:
    parts = detector.detectors if isinstance(detector, Together) else (detector,)
    return together([one.nearly() if isinstance(one, PlateDetector) else one for one in parts])


def open_gpu() -> Gpu:
    """The GPU that CUDA_VISIBLE_DEVICES puts first. Raises DetectorError where there is none."""
    return Gpu()


def _device(asked: str) -> tuple[str, Gpu | None, tuple[str, ...]]:
    """Where to run, the GPU that is there, and what the user should know of one that does not."""
    device = _resolve(asked)
    if device != "cuda":
        return device, None, ()
    try:
        return device, open_gpu(), ()
    except DetectorError as error:
        if asked != "auto":
            raise
        return "cpu", None, (f"Done on the CPU: {error.what}",)


def _pool(policy: Policy, device: str, threads: int) -> Executor | None:
    """Threads for the looks; none for a GPU, nor for a pack whose code may not be for several."""
    cores = threads or len(os.sched_getaffinity(0))
    if device != "cpu" or policy.faces.insightface_pack or cores == 1:
        return None
    return ThreadPoolExecutor(cores, thread_name_prefix="look")


def _second_slot(policy: Policy) -> str:
    """The recogniser that is asked where the policy's one is unsure."""
    return "speech" if policy.names.model == "speech-small" else "speech-small"


def first_faces(policy: Policy, *, device: str = "auto", threads: int = 0) -> FaceDetector:
    """The default model for faces alone, as the first look has it: to measure thresholds with."""
    model = open_model("faces", purpose=policy.purpose, accept_licences=policy.accept_licences)
    return _faces(model, policy, policy.faces.long_side, _resolve(device), threads)


def _resolve(device: str) -> str:
    """Where "auto" runs: on the GPU, if there is one and onnxruntime can use it."""
    if device != "auto":
        return device
    return "cpu" if why_no_gpu() else "cuda"


def why_no_gpu() -> str:
    """What keeps the detectors from running on a GPU; empty if nothing does."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA (the package onnxruntime-gpu has it)"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "the NVIDIA driver does not start"
    return "" if count.value else "the NVIDIA driver sees no GPU"


def _faces(
    model: Opened, policy: Policy, long_side: int, device: str, threads: int
) -> FaceDetector:
    return FaceDetector(
        model.read(model.main),
        label=model.name,
        min_score=policy.faces.min_score,
        long_side=long_side,
        threads=threads,
        device=device,
        faint=FAINT,
        weak=WEAK,
    )


def _names(
    policy: Policy, speech: Opened, text: Opened, second: Opened | None, device: str, threads: int
) -> NameDetector:
    return NameDetector(
        speech.folder,
        text.folder,
        label=speech.label,
        threads=threads,
        device=device,
        second=second.folder if second else None,
        caution=policy.names.caution,
        also=frozenset(map(Kind, policy.names.also)),
    )


def _plates(model: Opened, policy: Policy, device: str, threads: int) -> PlateDetector:
    return PlateDetector(
        model.read(_plates_file(model, device)),
        label=model.name,
        min_score=policy.plates.min_score,
        long_side=policy.plates.long_side,
        threads=threads,
        device=device,
    )


def _plates_file(model: Opened, device: str) -> str:
    return EIGHT_BIT if device == "cpu" else model.main


def _plates_record(model: Opened, policy: Policy, device: str) -> Model:
    """With the sha256 of the file that is run, as its detections have it."""
    record = _record("plates", model, round(policy.plates.min_score * 1_000_000))
    return replace(record, sha256=model.model.file(_plates_file(model, device)).sha256)


def _first_look(
    own: FaceDetector, policy: Policy, device: str
) -> tuple[PictureDetector, PictureDetector | None]:
    """The detector of the first look, and a quick one for every second frame if there is one."""
    faces = policy.faces
    if not faces.insightface_pack:
        return own, own.quick()
    pack = InsightFacePack(
        Path(faces.insightface_pack),
        policy=policy,
        min_score=faces.min_score,
        long_side=faces.long_side,
        device=device,
    )
    return pack, None


def _by_turns(first: PictureDetector) -> PictureDetector:
    """A pack's code may not be for several clips at once."""
    return Gathered(first) if isinstance(first, InsightFacePack) else first


def _faces_records(first: PictureDetector, default: Opened, policy: Policy) -> list[Model]:
    threshold_ppm = round(policy.faces.min_score * 1_000_000)
    records = [_record("faces", default, threshold_ppm)]
    if isinstance(first, InsightFacePack):
        name, _, _ = first.name.partition("@")
        records.append(
            Model(slot="faces", name=name, sha256=first.sha256, threshold_ppm=threshold_ppm)
        )
    return records


def _record(slot: str, model: Opened, threshold_ppm: int) -> Model:
    return Model(slot=slot, name=model.name, sha256=model.sha256, threshold_ppm=threshold_ppm)
