from fractions import Fraction
from io import BytesIO

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.evaluate import (
    Share,
    audible_frames,
    leaked,
    over_redaction,
    psnr,
    seen_cells,
    sound_leaked,
)
from redact.evaluate.measures import error_outside
from redact.types import Box

RATE = 16000
FACE = Box(40, 30, 104, 110)


def picture(seed=1, width=160, height=144) -> np.ndarray:
    """Structure at every scale, as in real footage."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for size in (4, 8, 16, 32, 64):
        noise = rng.normal(size=(size, size))
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 28 * total, 0, 255).astype(np.uint8)


def covered(luma, box, value=None) -> np.ndarray:
    """Filled with one level, or smoothly with the levels around the box."""
    out = luma.copy()
    mask = np.zeros_like(luma)
    mask[box.y0 : box.y1, box.x0 : box.x1] = 255
    if value is None:
        return cv2.inpaint(out, mask, 3, cv2.INPAINT_TELEA)
    out[mask > 0] = value
    return out


def blurred(luma, box, sigma) -> np.ndarray:
    out = luma.copy()
    soft = cv2.GaussianBlur(luma, (0, 0), sigma)
    out[box.y0 : box.y1, box.x0 : box.x1] = soft[box.y0 : box.y1, box.x0 : box.x1]
    return out


def through_codec(luma, crf=30) -> np.ndarray:
    """Encoded with H.264, worse than any output of ours, and decoded."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = luma.shape
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(np.stack([luma] * 3, axis=2), "rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="gray")
    return np.ascontiguousarray(decoded[: luma.shape[0], : luma.shape[1]])


class TestLeak:
    def test_what_was_left_leaks(self):
        assert leaked(picture(), picture(), FACE)

    def test_a_codec_does_not_hide_it(self):
        assert leaked(picture(), through_codec(picture()), FACE)

    @pytest.mark.parametrize("value", [0, 128, 255, None])
    def test_a_fill_does_not_leak(self, value):
        assert not leaked(picture(), covered(picture(), FACE, value), FACE)

    @pytest.mark.parametrize("value", [128, None])
    def test_a_codec_does_not_bring_it_back(self, value):
        assert not leaked(picture(), through_codec(covered(picture(), FACE, value)), FACE)

    @pytest.mark.parametrize("seed", range(8))
    def test_another_picture_does_not_leak(self, seed):
        assert not leaked(picture(), picture(seed + 100), FACE)

    def test_a_weak_blur_leaks_and_a_strong_one_does_not(self):
        assert leaked(picture(), blurred(picture(), FACE, 1.5), FACE)
        assert not leaked(picture(), blurred(picture(), FACE, 40), FACE)

    @pytest.mark.parametrize(("share", "leaks"), [(0.2, False), (0.5, True)])
    def test_a_third_of_the_cells_is_enough(self, share, leaks):
        """The cover is too low by a share of the box."""
        lower = Box(FACE.x0, FACE.y0 + round(FACE.height * share), FACE.x1, FACE.y1)

        assert leaked(picture(), covered(picture(), lower, 128), FACE) is leaks

    def test_other_brightness_and_contrast_still_leak(self):
        dim = (picture() * 0.5 + 60).astype(np.uint8)

        assert leaked(picture(), dim, FACE)

    @pytest.mark.parametrize("side", [16, 24, 64])
    def test_small_boxes(self, side):
        box = Box(50, 50, 50 + side, 50 + side)

        assert leaked(picture(), through_codec(picture(), 18), box)
        assert not leaked(picture(), covered(picture(), box, 128), box)

    @pytest.mark.parametrize("seed", range(8))
    def test_a_cell_of_one_colour_shows_nothing_of_what_lies_beside_it(self, seed):
        """Of 6 x 6 cells all have one colour but the first column; the high-pass reaches them."""
        luma, box = picture(seed), Box(50, 50, 74, 74)
        redacted = covered(luma, Box(52, 50, 74, 74), 128)

        assert seen_cells(luma, redacted, box).part <= 6

    def test_a_trace_of_two_levels_still_leaks(self):
        """Nobody sees it; whoever stretches the levels does."""
        trace = np.round(128 + (picture() - 128.0) * 0.02).astype(np.uint8)
        assert np.ptp(trace) <= 6

        assert leaked(picture(), trace, FACE)

    def test_what_has_no_texture_leaks_only_if_it_was_left(self):
        flat = np.full((100, 100), 90, np.uint8)
        box = Box(20, 20, 60, 60)

        assert seen_cells(flat, flat, box) == Share(0, 0)
        assert leaked(flat, flat, box)
        assert not leaked(flat, covered(flat, box, 200), box)

    def test_cells_without_texture_do_not_count(self):
        """A plain wall beside the face was left, the face was covered."""
        luma = picture()
        luma[:, :72] = 90 + np.random.default_rng(1).integers(0, 3, (144, 72), np.uint8)
        out = covered(luma, Box(72, 30, 104, 110), 128)

        assert not leaked(luma, out, FACE)

    def test_outside_the_picture_there_is_nothing_to_see(self):
        assert not leaked(picture(), picture(), Box(500, 500, 520, 520))

    def test_pictures_of_two_sizes_are_refused(self):
        with pytest.raises(ValueError, match="two sizes"):
            leaked(picture(), picture()[1:], FACE)

    @settings(deadline=None)
    @given(st.integers(-30, 150), st.integers(-30, 130), st.integers(1, 180), st.integers(1, 160))
    def test_any_box(self, x, y, width, height):
        luma = picture()
        box = Box(x, y, x + width, y + height)
        inside = box.clip(160, 144)

        assert leaked(luma, luma, box) is (inside is not None)
        assert 0 <= seen_cells(luma, 255 - luma, box).value <= 1 / 3


class TestOverRedaction:
    def test_nothing_changed(self):
        assert over_redaction(picture(), picture(), [FACE]).part == 0

    def test_a_codec_is_no_redaction(self):
        assert over_redaction(picture(), through_codec(picture(), 18), []).value < 0.001

    def test_a_cover_on_a_labelled_box_and_around_it_is_right(self):
        out = covered(picture(), FACE.grow(0.3), 255)

        assert over_redaction(picture(), out, [FACE]).part == 0

    def test_a_cover_elsewhere_is_counted(self):
        original = np.full((100, 100), 50, np.uint8)
        out = covered(original, Box(0, 0, 10, 20), 255)

        assert over_redaction(original, out, []) == Share(200, 10_000)
        assert over_redaction(original, out, [Box(50, 50, 60, 60)]) == Share(200, 10_000 - 18 * 18)

    def test_a_change_of_thirty_levels_is_not(self):
        original = np.full((10, 10), 50, np.uint8)

        assert over_redaction(original, original + np.uint8(30), []).part == 0
        assert over_redaction(original, original + np.uint8(31), []).part == 100


def psnr_outside(original, redacted, boxes) -> float:
    return psnr(error_outside(original, redacted, boxes))


class TestFidelity:
    def test_equal_outside(self):
        assert psnr_outside(picture(), covered(picture(), FACE, 0), [FACE]) == np.inf

    def test_one_level_everywhere(self):
        original = np.full((10, 10), 50, np.uint8)

        assert psnr_outside(original, original + np.uint8(1), []) == pytest.approx(48.13, abs=0.01)

    def test_a_box_over_all_of_it(self):
        assert psnr_outside(picture(), 255 - picture(), [Box(0, 0, 160, 144)]) == np.inf


def speech(seconds=2.0, seed=1) -> np.ndarray:
    """Bursts of a voice: harmonics that glide, loud for 0.3 s and silent for 0.1 s."""
    time = np.arange(int(seconds * RATE)) / RATE
    rng = np.random.default_rng(seed)
    pitch = 120 + 20 * np.sin(2 * np.pi * 2.3 * time + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 12))
    return (0.1 * voice * (time % 0.4 < 0.3)).astype(np.float32)


