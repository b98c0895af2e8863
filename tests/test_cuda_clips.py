"""
Whole clips with their frames on the "GPU": a stand-in for the driver, and for its decoder.

What is real: every line of redact, and the kernels. What is not: NVDEC (FFmpeg decodes on the CPU,
and rearranges to NV12 or P010 as NVDEC would), and the memory.
"""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe

import av
import numpy as np
import pytest

from redact import worker
from redact.cuda.calls import GpuLostError, GpuMemoryError
from redact.cuda.dlpack import borrowed
from redact.cuda.surfaces import uploaded
from redact.detectors.faces import FaceDetector
from redact.errors import DetectorError, InputError, Reason, ResidualError, UsageError
from redact.media import on_gpu
from redact.media.decode import frames
from redact.media.on_gpu import (
    chunks,
    covered_pictures,
    described_on_gpu,
    frames_on_gpu,
    why_not_decoded,
)
from redact.media.planes import planes_of
from redact.media.probe import probe
from redact.pipeline import Pipeline
from redact.policy import Check, Faces, Policy
from redact.remove import difference, thumbnail
from redact.stages import ENCODES_ON_CPU, Kept, Stages
from tests.media_maker import Picture, Voice, make_clip
from tests.test_cuda_methods import on_gpu as placed_frame
from tests.test_faces import bright_spots
from tests.test_methods import make as noise
from tests.test_pipeline import made_of, make, quiet

NO_NVENC = f"{ENCODES_ON_CPU}: stand-in, no GPU has no NVENC."
WIDTH, HEIGHT, FRAMES = 160, 96, 24
POLICY = Policy(faces=Faces(min_score=0.5, long_side=160), check=Check(rounds=1, long_side=160))


@pytest.fixture(autouse=True)
def decoder(monkeypatch):
    """NVDEC's part, played by the CPU's decoder."""

    def surface(picture, gpu):
        planes, made = planes_of(picture, "a clip")
        depth = made.format.components[0].bits
        luma, u, v = (plane << (16 - depth if depth > 8 else 0) for plane in planes)
        return tuple(borrowed(plane, gpu) for plane in (luma, np.stack([u, v], axis=-1)))

    monkeypatch.setattr(on_gpu, "_hardware", lambda _gpu: None)
    monkeypatch.setattr(on_gpu, "_by_pyav", surface)


