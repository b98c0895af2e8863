"""The kernels of the picture methods, run on the CPU, equal their NumPy truth bit for bit."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redact.cuda.surfaces import (
    FrameOnGpu,
    Surface,
    downloaded,
    packed_rgb,
    semi_planar,
    uploaded,
)
from redact.errors import UsageError
from redact.methods import cover_all
from redact.methods.cuda import cover_frames
from redact.types import Box, Frame
from tests.test_methods import PICTURE, boxes, copy, make

FIXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def on_gpu(frame: Frame, surface: Surface, **changes) -> FrameOnGpu:
    fields = {name: getattr(frame, name) for name in ("depth", "index", "pts", "time_base", "rgb")}
    fields |= {"full_range": frame.full_range, "bt601": frame.bt601} | changes
    return FrameOnGpu(planes=(np.zeros((32, 32), np.uint16),), surface=surface, **fields)


def semi(gpu, frame: Frame, pitch_extra: int = 0, garbage: int = 0) -> Surface:
    """A frame as NV12, or P010 and its like; lines are padded with garbage."""
    y, u, v = frame.planes
    shift = 16 - frame.depth if frame.depth > 8 else 0
    uv = np.stack([u, v], axis=-1).reshape(u.shape[0], -1)
    width = max(y.shape[1], uv.shape[1]) + pitch_extra
    lines = np.full((y.shape[0] + uv.shape[0], width), garbage, y.dtype)
    lines[: y.shape[0], : y.shape[1]] = y << shift
    lines[y.shape[0] :, : uv.shape[1]] = uv << shift
    memory = gpu.upload(lines)
    pitch = lines.strides[0]
    return semi_planar(
        gpu,
        memory.address,
        memory.address + y.shape[0] * pitch,
        (pitch, pitch),
        (frame.width, frame.height),
        memory,
        bits=frame.depth,
    )


def packed(gpu, frame: Frame, channels: int = 3) -> Surface:
    extra = [np.full_like(frame.planes[0], 7)] * (channels - 3)
    pixels = np.ascontiguousarray(np.stack([*frame.planes, *extra], axis=-1))
    memory = gpu.upload(pixels)
    size = frame.width, frame.height
    return packed_rgb(gpu, memory.address, pixels.strides[0], size, memory, channels=channels)


@st.composite
def scenes(draw, most=5):
    """A frame in one of the layouts that the GPU sees, and patches in it that may overlap."""
    width, height = draw(st.integers(1, 90)), draw(st.integers(1, 70))
    how = draw(st.sampled_from(["planar", "semi", "packed"]))
    depth = 8 if how == "packed" else draw(st.sampled_from([8, 10, 12]))
    layout = {"planar": draw(st.sampled_from(["4:2:0", "4:2:2", "4:4:4", "4:1:1", "gray"]))}.get(
        how, "4:4:4" if how == "packed" else "4:2:0"
    )
    seed = draw(st.integers(0, 2**16))
    frame = make(width, height, layout=layout, depth=depth, seed=seed, rgb=how == "packed")
    patch = st.tuples(boxes(width, height), st.sampled_from(PICTURE), st.integers(1, 7))
    return frame, how, draw(st.lists(patch, max_size=most))


def surface_of(gpu, frame, how):
    if how == "planar":
        return uploaded(gpu, frame)
    return semi(gpu, frame, 13, 99) if how == "semi" else packed(gpu, frame, 4)


@given(st.lists(scenes(), min_size=1, max_size=3), st.booleans())
@settings(FIXED, max_examples=150)
def test_many_frames_in_one_launch_equal_the_reference(gpu, some, backwards):
    frames = [on_gpu(frame, surface_of(gpu, frame, how)) for frame, how, _ in some]
    gpu.calls.library.shim_backwards(int(backwards))
    cover_frames(gpu, frames, [patches for *_, patches in some])
    gpu.calls.library.shim_backwards(0)
    for (frame, _, patches), covered in zip(some, frames, strict=True):
        expected = copy(frame)
        cover_all(expected, patches)
        for plane, other in zip(expected.planes, downloaded(covered.surface), strict=True):
            np.testing.assert_array_equal(other, plane)


@pytest.mark.parametrize("side", [95, 96, 97, 191, 192])
def test_from_which_side_on_a_region_has_more_than_one_colour(gpu, side):
    frame = make(240, 220, depth=8, seed=side)
    covered = on_gpu(frame, semi(gpu, frame))
    cover_frames(gpu, [covered], [[(Box(10, 8, 10 + side, 210), "fill", 4)]])
    expected = copy(frame)
    cover_all(expected, [(Box(10, 8, 10 + side, 210), "fill", 4)])
    for plane, other in zip(expected.planes, downloaded(covered.surface), strict=True):
        np.testing.assert_array_equal(other, plane)


def test_large_regions_cross_the_borders_of_blocks_and_of_the_picture(gpu):
    frame = make(900, 500, depth=10, seed=3)
    patches = [
        (Box(0, 0, 640, 333), "fill", 4),
        (Box(600, 300, 900, 500), "blur", 9),
        (Box(333, 21, 801, 444), "pixelate", 64),
        (Box(899, 499, 900, 500), "fill", 4),
    ]
    covered = on_gpu(frame, semi(gpu, frame, 60))
    cover_frames(gpu, [covered], [patches])
    expected = copy(frame)
    cover_all(expected, patches)
    for plane, other in zip(expected.planes, downloaded(covered.surface), strict=True):
        np.testing.assert_array_equal(other, plane)


def test_padding_and_other_channels_stay_as_they_are(gpu):
    frame = make(50, 30, layout="4:4:4", rgb=True)
    surface = packed(gpu, frame, 4)
    cover_frames(gpu, [on_gpu(frame, surface)], [[(Box(0, 0, 50, 30), "fill", 4)]])
    pixels = np.empty((30, 50, 4), np.uint8)
    gpu.read(surface.planes[0].samples, pixels)
    assert (pixels[..., 3] == 7).all()
    assert (pixels[..., :3] != np.stack(frame.planes, axis=-1)).any()


def test_no_region_launches_nothing(gpu):
    frame = make(20, 20)
    cover_frames(gpu, [on_gpu(frame, uploaded(gpu, frame))], [[]])
    cover_frames(gpu, [], [])
    assert gpu.calls.launched == []


@pytest.mark.parametrize(
    "patch",
    [(Box(0, 0, 21, 20), "fill", 4), (Box(0, 0, 9, 9), "tone", 4), (Box(0, 0, 9, 9), "fill", 0)],
)
def test_a_bad_region_is_refused_before_anything_is_touched(gpu, patch):
    frame = make(20, 20)
    good = (Box(3, 3, 9, 9), "fill", 4)
    covered = on_gpu(frame, uploaded(gpu, frame))
    with pytest.raises(UsageError):
        cover_frames(gpu, [covered, covered], [[good], [patch]])
    for plane, other in zip(frame.planes, downloaded(covered.surface), strict=True):
        np.testing.assert_array_equal(other, plane)


def test_frames_say_their_size_and_keep_their_time(gpu):
    frame = replace(make(33, 21), pts=7, time_base=Fraction(1, 25))
    seen = on_gpu(frame, uploaded(gpu, frame))
    assert (seen.width, seen.height, seen.pts, seen.alpha) == (33, 21, 7, None)
