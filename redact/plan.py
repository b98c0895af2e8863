"""
The plan of one clip: what will be removed, where and how. The hinge between finding and removing.

Everything before it only reads; everything after it only carries out what it says. As JSON it
can be read, edited by hand (drop or add a region) and applied to the one file it was made for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from redact.errors import UsageError
from redact.types import Box, Kind

SCHEMA = "redact/plan/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A thing to cover in the picture: a track and the method for it."""

    kind: Kind
    method: str  # "fill", "pixelate", "blur"
    first: int  # the frame index of boxes[0]
    boxes: tuple[Box, ...]  # one per frame: exactly what is covered, margin included
    score_ppm: int
    detector: str

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A stretch of sound to remove: a span, padded and rounded outward, and the method for it."""

    kind: Kind
    method: str  # "silence", "tone"
    stream: int
    start_us: int  # whole microseconds on the clip's clock
    end_us: int
    score_ppm: int
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that looked. Its threshold in parts per million, 0 where it has none."""

    slot: str
    name: str
    sha256: str
    threshold_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How much of the clip was looked at: "found nothing" means nothing without it."""

    frames: int  # all frames of the picture stream
    frames_scanned: int  # those that a detector saw; the others are filled from both sides
    sound_us: int  # all sound streams together
    sound_us_scanned: int
    speech_us: int
    language: str  # "en", or "" where there is no speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Bound to one source file and one policy by their sha256 (hex)."""

    source: str
    policy: str
    engine: str  # "redact 0.1.0"
    models: tuple[Model, ...]
    looked: Looked
    width: int  # of the picture; 0 without one
    height: int
    regions: tuple[Region, ...]
    cuts: tuple[Cut, ...]
    strip: dict[str, int]  # what the container held that does not go over: count per kind

    def to_json(self) -> str:
        """One line per region, so that a person can drop or add one."""
        value = {"schema": SCHEMA, **asdict(self)}
        regions = [_region_json(region) for region in self.regions]
        value["regions"], value["cuts"] = "@regions", "@cuts"
        text = json.dumps(value, indent=1)
        text = text.replace('"@regions"', _lines(regions))
        return text.replace('"@cuts"', _lines([asdict(cut) for cut in self.cuts])) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str = "the plan") -> Plan:
        """
        Read a plan, checked against its schema.

        Raises UsageError with the place in the file where it says something redact does not know.
        """
        try:
            value = json.loads(text)
            jsonschema.validate(value, schema())
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is not JSON: {error}.") from error
        except jsonschema.ValidationError as error:
            place = "/".join(str(part) for part in error.absolute_path) or "its top level"
            raise UsageError(
                f"{where} does not follow the schema {SCHEMA} at {place}.",
                todo="Compare it with one that `redact plan` wrote.",
            ) from error
        return cls._from_value(value, where)

    @classmethod
    def _from_value(cls, value: dict[str, Any], where: str) -> Plan:
        del value["schema"]
        try:
            value["regions"] = tuple(_region(region) for region in value["regions"])
            value["cuts"] = tuple(
                Cut(**{**cut, "kind": Kind(cut["kind"])}) for cut in value["cuts"]
            )
        except ValueError as error:
            raise UsageError(f"{where}: {error}.") from error
        value["models"] = tuple(Model(**model) for model in value["models"])
        value["looked"] = Looked(**value["looked"])
        plan = cls(**value)
        plan._check_inside(where)
        return plan

    def _check_inside(self, where: str) -> None:
        """Every region inside the picture and the clip: one that is not covers nothing."""
        frame = Box(0, 0, max(self.width, 1), max(self.height, 1))
        for number, region in enumerate(self.regions):
            if region.last >= self.looked.frames:
                raise UsageError(f"{where}: region {number} goes on after the last frame.")
            if any(box & frame != box for box in region.boxes):
                raise UsageError(f"{where}: region {number} leaves the picture.")
        for number, cut in enumerate(self.cuts):
            if cut.start_us >= cut.end_us:
                raise UsageError(f"{where}: cut {number} ends before it starts.")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a plan."""
    text = files("redact").joinpath("plan.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def read(path: Path) -> Plan:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the plan {path.name!r} can't be read ({error}).") from error
    return Plan.from_json(text, where=f"the plan {path.name!r}")


def _region_json(region: Region) -> dict[str, Any]:
    value = asdict(region)
    value["boxes"] = [[box.x0, box.y0, box.x1, box.y1] for box in region.boxes]
    return value


def _region(value: dict[str, Any]) -> Region:
    boxes = tuple(Box(*box) for box in value["boxes"])
    return Region(**{**value, "kind": Kind(value["kind"]), "boxes": boxes})


def _lines(values: list[dict[str, Any]]) -> str:
    if not values:
        return "[]"
    return "[\n  " + ",\n  ".join(json.dumps(value) for value in values) + "\n ]"
