"""The kernels that look, run on the CPU, equal what redact/cuda/reference.py says, bit for bit."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.cuda import kernels as run
from redact.cuda import reference
from redact.cuda.surfaces import downloaded, uploaded
from redact.detectors import faces, plates
from redact.detectors.runtime import letterbox as letterbox_on_cpu
from redact.detectors.runtime import shrunk as shrunk_on_cpu
from tests.stand_in import SOURCES, build
from tests.test_cuda_methods import FIXED, on_gpu, packed, semi
from tests.test_methods import boxes, make


@st.composite
def pictures(draw):
    width, height = draw(st.integers(1, 120)), draw(st.integers(1, 90))
    how = draw(st.sampled_from(["planar", "semi", "packed", "gray"]))
    depth = 8 if how == "packed" else draw(st.sampled_from([8, 10, 12]))
    layout = {"packed": "4:4:4", "gray": "gray"}.get(how, "4:2:0")
    frame = make(width, height, layout=layout, depth=depth, rgb=how == "packed", seed=width)
    frame = replace(frame, full_range=draw(st.booleans()), bt601=draw(st.booleans()))
    return frame, how, draw(st.integers(0, 3))


def shown_on(gpu, picture):
    frame, how, held = picture
    surface = {"semi": semi, "packed": packed}.get(how, uploaded)(gpu, frame)
    return on_gpu(frame, surface, held=held)


def read(gpu, tensor):
    values = np.empty(tensor.shape, np.float16 if tensor.half else np.float32)
    gpu.read(tensor.memory.address, values)
    return values


@given(
    st.lists(pictures(), min_size=1, max_size=3),
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(0, 5),
    st.integers(0, 3),
    st.booleans(),
)
@FIXED
def test_letterbox_of_frames_of_several_sizes(gpu, some, columns, rows, border, turns, half):
    frames = [shown_on(gpu, picture) for picture in some]
    sizes = [(1 + n * columns // 4 % columns, 1 + (rows - 1) // (n + 1)) for n in range(len(some))]
    table = np.stack(
        [
            run.shown(frame, *size, mean=127.5, scale=1 / 128)
            for frame, size in zip(frames, sizes, strict=True)
        ]
    )
    ways = {"border": border, "turns": turns, "half": half}
    actual = read(gpu, run.letterbox(gpu, frames, table, columns, rows, **ways))
    planes = [frame.planes for frame, *_ in some]
    expected = reference.letterbox(planes, table, columns, rows, **ways)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("size", [(1920, 1080), (641, 361), (96, 54)])
@pytest.mark.parametrize("depth", [8, 10])
def test_the_network_sees_on_the_gpu_what_it_sees_on_the_cpu(gpu, size, depth):
    """OpenCV rounds halves to even samples, and interpolates in 1/2048: a sample apart at most."""
    frame = replace(make(*size, depth=depth, seed=4), bt601=True)
    for long_side in (640, 256):
        expected, scale = letterbox_on_cpu(frame, long_side)
        seen = on_gpu(frame, semi(gpu, frame))
        row = run.shown(seen, round(size[0] * scale), round(size[1] * scale))
        tensor = run.letterbox(gpu, [seen], row[np.newaxis], *expected.shape[:0:-1])
        # A sample of Y is 1.16 levels, and one of U adds 2.02 to blue; most are equal.
        difference = np.abs(read(gpu, tensor)[0] - expected)
        assert difference.max() < 3.3 / (1 << (depth - 8))
        assert difference.mean() < 0.25


@given(st.lists(pictures(), min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40))
@FIXED
def test_thumbnails(gpu, some, columns, rows):
    frames = [shown_on(gpu, one) for one in some]
    planes = [frame.surface.planes[-1] for frame in frames]
    actual = run.thumbnails(gpu, planes, columns, rows)
    for small, (frame, *_) in zip(actual, some, strict=True):
        np.testing.assert_array_equal(small, reference.resized(frame.planes[-1], columns, rows))


@given(pictures(), st.integers(1, 150))
@FIXED
def test_shrunk(gpu, picture, long_side):
    frame, how, _ = picture
    large = shown_on(gpu, (frame, how, 0))
    (small,), scale = run.shrunk(gpu, [large], long_side)
    assert scale == min(1.0, long_side / max(frame.width, frame.height))
    for plane, whole in zip(downloaded(small.surface), frame.planes, strict=True):
        if scale < 1:
            whole = reference.whole(whole, small.width, small.height)
        np.testing.assert_array_equal(plane, whole)


@pytest.mark.parametrize("depth", [8, 10])
def test_shrunk_is_what_opencv_makes_but_for_halves(gpu, depth):
    frame = make(1000, 562, depth=depth, seed=8)
    (small,), scale = run.shrunk(gpu, [on_gpu(frame, semi(gpu, frame))], 640)
    expected, expected_scale = shrunk_on_cpu(frame, 640)
    assert scale == expected_scale
    for plane, other in zip(downloaded(small.surface), expected.planes, strict=True):
        difference = np.abs(plane.astype(int) - other)
        assert difference.max() <= 1
        assert difference.mean() < 0.15  # of noise; where planes grow, OpenCV rounds twice


def test_every_nth_sample(gpu):
    frame = make(50, 41, depth=10)
    surface = semi(gpu, frame)
    planes = tuple(plane.every(3) for plane in surface.planes)
    for plane, whole in zip(downloaded(replace(surface, planes=planes)), frame.planes, strict=True):
        np.testing.assert_array_equal(plane, whole[::3, ::3])


@given(st.data())
@FIXED
def test_compare(gpu, data):
    width, height = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    depth = data.draw(st.sampled_from([8, 10]))
    before, after = (make(width, height, depth=depth, seed=seed) for seed in (1, 2))
    windows = data.draw(st.lists(boxes(width, height), max_size=4))
    surfaces = semi(gpu, before), uploaded(gpu, after)
    one, other = (surface.planes[0] for surface in surfaces)
    spans = [(box.x0, box.y0, box.x1, box.y1) for box in windows]
    found = run.compare(gpu, [(one, other, span) for span in spans])
    expected = [reference.compare(before.planes[0], after.planes[0], span) for span in spans]
    assert [tuple(row) for row in found.tolist()] == expected


def heads(data, n, rows, columns, *, sides):
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    heat = random.random((n, 1, rows, columns), np.float32) ** 4
    heat = np.round(heat, 2)  # equal scores
    sizes = random.normal(0.5, 1, (n, 4 if sides else 2, rows, columns)).astype(np.float32)
    offsets = None if sides else random.random((n, 2, rows, columns), np.float32)
    return heat, np.abs(sizes) if sides else sizes, offsets


def head_row(gpu, heat, sizes, offsets, **values):
    row = np.zeros((), run.HEAD)
    held = [gpu.upload(heat), gpu.upload(sizes), None if offsets is None else gpu.upload(offsets)]
    for name, memory in zip(("heat", "sizes", "offsets"), held, strict=True):
        row[name] = memory.address if memory else 0
    row["channels"], (row["rows"], row["columns"]) = heat.shape[1], heat.shape[2:]
    for name, value in values.items():
        row[name] = value
    return row, held


LEAST_SCORES = ("min_score", "cut_off", "small_score", "small_cut_off")


def expected_boxes(heat, sizes, offsets, looks, number):
    """The reference's boxes of one frame, from all looks, as faces.py puts them together."""
    all_boxes, all_scores = [], []
    for look in looks:
        found, scores = reference.decode(
            heat[number, 0],
            sizes[number],
            None if offsets is None else offsets[number],
            stride=look["stride"],
            min_score=min(look[name] for name in LEAST_SCORES),
            unit=look["unit"],
            peaks=look["peaks"],
            aspects=(look["tallest"], look["flattest"]),
        )
        found = faces.turn_back(found, look["turns"], look["height"], look["width"])
        small = found[:, 3] - found[:, 1] <= look["small"]
        found = (found - np.float32(look["border"])) / np.float32(look["scale"])
        at_an_edge = faces.cut_off(found, look["across"], look["down"])
        at_an_edge &= scores >= np.where(small, look["small_cut_off"], look["cut_off"])
        sure = (scores >= np.where(small, look["small_score"], look["min_score"])) | at_an_edge
        all_boxes.append(found[sure])
        all_scores.append(scores[sure])
    return faces.merge(np.concatenate(all_boxes), np.concatenate(all_scores))


