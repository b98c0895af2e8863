"""Footage that the bench makes of what is at hand: for speed, and for leaks at 30 a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SECONDS = 8
"""Length of the speed clips."""

RATE = 30
ASIDE = ("mo-justin", "no-mask", "IMG-4920")
"""What the names of the recordings begin with on which nothing was tuned."""

MOST = RATE * 24 // 5
"""Frames of a clip that is made of a recording, at most."""

HIDDEN = frozenset(
    f"{name}_jpg.jpg"
    for name in (
        *("IMG_5490_mp4-19", "Mask2_mov-24", "Mask2_mov-56", "Mask2_mov-62", "Mask2_mov-63"),
        *("mask-no-mask_mov-70", "mask-no-mask_mov-71", "mask-no-mask_mov-72"),
        *("IMG_4920_mov-12", "IMG_4920_mov-17", "IMG_4920_mov-21"),
    )
)
"""Labelled stills in which neither eye, nose nor mouth shows: a head from behind, tilted back or
bowed behind its mask, a sliver at the edge. No single picture of these is of a face that anybody
could know, or a detector find; they are measured apart, and with the others in the recordings."""

Picture = NDArray[np.uint8]
"""(height, width, 3), B G R."""

Labelled = tuple[Picture, list[list[float]]]
"""A picture, and the boxes [x, y, width, height] of the faces in it."""


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


def write(
    path: Path, pictures: Iterator[Picture], size: tuple[int, int], preset: str = "medium"
) -> None:
    """H.264 at RATE, as cameras and sites give it, without sound; the same bytes each time."""
    # What x264 makes of its lookahead, or with threads, differs by the run now and then.
    same = {"x264-params": "rc-lookahead=0", "threads": "1"}
    options = {"crf": "18", "bf": "2", "preset": preset, **same}
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def moving_clips(data: Path, folder: Path, *, aside: bool, one_of: Sequence[str] = ()) -> Path:
    """
    Writes clips at 30 frames a second, and their truth file; returns its path.

    - `sequence`: the labelled recordings, a picture for each fifth of a second as they are, under
      a camera that glides, zooms, shakes and rolls: people move as people do.
    - `camera`: stills of them, a second and a half each, under such a camera; cuts between them.
      Nobody holds a pose like that, so that a pose which is missed is missed for long.
    - `wall`: small stills side by side, faces down to 16 pixels, that scroll in and out.
    - `hidden`: as `camera`, of the stills in HIDDEN.

    What lies beyond a still's border is drawn from the border's pixels: a mirrored border would
    show faces that nobody labelled. `aside` makes the clips of the recordings on which nothing was
    tuned, else of the others; `one_of` makes one clip of each of these kinds.
    """
    truth = json.loads((data / "truth.json").read_text())
    random = np.random.default_rng(7 + aside)
    stills = _stills(data, truth["faces"], aside)
    shown = [still for name, still in stills.items() if name not in HIDDEN]
    hidden = [still for name, still in stills.items() if name in HIDDEN]
    made: list[tuple[str, Iterator[Labelled]]] = []
    for name, entry in truth["video"].items():
        if any(entry.get("frames", ())) and is_aside(name) == aside:
            made.append(("sequence", _recording(data / "video" / name, entry["frames"], random)))
    for _ in range(3):
        made.append(("camera", _camera(_some(shown, 3, random), random)))
        made.append(("wall", _wall(_some(shown, 12, random), random)))
    made.append(("hidden", _camera(hidden, random)))
    if one_of:
        made = [next(one for one in made if one[0] == kind) for kind in one_of]
    clips: dict[str, Any] = {}
    for number, (kind, pictures) in enumerate(made):
        path = folder / f"{'aside' if aside else 'tuned'}-{kind}-{number}.mp4"
        frames, boxes = zip(*pictures, strict=True)
        write(path, iter(frames), (960, 540), "veryfast")
        clips[path.name] = {"kind": "face", "frames": list(boxes)}
    (folder / "truth.json").write_text(json.dumps({"video": clips}))
    return folder / "truth.json"


def is_aside(name: str) -> bool:
    """Whether a file is of the recordings on which nothing was tuned, or made of them."""
    name = name.removeprefix("faceseq_").replace("_", "-")
    return name.startswith(("aside", *ASIDE))


def _stills(data: Path, truth: dict[str, Any], aside: bool) -> dict[str, Labelled]:
    return {
        name: (np.asarray(cv2.imread(str(data / "faces" / name)), np.uint8), truth[name]["boxes"])
        for name in sorted(truth)
        if truth[name]["boxes"] and is_aside(name) == aside
    }


def _some(stills: list[Labelled], count: int, random: np.random.Generator) -> list[Labelled]:
    return [stills[place] for place in random.permutation(len(stills))[:count]]


def _recording(
    path: Path, truth: list[list[list[float]]], random: np.random.Generator
) -> Iterator[Labelled]:
    """A recording from just before its first face on, each picture for a fifth of a second."""
    start = max(next(index for index, boxes in enumerate(truth) if boxes) - 2, 0)
    with av.open(str(path)) as source:
        pictures = [frame.to_ndarray(format="bgr24") for frame in source.decode(video=0)]
    light = _light(random)
    shot = [
        (_lit(picture, light), boxes)
        for picture, boxes in zip(pictures, truth, strict=True)
        for _ in range(RATE // 5)
    ]
    first = start * RATE // 5
    return _shot(shot[first : first + MOST], random, lambda time: float(np.sin(time)) / 2)


def _camera(stills: Sequence[Labelled], random: np.random.Generator) -> Iterator[Labelled]:
    """A second and a half of each still."""
    for picture, boxes in stills:
        yield from _shot([(_lit(picture, _light(random)), boxes)] * 45, random, lambda time: time)


def _shot(
    pictures: Sequence[Labelled], random: np.random.Generator, way: Callable[[float], float]
) -> Iterator[Labelled]:
    """What a camera in motion sees; `way` is how far it has come, by the seconds."""
    height, width = pictures[0][0].shape[:2]
    base = 540 / height * random.uniform(0.7, 1.6)
    zoom, roll = random.uniform(-0.4, 0.4), random.uniform(-12, 12)
    start, pan = random.uniform(-0.2, 0.2, 2), random.uniform(-0.6, 0.6, 2)
    for number, (picture, boxes) in enumerate(pictures):
        gone = way(number / RATE)
        shake = 4 * np.sin(number / RATE * np.array([9.0, 11.0]) * 2)
        scale = base * (1 + zoom * gone)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), roll * gone, scale)
        turn[:, 2] += np.array([480 - width / 2, 270 - height / 2]) + shake
        turn[:, 2] += (start + pan * gone) * np.array([width, height]) * scale / 2
        view = cv2.warpAffine(
            picture, turn, (960, 540), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        yield np.asarray(view, np.uint8), _inside([_turned(box, turn) for box in boxes])


def _wall(stills: Sequence[Labelled], random: np.random.Generator) -> Iterator[Labelled]:
    """Stills side by side, so that their faces are 16 to 80 pixels high; the wall scrolls past."""
    wall = np.full((900, 1600, 3), random.integers(60, 200, 3), np.uint8)
    places: list[list[float]] = []
    x, y, row = 8, 8, 0
    for picture, boxes in [*stills, *stills]:
        high = max(box[3] for box in boxes)
        scale = random.uniform(16, 80) / high
        small = cv2.resize(
            _lit(picture, _light(random)), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
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
    for number in range(90):
        turn = np.array([[1, 0, 0], [0, 1, 0]], float)
        turn[:, 2] = -(begin + way * number)
        view = cv2.warpAffine(wall, turn, (960, 540), borderMode=cv2.BORDER_CONSTANT)
        yield np.asarray(view, np.uint8), _inside([_turned(box, turn) for box in places])


def _light(random: np.random.Generator) -> NDArray[np.float64]:
    """A light of its own, B G R: the recordings are grey, and cameras are not."""
    return np.array([0.8, 0.9, 1.05]) * random.uniform(0.85, 1.1, 3)


def _lit(picture: Picture, light: NDArray[np.float64]) -> Picture:
    levels = np.clip(np.arange(256)[:, np.newaxis] * light, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, levels[np.newaxis]), np.uint8)


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
