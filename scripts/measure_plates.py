#!/usr/bin/env python3
"""
Measures the plate detector: coverage, false boxes, time, and what can be read after redaction.

    scripts/measure_plates.py [--data ../shared/data] [--openalpr DIR] [--walls] [--write]
                              [--only pictures|rendered|plain|video|moving|time|reading|write]

DIR is `endtoend` of a checkout of github.com/openalpr/benchmarks (AGPL-3.0: for measuring alone).
--walls brings Debian's packages of desktop pictures, as further pictures without plates. Each part
that ran goes into scripts/bench_results/plates.json; --write puts the tables into README.md and
models/plates.md, and the threshold's recall into models/manifest.toml. Prints counts alone, never
what stands on a plate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from plates_parts import attack, card
from plates_parts.crops import make_crop
from plates_parts.layouts import LAYOUTS
from plates_parts.lettering import Lettering, fetch
from plates_parts.measured import measuring_only, mosaics, openalpr, read
from plates_parts.measuring import Counts, Found, Truth, by, count, look, tracked
from plates_parts.moving import followed
from plates_parts.paste import bounds, paste, turned
from plates_parts.plate import draw_plate
from plates_parts.sources import Photo, Sources, frames_of, labelled
from plates_parts.surroundings import ground, park

from redact import weights
from redact.bench_machine import made_on
from redact.detectors.plates import EIGHT_BIT, PlateDetector
from redact.policy import Faces, Plates
from redact.types import Frame

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results" / "plates.json"
THRESHOLDS = (0.45, 0.5, 0.55, 0.6, 0.7)
WIDTHS = (20, 40, 80, 160, 10_000)
HEIGHTS = (6, 10, 16, 32, 64, 10_000)
# Without plates, and none of their frames was trained on.
PLAIN = (
    "egoblur_test_video.mp4",
    "intel_people-detection.mp4",
    "faceseq_IMG_4920.mp4",
    "faceseq_IMG_5490.mp4",
    "faceseq_mo_justin_mask_NoMask.mp4",
)
WALLS = ("gnome-backgrounds", "mate-backgrounds", "ukui-wallpapers", "lomiri-wallpapers-20.04")
EACH = 30  # rendered plates of a layout


def main() -> None:
    options = _options()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, part in PARTS.items():
        if options.only in (None, name):
            print(f"measuring {name} ...", flush=True)
            measured = {**result.get("measured", {}), name: _where()}
            result |= {"measured": measured, name: part(options)}
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    if options.write or options.only == "write":
        card.write(ROOT, result)


def pictures(options: argparse.Namespace) -> dict[str, Any]:
    """Labelled real pictures, by source; the first are of the training's own sources."""
    aside = labelled(options.data, aside=True)
    groups: dict[str, Iterator[tuple[Photo, Truth]]] = {
        "Romania, dashcam, kept aside": ((a.photo, a.plates) for a in aside if a.name[0] == "r"),
        "Indonesia, phone, kept aside": ((a.photo, a.plates) for a in aside if a.name[0] == "i"),
        "Romania, other rides": measuring_only(options.data),
        "the same, shrunk to 20 to 40 px": mosaics(_each(measuring_only(options.data))),
    }
    if options.openalpr:
        countries = {"United States": "us", "Europe": "eu", "Brazil": "br"}
        for name, folder in countries.items():
            groups[f"{name} (openalpr)"] = openalpr(options.openalpr / folder)
        everywhere = [
            each for folder in countries.values() for each in openalpr(options.openalpr / folder)
        ]
        groups["openalpr, shrunk to 20 to 40 px"] = mosaics(everywhere)
    finds = _detector(Plates().min_score)
    return {name: _figures(look(finds, each)) for name, each in groups.items()}


def _each(pictures: Iterator[tuple[Photo, Truth]]) -> list[tuple[Photo, Truth]]:
    """Every plate with its picture; others in it then count as false boxes."""
    return [(photo, plate[np.newaxis]) for photo, plates in pictures for plate in plates]


