"""Footage that the bench makes of what is at hand: for speed, and for leaks at 30 a second."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SECONDS = 8
"""Length of the speed clips."""

RATE = 30
ASIDE = ("mo-justin", "no-mask", "IMG_4920")
"""What the names of the recordings begin with on which nothing was tuned."""

Picture = NDArray[np.uint8]
"""(height, width, 3), B G R."""

Truth = list[list[list[float]]]
"""Of each frame, the boxes [x, y, width, height]."""


def speed_clips(samples: Path, folder: Path) -> dict[str, Path]:
    """A camera glides over a face in 1080p and in 720p, and over a scene without anyone."""
    portrait = cv2.imread(str(samples / "portrait.jpg"))
    if portrait is None:
        raise SystemExit("the samples are missing: run scripts/make_samples.py first")
    noise = np.random.default_rng(1).integers(0, 255, (27, 48, 3), dtype=np.uint8)
    face = cv2.resize(portrait, (2400, 1800), interpolation=cv2.INTER_CUBIC)
    scenery = cv2.resize(noise, (2400, 1350), interpolation=cv2.INTER_CUBIC)
    smaller = cv2.resize(face, (1600, 1200), interpolation=cv2.INTER_AREA)
    clips = {
        "1080p30, a face": (face, (1920, 1080)),
        "720p30, a face": (smaller, (1280, 720)),
        "1080p30, nobody": (scenery, (1920, 1080)),
    }
    paths = {}
    for number, (name, (picture, size)) in enumerate(clips.items()):
        paths[name] = folder / f"{number}.mp4"
        write(paths[name], _glide(picture, size), size)
    return paths


def _glide(picture: Picture, size: tuple[int, int]) -> Iterator[Picture]:
    slack_x, slack_y = picture.shape[1] - size[0], picture.shape[0] - size[1]
    for number in range(RATE * SECONDS):
        angle = 2 * np.pi * number / (RATE * SECONDS)
        x = round(slack_x * (0.5 + 0.5 * np.sin(angle)))
        y = round(slack_y * (0.5 + 0.5 * np.cos(angle)))
        yield picture[y : y + size[1], x : x + size[0]]


def write(path: Path, pictures: Iterator[Picture], size: tuple[int, int]) -> None:
    """H.264 at RATE, as cameras and sites give it, without sound."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"crf": "18", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def moving_clips(data: Path, folder: Path, *, aside: bool) -> Path:
    """
    Writes clips at 30 frames a second, and their truth file; returns its path.

    Real stills with labelled faces, in colours of their own, under a camera that pans, zooms,
    shakes and rolls; walls of small stills, faces down to 16 pixels, that scroll in and out of
    the picture; cuts from one to the next. `aside` makes them of the recordings on which nothing
    was tuned, else of the others.
    """
    truth = json.loads((data / "truth.json").read_text())["faces"]
    names = sorted(name for name in truth if name.startswith(ASIDE) == aside)
    stills = [
        (cv2.imread(str(data / "faces" / name)), truth[name]["boxes"])
        for name in names
        if truth[name]["boxes"]
    ]
    random = np.random.default_rng(7 + aside)
    clips: dict[str, Any] = {}
    for number in range(8):
        chosen = [stills[place] for place in random.permutation(len(stills))[:12]]
        make = _wall if number % 2 else _camera
        path = folder / f"{'aside' if aside else 'tuned'}-{number}.mp4"
        frames, boxes = zip(*make(chosen, random), strict=True)
        write(path, iter(frames), (960, 540))
        clips[path.name] = {"kind": "face", "frames": list(boxes)}
    (folder / "truth.json").write_text(json.dumps({"video": clips}))
    return folder / "truth.json"


def _camera(
    stills: Sequence[tuple[Picture, Any]], random: np.random.Generator
) -> Iterator[tuple[Picture, list[list[float]]]]:
    """Three stills, a second and a half each, under a camera in motion; a cut between them."""
    for picture, boxes in stills[:3]:
        picture = _coloured(picture, random)
        height, width = picture.shape[:2]
        base = 540 / height * random.uniform(0.7, 1.6)
        zoom, roll = random.uniform(-0.4, 0.4), random.uniform(-12, 12)
        start, pan = random.uniform(-0.2, 0.2, 2), random.uniform(-0.6, 0.6, 2)
        for number in range(45):
            time = number / RATE
            shake = 4 * np.sin(time * np.array([9.0, 11.0]) * 2)
            scale = base * (1 + zoom * time)
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), roll * time, scale)
            turn[:, 2] += np.array([480 - width / 2, 270 - height / 2]) + shake
            turn[:, 2] += (start + pan * time) * np.array([width, height]) * scale / 2
            view = cv2.warpAffine(
                picture, turn, (960, 540), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
            )
            yield view, _inside([_turned(box, turn) for box in boxes])


def _wall(
    stills: Sequence[tuple[Picture, Any]], random: np.random.Generator
) -> Iterator[tuple[Picture, list[list[float]]]]:
    """Stills side by side, so that their faces are 16 to 80 pixels high; the wall scrolls past."""
    wall = np.full((900, 1600, 3), random.integers(60, 200, 3), np.uint8)
    places: list[list[float]] = []
    x, y, row = 8, 8, 0
    for picture, boxes in [*stills, *stills]:
        high = max(box[3] for box in boxes)
        scale = random.uniform(16, 80) / high
        small = cv2.resize(
            _coloured(picture, random), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        height, width = small.shape[:2]
        if x + width > wall.shape[1]:
            x, y, row = 8, y + row + 8, 0
        if y + height > wall.shape[0]:
            break
        wall[y : y + height, x : x + width] = small
        places += [[x + b[0] * scale, y + b[1] * scale, b[2] * scale, b[3] * scale] for b in boxes]
        x, row = x + width + 8, max(row, height)
    way = random.uniform(-1, 1, 2) * 4
    begin = np.array([random.uniform(0, 640), random.uniform(0, 200)])
    for number in range(135):
        turn = np.array([[1, 0, 0], [0, 1, 0]], float)
        turn[:, 2] = -(begin + way * number)
        view = cv2.warpAffine(wall, turn, (960, 540), borderMode=cv2.BORDER_CONSTANT)
        yield view, _inside([_turned(box, turn) for box in places])


def _coloured(picture: Picture, random: np.random.Generator) -> Picture:
    """In a light of its own: the recordings are grey, and cameras are not."""
    light = np.array([0.8, 0.9, 1.05]) * random.uniform(0.85, 1.1, 3)
    return np.asarray(np.clip(picture * light, 0, 255), np.uint8)


def _turned(box: Sequence[float], turn: NDArray[np.float64]) -> list[float]:
    """The box around a box that an affine map takes along."""
    x, y, width, height = box
    corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]])
    moved = corners @ turn[:, :2].T + turn[:, 2]
    # Around the ellipse in it: a face has no corners.
    middle, half = moved.mean(axis=0), np.array([width, height]) / 2
    reach = np.sqrt(((turn[:, :2] * half) ** 2).sum(axis=1))
    return [*(middle - reach).tolist(), *(2 * reach).tolist()]


def _inside(boxes: Sequence[Sequence[float]]) -> list[list[float]]:
    """What of the boxes is in the picture; of less than a third of a face nobody is known."""
    found = []
    for x, y, width, height in boxes:
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + width, 960), min(y + height, 540)
        if x0 < x1 and y0 < y1 and (x1 - x0) * (y1 - y0) >= width * height / 3:
            found.append([round(v, 1) for v in (x0, y0, x1 - x0, y1 - y0)])
    return found