@given(st.data(), st.booleans(), st.booleans())
@FIXED
def test_decode_and_merge(gpu, data, sides, backwards):
    n, rows, columns = (data.draw(st.integers(1, most)) for most in (3, 12, 12))
    heat, sizes, offsets = heads(data, n, rows, columns, sides=sides)
    looks = [
        {
            "stride": data.draw(st.sampled_from([4, 8])),
            "turns": turns,
            "border": data.draw(st.integers(0, 32)),
            "width": 100,
            "height": 70,
            "min_score": np.float32(data.draw(st.sampled_from([0.0, 0.3, 0.99, 2.0]))),
            "cut_off": np.float32(data.draw(st.sampled_from([0.0, 0.2, 0.9]))),
            "small": np.float32(data.draw(st.sampled_from([0.0, 8.0, 16.0]))),
            "small_score": np.float32(data.draw(st.sampled_from([0.1, 0.3, 2.0]))),
            "small_cut_off": np.float32(data.draw(st.sampled_from([0.05, 0.25, 2.0]))),
            "across": 250,
            "down": 170,
            "scale": np.float32(0.37),
            "unit": data.draw(st.sampled_from([1, 8])),
            "peaks": data.draw(st.booleans()),
            "tallest": data.draw(st.sampled_from([0.0, 0.6])),
            "flattest": data.draw(st.sampled_from([np.inf, 3.0])),
        }
        for turns in data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    ]
    finder = run.Finder(gpu, n, len(looks) * rows * columns)
    gpu.calls.library.shim_backwards(int(backwards))
    for look in looks:
        row, _held = head_row(gpu, heat, sizes, offsets, **look)
        finder.decode(row)
    merged, faults = finder.merge(faces.OVERLAP)
    gpu.calls.library.shim_backwards(0)
    assert faults == 0
    for number, found in enumerate(merged):
        expected, scores = expected_boxes(heat, sizes, offsets, looks, number)
        sides_of = np.stack([found[name] for name in ("x0", "y0", "x1", "y1")], axis=1)
        np.testing.assert_array_equal(sides_of, expected)
        np.testing.assert_array_equal(found["score"], scores)


