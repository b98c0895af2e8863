import json
import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from redact.detectors import runtime
from redact.detectors.faces import FaceDetector, decode, merge, turn_back
from redact.detectors.runtime import Network, free_shape, letterbox, shrunk
from redact.errors import DetectorError
from redact.types import Box, Frame, Kind

BITS = {"yuv420p": 8, "yuv422p": 8, "yuv444p": 8, "yuv420p10le": 10, "yuv444p12le": 12}


def frame_of(*planes, depth=8, **how) -> Frame:
    return Frame(tuple(planes), depth, 0, 0, Fraction(1, 25), **how)


def network(nodes, outputs, weights=(), channels=3) -> bytes:
    """A small ONNX file with the faults of CenterFace's: one fixed shape, weights as inputs."""
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, channels, 32, 32])
    tensors = [numpy_helper.from_array(np.float32(value), name) for name, value in weights]
    listed = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, np.shape(value))
        for name, value in weights
    ]
    named = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, 8, 8])
        for name, count in outputs
    ]
    graph = helper.make_graph(nodes, "network", [picture, *listed], named, tensors)
    opset = helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


ALL_BRIGHT = np.ones((4, 4))
BRIGHT_TOP = np.repeat([[2.0], [2.0], [-2.0], [-2.0]], 4, axis=1)


def bright_spots(*, log_height=2.0, log_width=1.0, heat="Identity", pattern=ALL_BRIGHT) -> bytes:
    """
    A network of CenterFace's form that finds bright spots: its heat is the mean of four by four
    pixels, weighted by a pattern, and each box is exp(log_width) cells wide, exp(log_height) high.
    """
    mean = np.broadcast_to(pattern / 48 / 255, (1, 3, 4, 4))
    sizes = np.zeros((2, 3, 4, 4))
    weights = [
        ("mean", mean),
        ("none", sizes),
        ("size", np.array([log_height, log_width])),
        ("middle", np.zeros(2)),
        ("zero", np.zeros(1)),
    ]
    four = {"kernel_shape": [4, 4], "strides": [4, 4]}
    nodes = [
        helper.make_node("Conv", ["picture", "mean"], ["warm"], **four),
        helper.make_node(heat, ["warm"] if heat == "Identity" else ["warm", "zero"], ["heat"]),
        helper.make_node("Conv", ["picture", "none", "size"], ["sizes"], **four),
        helper.make_node("Conv", ["picture", "none", "middle"], ["offsets"], **four),
    ]
    return network(nodes, [("heat", 1), ("sizes", 2), ("offsets", 2)], weights)


def spotted(*spots, width=128, height=96) -> Frame:
    """A black picture with a white square of 4 x 4 at each spot (its top left)."""
    luma = np.zeros((height, width), np.uint8)
    for x, y in spots:
        luma[y : y + 4, x : x + 4] = 255
    return frame_of(luma, full_range=True)


def detector(model: bytes, **how) -> FaceDetector:
    settings = {"min_score": 0.5, "long_side": 128, "threads": 1, **how}
    return FaceDetector(model, label="spots", **settings)


def test_a_face_that_the_pictures_edge_cuts_off_may_score_less():
    """Squares of 45 % light, where 50 % is asked for: one at each edge, one in the middle."""
    luma = np.zeros((96, 128), np.uint8)
    for x, y in [(0, 48), (124, 48), (64, 0), (64, 92), (64, 48)]:
        luma[y : y + 4, x : x + 4] = 115

    (found,) = detector(bright_spots(log_height=2.2, log_width=2.2)).detect(
        [frame_of(luma, full_range=True)]
    )

    middles = sorted(((one.box.x0 + one.box.x1) / 2, one.box.height) for one in found)
    assert len(found) == 4, middles
    assert all(
        one.box.x0 == 0 or one.box.y0 == 0 or one.box.x1 == 128 or one.box.y1 == 96 for one in found
    )


