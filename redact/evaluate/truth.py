"""
Reads what is known of labelled footage: where faces and plates are, and when names are spoken.

Three forms. Ours is JSON; boxes are [x, y, width, height] in pixels, times are seconds:

    {"video": {"a.mp4": {"kind": "face",                  "plate" too; one kind a clip
                         "frames": [[[8, 9, 40, 52]], []],  the boxes of every frame, in order
                         "tracks": [[1], []]}},             which box is whose; may be left out
     "faces": {"b.jpg": {"boxes": [[8, 9, 40, 52]]}}, "plates": {...},
     "speech": {"c.wav": {"names": [{"times": [[0.4, 1.1]]}],
                          "kind": "person"}}}              anything else: nobody's name

A file lies under its name beside the truth file, or in the folder of its section there. What else
stands in an entry is not read; one of "video" without "frames" counts as not labelled.

COCO (JSON with "images", "annotations" and "categories") labels stills. MOT (lines of frame, id,
x, y, width, height, and a sixth number that is 0 for what is not counted) labels one clip, which
is named like the file: clip.txt beside clip.mp4.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redact.errors import UsageError
from redact.types import Box, Kind

_SECTIONS = {"video": Kind.FACE, "faces": Kind.FACE, "plates": Kind.PLATE}
_KINDS = {"face": Kind.FACE, "plate": Kind.PLATE}


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled thing in one frame. Labels of one `track` are of one thing; None: unknown."""

    kind: Kind
    box: Box
    track: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One file of footage, and what is in it."""

    path: Path
    section: str  # "video", "faces", "plates" or "speech"
    frames: tuple[tuple[Label, ...], ...] | None = None  # of each frame; None: not labelled
    sparse: bool = False  # frames past the last label have none (MOT)
    names: tuple[tuple[float, float], ...] | None = None  # in seconds; None: not labelled
    neither: tuple[tuple[float, float], ...] = ()  # a name that is nobody's: not counted

    @property
    def name(self) -> str:
        return self.path.name

    def fitted(self, frames: int) -> Labelled:
        """With labels for so many frames. Raises UsageError where the truth speaks of others."""
        if self.frames is None or len(self.frames) == frames:
            return self
        if self.sparse and len(self.frames) < frames:
            return replace(self, frames=self.frames + ((),) * (frames - len(self.frames)))
        raise UsageError(
            f"the truth has {len(self.frames)} frames for {self.name}, the file has {frames}.",
            means="Nothing was measured: labels would be compared with the wrong frames.",
            todo="Label every frame, an empty list where there is nothing.",
        )


def read(path: Path, footage: Path | None = None) -> tuple[list[Labelled], int]:
    """
    The labelled footage of a truth file, and how many of its entries label nothing.

    `footage` is where the files lie, if not beside the truth file. Raises UsageError for a file
    that is none of the three forms, for labels that can't be, and for footage that is not there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"can't be read ({error})") from error
    folder = footage or path.parent
    if path.suffix.lower() in (".txt", ".csv"):
        found = [_mot(path, text, folder)]
    else:
        value = _json(path, text)
        found = list(
            _coco(path, value, folder) if "annotations" in value else _ours(path, value, folder)
        )
    labelled = [one for one in found if one.frames is not None or one.names is not None]
    if not labelled:
        raise _wrong(path, "labels nothing")
    return labelled, len(found) - len(labelled)


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _wrong(path, "holds no sections")
    return value


def _ours(path: Path, value: dict[str, Any], folder: Path) -> Iterator[Labelled]:
    sections = {name: value[name] for name in (*_SECTIONS, "speech") if name in value}
    if not sections:
        raise _wrong(path, "has none of the sections video, faces, plates, speech")
    for section, files in sections.items():
        if not isinstance(files, dict):
            raise _wrong(path, f"has a section {section} that is not files by their names")
        for name, entry in files.items():
            where = f"{section}, {name}"
            if not isinstance(entry, dict):
                raise _wrong(path, "has an entry that is no object", where)
            yield _entry(path, section, name, entry, folder, where)


def _entry(
    path: Path, section: str, name: str, entry: dict[str, Any], folder: Path, where: str
) -> Labelled:
    frames = names = None
    neither: tuple[tuple[float, float], ...] = ()
    if section == "speech":
        names = tuple(_times(path, entry.get("names"), where))
        if entry.get("kind", "person") != "person":
            names, neither = (), names
    elif section == "video" and "frames" in entry:
        frames = tuple(_frames(path, entry, where))
    elif section != "video":
        frames = (_labels(path, entry.get("boxes"), _SECTIONS[section], None, where),)
    if section == "video" and frames is None:
        return Labelled(path=folder / name, section=section)
    return Labelled(
        path=_file(folder, section, name),
        section=section,
        frames=frames,
        names=names,
        neither=neither,
    )


def _frames(path: Path, entry: dict[str, Any], where: str) -> Iterator[tuple[Label, ...]]:
    kind = _KINDS.get(entry.get("kind", "face"))
    if kind is None:
        raise _wrong(path, f"has a kind that is none of {', '.join(_KINDS)}", where)
    frames, tracks = entry["frames"], entry.get("tracks")
    if not isinstance(frames, list) or (tracks is not None and not isinstance(tracks, list)):
        raise _wrong(path, "has frames that are no list", where)
    if tracks is not None and len(tracks) != len(frames):
        raise _wrong(path, f"has {len(frames)} frames and tracks for {len(tracks)}", where)
    for number, boxes in enumerate(frames):
        ids = tracks[number] if tracks else None
        yield _labels(path, boxes, kind, ids, f"{where}, frame {number}")


