#!/usr/bin/env python3
"""Makes the clips in samples/, and samples/truth.json, which says what is in them."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import platformdirs
from samples_parts.clips import RECIPES, Materials
from samples_parts.packages import SampleError, Shelf
from samples_parts.truth import Truth

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("video", "faces", "speech", "container", "made")


def main() -> int:
    options = _options()
    try:
        make(options.out, options.cache)
    except SampleError as error:
        print(f"make_samples: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make(out: Path, cache: Path) -> None:
    """Make every clip that is missing in `out` or was made by other code. Raises SampleError."""
    out.mkdir(parents=True, exist_ok=True)
    truth = _read_truth(out / "truth.json")
    recipe = _recipe()
    missing = [name for name in RECIPES if not _is_made(out / name, truth["made"], recipe)]
    with tempfile.TemporaryDirectory(prefix="redact-samples-") as workspace:
        materials = Materials(Shelf(cache), Path(workspace))
        for name in missing:
            began = time.monotonic()
            told, digest = _make_one(materials, out / name)
            _enter(truth, name, told | {"made": {"sha256": digest, "recipe": recipe}})
            _write_whole(out / "truth.json", json.dumps(truth, indent=1).encode())
            print(f"made {name} in {time.monotonic() - began:.1f} s", file=sys.stderr)
    print(f"{out}: {len(RECIPES)} clips, {len(missing)} of them made now", file=sys.stderr)


def _make_one(materials: Materials, path: Path) -> tuple[Truth, str]:
    """Under its name only when it is whole."""
    unfinished = path.with_name(f".unfinished-{path.name}")
    told = RECIPES[path.name](materials, unfinished)
    digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
    unfinished.replace(path)
    return told, digest


def _is_made(path: Path, made: dict[str, Any], recipe: str) -> bool:
    if not path.exists() or made.get(path.name, {}).get("recipe") != recipe:
        return False
    return bool(made[path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest())


def _recipe() -> str:
    """Digest of the code that makes the clips: other code, other clips."""
    parts = sorted(Path(__file__).with_name("samples_parts").glob("*.py"))
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def _read_truth(path: Path) -> dict[str, dict[str, Any]]:
    told = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {section: told.get(section, {}) for section in SECTIONS}


def _enter(truth: dict[str, dict[str, Any]], name: str, told: Truth) -> None:
    """Replace all that `truth` says of one clip, in the order of RECIPES."""
    for section, entries in truth.items():
        entries.pop(name, None)
        if section in told:
            entries[name] = told[section]
        truth[section] = {clip: entries[clip] for clip in RECIPES if clip in entries}


def _write_whole(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".unfinished-{path.name}")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "samples", help="folder of the clips")
    parser.add_argument(
        "--cache",
        type=Path,
        default=platformdirs.user_cache_path("redact") / "samples",
        help="folder of the downloaded packages",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
