"""Can a redacted face still be recognised? dlib's recogniser on originals and redacted copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench_parts.tables import table
from redact.detectors.opened import first_faces
from redact.detectors.runtime import letterbox
from redact.media.decode import frames
from redact.media.probe import probe
from redact.methods import cover_all
from redact.policy import Limits, Policy
from redact.types import Box, Frame
from redact.weights import open_model

ACCEPTED = 0.6
"""The recogniser's own threshold: below this distance, two faces are of one person."""

GALLERY = 3
"""Pictures of each person that an attacker has, the others are asked for."""

MOST = 16
"""Pictures of one recording at most, evenly over its length."""

SMALLEST = 48
"""Pixels: the recogniser is not asked about less high faces."""

METHODS = (
    ("fill", 4),
    ("pixelate", 4),
    ("pixelate", 8),
    ("pixelate", 16),
    ("blur", 4),
    ("blur", 8),
    ("blur", 16),
)

Rgb = NDArray[np.uint8]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """A face whose place is known to the attacker as exactly as in the original."""

    picture: Rgb
    box: Box
    points: Any  # dlib's five
    vector: Vector  # of the original


class Recogniser:
    """dlib's ResNet and five points, from the model folder."""

    def __init__(self) -> None:
        import dlib  # of the extra `audit`

        self._dlib = dlib
        folder = open_model("recognition", purpose="commercial").folder
        self._network = dlib.face_recognition_model_v1(
            str(folder / "dlib_face_recognition_resnet_model_v1.dat")
        )
        self._points = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))

    def points(self, picture: Rgb, box: Box) -> Any:
        return self._points(picture, self._dlib.rectangle(box.x0, box.y0, box.x1, box.y1))

    def vector(self, picture: Rgb, points: Any) -> Vector:
        return np.array(self._network.compute_face_descriptor(picture, points))


def recognition(data: Path) -> dict[str, Any]:
    """
    For each method: shares of redacted faces that are accepted as, and taken for, the original's.

    Recordings whose faces the recogniser takes for one person count as one person. `control` is a
    grey box: what it lets through comes from what is around the face, hair, clothes and room.
    """
    recogniser = Recogniser()
    people = _people(data, recogniser)
    gallery = [
        (n, face)
        for n, faces in enumerate(people)
        for face in faces[:: len(faces) // GALLERY][:GALLERY]
    ]
    known = {id(face) for _, face in gallery}
    probes = [
        (n, face) for n, faces in enumerate(people) for face in faces if id(face) not in known
    ]
    rows = [
        _row("none", 0, recogniser, gallery, probes),
        _row("control", 0, recogniser, gallery, probes),
    ]
    rows += [_row(method, cells, recogniser, gallery, probes) for method, cells in METHODS]
    return {"people": len(people), "gallery": len(gallery), "probes": len(probes), "rows": rows}


def _row(
    method: str,
    cells: int,
    recogniser: Recogniser,
    gallery: list[tuple[int, Face]],
    probes: list[tuple[int, Face]],
) -> dict[str, Any]:
    def vectors(faces: list[tuple[int, Face]]) -> Vector:
        return np.stack(
            [recogniser.vector(_redacted(f, method, cells), f.points) for _, f in faces]
        )

    asked = vectors(probes)
    who, whom = np.array([n for n, _ in probes]), np.array([n for n, _ in gallery])
    original = np.stack([face.vector for _, face in probes])
    clean = np.stack([face.vector for _, face in gallery])
    return {
        "method": method,
        "cells": cells,
        "accepted": int((np.linalg.norm(asked - original, axis=1) < ACCEPTED).sum()),
        "rank1_clean": int((whom[_nearest(asked, clean)] == who).sum()),
        "rank1_same_way": int((whom[_nearest(asked, vectors(gallery))] == who).sum()),
    }


def _nearest(asked: Vector, known: Vector) -> NDArray[np.int64]:
    apart = np.linalg.norm(asked[:, None] - known[None], axis=2)
    return np.asarray(apart.argmin(axis=1))


def _redacted(face: Face, method: str, cells: int) -> Rgb:
    if method == "none":
        return face.picture
    height, width = face.picture.shape[:2]
    box = face.box.grow(Policy().faces.margin).clip(width, height) or face.box
    copy = np.ascontiguousarray(face.picture)
    if method == "control":
        copy = copy.copy()
        copy[box.y0 : box.y1, box.x0 : box.x1] = 128
        return copy
    planes = tuple(np.ascontiguousarray(copy[..., channel]) for channel in range(3))
    frame = Frame(planes=planes, depth=8, index=0, pts=0, time_base=Fraction(1), rgb=True)
    cover_all(frame, [(box, method, cells)])
    return np.ascontiguousarray(np.stack(frame.planes, axis=2))


def _people(data: Path, recogniser: Recogniser) -> list[list[Face]]:
    """The faces of each person, of those with enough pictures."""
    people: list[list[Face]] = []
    for path in sorted((data / "video").iterdir()):
        if not path.name.startswith(("faceseq_", "intel_head", "intel_asl")):
            continue
        for face in _faces(path, recogniser):
            apart = [min(_apart(face, other) for other in others) for others in people]
            if apart and min(apart) < ACCEPTED:
                people[int(np.argmin(apart))].append(face)
            else:
                people.append([face])
    return [faces for faces in people if len(faces) > 2 * GALLERY]


def _apart(one: Face, other: Face) -> float:
    return float(np.linalg.norm(one.vector - other.vector))


def _faces(path: Path, recogniser: Recogniser) -> Iterator[Face]:
    clip = probe(path, Limits())
    assert clip.picture is not None
    step = max(1, clip.picture.frames // MOST)
    detector = first_faces(Policy(), device="cpu")
    for frame in frames(clip):
        if frame.index % step:
            continue
        rgb, _ = letterbox(frame, max(frame.width, frame.height), 1)
        picture = np.ascontiguousarray(rgb.transpose(1, 2, 0).round().astype(np.uint8))
        for found in detector.detect([frame])[0]:
            if found.score > 0.6 and found.box.height >= SMALLEST:
                points = recogniser.points(picture, found.box)
                yield Face(picture, found.box, points, recogniser.vector(picture, points))


def recognition_table(result: dict[str, Any]) -> str:
    of = result["probes"]
    head = ["method", "accepted as the same person", "rank 1, clean gallery"]

    def share(count: int) -> str:
        return f"{count / of:.1%} of {of}"

    rows = [
        [
            f"{r['method']} {r['cells'] or ''}".strip(),
            share(r["accepted"]),
            share(r["rank1_clean"]),
            share(r["rank1_same_way"]),
        ]
        for r in result["rows"]
    ]
    chance = f"{1 / result['people']:.1%}"
    note = f"\n\n{result['people']} people, {result['gallery']} pictures in the gallery; "
    note += f"chance is {chance}."
    return table([*head, "rank 1, gallery redacted the same way"], rows) + note
