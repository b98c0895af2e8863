"""The sources of the kernels: where they lie, and that they are those of this version."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from redact.errors import DetectorError, Reason

_PACKAGE = Path(__file__).parents[1]
PLACES = _PACKAGE / "cuda_ext", _PACKAGE.parent / "cuda_ext"
"""Where the sources are when redact is installed, and in a checkout."""

PROGRAM = "redact.cu"
"""The file that is compiled; it includes the others."""
RECORD = "sources.sha256"
"""Beside the sources: `digest` of them, written by scripts/compile_kernels.sh."""


def folder() -> Path:
    """Where the sources are. Raises DetectorError where they are not."""
    for place in PLACES:
        if (place / PROGRAM).is_file():
            return place
    raise DetectorError(
        "the sources of the CUDA kernels are missing.", todo="Install redact again: pip install."
    )


def digest(place: Path) -> str:
    """The sha256 of all sources with their names, hex."""
    whole = sha256()
    for path in sorted([*place.glob("*.cu"), *place.glob("*.cuh")]):
        text = path.read_bytes()
        whole.update(f"{path.name} {len(text)}\n".encode() + text)
    return whole.hexdigest()


def checked(place: Path) -> str:
    """
    The digest of the sources.

    Raises DetectorError where it is not the recorded one: a kernel that someone edited may leave
    a face in the picture, and no test has seen it.
    """
    found = digest(place)
    if found != (place / RECORD).read_text(encoding="ascii").strip():
        raise DetectorError(
            f"the CUDA kernels in {place} are not those of this version: a source was edited.",
            todo="Install redact again; or, in a checkout, run scripts/compile_kernels.sh, which "
            "records the sources anew, and the tests.",
            reason=Reason.MODEL_CHANGED,
        )
    return found