class TestDoubtful:
    """Squares of 90, 70 and 50 % light, where 80 % is asked for and a quarter less is doubtful."""

    tall = bright_spots(log_height=2.2, log_width=1)

    def picture(self) -> Frame:
        luma = np.zeros((96, 128), np.uint8)
        for x, level in [(24, 230), (64, 179), (100, 128)]:
            luma[48:52, x : x + 4] = level
        return frame_of(luma, full_range=True)

    def found(self, finder: FaceDetector):
        (found,) = finder.detect([self.picture()])
        return [(round(one.score, 1), one.doubtful) for one in found]

    def test_a_little_below_the_threshold_a_face_is_doubtful(self):
        finder = detector(self.tall, min_score=0.8, faint=0.25)

        assert self.found(finder) == [(0.9, False), (0.7, True)]

    def test_far_below_it_a_face_is_weak_and_no_longer_doubtful(self):
        finder = detector(self.tall, min_score=0.8, faint=0.15, weak=0.35)
        (found,) = finder.detect([self.picture()])

        assert [(round(one.score, 1), one.doubtful, one.weak) for one in found] == [
            (0.9, False, False),
            (0.7, True, False),
            (0.5, False, True),
        ]
        (found,) = finder.at_size(128).detect([self.picture()])
        assert [round(one.score, 1) for one in found] == [0.9]

    def test_nothing_is_unless_asked_for(self):
        finder = detector(self.tall, min_score=0.8)

        assert self.found(finder) == [(0.9, False)]

    def test_the_second_look_has_no_doubts(self):
        finder = detector(self.tall, min_score=0.8, faint=0.25)

        assert self.found(finder.at_size(128)) == [(0.9, False)]

    def test_what_lies_in_a_sure_face_is_a_part_of_it(self):
        """Boxes of 40 pixels, that overlap where the squares are 40 apart less a half."""
        wide = bright_spots(log_height=np.log(30), log_width=np.log(30))

        assert self.found(detector(wide, min_score=0.8, faint=0.25)) == [(0.9, False)]


class TestSmall:
    """Boxes no higher than 32 pixels of the network's input; one look, as large as the picture."""

    low, tall = bright_spots(log_height=2, log_width=1), bright_spots(log_height=2.2, log_width=1)

    def scores(self, finder: FaceDetector, *levels, doubtful=False):
        luma = np.zeros((96, 128), np.uint8)
        for number, level in enumerate(levels):
            luma[48:52, 12 + 28 * number : 16 + 28 * number] = level
        (found,) = finder.detect([frame_of(luma, full_range=True)])
        return [round(one.score, 2) for one in found if one.doubtful is doubtful]

    def test_of_a_small_face_less_is_enough_in_a_crowd(self):
        finder = detector(self.low, min_score=0.5)

        assert self.scores(finder, 255, 255, 112, 97) == [1.0, 1.0, 0.44]
        assert self.scores(detector(self.tall, min_score=0.5), 255, 255, 112, 97) == [1.0, 1.0]

    def test_and_elsewhere_as_much_as_of_others(self):
        """What would be doubtful of a tall face is doubtful of a small one."""
        for faint, least in ((0.0, None), (0.08, 0.44), (0.02, None)):
            finder = detector(self.low, min_score=0.5, faint=faint)
            assert self.scores(finder, 255, 112) == [1.0]
            assert self.scores(finder, 112) == []
            doubts = self.scores(finder, 255, 112, 97, doubtful=True)
            assert doubts == ([least] if least else [])

    def test_but_not_for_the_second_look(self):
        finder = detector(self.low, min_score=0.5)

        assert self.scores(finder.at_size(128), 255, 255, 112, 97) == [1.0, 1.0]

    @pytest.mark.parametrize("faces", [1, 2])
    def test_of_a_weak_one_no_less_is_enough(self, faces):
        finder = detector(self.low, min_score=0.5, weak=0.1)
        luma = np.zeros((96, 128), np.uint8)
        for number, level in enumerate([*[255] * faces, 105, 97]):
            luma[48:52, 12 + 28 * number : 16 + 28 * number] = level
        (found,) = finder.detect([frame_of(luma, full_range=True)])

        weak = [round(one.score, 2) for one in found if one.weak]
        assert weak == ([0.41] if faces == 1 else [])  # in a crowd it counts as it is

    def test_where_one_may_be_there_is_a_closer_look(self):
        """The square fills a quarter of a cell of the first look, and more of the closer one's."""
        frames = [spotted(), spotted((48, 48)), spotted()]

        for model, count in ((self.low, 1), (self.tall, 0)):
            found = detector(model, long_side=64).detect(frames)
            assert [len(faces) for faces in found] == [0, count, 0]
            assert detector(model).at_size(64).detect(frames) == [[], [], []]

    @pytest.mark.parametrize(("model", "count"), [(low, 1), (tall, 0)])
    def test_after_a_quick_look_it_is_as_large_as_a_thorough_one(self, model, count):
        (found,) = detector(model, min_score=0.9).quick().detect([spotted((48, 48))])

        assert [one.score for one in found] == [1.0] * count

    def test_a_picture_that_can_not_be_enlarged_further_gets_none(self):
        finder = detector(self.low, long_side=256)
        sizes = []
        network = finder._network
        finder._network = lambda batch: sizes.append(batch.shape[-1]) or network(batch)

        finder.detect([spotted((48, 48))])

        assert sizes[0] == 256
        assert max(sizes[1:], default=0) < 256


