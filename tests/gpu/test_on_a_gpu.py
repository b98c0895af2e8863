"""
On a real GPU: the kernels give the CPU's bits, and clips the CPU's plan and pixels.

The same tests run everywhere over a stand-in (test_cuda_*.py); these are the ones that show that
the stand-in told the truth. Skipped, and counted, where there is no GPU.
"""

import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from redact.cuda import kernels as run
from redact.cuda import reference
from redact.cuda.driver import Gpu
from redact.cuda.surfaces import downloaded, uploaded
from redact.detectors import faces
from redact.errors import RedactError
from redact.media import on_gpu as media_on_gpu
from redact.media import pynvvideocodec
from redact.media.decode import frames
from redact.media.nvenc import has_encoder
from redact.media.on_gpu import frames_on_gpu, why_not_decoded
from redact.media.probe import probe
from redact.methods import cover_all
from redact.methods.cuda import cover_frames
from redact.types import Box
from tests.media_maker import Picture, make_clip
from tests.test_cuda_clips import (
    POLICY,
    assert_alike,
    clip_of,
    decoded,
    face_detector,
    pipelines,
)
from tests.test_cuda_codecs import packets_of
from tests.test_cuda_kernels import read
from tests.test_cuda_look import assert_alike as assert_same_faces
from tests.test_cuda_look import moved, seen  # noqa: F401  # a fixture
from tests.test_cuda_methods import on_gpu, packed, semi
from tests.test_methods import PICTURE, copy, make
from tests.test_pipeline import make as make_file

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    try:
        return Gpu(cache=tmp_path_factory.mktemp("kernels"))
    except RedactError as error:
        pytest.skip(f"needs an NVIDIA GPU: {error.what}")


def patches(random, width, height, count):
    for _ in range(count):
        x0, y0 = int(random.integers(0, width)), int(random.integers(0, height))
        x1, y1 = int(random.integers(x0 + 1, width + 1)), int(random.integers(y0 + 1, height + 1))
        yield (
            Box(x0, y0, x1, y1),
            PICTURE[random.integers(len(PICTURE))],
            int(random.integers(1, 9)),
        )


def by_size(size):
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("how", ["planar", "semi", "packed"])
@pytest.mark.parametrize("size", [(1, 1), (97, 65), (640, 360), (1920, 1080)], ids=by_size)
def test_methods_give_the_bits_of_the_reference(gpu, how, size):
    random = np.random.default_rng()
    rgb = how == "packed"
    layout, depths = ("4:4:4", (8, 8)) if rgb else ("4:2:0", (8, 10, 12))
    some = [make(*size, layout=layout, depth=depth, seed=depth, rgb=rgb) for depth in depths]
    surface = {"planar": uploaded, "semi": semi, "packed": packed}[how]
    covered = [on_gpu(frame, surface(gpu, frame)) for frame in some]
    regions = [list(patches(random, *size, 6)) for _ in some]
    cover_frames(gpu, covered, regions)
    for frame, those, after in zip(some, regions, covered, strict=True):
        expected = copy(frame)
        cover_all(expected, those)
        for plane, other in zip(expected.planes, downloaded(after.surface), strict=True):
            np.testing.assert_array_equal(other, plane)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(97, 65), (1920, 1080)], ids=by_size)
def test_letterbox_shrink_and_thumbnail(gpu, size, turns, half):
    some = [make(*size, depth=depth, seed=turns) for depth in (8, 10)]
    here = [on_gpu(frame, semi(gpu, frame, 64), held=turns) for frame in some]
    table = np.stack([run.shown(frame, 300, 201, mean=127.5, scale=1 / 128) for frame in here])
    ways = {"border": 7, "turns": turns, "half": half}
    actual = read(gpu, run.letterbox(gpu, here, table, 320, 224, **ways))
    expected = reference.letterbox([frame.planes for frame in some], table, 320, 224, **ways)
    np.testing.assert_array_equal(actual, expected)
    small, _ = run.shrunk(gpu, here, 60)
    for one, frame in zip(small, some, strict=True):
        for plane, whole in zip(downloaded(one.surface), frame.planes, strict=True):
            np.testing.assert_array_equal(plane, reference.whole(whole, one.width, one.height))
    planes = [frame.surface.planes[0] for frame in here]
    for picture, frame in zip(run.thumbnails(gpu, planes, 32, 32), some, strict=True):
        np.testing.assert_array_equal(picture, reference.resized(frame.planes[0], 32, 32))


def test_decode_and_merge(gpu):
    random = np.random.default_rng()
    heat = np.round(random.random((3, 1, 40, 60), np.float32) ** 4, 2)
    sizes = random.normal(1, 1, (3, 2, 40, 60)).astype(np.float32)
    offsets = random.random((3, 2, 40, 60), np.float32)
    row = np.zeros((), run.HEAD)
    held = [gpu.upload(array) for array in (heat, sizes, offsets)]
    row["heat"], row["sizes"], row["offsets"] = (memory.address for memory in held)
    row["channels"], row["rows"], row["columns"], row["stride"] = 1, 40, 60, 4
    row["min_score"], row["scale"], row["flattest"] = 0.5, 1, np.inf
    finder = run.Finder(gpu, 3, 2400)
    finder.decode(row)
    merged, faults = finder.merge(faces.OVERLAP)
    assert faults == 0
    for number, found in enumerate(merged):
        boxes = reference.decode(
            heat[number, 0], sizes[number], offsets[number], stride=4, min_score=0.5
        )
        expected, scores = faces.merge(*boxes)
        np.testing.assert_array_equal(found["score"], scores)
        for column, name in enumerate(("x0", "y0", "x1", "y1")):
            np.testing.assert_array_equal(found[name], expected[:, column])


