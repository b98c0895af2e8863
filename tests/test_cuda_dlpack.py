"""Arrays go to and fro between libraries without a copy, and nobody's memory is left behind."""

import gc

import numpy as np
import pytest

from redact.cuda import dlpack
from redact.cuda.dlpack import GpuArray, borrowed
from redact.errors import UsageError


def made(gpu):
    return GpuArray(gpu.upload(np.arange(24, dtype=np.uint8)), (2, 3, 4), 8, gpu)


def test_ours_for_others(gpu):
    array = made(gpu)
    seen = np.from_dlpack(array)
    np.testing.assert_array_equal(seen, np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    assert seen.ctypes.data == array.memory.address
    del array
    gc.collect()
    assert gpu.used > 0
    assert (seen.reshape(-1)[-1], len(dlpack._lent)) == (23, 1)
    del seen
    gc.collect()
    assert (gpu.used, dlpack._lent) == (0, {})


def test_a_capsule_that_nobody_takes(gpu):
    array = made(gpu)
    capsule = array.__dlpack__()
    del capsule, array
    gc.collect()
    assert (gpu.used, dlpack._lent) == (0, {})


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_theirs_for_us(gpu, kind):
    theirs = np.arange(60, dtype=kind).reshape(3, 4, 5)[:, ::2, 1:]
    ours = borrowed(theirs, gpu)
    assert ours.address == theirs.ctypes.data
    assert ours.shape == theirs.shape
    assert ours.strides == tuple(one // theirs.itemsize for one in theirs.strides)
    assert ours.bits == 8 * theirs.itemsize


def test_torch_too(gpu):
    torch = pytest.importorskip("torch", reason="needs torch")
    assert torch.from_dlpack(made(gpu)).sum() == 276
    ours = borrowed(torch.zeros((4, 4), dtype=torch.uint8), gpu)
    assert (ours.shape, ours.strides) == ((4, 4), (4, 1))


class Streamed:
    """An array on a GPU that remembers which stream it was asked to be ready for."""

    asked = "nothing"

    def __dlpack_device__(self):
        return dlpack.CUDA, 0

    def __dlpack__(self, **how):
        self.asked = how
        return np.zeros(4, np.uint8).__dlpack__()


@pytest.mark.parametrize(("handle", "told"), [(0, 1), (77, 77)])
def test_the_default_stream_has_another_number_there(gpu, monkeypatch, handle, told):
    """torch refuses 0, which is the handle of its own default stream."""
    monkeypatch.setattr(type(gpu), "memory_kind", "cuda")
    array = Streamed()
    with gpu.on(handle):
        borrowed(array, gpu)
        assert array.asked == {"stream": told}
        borrowed(array, gpu, ready=True)
        assert array.asked == {}


def test_what_cannot_be_taken(gpu):
    with pytest.raises(UsageError, match="uint8 or uint16"):
        borrowed(np.zeros(3, np.float32), gpu)
    with pytest.raises(UsageError, match="on device None"):
        borrowed([1, 2, 3], gpu)
    gpu.ordinal = 1
    with pytest.raises(UsageError, match=r"on device \(1, 0\), and the GPU is number 1"):
        borrowed(np.zeros(3, np.uint8), gpu)