def _labels(path: Path, boxes: Any, kind: Kind, ids: Any, where: str) -> tuple[Label, ...]:
    if not isinstance(boxes, list):
        raise _wrong(path, "has no list of boxes", where)
    if ids is not None and (not isinstance(ids, list) or len(ids) != len(boxes)):
        raise _wrong(path, "has not one track for each box", where)
    return tuple(
        Label(kind, _box(path, box, where), ids[place] if ids else None)
        for place, box in enumerate(boxes)
    )


def _box(path: Path, values: Any, where: str) -> Box:
    if not (isinstance(values, Sequence) and len(values) == 4 and all(map(_finite, values))):
        raise _wrong(path, "has a box that is not four numbers x, y, width, height", where)
    x, y, width, height = values
    if width <= 0 or height <= 0:
        raise _wrong(path, f"has a box of {width} x {height} pixels", where)
    return Box.covering(x, y, x + width, y + height)


def _times(path: Path, names: Any, where: str) -> Iterator[tuple[float, float]]:
    if not isinstance(names, list):
        raise _wrong(path, "has no list of names", where)
    for name in names:
        spans = name.get("times") if isinstance(name, dict) else None
        if not isinstance(spans, list):
            raise _wrong(path, "has a name without times", where)
        for span in spans:
            if not (isinstance(span, list) and len(span) == 2 and all(map(_finite, span))):
                raise _wrong(path, "has times that are not start and end, in seconds", where)
            if not 0 <= span[0] < span[1]:
                raise _wrong(path, "has a name that ends before it starts", where)
            yield float(span[0]), float(span[1])


def _coco(path: Path, value: dict[str, Any], folder: Path) -> Iterator[Labelled]:
    try:
        images = {image["id"]: str(image["file_name"]) for image in value["images"]}
        kinds = {one["id"]: _coco_kind(str(one["name"])) for one in value["categories"]}
        boxes: dict[Any, list[Label]] = {image: [] for image in images}
        for number, one in enumerate(value["annotations"]):
            kind = kinds[one["category_id"]]
            if kind is not None:
                label = Label(kind, _box(path, one["bbox"], f"annotation {number}"))
                boxes[one["image_id"]].append(label)
    except (KeyError, TypeError) as error:
        raise _wrong(path, f"is not COCO: {error} is missing or wrong") from error
    if not any(kinds.values()):
        raise _wrong(path, "has no category named for faces or plates")
    for image, name in images.items():
        yield Labelled(
            path=_file(folder, "images", name), section="faces", frames=(tuple(boxes[image]),)
        )


def _coco_kind(name: str) -> Kind | None:
    """Categories are named freely; what is neither a face nor a plate is not measured."""
    return next((kind for word, kind in _KINDS.items() if word in name.lower()), None)


def _mot(path: Path, text: str, folder: Path) -> Labelled:
    frames: dict[int, list[Label]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            index, label = _mot_line(path, line, number)
            frames[index] += [label] if label else []
    dense = tuple(tuple(frames[index]) for index in range(max(frames, default=-1) + 1))
    clips = [
        one
        for one in sorted(folder.glob(f"{path.stem}.*"))
        if one.suffix not in (".txt", ".csv", ".json")
    ]
    if len(clips) != 1:
        raise _wrong(path, f"labels a clip {path.stem}.*, of which there are {len(clips)}")
    return Labelled(path=clips[0], section="video", frames=dense or None, sparse=True)


def _mot_line(path: Path, line: str, number: int) -> tuple[int, Label | None]:
    where = f"line {number}"
    try:
        frame, track, *box = (float(part) for part in line.split(",")[:6])
        counted = len(line.split(",")) < 7 or float(line.split(",")[6]) != 0
    except ValueError as error:
        raise _wrong(path, "is neither JSON nor MOT: not numbers between commas", where) from error
    if not (_finite(frame) and _finite(track) and frame >= 1 and frame == int(frame)):
        raise _wrong(path, "counts frames from 1, in whole numbers", where)
    label = Label(Kind.FACE, _box(path, box, where), int(track)) if counted else None
    return int(frame) - 1, label


def _file(folder: Path, section: str, name: str) -> Path:
    for path in (folder / name, folder / section / name):
        if path.is_file():
            return path
    raise UsageError(
        f"{name} is labelled, and is neither in {folder} nor in {folder / section}.",
        means="Nothing was measured.",
        todo="Say where the footage is: --footage DIR.",
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(path: Path, what: str, where: str = "") -> UsageError:
    place = f" ({where})" if where else ""
    return UsageError(
        f"{path.name} {what}{place}.",
        means="Nothing was measured.",
        todo="`redact evaluate --help` shows what a truth file looks like.",
    )


def of_sections(labelled: Iterable[Labelled], only: Sequence[str]) -> list[Labelled]:
    """Those of some sections; all of them if none is named."""
    return [one for one in labelled if not only or one.section in only]