def silenced(sound, start, end, value=0.0) -> np.ndarray:
    out = sound.copy()
    out[round(start * RATE) : round(end * RATE)] = value
    return out


class TestSound:
    def test_what_was_left_leaks(self):
        assert sound_leaked(speech(), speech(), RATE, (0.5, 1.2))

    def test_quieter_still_leaks(self):
        assert sound_leaked(speech(), speech() * np.float32(0.1), RATE, (0.5, 1.2))

    def test_noise_over_it_still_leaks(self):
        noise = np.random.default_rng(1).normal(0, 0.02, len(speech())).astype(np.float32)

        assert sound_leaked(speech(), speech() + noise, RATE, (0.5, 1.2))

    def test_silence_does_not(self):
        assert not sound_leaked(speech(), silenced(speech(), 0.5, 1.2), RATE, (0.5, 1.2))

    def test_a_tone_does_not(self):
        tone = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(len(speech())) / RATE)

        assert not sound_leaked(speech(), tone.astype(np.float32), RATE, (0.5, 1.2))

    def test_another_voice_does_not(self):
        assert not sound_leaked(speech(), speech(seed=5)[::-1].copy(), RATE, (0.5, 1.2))

    @pytest.mark.parametrize(("until", "leaks"), [(0.6, False), (0.8, True)])
    def test_a_quarter_is_enough(self, until, leaks):
        """Of 0.4 to 1.2 s, which holds 0.6 s of voice, the beginning was left."""
        assert sound_leaked(speech(), silenced(speech(), until - 0.1, 1.2), RATE, (0.4, 1.2)) is (
            leaks
        )

    def test_an_output_that_ends_early_is_silent_there(self):
        assert not sound_leaked(speech(), speech()[:4000], RATE, (0.5, 1.2))

    def test_only_voiced_frames_count(self):
        assert audible_frames(speech(), speech(), RATE, (0.3, 0.4)).part == 0
        assert audible_frames(speech(), speech(), RATE, (0.4, 0.8)) == Share(15, 15)


def test_shares_add_up():
    assert Share(1, 2) + Share(2, 6) == Share(3, 8)
    assert (Share(1, 4).value, Share(0, 0).value) == (0.25, 0.0)