class TestNetwork:
    def test_freed_network_takes_any_size(self):
        model = bright_spots()

        freed = Network(free_shape(model, name="spots"), name="spots", threads=1)

        assert freed(np.zeros((2, 3, 96, 64), np.float32))[0].shape == (2, 1, 24, 16)

    def test_weights_are_no_inputs_any_more(self):
        freed = onnx.load_model_from_string(free_shape(bright_spots(), name="spots"))

        assert [value.name for value in freed.graph.input] == ["picture"]

    def test_wrong_size_is_an_error_without_the_repair(self):
        fixed = Network(bright_spots(), name="spots", threads=1)

        with pytest.raises(DetectorError, match="spots failed on 1 pictures of 64x96"):
            fixed(np.zeros((1, 3, 96, 64), np.float32))

    @pytest.mark.parametrize("model", [b"", b"not a network", bright_spots()[:-40]])
    def test_what_is_no_network_is_an_error(self, model):
        with pytest.raises(DetectorError):
            detector(model)

    def test_absent_device_is_an_error(self):
        with pytest.raises(DetectorError, match="no device 'tpu'"):
            detector(bright_spots(), device="tpu")

    def test_tensorrt_is_refused_where_onnxruntime_has_none(self):
        with pytest.raises(DetectorError, match="built without TensorRT") as raised:
            Network(b"", name="x", device="tensorrt")
        assert "--device cuda" in str(raised.value)

    def test_tensorrt_keeps_its_engines_and_leaves_the_rest_to_cuda(self, monkeypatch):
        names = ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
        monkeypatch.setattr(runtime.onnxruntime, "get_available_providers", lambda: names)
        (first, engines), (second, _) = runtime._providers("tensorrt")
        assert [first, second] == names
        assert engines["trt_engine_cache_enable"] == "1"
        assert engines["trt_engine_cache_path"].endswith("tensorrt")

    def test_no_quiet_fall_back_to_the_cpu(self):
        import onnxruntime

        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this onnxruntime has CUDA")
        with pytest.raises(DetectorError, match="cuda"):
            detector(bright_spots(), device="cuda")

    def test_numbers_that_are_not_finite_are_an_error(self):
        broken = detector(bright_spots(heat="Div"))

        with pytest.raises(DetectorError, match="not finite"):
            broken.detect([spotted((32, 32))])


