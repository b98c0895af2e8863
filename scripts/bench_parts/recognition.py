"""Can a redacted face still be recognised? dlib's recogniser on originals and redacted copies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure_names import share
from numpy.typing import NDArray

from bench_parts.tables import table
from redact.detectors.faces import FaceDetector
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
"""Pictures of each person that an attacker has; the others are asked for."""

MOST = 160
"""Pictures of one recording at most, evenly over its length."""

SOME = 4
"""The default method is asked about every picture, the others about one of so many."""

SMALLEST = 48
"""Pixels: the recogniser is not asked about less high faces."""

SURE = 0.6
"""Score from which a detection is taken for a face to be recognised."""

DEFAULT = ("fill", 4)
CONTROL = ("grey box", 0)
METHODS = (
    ("none", 0),
    CONTROL,
    DEFAULT,
    ("pixelate", 4),
    ("pixelate", 8),
    ("pixelate", 16),
    ("blur", 4),
    ("blur", 8),
    ("blur", 16),
)

Rgb = NDArray[np.uint8]
Vector = NDArray[np.float64]
Save = Callable[[dict[str, Any]], None]
"""Is given the result up to here: counts alone."""


@dataclass(frozen=True)
class Face:
    """A face whose place is known to the attacker as exactly as in the original."""

    picture: Rgb  # the face and as much again on each side
    box: Box
    points: Any  # dlib's five
    vector: Vector  # of the original; in memory only, as all vectors are
    alone: bool = False  # whether what is not covered is shown as black


class Recogniser:
    """dlib's ResNet and five points, from the model folder, and what finds faces for them."""

    def __init__(self) -> None:
        import dlib  # of the extra `audit`

        self._dlib = dlib
        folder = open_model("recognition", purpose="commercial").folder
        self._network = dlib.face_recognition_model_v1(
            str(folder / "dlib_face_recognition_resnet_model_v1.dat")
        )
        self._points = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self._detector: FaceDetector = first_faces(Policy(), device="cpu")

    def faces(self, frame: Frame) -> Iterator[Face]:
        rgb, _ = letterbox(frame, max(frame.width, frame.height), 1)
        whole = rgb.transpose(1, 2, 0).round().astype(np.uint8)
        for found in self._detector.detect([frame])[0]:
            if found.score <= SURE or found.box.height < SMALLEST:
                continue
            near = found.box.grow(1.0).clip(frame.width, frame.height) or found.box
            picture = np.ascontiguousarray(whole[near.y0 : near.y1, near.x0 : near.x1])
            box = _seen_from(near, found.box)
            points = self._points(picture, self._dlib.rectangle(box.x0, box.y0, box.x1, box.y1))
            yield Face(picture, box, points, self.vector(picture, points))

    def vector(self, picture: Rgb, points: Any) -> Vector:
        return np.array(self._network.compute_face_descriptor(picture, points))


