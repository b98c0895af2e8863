"""What a measurement says of the machine that it was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from redact.cuda.driver import Gpu
from redact.media.on_gpu import decoder_name
from redact.version import __version__


def where(gpu: Gpu | None) -> dict[str, Any]:
    """Machine, versions, commit and date; and whether a stand-in plays the GPU."""
    names = (
        "av", "numpy", "onnxruntime", "onnxruntime-gpu", "cuda-core", "cuda-bindings",
        "nvidia-cuda-nvrtc", "PyNvVideoCodec",
    )  # fmt: skip
    return {
        "redact": __version__,
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: found for name in names if (found := _version(name))},
        "device": "cpu" if gpu is None else gpu.name,
        "stand_in": gpu is not None and gpu.memory_kind != "cuda",  # then no figure is one
        "decoder": "PyAV" if gpu is None else decoder_name(),
        "driver": None if gpu is None else ".".join(map(str, gpu.driver_version)),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """Of the checkout that runs; empty where redact is installed without one."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
