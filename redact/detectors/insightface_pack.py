"""Finds faces with a model pack of InsightFace that the user has: for research only."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redact.detectors.runtime import PROVIDERS, letterbox
from redact.errors import DetectorError, UsageError
from redact.policy import Policy
from redact.types import Box, Detection, Frame, Kind

LICENCE = "LicenseRef-InsightFace-noncommercial"
"""Of the packs' weights (the package's code is MIT)."""

MULTIPLE = 32
"""The network's coarsest grid: its input's sides are multiples of this."""


class InsightFacePack:
    """
    The face detector (SCRFD, `det_*.onnx`) of a pack, held open by the insightface package.

    Args:
        folder: the pack, unpacked, for example ~/.insightface/models/buffalo_l.
        policy: must be for research, and accept LICENCE.
        min_score: detections below this are dropped.
        long_side: pictures are scaled to this for a look, up to a multiple of 32.
        device: "cpu" or "cuda".

    Raises UsageError if the policy does not allow these weights; DetectorError if the package or
    the model is absent or does not open on this device. Nothing is ever downloaded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        policy: Policy,
        min_score: float,
        long_side: int,
        device: str = "cpu",
    ) -> None:
        _refuse_unless_allowed(policy)
        path = _detector_of(folder)
        self.sha256 = sha256(path.read_bytes()).hexdigest()
        self.name = f"{path.stem}@{self.sha256[:16]}"
        self._min_score = min_score
        self._long_side = -(-long_side // MULTIPLE) * MULTIPLE
        self._model = _opened(path, device)
        self._model.prepare(ctx_id=0 if device == "cuda" else -1)

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Every face of each frame, one list per frame. See PictureDetector.detect."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> list[Detection]:
        rgb, scale = letterbox(frame, self._long_side, MULTIPLE)
        picture = np.ascontiguousarray(np.rint(rgb[::-1]).astype(np.uint8).transpose(1, 2, 0))
        height, width = picture.shape[:2]
        self._model.det_thresh = self._min_score
        try:
            faces, _ = self._model.detect(picture, input_size=(width, height))
        except DetectorError:
            raise
        except Exception as error:
            raise DetectorError(f"{self.name} failed on a picture of {width}x{height}.") from error
        return self._detections(frame, np.asarray(faces, float), scale)

    def _detections(self, frame: Frame, faces: NDArray[Any], scale: float) -> list[Detection]:
        edges = np.clip(faces[:, :4] / scale, 0, [frame.width, frame.height] * 2)
        return [
            Detection(Kind.FACE, Box.covering(*box), min(score, 1.0), self.name)
            for box, score in zip(edges.tolist(), faces[:, 4].tolist(), strict=True)
            if box[0] < box[2] and box[1] < box[3]
        ]


class _Finite:
    """A session whose outputs are checked: the package takes a NaN for "no face here"."""

    def __init__(self, session: Any, name: str) -> None:
        self._session, self._name = session, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        outputs = self._session.run(*args, **kwargs)
        if not all(np.isfinite(output).all() for output in outputs):
            raise DetectorError(f"{self._name} returned numbers that are not finite.")
        return outputs


def _refuse_unless_allowed(policy: Policy) -> None:
    if policy.purpose != "research" or LICENCE not in policy.accept_licences:
        raise UsageError(
            f"InsightFace's model packs are for research only ({LICENCE}), and the policy "
            f"{policy.name!r} does not say so.",
            todo=f'A policy with purpose = "research" and accept_licences = ["{LICENCE}"] '
            "allows them.",
        )


def _detector_of(folder: Path) -> Path:
    found = sorted(folder.glob("det_*.onnx"))
    if len(found) != 1:
        raise DetectorError(
            f"{len(found)} face detectors (det_*.onnx) in the pack {folder.name!r}.",
            todo="Name the folder of one unpacked pack, for example buffalo_l.",
        )
    return found[0]


def _opened(path: Path, device: str) -> Any:
    """The package's own model object. The package is imported here, and by nothing else."""
    if device not in PROVIDERS:
        raise DetectorError(f"no device {device!r}.", todo=f"Known: {', '.join(PROVIDERS)}.")
    try:
        from insightface import model_zoo
    except ImportError as error:
        raise DetectorError(
            "the package insightface is not installed.",
            todo="pip install insightface, or use the default model.",
        ) from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it opens
            # One session for all sizes: the one whose outputs are checked below.
            model = model_zoo.get_model(
                str(path), providers=[PROVIDERS[device]], static_shape_sessions=False
            )
    except Exception as error:
        raise DetectorError(f"{path.name} can't be opened by insightface.") from error
    if not hasattr(model, "detect"):
        raise DetectorError(f"{path.name} is no face detector.")
    if PROVIDERS[device] not in model.session.get_providers():
        raise DetectorError(f"{path.name} was to run on {device}, and was opened elsewhere.")
    model.session = _Finite(model.session, path.stem)
    return model