def recognition(
    data: Path, portraits: Path | None, before: dict[str, Any], save: Save
) -> dict[str, Any]:
    """
    For each method: how many redacted faces are accepted as, and taken for, the original's.

    `recordings` are the clips of `data`; those whose faces the recogniser takes for one person
    count as one. They are asked once more with everything black that is not covered. Whatever it
    is shown, the recogniser accepts some faces: how many, the row "grey box" says.
    `portraits`, a folder with a folder of photos for each person, has other rooms and clothes in
    each. `save` is given each row; rows that `before` has, of the same faces, are not made again.
    """
    recogniser = Recogniser()
    result: dict[str, Any] = {}
    for name, people in _sets(data, portraits, recogniser):
        gallery = [
            (number, face)
            for number, faces in enumerate(people)
            for face in faces[:: len(faces) // GALLERY][:GALLERY]
        ]
        known = {id(face) for _, face in gallery}
        probes = [(n, face) for n, faces in enumerate(people) for face in faces]
        probes = [(n, face) for n, face in probes if id(face) not in known]
        size = {"people": len(people), "gallery": len(gallery), "probes": len(probes)}
        old = before.get(name, {})
        done = old.get("rows", []) if {key: old.get(key) for key in size} == size else []
        rows: list[dict[str, Any]] = [*done]
        result[name] = {**size, "rows": rows}
        have = {(row["method"], row["cells"]) for row in rows}
        for way in METHODS:
            if way not in have:
                _say(f"{name}: {way[0]} {way[1] or ''}")
                step = 1 if way == DEFAULT or name == "portraits" else SOME
                rows.append(_row(way, recogniser, gallery, probes[::step]))
                save({**before, **result})
    return result


def _seen_from(near: Box, box: Box) -> Box:
    return Box(box.x0 - near.x0, box.y0 - near.y0, box.x1 - near.x0, box.y1 - near.y0)


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def _row(
    way: tuple[str, int],
    recogniser: Recogniser,
    gallery: list[tuple[int, Face]],
    probes: list[tuple[int, Face]],
) -> dict[str, Any]:
    def vectors(faces: list[tuple[int, Face]]) -> Vector:
        return np.stack([recogniser.vector(_redacted(f, *way), f.points) for _, f in faces])

    asked = vectors(probes)
    who, whom = np.array([n for n, _ in probes]), np.array([n for n, _ in gallery])
    original = np.stack([face.vector for _, face in probes])
    clean = np.stack([face.vector for _, face in gallery])
    return {
        "method": way[0],
        "cells": way[1],
        "asked": len(probes),
        "accepted": int((np.linalg.norm(asked - original, axis=1) < ACCEPTED).sum()),
        "rank1_clean": int((whom[_nearest(asked, clean)] == who).sum()),
        "rank1_same_way": int((whom[_nearest(asked, vectors(gallery))] == who).sum()),
    }


def _nearest(asked: Vector, known: Vector) -> NDArray[np.int64]:
    apart = np.linalg.norm(asked[:, None] - known[None], axis=2)
    return np.asarray(apart.argmin(axis=1))


def _redacted(face: Face, method: str, cells: int) -> Rgb:
    height, width = face.picture.shape[:2]
    box = face.box.grow(Policy().faces.margin).clip(width, height) or face.box
    inside = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    frame = _frame(face.picture.copy())
    if method not in ("none", CONTROL[0]):
        cover_all(frame, [(box, method, cells)])
    made = np.ascontiguousarray(np.stack(frame.planes, axis=2))
    if method == CONTROL[0]:
        made[inside] = 128
    if not face.alone:
        return made
    shown = np.zeros_like(made)
    shown[inside] = made[inside]
    return shown


def _frame(picture: Rgb) -> Frame:
    planes = tuple(np.ascontiguousarray(picture[..., channel]) for channel in range(3))
    return Frame(planes=planes, depth=8, index=0, pts=0, time_base=Fraction(1), rgb=True)


def _sets(
    data: Path, portraits: Path | None, recogniser: Recogniser
) -> Iterator[tuple[str, list[list[Face]]]]:
    people = _people(data, recogniser)
    yield "recordings", people
    yield (
        "recordings, the covered part alone",
        [[_alone(face, recogniser) for face in faces] for faces in people],
    )
    if portraits is not None:
        folders = sorted(folder for folder in portraits.iterdir() if folder.is_dir())
        everybody = [list(_photos(folder, recogniser)) for folder in folders]
        yield "portraits", [faces for faces in everybody if len(faces) > 2 * GALLERY]


def _alone(face: Face, recogniser: Recogniser) -> Face:
    """The same face, of which nothing is shown but what a redaction covers."""
    alone = replace(face, alone=True)
    return replace(alone, vector=recogniser.vector(_redacted(alone, "none", 0), face.points))


def _photos(folder: Path, recogniser: Recogniser) -> Iterator[Face]:
    """The largest face of each photo of one person."""
    for path in sorted(folder.iterdir()):
        picture = cv2.imread(str(path))
        if picture is not None:
            rgb = np.asarray(picture[..., ::-1], np.uint8)
            yield from sorted(recogniser.faces(_frame(rgb)), key=lambda face: -face.box.area)[:1]


def _people(data: Path, recogniser: Recogniser) -> list[list[Face]]:
    """The faces of each person, of those with enough pictures."""
    people: list[list[Face]] = []
    for path in sorted((data / "video").iterdir()):
        if not path.name.startswith(("faceseq_", "intel_head", "intel_asl")):
            continue
        _say(path.name)
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
    step = -(-clip.picture.frames // MOST)
    for frame in frames(clip):
        if frame.index % step == 0:
            yield from recogniser.faces(frame)


def recognition_table(result: dict[str, Any]) -> str:
    """One table for each set of faces, what is asked and what chance gives beside it."""
    head = ["method", "accepted as the same person", "rank 1, clean gallery"]
    parts = []
    for name, of in result.items():
        rows = [
            [
                f"{row['method']} {row['cells'] or ''}".strip(),
                *(
                    share(row[key], row["asked"])
                    for key in ("accepted", "rank1_clean", "rank1_same_way")
                ),
            ]
            for row in of["rows"]
        ]
        note = f"{name}: {of['people']} people, {of['gallery']} pictures in the gallery; "
        note += f"chance is {1 / of['people']:.1%}."
        parts += [table([*head, "rank 1, gallery redacted the same way"], rows), note]
    return "\n\n".join(parts)
