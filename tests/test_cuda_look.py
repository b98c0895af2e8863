"""Finding faces on the GPU finds what the CPU finds: over a stand-in for the driver."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from redact import weights
from redact.detectors import closer_on_gpu
from redact.detectors.faces import FaceDetector
from redact.detectors.on_gpu import OnHost, placed, run_on_gpu
from redact.detectors.plates import PlateDetector
from redact.detectors.upright import upright
from redact.errors import DetectorError
from redact.types import Box, Frame
from tests.test_cuda_methods import on_gpu, semi
from tests.test_faces import bright_spots
from tests.test_faces import detector as spots
from tests.test_methods import make
from tests.test_plates import Lettering, Sources, bright_cells, make_crop
from tests.test_plates import detector as bright_plates

SCORES = 0.01
"""How far scores may lie apart: OpenCV rounds halves of samples to even ones, the kernels up."""
PIXELS = 1
"""And box edges, which are rounded outward to whole pixels."""


WAYS = [
    pytest.param("spots", id="spots"),
    pytest.param("faces", id="faces", marks=[pytest.mark.weights, pytest.mark.shared]),
    pytest.param("cells", id="cells"),
    pytest.param("plates", id="plates"),
]


@pytest.fixture(params=WAYS)
def seen(request):
    """A detector, and a frame in which it finds something: made ones, and real ones."""
    if request.param == "spots":
        picture = np.zeros((98, 130, 3), np.uint8)
        for x, y, size in ((20, 12, 16), (80, 60, 8), (4, 70, 12)):
            picture[y : y + size, x : x + size] = 255
        return spots(bright_spots(), long_side=256), as_frame(picture)
    if request.param == "cells":
        picture = np.zeros((98, 130, 3), np.uint8)
        for x, y, size in ((24, 16, 8), (80, 56, 8), (64, 8, 16), (100, 70, 24)):
            picture[y : y + size, x : x + size] = 255
        return bright_plates(bright_cells(), min_score=0.55), as_frame(picture)
    if request.param == "plates":
        opened = weights.open_model("plates", purpose="commercial")
        model = opened.read(opened.main)  # a GPU runs this one, in floats
        detector = PlateDetector(model, label="x", min_score=0.45, long_side=256, threads=1)
        return detector, as_frame(rendered_plate())
    models, shared = (request.getfixturevalue(name) for name in ("models", "shared"))
    photo = cv2.imread(str(shared / "faces" / "no-mask_mov-16_jpg.jpg"))
    picture = np.full((720, 1280, 3), 90, np.uint8)
    picture[200:600, 500:1100] = cv2.resize(photo, (600, 400), interpolation=cv2.INTER_AREA)
    picture[10:150, 60:270] = cv2.resize(photo, (210, 140), interpolation=cv2.INTER_AREA)
    model = (models / "faces" / "centerface.onnx").read_bytes()
    detector = FaceDetector(model, label="x", min_score=0.6, long_side=640, faint=0.3, weak=0.45)
    return detector, as_frame(picture)


def rendered_plate():
    """A picture (B, G, R) in which a plate is known to be found, of sides that are even."""
    for index in range(60):
        crop = make_crop(index, Sources(), Lettering(None), seed=99)
        if any(plate[2] - plate[0] >= 60 for plate in crop.plates):
            height, width = (side // 2 * 2 for side in crop.picture.shape[:2])
            return np.ascontiguousarray(crop.picture[:height, :width, ::-1])
    raise AssertionError


def moved(detector, gpu):
    """The detector on the GPU: without a lock, and nothing of it on the CPU."""
    ours_, said = placed(detector, gpu)
    assert said == ()
    return ours_._detector


def as_frame(picture):
    height, width = picture.shape[:2]
    whole = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    planes, at = [], 0
    for rows, columns in sizes:
        planes.append(whole[at : at + rows * columns].reshape(rows, columns).copy())
        at += rows * columns
    return Frame(tuple(planes), 8, 0, 0, Fraction(1, 30), bt601=True)


def assert_alike(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.kind is other.kind
        assert one.detector == other.detector
        assert (one.doubtful, one.weak) == (other.doubtful, other.weak)
        assert abs(one.score - other.score) <= SCORES
        for edge in ("x0", "y0", "x1", "y1"):
            assert abs(getattr(one.box, edge) - getattr(other.box, edge)) <= PIXELS


@pytest.mark.parametrize("quick", [False, True])
def test_the_same_faces_within_a_pixel(gpu, seen, quick):
    detector, frame = seen
    (expected,) = (detector.quick() if quick else detector).detect([frame])
    assert expected
    ours = moved(detector.quick() if quick else detector, gpu)
    (found,) = ours.detect([on_gpu(frame, semi(gpu, frame, 128))])
    key = lambda one: (one.doubtful, one.weak, one.box.x0, one.box.y0)  # noqa: E731  # of equal scores
    assert_alike(sorted(found, key=key), sorted(expected, key=key))
    (from_host,) = ours.detect([frame])
    assert from_host == found


@pytest.mark.parametrize("quick", [False, True])
def test_frames_in_which_something_small_may_be_are_looked_at_closer(gpu, quick):
    """Of three, one has a square that fills a quarter of a cell of the first look."""
    model = bright_spots(log_height=2.0)
    detector = spots(model, long_side=64, min_score=0.6, faint=0.1)
    detector = spots(model, min_score=0.9).quick() if quick else detector
    blank = np.zeros((96, 128, 3), np.uint8)
    small = blank.copy()
    small[48:52, 48:52] = 255
    frames = [as_frame(picture) for picture in (blank, small, blank)]
    expected = detector.detect(frames)
    assert [len(found) for found in expected] == [0, 1, 0]
    for found, theirs in zip(moved(detector, gpu).detect(frames), expected, strict=True):
        assert_alike(found, theirs)


@pytest.mark.parametrize(("faint", "weak"), [(0.0, 0.0), (0.1, 0.0), (0.03, 0.1), (0.0, 0.1)])
@pytest.mark.parametrize("levels", [(255, 255, 112, 97), (255, 112, 97), (112,)])
def test_in_a_crowd_less_is_enough_for_a_small_face(gpu, levels, faint, weak):
    detector = spots(bright_spots(log_height=2.0), min_score=0.5, faint=faint, weak=weak)
    picture = np.zeros((96, 128, 3), np.uint8)
    for number, level in enumerate(levels):
        picture[48:52, 12 + 28 * number : 16 + 28 * number] = level
    (expected,) = detector.detect([as_frame(picture)])
    (found,) = moved(detector, gpu).detect([as_frame(picture)])
    key = lambda one: (one.doubtful, one.weak, one.box.x0)  # noqa: E731
    assert_alike(sorted(found, key=key), sorted(expected, key=key))


def test_no_cell_is_a_face_however_low_the_score_may_be(gpu):
    """Less is enough for a small face, but never nothing."""
    detector = spots(bright_spots(log_height=2.0), long_side=64, min_score=0.05)
    frame = as_frame(np.zeros((96, 128, 3), np.uint8))
    assert detector.detect([frame]) == [[]]
    assert moved(detector, gpu).detect([frame]) == [[]]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_that_are_coded_turned(gpu, seen, rotation):
    detector, frame = seen
    turned = tuple(np.ascontiguousarray(np.rot90(p, -rotation // 90)) for p in frame.planes)
    turned = replace(frame, planes=turned)
    (expected,) = upright(detector, rotation).detect([turned])
    assert expected
    (found,) = upright(moved(detector, gpu), rotation).detect([turned])
    key = lambda one: (one.box.x0, one.box.y0, one.score)  # noqa: E731
    assert_alike(sorted(found, key=key), sorted(expected, key=key))


def test_several_frames_in_one_call_keep_their_order(gpu, seen):
    detector, frame = seen
    empty = replace(frame, planes=tuple(np.full_like(plane, 16) for plane in frame.planes))
    found = moved(detector, gpu).detect([empty, frame, empty])
    assert [bool(one) for one in found] == [False, True, False]
    assert moved(detector, gpu).detect([]) == []


def test_only_small_results_cross_the_bus(gpu, seen):
    detector, frame = seen
    frames = [on_gpu(frame, semi(gpu, frame)) for _ in range(4)]
    before = gpu.calls.uploaded, gpu.calls.downloaded
    moved(detector, gpu).detect(frames)
    crossed = gpu.calls.uploaded + gpu.calls.downloaded - sum(before)
    assert crossed < 0.01 * 4 * 1280 * 720 * 1.5


def test_no_memory_is_left_behind(gpu, seen):
    detector, frame = seen
    ours = moved(detector, gpu)
    ours.detect([frame])
    held = gpu.calls.most_held
    for _ in range(5):
        ours.detect([frame])
    assert gpu.used == 0
    assert gpu.calls.most_held == held


def test_a_network_that_fails_is_no_empty_look(gpu, seen, monkeypatch):
    detector, frame = seen
    ours = moved(detector, gpu)
    monkeypatch.setattr(gpu, "memory_kind", "cuda")  # which this onnxruntime does not have
    with pytest.raises(DetectorError, match="failed on the GPU, on 1 pictures of"):
        ours.detect([frame])


def test_numbers_that_are_not_finite_are_no_empty_look(gpu, seen, monkeypatch):
    detector, frame = seen

    def broken(network, gpu, tensor):
        outputs = run_on_gpu(network, gpu, tensor)
        nowhere = np.full(outputs.shape(0), np.nan, np.float32)
        gpu.write(outputs.address(0), nowhere)
        return outputs

    monkeypatch.setattr("redact.detectors.on_gpu.run_on_gpu", broken)
    monkeypatch.setattr(gpu.calls, "_inside", lambda *_: None)
    with pytest.raises(DetectorError, match="not finite"):
        moved(detector, gpu).detect([frame])


@pytest.mark.parametrize("count", [3, 7, 8])
def test_a_crowd_of_candidates_is_looked_at_some_at_a_time(gpu, monkeypatch, count):
    frame = as_frame(rendered_plate())
    here = on_gpu(frame, semi(gpu, frame))
    network = bright_plates(bright_cells())._network
    candidates = [(here, Box(8 + 6 * n, 4, 24 + 6 * n, 12)) for n in range(count)]
    expected, shown = closer_on_gpu.closer_on_gpu(network, gpu, candidates), []

    def counted(network, gpu, tensor):
        shown.append(tensor.shape[0])
        return run_on_gpu(network, gpu, tensor)

    monkeypatch.setattr(closer_on_gpu, "run_on_gpu", counted)
    monkeypatch.setattr(closer_on_gpu, "MOST", 3)
    assert closer_on_gpu.closer_on_gpu(network, gpu, candidates) == expected
    assert len(set(expected)) > 1
    assert sum(shown) == count
    assert max(shown) <= 3


class Watching:
    name = "watching"

    def detect(self, frames):
        self.frames = frames
        return [[] for _ in frames]


def test_a_detector_without_kernels_gets_frames_on_the_host(gpu):
    frame = make(33, 21, depth=10)
    watching = Watching()
    assert OnHost(watching).detect([on_gpu(frame, semi(gpu, frame)), frame]) == [[], []]
    for seen in watching.frames:
        for plane, expected in zip(seen.planes, frame.planes, strict=True):
            np.testing.assert_array_equal(plane, expected)