def _figures(looked: list[Found]) -> dict[str, Any]:
    score = Plates().min_score
    return {
        "thresholds": {str(t): _numbers(count(looked, t)) for t in THRESHOLDS},
        "at_default": _numbers(count(looked, score)),
        "by_width": [_numbers(one) for one in by(looked, score, 0, WIDTHS)],
        "by_height": [_numbers(one) for one in by(looked, score, 1, HEIGHTS)],
    }


def _numbers(counts: Counts) -> dict[str, int]:
    return {name: int(getattr(counts, name)) for name in Counts.__dataclass_fields__}


def rendered(options: argparse.Namespace) -> dict[str, Any]:
    """Every layout, drawn and pasted with a seed that the training never used."""
    lettering = Lettering(options.work / "fonts" if (options.work / "fonts").exists() else None)
    finds = _detector(Plates().min_score, long_side=256)
    return {
        layout.country: _numbers(
            count(
                look(finds, (_scene(layout, number, lettering) for number in range(EACH))),
                Plates().min_score,
            )
        )
        for layout in LAYOUTS
    }


def _scene(layout: Any, number: int, lettering: Lettering) -> tuple[Photo, Truth]:
    """One plate of 24 to 200 pixels on a drawn vehicle, 256 pixels square."""
    rng = np.random.default_rng([1999, LAYOUTS.index(layout), number])
    picture, plate = ground(256, rng), draw_plate(rng, lettering, layout)
    wide = float(np.exp(rng.uniform(*np.log((24, 200)))))
    corners = turned(wide, wide * plate.shape[0] / plate.shape[1], rng) + 128
    park(picture, bounds(corners), rng)
    paste(picture, plate, corners, rng)
    return picture.clip(0, 255).astype(np.uint8), bounds(corners)[np.newaxis]


def plain(options: argparse.Namespace) -> dict[str, Any]:
    """Stills without plates: everything that is found is false."""
    none = np.zeros((0, 4))
    groups = {"held-out clips": [(f, none) for f in _stills(options.data)]}
    if options.walls:
        folder = options.work / "walls"
        fetch(WALLS, folder)
        paths = sorted({path for ending in ("jpg", "png") for path in folder.rglob(f"*.{ending}")})
        large = [path for path in paths if not path.is_symlink() and path.stat().st_size > 100_000]
        groups["desktop pictures"] = [(_small(path), none) for path in large]
    groups["rendered, no plate"] = [(photo, none) for photo in _clutter(options)]
    finds = _detector(Plates().min_score)
    return {name: _figures(look(finds, each)) for name, each in groups.items()}


def _stills(data: Path) -> list[Photo]:
    return [frame for name in PLAIN for frame in frames_of(data / "video" / name, 1.0)]


def _small(path: Path) -> Photo:
    photo = read(path)
    share = min(1280 / max(photo.shape), 1)
    return cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


def _clutter(options: argparse.Namespace) -> list[Photo]:
    """Crops of pages, signs, shop fronts and vehicles without plates, of a seed kept aside."""
    lettering = Lettering(options.work / "fonts" if (options.work / "fonts").exists() else None)
    crops = (make_crop(index, Sources(), lettering, seed=1999) for index in range(300))
    return [one.picture for one in crops if not len(one.plates) and not len(one.ignored)]


def video(options: argparse.Namespace) -> dict[str, Any]:
    """The same clips in full, through schedule and tracking."""
    pace = Faces().looks_per_second
    finds = _detector(Plates().min_score)
    return {name: _numbers(tracked(finds, options.data / "video" / name, pace)) for name in PLAIN}


