"""The detectors of one policy, opened once for many clips."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import onnxruntime

from redact.detectors.faces import FaceDetector
from redact.detectors.names import NameDetector
from redact.plan import Model
from redact.policy import Policy
from redact.weights import Opened, open_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    faces: FaceDetector
    faces_quick: FaceDetector | None = None
    """Less of the same, for every second look; None: each look is thorough."""
    faces_again: FaceDetector
    """The same model at another size, for the second look."""
    names: NameDetector
    models: tuple[Model, ...]
    """What plan and ledger record of them."""

    @classmethod
    def open(cls, policy: Policy, *, device: str = "auto", threads: int = 0) -> Detectors:
        """
        Every model that the policy needs, its digests checked.

        Raises DetectorError for a model that is missing, changed or does not open, and
        UsageError for one whose licence does not allow the policy's purpose.
        """

        device = _resolve(device)

        def opened(slot: str) -> Opened:
            return open_model(slot, purpose=policy.purpose, accept_licences=policy.accept_licences)

        face, speech, text = opened("faces"), opened(policy.names.model), opened("names")
        names = NameDetector(
            speech.folder, text.folder, label=speech.label, threads=threads, device=device
        )
        faces = _faces(face, policy, policy.faces.long_side, device, threads)
        return cls(
            faces=faces,
            faces_quick=faces.quick(),
            faces_again=_faces(face, policy, policy.check.long_side, device, threads),
            names=names,
            models=(
                _record("faces", face, round(policy.faces.min_score * 1_000_000)),
                _record(policy.names.model, speech, 0),
                _record("names", text, 0),
            ),
        )


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
    )


def _record(slot: str, model: Opened, threshold_ppm: int) -> Model:
    return Model(slot=slot, name=model.name, sha256=model.sha256, threshold_ppm=threshold_ppm)
