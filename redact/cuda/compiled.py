"""
Kernels compiled for one architecture, by NVRTC through cuda-core, and kept on disk.

No compiler and no CUDA toolkit is needed, nor a GPU: NVRTC is a library of the extra `gpu`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import platformdirs

from redact.cuda import sources
from redact.errors import DetectorError

FLAGS = "c++17 fmad=false"
"""Part of a cached file's name: what the machine code depends on besides sources and target."""
_SIZE = 32  # of the sha256 that a cached file begins with

Note = Callable[[str], None]
"""Is told what the user should know, once."""


def cache_folder() -> Path:
    return platformdirs.user_cache_path("redact") / "kernels"


def nvrtc(place: Path, architecture: str) -> bytes:
    """
    Machine code for "sm_90" and the like. Raises DetectorError where NVRTC is missing or fails.
    """
    try:
        from cuda.core import Program, ProgramOptions
    except ImportError as error:
        raise DetectorError(
            "the CUDA kernels can't be compiled: cuda-core is not installed.",
            todo="pip install 'redact[gpu]'; --device cpu runs without a GPU.",
        ) from error
    options = ProgramOptions(std="c++17", arch=architecture, fma=False, include_path=[str(place)])
    source = (place / sources.PROGRAM).read_text(encoding="utf-8")
    try:
        return bytes(Program(source, "c++", options).compile("cubin").code)
    except Exception as error:
        raise DetectorError(
            f"NVRTC does not compile the CUDA kernels for {architecture}.",
            todo="`redact doctor` shows the versions; --device cpu runs without a GPU.",
        ) from error


def nvrtc_version() -> tuple[int, int]:
    """Of the installed library. Raises DetectorError where there is none."""
    try:
        from cuda.bindings import nvrtc as library

        _, major, minor = library.nvrtcVersion()
    except Exception as error:
        raise DetectorError(
            "NVRTC, which compiles the CUDA kernels, is not installed.",
            todo="pip install 'redact[gpu]'; --device cpu runs without a GPU.",
        ) from error
    return int(major), int(minor)


def machine_code(
    architecture: str,
    *,
    place: Path | None = None,
    cache: Path | None = None,
    compiler: Callable[[Path, str], bytes] | None = None,
    note: Note = lambda _text: None,
) -> bytes:
    """
    The kernels for one architecture, from the cache or compiled now.

    Many processes may ask at once: each writes a file of its own and renames it. A file that is not
    whole is compiled again. A cache that can't be written costs a second at each start, and `note`
    is told. Raises DetectorError for sources that were edited or do not compile.
    """
    place = place or sources.folder()
    name = sha256(f"{sources.checked(place)} {architecture} {FLAGS}".encode()).hexdigest()
    path = (cache or cache_folder()) / f"{architecture}-{name}.cubin"
    if code := _whole(path):
        return code
    code = (compiler or nvrtc)(place, architecture)
    try:
        _write(path, code)
    except OSError as error:
        note(
            f"The compiled CUDA kernels can't be kept in {path.parent} ({error.strerror}): they "
            "are compiled anew at each start."
        )
    return code


def _whole(path: Path) -> bytes | None:
    """The code in a cached file, if it is there and all of it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[_SIZE:]
    return code if code and sha256(code).digest() == content[:_SIZE] else None


def _write(path: Path, code: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(sha256(code).digest() + code)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
