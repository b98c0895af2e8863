"""Opens models: every file is checked against the manifest each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from redact.errors import DetectorError, UsageError
from redact.weights.listing import Model, changed, manifest, model

OK, MISSING, CHANGED = "ok", "missing", "changed"


@dataclass(frozen=True, slots=True)
class Opened:
    """A model whose files were all as in the manifest when it was opened."""

    model: Model
    folder: Path

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def label(self) -> str:
        return self.model.label

    @property
    def main(self) -> str:
        return self.model.main

    @property
    def sha256(self) -> str:
        return self.model.sha256

    @property
    def licence(self) -> str:
        return self.model.licence

    @property
    def threshold_ppm(self) -> int:
        return self.model.threshold_ppm

    def read(self, name: str) -> bytes:
        """
        One file, checked again: these very bytes have the sha256 of the manifest.

        Raises DetectorError if they do not, or if the manifest has no such file.
        """
        wanted = self.model.file(name)
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise changed(self.model, f"{name} can't be read ({error.strerror})") from error
        if sha256(content).hexdigest() != wanted.sha256:
            raise changed(self.model, f"{name} has changed")
        return content


def open_model(
    slot: str, *, purpose: str, accept_licences: Sequence[str] = (), folder: Path | None = None
) -> Opened:
    """
    A model of which every file has the sha256 of the manifest, at this moment.

    Args:
        slot: a slot, or the name of one of its models.
        purpose: "commercial" or "research": what the licence must allow.
        accept_licences: ids of licences with conditions that the user has read and accepted.
        folder: where the files are, if not in the cache.

    Raises UsageError if the licence does not allow the purpose, and DetectorError if a file is
    missing, changed, or not one of the model's.
    """
    wanted = model(slot)
    _check_licence(wanted, purpose, accept_licences)
    if not wanted.files:
        raise UsageError(
            f"the model {wanted.name} is listed without digests: it can't be opened.",
            todo=f"Its makers publish it at {wanted.address}.",
        )
    place = folder or wanted.place
    if (found := fault(wanted, place))[0] != OK:
        raise changed(wanted, found[1])
    return Opened(wanted, place)


def verify() -> list[tuple[str, str]]:
    """Name and state of every model: "ok", "missing" or "changed", found by reading its files."""
    return [(each.name, state(each)) for each in manifest()]


def state(each: Model) -> str:
    try:
        return fault(each, each.place)[0]
    except DetectorError:  # the package that brings it along is not installed
        return MISSING


def fault(each: Model, folder: Path) -> tuple[str, str]:
    """The state of a model's files in a folder, and what is wrong with them."""
    if not each.files:
        return MISSING, "its files are not known"
    for file in each.files:
        try:
            with (folder / file.name).open("rb") as stream:
                right = file_digest(stream, "sha256").hexdigest() == file.sha256
        except OSError as error:
            return MISSING, f"{file.name} can't be read ({error.strerror})"
        if not right:
            return CHANGED, f"{file.name} has changed"
    if others := unlisted(each, folder):
        return CHANGED, f"{others[0].relative_to(folder).as_posix()} is not in the manifest"
    return OK, ""


def unlisted(each: Model, folder: Path) -> list[Path]:
    """
    Files in a model's folder that the manifest does not list: whoever loads the folder loads them.

    A model of one file is read as that file, whatever lies beside it; so is each file of ours.
    """
    if len(each.files) == 1 or each.ours:
        return []
    known = {folder / file.name for file in each.files}
    return sorted(path for path in folder.rglob("*") if not path.is_dir() and path not in known)


def _check_licence(wanted: Model, purpose: str, accepted: Sequence[str]) -> None:
    if wanted.commercial:
        return
    if purpose != "research":
        raise UsageError(
            f"the licence of the model {wanted.name} ({wanted.licence}) does not allow the "
            f"purpose {purpose!r}.",
            todo=f"Use another model of the slot {wanted.slot}, or a policy for research.",
        )
    if wanted.licence not in accepted:
        raise UsageError(
            f"the model {wanted.name} has a licence with conditions ({wanted.licence}).",
            todo=f"Read it ({wanted.address}); then name it in the policy's accept_licences.",
        )