def greys():
    """A bright spot that wanders over a dark picture with some structure."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for index in range(FRAMES):
        picture = (60 + 20 * np.sin(x / 9) * np.cos(y / 5)).astype(np.uint8)
        left, top = 20 + 4 * index, 24 + index
        picture[top : top + 16, left : left + 16] = 235
        yield picture


def clip_of(folder, suffix=".mp4", **how):
    how = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES, "greys": list(greys())} | how
    how.setdefault("options", {"crf": "10"} if how.get("codec", "libx264") == "libx264" else {})
    return make_clip(folder / f"clip{suffix}", Picture(**how), [Voice(seconds=0.9)])


def face_detector(device="cpu"):
    return FaceDetector(
        bright_spots(log_height=2.2, log_width=2.2), label="spots", min_score=0.6, long_side=160,
        threads=1, device=device,
    )  # fmt: skip


def pipelines(gpu, *, strict=False, device="cpu"):
    """The same pipeline on the CPU, and with its frames on the GPU."""
    on_cpu = made_of(face_detector(), policy=POLICY)
    on_the_gpu = made_of(face_detector(device), policy=POLICY)
    on_the_gpu.detectors = on_the_gpu.detectors.moved_to(gpu)
    on_the_gpu._strict = strict
    return on_cpu, on_the_gpu


def decoded(path):
    with av.open(str(path)) as source:
        return [frame.to_ndarray() for frame in source.decode(video=0)]


@pytest.mark.parametrize(
    ("codec", "pixels", "size"),
    [
        ("libx264", "yuv420p", (96, 64)),
        ("libx265", "yuv420p10le", (130, 34)),
        ("libvpx-vp9", "yuv420p", (97, 65)),
    ],
)
def test_frames_are_those_of_the_cpu(gpu, tmp_path, size, codec, pixels):
    from redact.cuda.surfaces import downloaded

    width, height = size
    picture = Picture(codec=codec, pixel_format=pixels, width=width, height=height, frames=11)
    clip = probe(make_clip(tmp_path / "clip.mkv", picture), POLICY.limits)
    pairs = list(zip(frames_on_gpu(clip, gpu), frames(clip), strict=True))
    assert len(pairs) == 11
    for ours, theirs in pairs:
        assert (ours.index, ours.pts, ours.time_base) == (
            theirs.index,
            theirs.pts,
            theirs.time_base,
        )
        assert (ours.full_range, ours.bt601, ours.depth) == (
            theirs.full_range, theirs.bt601, theirs.depth,
        )  # fmt: skip
        for plane, other in zip(downloaded(ours.surface), theirs.planes, strict=True):
            np.testing.assert_array_equal(plane, other)
        assert difference(thumbnail(ours), thumbnail(theirs)) <= 1  # halves


def test_the_same_plan_and_the_same_picture(gpu, tmp_path):
    """Before the encoder the pixels are the same, so what it makes of them is too."""
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = decoded(target)
    made, target = make(on_the_gpu, path)
    assert expected.plan.regions
    assert_alike(made.plan.regions, expected.plan.regions)
    assert made.rounds == expected.rounds == 1
    assert made.notes == (NO_NVENC,)
    assert expected.notes == ()
    assert "paint" in gpu.calls.launched
    _, target = make(on_the_gpu, path, plan=expected.plan)
    for ours, other in zip(decoded(target), theirs, strict=True):
        np.testing.assert_array_equal(ours, other)


def assert_alike(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.first, one.last, one.kind, one.method) == (
            other.first, other.last, other.kind, other.method,
        )  # fmt: skip
        assert abs(one.score_ppm - other.score_ppm) <= 10_000
        for box, same in zip(one.boxes, other.boxes, strict=True):
            edges = [(getattr(box, e), getattr(same, e)) for e in ("x0", "y0", "x1", "y1")]
            assert all(abs(a - b) <= 1 for a, b in edges)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_picture_that_is_coded_turned(gpu, tmp_path, rotation):
    path = clip_of(tmp_path, rotation=rotation)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, _ = make(on_cpu, path)
    made, _ = make(on_the_gpu, path)
    assert expected.plan.regions
    assert_alike(made.plan.regions, expected.plan.regions)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"pixel_format": "yuv422p"}, "yuv422p"),
        ({"codec": "libsvtav1", "suffix": ".mkv"}, "does not decode AV1"),
        ({"codec": "mjpeg", "pixel_format": "yuvj420p", "suffix": ".mkv"}, "does not decode mjpeg"),
    ],
)
def test_what_nvdec_does_not_take_is_decoded_on_the_cpu_and_said(gpu, tmp_path, how, why):
    path = clip_of(tmp_path, **how)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, _ = make(on_cpu, path)
    made, _ = make(on_the_gpu, path)
    assert_alike(made.plan.regions, expected.plan.regions)
    assert len(made.notes) == 2
    assert why in " ".join(made.notes)
    _, strict = pipelines(gpu, strict=True)
    with pytest.raises(DetectorError, match=r"--strict.*decoded on the CPU"):
        make(strict, path)


def test_av1_goes_to_the_gpus_that_decode_it(gpu, tmp_path):
    clip = probe(clip_of(tmp_path, ".mkv", codec="libsvtav1"), POLICY.limits)
    expected = {(8, 0): False, (8, 9): True, (9, 0): False, (10, 0): True, (7, 5): False}
    for capability, decodes in expected.items():
        gpu.capability = capability
        assert (why_not_decoded(clip, gpu) == "") is decodes


def test_strict_refuses_a_file_where_nothing_encodes_on_the_gpu(gpu, tmp_path):
    _, strict = pipelines(gpu, strict=True)
    path = clip_of(tmp_path)
    with pytest.raises(DetectorError, match=r"--strict.*encoded on the CPU"):
        make(strict, path)
    assert not path.with_name("out.mp4").exists()
    assert strict.plan(probe(path, POLICY.limits), quiet).regions


def test_strict_without_a_gpu_is_wrong_use(models):
    with pytest.raises(UsageError, match="--strict is for --device cuda"):
        Pipeline(POLICY, device="cpu", strict=True)


def test_a_decoder_that_does_not_open_is_replaced_and_said(gpu, tmp_path, monkeypatch):
    """A slice of a GPU without a decoder, or a profile that it lacks."""

    def closed(_picture, _gpu):
        raise InputError("no decoder")

    monkeypatch.setattr(on_gpu, "_by_pyav", closed)
    _, on_the_gpu = pipelines(gpu)
    made, _ = make(on_the_gpu, clip_of(tmp_path))
    assert made.plan.regions
    assert "The picture is decoded on the CPU: the GPU's decoder does not open it." in made.notes


def test_a_stream_that_breaks_in_the_decoder_holds_that_clip_only(gpu, tmp_path):
    path = clip_of(tmp_path)
    _, on_the_gpu = pipelines(gpu)
    clip = probe(path, POLICY.limits)
    short = replace(clip, picture=replace(clip.picture, frames=FRAMES + 3))
    with pytest.raises(InputError, match="3 of 27 frames are missing"):
        on_the_gpu.plan(short, quiet)
    assert on_the_gpu.plan(clip, quiet).regions
    gc.collect()  # the error's traceback
    assert gpu.used == 0


def test_no_memory_is_one_clear_error_and_leaves_nothing(gpu, tmp_path):
    path = clip_of(tmp_path)
    _, on_the_gpu = pipelines(gpu)
    gpu.trim()
    gpu.calls.memory = 300_000
    with pytest.raises(GpuMemoryError, match="no memory left") as raised:
        make(on_the_gpu, path)
    assert raised.value.reason is Reason.MEMORY
    assert not path.with_name("out.mp4").exists()
    del raised
    gpu.calls.memory = 1 << 30
    assert make(on_the_gpu, path)[0].plan.regions


def test_a_context_lost_in_the_middle_is_one_clear_error(gpu, tmp_path):
    path = clip_of(tmp_path)
    _, on_the_gpu = pipelines(gpu)
    launch, launched = gpu.calls.cuLaunchKernel, []

    def lost(*given):
        launched.append(given)
        return (719,) if len(launched) > 5 else launch(*given)

    gpu.calls.cuLaunchKernel = lost
    with pytest.raises(GpuLostError, match="gave up in the middle"):
        make(on_the_gpu, path)
    assert not path.with_name("out.mp4").exists()


def test_clips_leave_no_device_memory_behind(gpu, tmp_path):
    path = clip_of(tmp_path)
    _, on_the_gpu = pipelines(gpu)
    make(on_the_gpu, path)
    assert gpu.used == 0
    most = gpu.calls.most_held
    for _ in range(3):
        make(on_the_gpu, path)
    assert gpu.used == 0
    assert gpu.calls.most_held <= most * 1.2
    assert len(gpu.calls.pinned) <= 3 * on_gpu.CHUNK
    gpu.trim()
    assert gpu.calls.pinned == gpu.calls.held == {}


def test_a_longer_clip_takes_no_more_device_memory(gpu, tmp_path, monkeypatch):
    """But for the frames that are kept, of which there is a bound."""
    monkeypatch.setattr("redact.stages.KEPT", 1 << 40)
    (tmp_path / "long").mkdir()
    three = [grey for grey in greys() for _ in range(3)]
    _, on_the_gpu = pipelines(gpu)
    make(on_the_gpu, clip_of(tmp_path))
    most = gpu.calls.most_held
    make(on_the_gpu, clip_of(tmp_path / "long", greys=three, frames=3 * FRAMES))
    assert gpu.calls.most_held <= most * 1.2


class Fails:
    """A detector on a GPU that gives up."""

    name = "spots@0"

    def __init__(self, error):
        self.error, self.asked = error, 0

    def detect(self, _frames):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize("kind", [GpuMemoryError, GpuLostError])
def test_what_the_gpu_gives_up_on_is_done_on_the_cpu_if_that_is_left_open(gpu, tmp_path, kind):
    path = clip_of(tmp_path)
    on_cpu, one = pipelines(gpu)
    failing = Fails(kind("the GPU gave up."))
    one.detectors = replace(one.detectors, pictures=failing)
    one._device, one._open_on_cpu = "auto", lambda: on_cpu
    made, _ = make(one, path)
    assert made.plan.regions
    assert made.notes == ("Done on the CPU: the GPU gave up.",)
    assert make(one, path)[0].notes == made.notes
    # What is lost stays lost; memory may be there the next time.
    assert failing.asked == (1 if kind is GpuLostError else 2)
    _, asked_for = pipelines(gpu)
    asked_for.detectors = replace(asked_for.detectors, pictures=failing)
    asked_for._device = "cuda"
    with pytest.raises(kind):
        make(asked_for, path)


def test_clips_that_come_to_the_cpu_at_the_same_time_open_it_once(gpu, tmp_path):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    on_cpu, one = pipelines(gpu)
    both, opened = threading.Barrier(2, timeout=60), []

    class FailsForBoth(Fails):
        def detect(self, frames):
            both.wait()
            return super().detect(frames)

    def open_on_cpu():
        opened.append(1)
        time.sleep(0.5)
        return on_cpu

    failing = FailsForBoth(GpuLostError("the GPU gave up."))
    one.detectors = replace(one.detectors, pictures=failing)
    one._device, one._open_on_cpu = "auto", open_on_cpu
    with ThreadPoolExecutor(2) as pool:
        plans = list(pool.map(lambda clip: one.plan(clip, quiet), [clip, clip]))
    assert all(plan.regions for plan in plans)
    assert opened == [1]


@pytest.mark.parametrize("breaks", ["the encoder", "a copy"])
def test_no_memory_of_the_host_is_given_back_before_what_is_copied_to_it(
    gpu, tmp_path, monkeypatch, breaks
):
    """Another clip's thread is given it at once: it would get this one's picture."""
    clip = probe(clip_of(tmp_path), POLICY.limits)
    log = CopyLog(gpu, monkeypatch)
    shown = covered_pictures(chunks(clip, gpu), gpu, lambda _frames: None)
    if breaks == "the encoder":
        next(shown)
        assert log.queued
        shown.close()
    else:
        log.fails_at = on_gpu.CHUNK + 3
        with pytest.raises(GpuMemoryError):
            list(shown)
    gc.collect()
    assert log.given_back > on_gpu.CHUNK
    assert log.too_early == 0
    assert not log.queued


class CopyLog:
    """Watches a Gpu: to which host memory copies are queued, and whether it is given back then."""

    def __init__(self, gpu, monkeypatch):
        self.queued, self.given_back, self.too_early, self.fails_at = set(), 0, 0, None
        self._real, self._copies = {}, 0
        for name in ("read_later", "wait", "release_pinned"):
            self._real[name] = getattr(gpu, name)
            monkeypatch.setattr(gpu, name, getattr(self, name))

    def read_later(self, address, pinned):
        self._copies += 1
        if self._copies == self.fails_at:
            raise GpuMemoryError("no memory left.")
        self.queued.add(pinned.address)
        self._real["read_later"](address, pinned)

    def wait(self):
        self._real["wait"]()
        self.queued.clear()

    def release_pinned(self, address, size):
        self.given_back += 1
        self.too_early += address in self.queued
        self._real["release_pinned"](address, size)


def test_frames_are_kept_for_the_second_pass_only_if_all_of_them_fit(gpu, tmp_path):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    size = gpu.allocate(WIDTH * HEIGHT * 3 // 2).size
    for most, fits in ((FRAMES * size, True), (FRAMES * WIDTH * HEIGHT * 3 // 2 - 1, False)):
        kept = Kept(most)
        assert len(list(kept.watch(described_on_gpu(clip, gpu)))) == FRAMES
        taken = kept.take()
        assert (taken is not None) is fits
        if taken is None:
            assert gpu.used == 0
        else:
            assert [frame.index for some in taken for frame, _ in some] == list(range(FRAMES))
            assert kept.take() is None
        del taken


def decodings(monkeypatch):
    """How often a clip is decoded on the GPU from now on."""
    real, begun = on_gpu.pictures, []

    def counted(*given, **how):
        begun.append(1)
        return real(*given, **how)

    monkeypatch.setattr(on_gpu, "pictures", counted)
    return begun


@pytest.mark.parametrize("share", [1, 1 << 40])
def test_kept_or_decoded_again_the_file_is_the_same(gpu, tmp_path, monkeypatch, share):
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = target.read_bytes()
    monkeypatch.setattr("redact.stages.KEPT", share)
    plan = on_the_gpu.plan(probe(path, POLICY.limits), quiet)
    monkeypatch.setattr(Pipeline, "_plan", planned(expected.plan, Pipeline._plan))
    begun = decodings(monkeypatch)
    _, target = make(on_the_gpu, path)
    assert plan.regions
    # For the first look, unless they are kept for rendering, and for the second look.
    assert len(begun) == (2 if share == 1 else 3)
    assert target.read_bytes() == theirs
    gc.collect()
    assert gpu.used == 0


def planned(plan, look):
    """A look that takes the frames, and then says what another look found."""

    def looks(self, *given):
        _, again = look(self, *given)
        return plan, again

    return looks


def test_kept_frames_make_room_when_memory_runs_short(gpu, tmp_path):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    stages = Stages(gpu)
    assert len(list(stages.first(clip))) == FRAMES
    assert gpu.used > 0
    gpu.trim()
    gpu.calls.memory = 800_000
    held = gpu.allocate(500_000)
    assert gpu.used == held.size
    del held
    gpu.calls.memory = 1 << 30
    assert len([one for some in stages.again(clip) for one in some]) == FRAMES


@pytest.mark.parametrize("depth", [8, 10])
def test_the_second_look_compares_on_the_gpu_what_it_compares_on_the_cpu(gpu, depth):
    before = noise(97, 66, depth=depth)
    after = replace(before, planes=tuple(plane.copy() for plane in before.planes))
    after.planes[0][16:24, 40:48] = 0
    here, there = (placed_frame(frame, surface=uploaded(gpu, frame)) for frame in (before, after))
    expected = difference(thumbnail(before), thumbnail(after))
    assert expected > 50
    smalls = thumbnail(here), thumbnail(there)
    read = gpu.calls.downloaded
    assert abs(difference(*smalls) - expected) <= 1
    assert gpu.calls.downloaded - read == 32  # one row of numbers, and no picture
    assert "compare" in gpu.calls.launched
    assert abs(difference(smalls[0], thumbnail(after)) - expected) <= 1
    assert difference(smalls[0], smalls[0]) == 0


def test_a_picture_that_was_changed_afterwards_is_found_on_the_gpu(gpu, tmp_path, monkeypatch):
    """As by an encoder that goes wrong: the thumbnails are compared where they are."""
    path = clip_of(tmp_path)
    _, on_the_gpu = pipelines(gpu)
    real = on_gpu._planar

    def brighter(frame, pinned):
        made = real(frame, pinned)
        made.planes[0][:48] += 20
        return made

    monkeypatch.setattr(on_gpu, "_planar", brighter)
    with pytest.raises(ResidualError, match="not what was rendered: frame 0, by"):
        make(on_the_gpu, path)


class Lost:
    """A child's Pipeline whose GPU is lost."""

    def __init__(self, _policy, **_settings):
        pass

    def plan(self, _progress):
        raise GpuLostError("the GPU gave up in the middle.")