@given(st.data(), st.integers(1, 3), st.booleans(), st.sampled_from([0.0, 9.0, 30.0]))
@FIXED
def test_plates_that_one_look_alone_sees(gpu, data, looks, backwards, tiny):
    n, rows, columns = (data.draw(st.integers(1, most)) for most in (2, 9, 9))
    shown = [heads(data, n, rows, columns, sides=True)[:2] for _ in range(looks)]
    shown = [(heat, sizes * np.float32(6)) for heat, sizes in shown]
    ways = {"peaks": True, "aspects": plates.ASPECTS, "stride": plates.STRIDE, "min_score": 0.25}
    finder = run.Finder(gpu, n, looks * rows * columns)
    gpu.calls.library.shim_backwards(int(backwards))
    scales = [np.float32(0.5 + 0.4 * number) for number in range(looks)]
    for number, (heat, sizes) in enumerate(shown):
        row, _held = head_row(
            gpu, heat, sizes, None, look=number, scale=scales[number], min_score=0.25, cut_off=9,
            stride=plates.STRIDE, unit=1, peaks=1, tallest=plates.ASPECTS[0],
            flattest=plates.ASPECTS[1],
        )  # fmt: skip
        finder.decode(row)
    alone = plates.ALONE if looks > 1 else 0.0
    merged, _faults = finder.merge(plates.SAME, alone=alone, tiny=tiny)
    gpu.calls.library.shim_backwards(0)
    for picture, found in enumerate(merged):
        decoded = [
            reference.decode(heat[picture, 0], sizes[picture], None, **ways)
            for heat, sizes in shown
        ]
        expected, scores = plates.merged(
            [(b / scale, s) for (b, s), scale in zip(decoded, scales, strict=True)], tiny
        )
        sides_of = np.stack([found[name] for name in ("x0", "y0", "x1", "y1")], axis=1)
        np.testing.assert_array_equal(sides_of, expected)
        np.testing.assert_array_equal(found["score"], scores)


@pytest.mark.parametrize("where", ["heat", "sizes", "offsets"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_a_fault_and_not_an_empty_look(gpu, where, value):
    arrays = {
        "heat": np.zeros((2, 1, 3, 5), np.float32),
        "sizes": np.zeros((2, 2, 3, 5), np.float32),
        "offsets": np.zeros((2, 2, 3, 5), np.float32),
    }
    arrays[where][1, -1, 2, 4] = value
    row, _held = head_row(gpu, **arrays, stride=4, min_score=0.5, scale=1, flattest=9)
    finder = run.Finder(gpu, 2, 15)
    finder.decode(row)
    assert finder.merge(0.4)[1] == 1


def test_decoding_is_near_that_of_the_cpu_path():
    """numpy.exp is another polynomial: boxes differ by less than a thousandth of a pixel."""
    random = np.random.default_rng(5)
    heat = random.random((40, 60), np.float32)
    sizes = random.normal(1, 1, (2, 40, 60)).astype(np.float32)
    offsets = random.random((2, 40, 60), np.float32)
    ours, scores = reference.decode(heat, sizes, offsets, stride=4, min_score=0.25)
    theirs, their_scores = faces.decode(heat, sizes, offsets, 0.25)
    np.testing.assert_array_equal(scores, their_scores)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_exponential_is_right():
    x = np.linspace(-80, 80, 200_001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(reference.exponential(x) / exact - 1).max() < 3e-7


HEADLESS = """
import sys, pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_no_kernel_reads_or_writes_where_it_must_not(tmp_path):
    """The same tests with the kernels built for AddressSanitizer and UndefinedBehaviorSanitizer."""
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    library = build(tmp_path, *flags)
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True)
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        "LD_PRELOAD": " ".join(one.stdout.strip() for one in runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "REDACT_TEST_KERNELS": str(library),
    }
    tests = [
        str(SOURCES.parent / "tests" / name)
        for name in ("test_cuda_kernels.py", "test_cuda_methods.py")
    ]
    command = ["env", *(f"{key}={value}" for key, value in environment.items()), sys.executable]
    done = subprocess.run(
        [*command, "-c", HEADLESS, "-m", "not slow", *tests],
        cwd=SOURCES.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