class TestLetterbox:
    @pytest.mark.parametrize("full_range", [False, True])
    @pytest.mark.parametrize("bt601", [False, True])
    @pytest.mark.parametrize("pixels", list(BITS))
    def test_colours_agree_with_ffmpeg(self, pixels, bt601, full_range):
        rgb = np.zeros((64, 96, 3), np.uint8)
        rgb[:32, :48], rgb[:32, 48:] = (200, 30, 60), (20, 180, 90)
        rgb[32:, :48], rgb[32:, 48:] = (40, 60, 220), (250, 250, 250)
        frame = as_frame(rgb, pixels, bt601=bt601, full_range=full_range)

        seen, scale = letterbox(frame, 96)

        assert scale == 1
        inside = [(y, x) for y in (16, 48) for x in (24, 72)]
        for y, x in inside:
            np.testing.assert_allclose(seen[:, y, x], rgb[y, x], atol=3)

    def test_rgb_and_gray(self):
        red = np.full((32, 32), 1023, np.uint16)
        none = np.zeros_like(red)

        colour, _ = letterbox(frame_of(red, none, none, depth=10, rgb=True), 32)
        gray, _ = letterbox(frame_of(np.full((32, 32), 235, np.uint8)), 32)

        assert colour[:, 0, 0].tolist() == [255, 0, 0]
        assert gray[:, 0, 0].tolist() == pytest.approx([255, 255, 255])

    @settings(deadline=None)
    @given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([32, 64, 128]))
    def test_shape_and_scale(self, width, height, long_side):
        half = ((height + 1) // 2, (width + 1) // 2)
        planes = np.full((height, width), 200, np.uint8), *[np.full(half, 128, np.uint8)] * 2

        seen, scale = letterbox(frame_of(*planes), long_side)

        assert seen.shape[1] % 32 == seen.shape[2] % 32 == 0
        assert scale == min(long_side / max(width, height), 2)
        inside = max(round(height * scale), 1), max(round(width * scale), 1)
        assert (seen[:, : inside[0], : inside[1]] > 200).all()
        assert not seen[:, inside[0] :].any()
        assert not seen[:, :, inside[1] :].any()


class TestShrunk:
    @settings(deadline=None)
    @given(st.integers(1, 300), st.integers(1, 300))
    def test_planes_get_one_size_and_keep_their_colour(self, width, height):
        half = ((height + 1) // 2, (width + 1) // 2)
        planes = np.full((height, width), 800, np.uint16), *[np.full(half, 300, np.uint16)] * 2
        frame = frame_of(*planes, depth=10)

        small, scale = shrunk(frame, 64)

        assert max(small.width, small.height) == min(max(width, height), 64)
        assert scale == min(64 / max(width, height), 1)
        seen, at = letterbox(small, 32)
        wanted, straight = letterbox(frame, 32)
        assert at * scale == pytest.approx(straight)
        assert abs(seen[:, 0, 0] - wanted[:, 0, 0]).max() < 1e-3

    def test_a_small_frame_is_left_as_it_is(self):
        frame = spotted((8, 8))

        assert shrunk(frame, 128) == (frame, 1)


class TestFaceDetector:
    def test_box_has_the_place_and_size_the_network_says(self):
        model = bright_spots(log_height=math.log(9.99), log_width=math.log(4.99))

        ((face,),) = detector(model).detect([spotted((64, 40))])

        assert face.box == Box(56, 22, 76, 62)
        assert face.kind == Kind.FACE
        assert face.score == pytest.approx(1)
        assert face.detector.startswith("spots@")

    def test_scale_is_undone(self):
        faces = detector(bright_spots(), long_side=128)
        small = spotted((64, 40))
        large = frame_of(*[np.repeat(np.repeat(small.planes[0], 4, 0), 4, 1)], full_range=True)

        ((near,),), ((far,),) = faces.detect([large]), faces.detect([small])

        assert near.box & Box(4 * far.box.x0, 4 * far.box.y0, 4 * far.box.x1, 4 * far.box.y1)
        assert near.box.height == pytest.approx(4 * far.box.height, abs=8)

    def test_batch_equals_one_by_one(self):
        faces = detector(bright_spots())
        frames = [spotted((32, 32)), spotted(), spotted((8, 8), (100, 60))]

        together = faces.detect(frames)

        assert together == [faces.detect([frame])[0] for frame in frames]
        assert [len(found) for found in together] == [1, 0, 2]

    def test_box_over_the_edge_is_cut(self):
        ((face,),) = detector(bright_spots(log_height=4.0, log_width=4.0)).detect([spotted((0, 0))])

        assert face.box == Box(0, 0, 112, 96)

    def test_all_looks_agree_on_the_place(self):
        square = bright_spots(log_height=1.0, log_width=1.0)

        (found,) = detector(square, long_side=512, min_score=0.2).detect([spotted((76, 20))])

        assert found
        for face in found:
            assert (face.box.x0 + face.box.x1) / 2 == pytest.approx(78, abs=3)
            assert (face.box.y0 + face.box.y1) / 2 == pytest.approx(22, abs=3)

    @pytest.mark.parametrize("turns", [0, 1, 3])
    def test_a_face_that_lies_on_its_side(self, turns):
        """The network knows the pattern upright only, and at the size of the small looks only."""
        luma = np.zeros((192, 256), np.uint8)
        pattern = np.repeat(np.uint8([[255], [255], [0], [0]]), 4, axis=1)
        luma[40:44, 100:104] = np.rot90(pattern, -turns)
        model = bright_spots(log_height=2.0, log_width=1.0, pattern=BRIGHT_TOP)

        ((face,),) = detector(model, long_side=512, min_score=0.8).detect(
            [frame_of(luma, full_range=True)]
        )

        assert (face.box.x0 + face.box.x1, face.box.y0 + face.box.y1) == (204, 84)
        assert (face.box.height > face.box.width) == (turns == 0)

    def test_a_quick_look_sees_less_in_the_same_place(self):
        faces = detector(bright_spots(log_height=2.3, log_width=1.0), long_side=640)
        luma = np.zeros((480, 640), np.uint8)
        luma[40:56, 64:80] = 255
        luma[200:204, 300:304] = 255
        frame = frame_of(luma, full_range=True)

        (all_looks,), (quick,) = faces.detect([frame]), faces.quick().detect([frame])

        assert any(face.box & Box(300, 200, 304, 204) for face in all_looks)
        assert quick
        assert all(face.box & Box(64, 40, 80, 56) for face in quick)
        assert faces.quick().name == faces.name

    def test_no_frames(self):
        assert detector(bright_spots()).detect([]) == []

    def test_network_of_another_form_is_an_error(self):
        node = helper.make_node("Identity", ["picture"], ["heat"])
        other = network([node], [("heat", 3)])

        with pytest.raises(DetectorError, match="1 outputs"):
            detector(other).detect([spotted()])


class TestHead:
    def test_below_the_threshold_nothing(self):
        heat = np.float32([[0.29, 0.3]])
        flat = np.zeros((2, 1, 2), np.float32)

        boxes, scores = decode(heat, flat, flat, 0.3)

        assert scores.tolist() == pytest.approx([0.3])
        assert boxes.tolist() == [[4, 0, 8, 4]]

    @settings(deadline=None)
    @given(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9), st.data())
    def test_turning_back(self, turns, height, width, data):
        """A patch of a picture, where it lies once the picture is turned."""
        x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
        picture = np.zeros((height, width))
        picture[y0:y1, x0:x1] = 1

        rows, columns = np.nonzero(np.rot90(picture, turns))
        turned = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]

        assert turn_back(np.float32([turned]), turns, height, width).tolist() == [[x0, y0, x1, y1]]

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2, st.floats(0, 1)),
            max_size=12,
        )
    )
    def test_merging_loses_nothing(self, faces):
        boxes = np.float32([(x, y, x + w, y + h) for x, y, w, h, _ in faces]).reshape(-1, 4)
        scores = np.float32([face[4] for face in faces])

        merged, best = merge(boxes, scores)

        assert best.tolist() == sorted(best.tolist(), reverse=True)
        for box, score in zip(boxes, scores, strict=True):
            holds = (merged[:, :2] <= box[:2]).all(axis=1) & (merged[:, 2:] >= box[2:]).all(axis=1)
            assert (best[holds] >= score).any()

    def test_looks_at_one_face_become_one_box(self):
        boxes = np.float32([[10, 10, 30, 30], [12, 8, 32, 30], [60, 10, 80, 30]])

        merged, best = merge(boxes, np.float32([0.5, 0.9, 0.7]))

        assert merged.tolist() == [[10, 8, 32, 30], [60, 10, 80, 30]]
        assert best.tolist() == pytest.approx([0.9, 0.7])


