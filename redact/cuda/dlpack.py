"""
Arrays of other libraries (torch, CuPy, JAX) in device memory, and ours for them, by DLPack.

Nothing is copied. The struct is that of DLPack 0.x, https://dmlc.github.io/dlpack, which all speak.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from redact.cuda.driver import Gpu
from redact.errors import UsageError

CPU, CUDA = 1, 2  # kinds of devices
_UNSIGNED = 1  # a kind of numbers
_NAME, _USED = b"dltensor", b"used_dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32),
        ("ordinal", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    )


_api = ctypes.pythonapi
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = ctypes.py_object, ctypes.c_char_p
_api.PyCapsule_SetName.argtypes = ctypes.py_object, ctypes.c_char_p
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
_api.PyCapsule_IsValid.argtypes = ctypes.c_void_p, ctypes.c_char_p


@dataclass(frozen=True, slots=True)
class Borrowed:
    """An array of another library: where it is, and what keeps it there."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements
    bits: int  # of an unsigned whole number
    owner: Any

    @property
    def contiguous(self) -> bool:
        return self.strides == _packed(self.shape)


class _Loan:
    """Gives the array back when it is dropped."""

    def __init__(self, managed: _Managed) -> None:
        self._managed = managed

    def __del__(self) -> None:
        if self._managed.deleter:
            self._managed.deleter(ctypes.addressof(self._managed))


def device_of(array: Any) -> tuple[int, int] | None:
    """The kind of device and its number; None for what does not speak DLPack."""
    if not hasattr(array, "__dlpack__") or not hasattr(array, "__dlpack_device__"):
        return None
    kind, ordinal = array.__dlpack_device__()
    return int(kind), int(ordinal)


def borrowed(array: Any, gpu: Gpu, *, ready: bool = False) -> Borrowed:
    """
    The array's memory, ready for work on `gpu.stream`; with `ready` nothing has to be waited for.

    Raises UsageError for one that is not of unsigned whole numbers, or not on this GPU.
    """
    kind = CUDA if gpu.memory_kind == "cuda" else CPU
    if device_of(array) != (kind, gpu.ordinal):
        raise UsageError(
            f"the frames are on device {device_of(array)}, and the GPU is number {gpu.ordinal}.",
            means="Nothing was redacted.",
        )
    waits = kind == CUDA and not ready
    # By the array API the default stream, whose handle is 0, is called 1.
    capsule = array.__dlpack__(stream=gpu.stream or 1) if waits else array.__dlpack__()
    managed = _Managed.from_address(_api.PyCapsule_GetPointer(capsule, _NAME))
    _api.PyCapsule_SetName(capsule, _USED)  # from here on giving it back is our affair
    loan, tensor = _Loan(managed), managed.tensor
    shape = tuple(tensor.shape[: tensor.dimensions])
    if tensor.code != _UNSIGNED or tensor.lanes != 1:
        raise UsageError("frames must be of uint8 or uint16.", means="Nothing was redacted.")
    strides = tuple(tensor.strides[: tensor.dimensions]) if tensor.strides else _packed(shape)
    return Borrowed(tensor.data + tensor.offset, shape, strides, tensor.bits, (loan, array))


class GpuArray:
    """
    Unsigned whole numbers in device memory: `torch.from_dlpack(array)` is it.

    The work that made it is done. Other libraries hold the memory for as long as they use it.
    """

    def __init__(
        self,
        memory: Any,
        shape: tuple[int, ...],
        bits: int,
        gpu: Gpu,
        *,
        address: int | None = None,
        strides: tuple[int, ...] | None = None,
    ) -> None:
        """All of `memory`, C-contiguous; or from `address` on, which it holds, with `strides`."""
        self.memory, self.shape, self.bits, self._gpu = memory, shape, bits, gpu
        self._address = memory.address if address is None else address
        self._strides = strides or _packed(shape)

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA if self._gpu.memory_kind == "cuda" else CPU, self._gpu.ordinal

    def __dlpack__(self, *, stream: Any = None, **_newer: Any) -> Any:
        """A capsule for from_dlpack; no stream has to wait: the work is done."""
        managed, tensor = _Managed(), _Tensor()
        tensor.data = self._address
        tensor.device, tensor.ordinal = self.__dlpack_device__()
        tensor.dimensions, tensor.code, tensor.bits = len(self.shape), _UNSIGNED, self.bits
        tensor.lanes = 1
        sizes, strides = (
            (ctypes.c_int64 * len(self.shape))(*values) for values in (self.shape, self._strides)
        )
        tensor.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
        tensor.strides = ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64))
        managed.tensor, managed.deleter = tensor, _delete
        _lent[ctypes.addressof(managed)] = managed, sizes, strides, self.memory
        return _api.PyCapsule_New(ctypes.addressof(managed), _NAME, _drop_address)


_lent: dict[int, tuple[Any, ...]] = {}
"""What other libraries hold of ours, by the address of its struct."""


def _forget(address: int) -> None:
    _lent.pop(address, None)


def _drop(capsule: int) -> None:
    """A capsule ends; if nobody took what is in it, that ends too."""
    if _api.PyCapsule_IsValid(capsule, _NAME):
        pointer = ctypes.PyDLL(None).PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)
        _forget(pointer(capsule, _NAME))


_delete, _dropped = (ctypes.CFUNCTYPE(None, ctypes.c_void_p)(one) for one in (_forget, _drop))
_drop_address = ctypes.cast(_dropped, ctypes.c_void_p)


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    return tuple(strides)
