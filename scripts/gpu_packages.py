#!/usr/bin/env python3
"""What of redact[gpu] imports here, in which version, and what onnxruntime finds."""

from __future__ import annotations

import importlib
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version

PACKAGES = {
    "numpy": "numpy",
    "av": "av",
    "cv2": "opencv-python-headless",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime-gpu",
    "cuda.bindings.driver": "cuda-bindings",
    "cuda.bindings.nvrtc": "nvidia-cuda-nvrtc",
    "cuda.core": "cuda-core",
    "faster_whisper": "faster-whisper",
    "spacy": "spacy",
    "hypothesis": "hypothesis",
    "pytest": "pytest",
}
WELCOME = {"PyNvVideoCodec": "PyNvVideoCodec", "torch": "torch", "cupy": "cupy"}
"""What is used if it is there."""


def main() -> None:
    missing = [module for module, package in PACKAGES.items() if not imports(module, package)]
    for module, package in WELCOME.items():
        imports(module, package)
    try:
        import onnxruntime

        onnxruntime.preload_dlls(directory="")
        print("onnxruntime offers", ", ".join(onnxruntime.get_available_providers()))
    except Exception:  # noqa: BLE001  # is said
        traceback.print_exc()
    sys.exit(f"missing: {', '.join(missing)}" if missing else 0)


def imports(module: str, package: str) -> bool:
    """Whether it does; says its version, or why not."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  # is said
        print(f"{module}: {type(error).__name__}: {str(error).splitlines()[:1]}")
        return False
    try:
        print(module, version(package))
    except PackageNotFoundError:
        print(module, "of unknown version")
    return True


if __name__ == "__main__":
    main()