@pytest.mark.weights
class TestCenterFace:
    @pytest.mark.shared
    def test_finds_the_face_where_the_truth_has_it(self, models, shared):
        truth = json.loads((shared / "truth.json").read_text())["faces"]["no-mask_mov-3_jpg.jpg"]
        picture = cv2.imread(str(shared / "faces" / "no-mask_mov-3_jpg.jpg"), cv2.IMREAD_GRAYSCALE)

        (found,) = center_face(models).detect([frame_of(picture, full_range=True)])

        ((x, y, width, height),) = truth["boxes"]
        assert any(
            abs(face.box.x0 + face.box.width / 2 - x - width / 2) < width / 4
            and abs(face.box.y0 + face.box.height / 2 - y - height / 2) < height / 4
            for face in found
        )

    def test_nothing_in_noise(self, models):
        noise = np.random.default_rng(1).integers(0, 255, (240, 320), np.uint8)

        assert center_face(models).detect([frame_of(noise)]) == [[]]


def center_face(models: Path) -> FaceDetector:
    model = (models / "faces" / "centerface.onnx").read_bytes()
    return FaceDetector(model, label="centerface", min_score=0.3, long_side=640, threads=1)


def as_frame(rgb, pixels: str, *, bt601: bool, full_range: bool) -> Frame:
    """Made by ffmpeg's own conversion, as a decoder would hand it over."""
    spaces = av.video.reformatter.Colorspace
    ranges = av.video.reformatter.ColorRange
    made = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
        format=pixels,
        dst_colorspace=spaces.ITU601 if bt601 else spaces.ITU709,
        dst_color_range=ranges.JPEG if full_range else ranges.MPEG,
    )
    kind = np.uint8 if BITS[pixels] == 8 else np.uint16
    planes = []
    for plane in made.planes:
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        planes.append(rows[:, : plane.width].copy())
    return frame_of(*planes, depth=BITS[pixels], bt601=bt601, full_range=full_range)