def moving(options: argparse.Namespace) -> dict[str, Any]:
    """Stills of other rides that move, tracked; and as if what is doubtful were not."""
    pace, finds = Faces().looks_per_second, _detector(Plates().min_score)
    pictures = list(measuring_only(options.data))[::2]
    pairs = [
        followed(finds, *picture, seed=number, looks_per_second=pace)
        for number, picture in enumerate(pictures)
    ]
    names, columns = ("tracked", "if nothing were doubtful"), zip(*pairs, strict=True)
    return {
        name: _numbers(sum(column, Counts())) for name, column in zip(names, columns, strict=True)
    }


def times(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a look at one 1280 x 720 frame, on two threads: wall and processor."""
    finds = _detector(Plates().min_score, threads=2)
    frame = _frame()
    looks = {"thorough": finds, "quick": finds.quick()}
    result: dict[str, Any] = {}
    for name, each in looks.items():
        runs = [_timed(each, frame) for _ in range(options.rounds)]
        result[name] = {
            "wall_ms": round(statistics.median(run[0] for run in runs), 2),
            "best_wall_ms": round(min(run[0] for run in runs), 2),
            "cpu_ms": round(statistics.median(run[1] for run in runs), 2),
        }
    result["looks_per_frame"] = round(Faces().looks_per_second / 30, 4)  # of 30 a second
    return result


def _frame() -> Frame:
    rng = np.random.default_rng(0)
    luma = rng.integers(0, 256, (720, 1280), np.uint8)
    chroma = [rng.integers(0, 256, (360, 640), np.uint8) for _ in range(2)]
    return Frame((luma, *chroma), 8, 0, 0, Fraction(1, 30))


def _timed(finds: PlateDetector, frame: Frame) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    finds.detect([frame] * 4)
    return (time.perf_counter() - wall) * 250, (time.process_time() - cpu) * 250


def reading(_options: argparse.Namespace) -> dict[str, Any]:
    """What a recogniser reads, and how often one who knows the font picks the right number."""
    read, rng, plates = attack.reader(), np.random.default_rng(11), 40
    result: dict[str, Any] = {"plates": plates, "candidates": 50, "before": 0}
    numbers = [attack.text(rng) for _ in range(plates)]
    photos = [attack.photo(number, noise=2.0, seed=i) for i, number in enumerate(numbers)]
    for number, photo in zip(numbers, photos, strict=True):
        result["before"] += attack.plain(number) in read(photo)
    ways = [
        attack.Way(method, cells) for method in ("fill", "pixelate", "blur") for cells in (1, 2, 4)
    ]
    for way in ways:
        reads = [read(attack.redacted(photo, way)) for photo in photos]
        pairs = list(zip(numbers, reads, strict=True))
        result[f"{way.method}, {way.cells} cells"] = {
            "exact": sum(attack.plain(number) in texts for number, texts in pairs),
            "three_in_a_row": sum(
                any(attack.alike(text, number) >= 3 for text in texts) for number, texts in pairs
            ),
            "picked": attack.guessed(way, plates=plates, candidates=50, seed=1),
        }
    return result


PARTS = {
    "pictures": pictures,
    "rendered": rendered,
    "plain": plain,
    "video": video,
    "moving": moving,
    "time": times,
    "reading": reading,
}


def _detector(min_score: float, *, long_side: int = 0, threads: int = 1) -> PlateDetector:
    opened = weights.open_model("plates", purpose="commercial")
    return PlateDetector(
        opened.read(EIGHT_BIT),
        label=opened.name,
        min_score=min_score,
        long_side=long_side or Plates().long_side,
        threads=threads,
    )


def _where() -> dict[str, Any]:
    at = made_on()
    return {
        "model": weights.model("plates").file(EIGHT_BIT).sha256,
        "min_score": Plates().min_score,
        "onnxruntime": version("onnxruntime"),
        **{name: at[name] for name in ("date", "commit", "machine", "python")},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "plates")
    parser.add_argument("--openalpr", type=Path)
    parser.add_argument("--walls", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=[*PARTS, "write"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
