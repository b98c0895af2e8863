"""NVIDIA's driver calls: where they come from, and what their results mean."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from redact.cuda.memory import Memory, Place
from redact.errors import DetectorError, Reason

_NO_MEMORY = 2
_LOST = frozenset({214, 219, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 721, 999})
"""Results after which nothing more can be done with a context."""


class GpuMemoryError(DetectorError):
    """No memory is left on the GPU for this."""

    reason = Reason.MEMORY


class GpuLostError(DetectorError):
    """The GPU's context is gone; what was in its memory is too."""


def bindings() -> Any:
    """`cuda.bindings.driver`. Raises DetectorError where the package is missing."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise DetectorError(
            "the GPU can't be used: cuda-core is not installed.",
            todo="pip install 'redact[gpu]'; --device cpu runs without a GPU.",
        ) from error
    return driver


def no_gpu(why: str, todo: str = "") -> DetectorError:
    """The error where none can be used."""
    return DetectorError(
        f"there is no usable GPU: {why}.",
        todo=todo or "`redact doctor` says more; --device cpu runs without a GPU.",
    )


def returned(driver: Any, function: str, *arguments: Any) -> Any:
    """What a driver call returns besides its result. Raises what a bad result means."""
    result, *values = getattr(driver, function)(*arguments)
    code = int(result)
    if code == 0:
        return values[0] if len(values) == 1 else tuple(values)
    if code == _NO_MEMORY:
        raise GpuMemoryError(f"{function} finds no memory left.")
    if code in _LOST:
        raise GpuLostError(
            f"the GPU gave up in the middle ({function}: error {code}).",
            todo="Run again: finished clips are not done again. If it comes back, see what "
            "the driver says (dmesg, nvidia-smi), or use --device cpu.",
        )
    raise DetectorError(f"the GPU refuses {function} (error {code}).")


def argument(value: Any) -> tuple[Any, Any]:
    """A kernel's parameter and its type in C: Memory or Place, NumPy's float32, or an int."""
    if isinstance(value, Memory | Place):
        return value.address, ctypes.c_void_p
    if isinstance(value, np.float32):
        return float(value), ctypes.c_float
    return int(value), ctypes.c_int
