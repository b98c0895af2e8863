"""redact_frames on arrays in device memory: over a stand-in for the driver."""

import gc
from fractions import Fraction

import numpy as np
import pytest

from redact.arrays import _patches, redact_frames
from redact.cuda.dlpack import GpuArray
from redact.detectors.opened import Detectors
from redact.errors import DetectorError, UsageError
from redact.methods import cover_all
from redact.plan import Model
from redact.types import Frame
from tests.test_cuda_clips import POLICY, face_detector, greys

SPOTS = np.stack(list(greys()))


class OfAnotherLibrary:
    """An array that is not NumPy's, and speaks DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, *, stream=None):
        return self.array.__dlpack__()


@pytest.fixture
def detectors(gpu):
    model = Model(slot="faces", name="fake", sha256="ab" * 32, threshold_ppm=0)
    one = face_detector()
    on_cpu = Detectors(pictures=one, pictures_again=one, names=None, models=(model,))
    return on_cpu, on_cpu.moved_to(gpu)


def rgb():
    return np.repeat(SPOTS[..., np.newaxis], 3, axis=-1)


def nv12():
    chroma = np.full((len(SPOTS), SPOTS.shape[1] // 2, SPOTS.shape[2]), 128, np.uint8)
    return np.concatenate([SPOTS, chroma], axis=1)


def test_the_same_as_on_the_cpu(gpu, detectors):
    on_cpu, on_gpu = detectors
    expected, report = redact_frames(rgb(), 25, on_cpu, POLICY)
    theirs = OfAnotherLibrary(rgb())
    covered, ours = redact_frames(theirs, 25, on_gpu, POLICY, stream=77)
    assert report.regions
    assert ours == report
    assert isinstance(covered, GpuArray)
    np.testing.assert_array_equal(np.from_dlpack(covered), expected)
    np.testing.assert_array_equal(theirs.array, rgb())


def test_nv12_as_decoders_give_it(gpu, detectors):
    frames = nv12()
    covered, report = redact_frames(OfAnotherLibrary(frames), 25, detectors[1], POLICY)
    assert report.regions
    after, height = np.from_dlpack(covered), SPOTS.shape[1]
    assert after.shape == frames.shape
    for index, (before, picture) in enumerate(zip(frames, after, strict=True)):
        pairs = before[height:].reshape(height // 2, -1, 2)
        planes = before[:height].copy(), pairs[..., 0].copy(), pairs[..., 1].copy()
        frame = Frame(planes, 8, index, index, Fraction(1, 25))
        cover_all(frame, _patches(report.regions, index, POLICY))
        np.testing.assert_array_equal(picture[:height], planes[0])
        np.testing.assert_array_equal(
            picture[height:].reshape(pairs.shape), np.stack(planes[1:], axis=-1)
        )


def test_frames_stay_on_the_gpu(gpu, detectors):
    frames = np.repeat(np.repeat(nv12(), 4, axis=1), 4, axis=2)
    before = gpu.calls.uploaded + gpu.calls.downloaded
    redact_frames(OfAnotherLibrary(frames), 25, detectors[1], POLICY)
    moved = gpu.calls.uploaded + gpu.calls.downloaded - before
    assert moved < frames.nbytes * 0.05  # small pictures: a thousandth of the work at 1080p


def test_no_memory_is_left_behind(gpu, detectors):
    for _ in range(3):
        redact_frames(OfAnotherLibrary(rgb()), 25, detectors[1], POLICY)
    gc.collect()
    assert gpu.used == 0


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros((2, 8, 8, 4), np.uint8), "have the shape"),
        (np.zeros((2, 10, 8), np.uint8), "have the shape"),
        (np.zeros((0, 8, 8, 3), np.uint8), "have the shape"),
        (np.zeros((8, 8), np.uint8), "have the shape"),
        (np.zeros((2, 8, 8, 3), np.uint16), "uint8"),
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((2, 8, 16, 3), np.uint8)[:, :, ::2], "contiguous"),
    ],
)
def test_arrays_of_another_form(gpu, detectors, array, what):
    with pytest.raises(UsageError, match=what) as raised:
        redact_frames(OfAnotherLibrary(array), 25, detectors[1], POLICY)
    assert "Nothing was redacted" in str(raised.value)


def test_frames_on_a_gpu_and_no_gpu_to_work_on(detectors):
    with pytest.raises(UsageError, match="no GPU to work on"):
        redact_frames(OfAnotherLibrary(rgb()), 25, detectors[0], POLICY)


def test_a_detector_that_fails_returns_no_frames(gpu, detectors):
    gpu.calls.failing["cuLaunchKernel"] = 1
    with pytest.raises(DetectorError):
        redact_frames(OfAnotherLibrary(rgb()), 25, detectors[1], POLICY)