def test_a_child_that_has_lost_the_gpu_ends_so_that_the_next_clip_gets_a_new_one(monkeypatch):
    monkeypatch.setattr(worker, "Pipeline", Lost)
    monkeypatch.setattr(worker, "_limit", lambda *_: None)
    monkeypatch.setattr(worker, "_die_with", lambda _lifeline: None)
    ours, theirs = Pipe()
    child = threading.Thread(target=worker._child, args=(theirs, None), daemon=True)
    child.start()
    ours.send((POLICY, "cuda", 0, False))
    assert ours.recv() == ("done", None)
    ours.send(worker.Job(method="plan", arguments=()))
    kind, error = ours.recv()
    assert (kind, type(error)) == ("failed", GpuLostError)
    child.join(60)
    assert not child.is_alive()


class Leaves:
    """A child's Pipeline that fails on its first clip; says whether what that one took is gone."""

    def __init__(self, gpu):
        self.gpu = gpu

    def plan(self, _progress):
        frame = self.gpu.allocate(5000)
        raise InputError("the clip is damaged." if frame else "")

    def used(self, _progress):
        return self.gpu.used


def test_a_clip_that_fails_holds_no_memory_of_the_gpu_while_the_next_is_worked_on(gpu):
    ours, theirs = Pipe()
    serving = threading.Thread(target=worker._serve, args=(Leaves(gpu), theirs), daemon=True)
    serving.start()
    kinds = []
    for method in ("plan", "used"):
        ours.send(worker.Job(method=method, arguments=()))
        kinds.append(ours.recv())
    assert kinds[0][0] == "failed"
    assert kinds[1] == ("done", 0)
    ours.close()
    serving.join(60)
    assert not serving.is_alive()


def test_a_second_look_at_any_file(gpu, tmp_path):
    _, on_the_gpu = pipelines(gpu)
    clip = probe(clip_of(tmp_path), POLICY.limits)
    assert on_the_gpu.look_again(clip, quiet).tracks


def test_without_a_gpu_nothing_is_said(tmp_path):
    stages = Stages()
    clip = probe(clip_of(tmp_path), POLICY.limits)
    assert len(list(stages.frames(clip))) == FRAMES
    assert stages.notes == []