def test_the_same_faces_and_plates(gpu, seen):  # noqa: F811
    needs_onnxruntime()
    detector, frame = seen
    (expected,) = detector.detect([frame])
    network, *_ = detector.parts()
    network.session.set_providers(["CUDAExecutionProvider"])
    (found,) = moved(detector, gpu).detect([frame])
    assert_same_faces(found, expected)


def needs_onnxruntime():
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs onnxruntime-gpu")


@pytest.mark.parametrize("by", ["pyav", "pynvvideocodec"])
@pytest.mark.parametrize(
    ("codec", "pixels"),
    [("libx264", "yuv420p"), ("libx265", "yuv420p10le"), ("libvpx-vp9", "yuv420p")],
)
def test_nvdec_decodes_what_the_cpu_decodes(gpu, tmp_path, monkeypatch, codec, pixels, by):
    if by == "pyav":
        monkeypatch.setattr(pynvvideocodec, "takes", lambda _clip: False)
    elif why := pynvvideocodec.why_not():
        pytest.skip(why)
    picture = Picture(codec=codec, pixel_format=pixels, width=320, height=240, frames=40)
    clip = probe(make_clip(tmp_path / "clip.mkv", picture), POLICY.limits)
    if why := why_not_decoded(clip, gpu):
        pytest.skip(why)
    pairs = zip(frames_on_gpu(clip, gpu), frames(clip), strict=True)
    for ours, theirs in pairs:
        assert (ours.index, ours.pts) == (theirs.index, theirs.pts)
        for plane, other in zip(downloaded(ours.surface), theirs.planes, strict=True):
            np.testing.assert_array_equal(plane, other)


def test_the_same_plan_and_the_same_picture(gpu, tmp_path):
    needs_onnxruntime()
    path = clip_of(tmp_path)
    clip = probe(path, POLICY.limits)
    if why := why_not_decoded(clip, gpu):
        pytest.skip(why)
    on_cpu, on_the_gpu = pipelines(gpu, device="cuda")
    expected, target = make_file(on_cpu, path)
    theirs = decoded(target)
    made, target = make_file(on_the_gpu, path)
    assert_alike(made.plan.regions, expected.plan.regions)
    _, target = make_file(on_the_gpu, path, plan=expected.plan)
    for ours, other in zip(decoded(target), theirs, strict=True):
        np.testing.assert_array_equal(ours, other)


def test_nvenc_keeps_frames_times_and_tags(gpu, tmp_path):
    needs_onnxruntime()
    if not has_encoder(gpu):
        pytest.skip(f"{gpu.name} has no NVENC")
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu, device="cuda")
    expected, target = make_file(on_cpu, path)
    theirs, pictures = packets_of(target), decoded(target)
    made, target = make_file(on_the_gpu, path, plan=expected.plan)
    assert not any("encoded on the CPU" in note for note in made.notes)
    ours = packets_of(target)
    assert sorted(one[0] for one in ours[0]) == sorted(one[0] for one in theirs[0])
    assert ours[1:] == theirs[1:]
    for one, other in zip(decoded(target), pictures, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 4


def test_frames_on_the_default_stream(gpu):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs torch with CUDA")
    from redact.cuda.dlpack import borrowed

    tensor = torch.zeros((2, 30, 50, 3), dtype=torch.uint8, device="cuda")
    with gpu.on(torch.cuda.default_stream().cuda_stream):  # its handle is 0
        assert borrowed(tensor, gpu).address == tensor.data_ptr()


def test_torch_tensors_go_in_and_come_out(gpu):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs torch with CUDA")
    from redact.cuda.dlpack import GpuArray, borrowed

    tensor = torch.randint(0, 256, (2, 30, 50, 3), dtype=torch.uint8, device="cuda")
    with gpu.on(torch.cuda.current_stream().cuda_stream):
        lent = borrowed(tensor, gpu)
        assert lent.address == tensor.data_ptr()
        memory = gpu.allocate(tensor.numel())
        gpu.copy(memory.address, lent.address, tensor.numel())
        gpu.wait()
    assert torch.equal(torch.from_dlpack(GpuArray(memory, tuple(tensor.shape), 8, gpu)), tensor)


def test_memory_comes_back_after_many_clips(gpu, tmp_path):
    clip = probe(make_clip(tmp_path / "clip.mp4", Picture(frames=9)), POLICY.limits)
    if why := why_not_decoded(clip, gpu):
        pytest.skip(why)
    for _ in frames_on_gpu(clip, gpu):
        pass
    gpu.trim()
    free = gpu.free_bytes()
    for _ in range(200):
        for _ in frames_on_gpu(clip, gpu):
            pass
    gpu.trim()
    assert free - gpu.free_bytes() < 64 << 20
    assert gpu.used == 0


@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_compute_sanitizer(gpu, tool):
    sanitizer = shutil.which("compute-sanitizer")
    if not sanitizer:
        pytest.skip("needs compute-sanitizer (the CUDA toolkit)")
    tests = f"{__file__}::test_methods_give_the_bits_of_the_reference"
    more = [
        f"{__file__}::test_decode_and_merge",
        f"{__file__}::test_letterbox_shrink_and_thumbnail",
    ]
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", sys.executable, "-m", "pytest"]
    done = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", "-k", "not 1920", tests, *more],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_decoders_stand_in_is_not_in_play(gpu):
    """The fixture of test_cuda_clips.py that replaces NVDEC must not reach into this module."""
    assert media_on_gpu._hardware(gpu) is not None
    assert face_detector().name.startswith("spots")
