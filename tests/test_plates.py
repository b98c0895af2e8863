"""Finds plates: decoding, looks of several sizes, odd pictures; the weights in this repository."""

import json
import sys
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from redact import weights
from redact.detectors import opened as opened_detectors
from redact.detectors.opened import Detectors
from redact.detectors.plates import (
    ALONE,
    EIGHT_BIT,
    STRIDE,
    PlateDetector,
    decode,
    merged,
    possible,
)
from redact.detectors.runtime import Network
from redact.errors import DetectorError
from redact.policy import Plates, Policy
from redact.record import scope_of
from redact.types import Frame, Kind

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from plates_parts.crops import make_crop
from plates_parts.lettering import Lettering
from plates_parts.sources import Sources


def grey(picture, *, index=0) -> Frame:
    return Frame((picture,), 8, index, index, Fraction(1, 25), full_range=True)


def coloured(picture) -> Frame:
    planes = tuple(np.ascontiguousarray(picture[:, :, channel]) for channel in range(3))
    return Frame(planes, 8, 0, 0, Fraction(1), rgb=True, full_range=True)


def bright_cells(*, edges=(12.0, 4.0, 12.0, 4.0), heat="Identity", outputs=2) -> bytes:
    """A network of our form that takes every bright cell of 8 x 8 pixels for a plate's middle."""
    shape = [None, 3, None, None]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)
    made = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, count, None, None])
        for name, count in (("heat", 1), ("edges", 4))
    ]
    tensors = [
        numpy_helper.from_array(np.full((1, 3, 8, 8), 1 / 192 / 255, np.float32), "mean"),
        numpy_helper.from_array(np.zeros((4, 3, 8, 8), np.float32), "none"),
        numpy_helper.from_array(np.float32(edges), "far"),
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
    ]
    eight = {"kernel_shape": [8, 8], "strides": [8, 8]}
    nodes = [
        helper.make_node("Conv", ["pictures", "mean"], ["warm"], **eight),
        helper.make_node(heat, ["warm"] if heat == "Identity" else ["warm", "zero"], ["heat"]),
        helper.make_node("Conv", ["pictures", "none", "far"], ["edges"], **eight),
    ]
    graph = helper.make_graph(nodes, "network", [pictures], made[:outputs], tensors)
    opset = helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def detector(model: bytes, *, min_score=0.5, long_side=128) -> PlateDetector:
    return PlateDetector(model, label="fake", min_score=min_score, long_side=long_side, threads=1)


def spotted(*spots, width=128, height=96) -> Frame:
    """A black picture with a white square of 8 x 8 at each spot (its top left)."""
    picture = np.zeros((height, width), np.uint8)
    for x, y in spots:
        picture[y : y + 8, x : x + 8] = 255
    return grey(picture)


class TestDecode:
    def test_a_box_goes_from_its_cells_middle_to_each_edge(self):
        heat, edges = np.zeros((4, 6), np.float32), np.zeros((4, 4, 6), np.float32)
        heat[1, 2] = 0.8
        edges[:, 1, 2] = (10, 5, 20, 6)

        boxes, scores = decode(heat, edges, 0.5)

        x, y = 2.5 * STRIDE, 1.5 * STRIDE
        assert boxes.tolist() == [[x - 10, y - 5, x + 20, y + 6]]
        assert scores.tolist() == pytest.approx([0.8])

    def test_only_peaks_count(self):
        heat, edges = np.zeros((3, 5), np.float32), np.ones((4, 3, 5), np.float32)
        heat[1] = (0.6, 0.9, 0.6, 0.3, 0.7)

        _, scores = decode(heat, edges, 0.5)

        assert sorted(scores.tolist()) == pytest.approx([0.7, 0.9])

    def test_impossible_shapes_are_no_plates(self):
        boxes = np.float32([[0, 0, 50, 10], [0, 0, 10, 10], [0, 0, 100, 5], [0, 0, 5, 50]])
        assert possible(boxes).tolist() == [True, True, False, False]


class TestMerged:
    ONE = (np.float32([[10, 10, 50, 20]]), np.float32([0.55]))
    NEAR = (np.float32([[8, 10, 48, 22]]), np.float32([0.4]))
    FAR = (np.float32([[70, 10, 90, 20]]), np.float32([0.8]))

    def test_two_looks_at_one_plate_become_one_box(self):
        boxes, scores = merged([self.ONE, self.NEAR])
        assert boxes.tolist() == [[8, 10, 50, 22]]
        assert scores.tolist() == pytest.approx([0.55])

    def test_what_one_look_alone_sees_has_to_be_surer(self):
        boxes, scores = merged([self.ONE, self.FAR])
        assert boxes.tolist() == [[70, 10, 90, 20], [10, 10, 50, 20]]
        assert scores.tolist() == pytest.approx([0.8 - ALONE, 0.55 - ALONE])

    def test_what_is_too_small_for_the_others_may_be_seen_by_one_look(self):
        _, scores = merged([self.ONE, self.FAR], tiny=25)
        assert scores.tolist() == pytest.approx([0.8, 0.55 - ALONE])

    def test_a_single_look_is_taken_at_its_word(self):
        assert merged([self.ONE])[1].tolist() == pytest.approx([0.55])


class TestDetect:
    def test_finds_what_is_there_and_where(self):
        (found,) = detector(bright_cells()).detect([spotted((40, 40))])

        (one,) = found
        assert one.kind is Kind.PLATE
        assert one.detector.startswith("fake@")
        assert (one.box.x0, one.box.y0, one.box.x1, one.box.y1) == (32, 40, 56, 48)

    def test_nothing_in_black(self):
        assert detector(bright_cells()).detect([spotted(), spotted()]) == [[], []]

    def test_smaller_looks_see_what_is_large(self):
        """At a quarter of the size a square of 32 is one cell; its box is four times as wide."""
        frame = spotted(*((x, y) for x in range(32, 64, 8) for y in range(32, 64, 8)))

        (found,) = detector(bright_cells()).detect([frame])

        assert max(one.box.width for one in found) >= 90

    def test_the_quick_look_leaves_out_the_largest(self):
        whole = detector(bright_cells(), min_score=0.9)
        frame = spotted((40, 40))
        assert [len(found) for found in whole.detect([frame])] == [1]
        assert whole.quick().detect([frame]) == [[]]

    def test_what_is_nearly_a_plate_may_be_one_once_encoded(self):
        frame = grey(spotted((40, 40)).planes[0] // 4 * 3)
        ((one,),) = detector(bright_cells(), min_score=0.3).detect([frame])
        close, far = (detector(bright_cells(), min_score=one.score + by) for by in (0.03, 0.07))
        assert close.detect([frame]) == [[]]
        ((same,),) = close.nearly().detect([frame])
        assert (same.box, same.doubtful) == (one.box, one.doubtful)
        assert far.nearly().detect([frame]) == [[]]

    def test_the_second_look_has_other_sizes(self):
        whole = detector(bright_cells(), long_side=1280)
        assert not set(whole.again()._looks) & set(whole._looks)

    @pytest.mark.parametrize(
        ("width", "height"),
        [
            *[(1, 1), (1, 200), (200, 1), (3, 5), (7, 7), (31, 33), (90, 160)],
            pytest.param(7680, 4320, marks=pytest.mark.slow),
        ],
    )
    def test_pictures_of_any_shape(self, width, height):
        found = detector(bright_cells(), long_side=1280).detect(
            [grey(np.full((height, width), 255, np.uint8))]
        )
        for one in found[0]:
            assert 0 <= one.box.x0 < one.box.x1 <= width
            assert 0 <= one.box.y0 < one.box.y1 <= height

    def test_not_a_number_is_an_error_not_an_empty_list(self):
        with pytest.raises(DetectorError, match="not finite"):
            detector(bright_cells(heat="Div")).detect([spotted((40, 40))])

    def test_another_network_is_an_error(self):
        with pytest.raises(DetectorError, match="1 outputs"):
            detector(bright_cells(outputs=1)).detect([spotted()])
        with pytest.raises(DetectorError, match="can't be opened"):
            detector(b"no network")


def ours(**how) -> PlateDetector:
    opened = weights.open_model("plates", purpose="commercial")
    settings = {"min_score": Plates().min_score, "long_side": Plates().long_side, **how}
    return PlateDetector(opened.read(EIGHT_BIT), label=opened.name, threads=1, **settings)


class TestOurs:
    def test_lies_in_the_repository_and_is_the_one_of_the_manifest(self):
        model = weights.model("plates")
        assert model.ours
        assert model.default
        assert model.files[0].size == (model.place / model.main).stat().st_size < 10_000_000
        assert dict(weights.verify())[model.name] == "ok"

    @pytest.mark.parametrize("shape", [(1, 1), (1, 90), (5, 3), (90, 160), (160, 90), (333, 77)])
    def test_pictures_of_any_shape(self, shape):
        noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        assert len(ours().detect([grey(noise), grey(noise)])) == 2

    def test_eight_bits_say_what_the_whole_network_says(self):
        opened = weights.open_model("plates", purpose="commercial")
        whole, eight = (
            Network(opened.read(name), name=name, threads=1) for name in (opened.main, EIGHT_BIT)
        )
        hottest = []
        for index in range(6):
            crop = make_crop(index, Sources(), Lettering(None), seed=99).picture
            shown = crop.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
            (heat, _), (other, _) = whole(shown), eight(shown)
            assert abs(heat - other).max() < 0.1
            hottest.append(heat.max())
        assert max(hottest) > 0.5

    def test_a_cpu_runs_eight_bits_and_a_gpu_the_whole_network(self, monkeypatch):
        model, read = weights.open_model("plates", purpose="commercial"), []
        monkeypatch.setattr(weights.Opened, "read", lambda _self, name: read.append(name) or b"")
        monkeypatch.setattr(opened_detectors, "PlateDetector", lambda *_, **__: None)
        for device in ("cpu", "cuda"):
            opened_detectors._plates(model, Policy(), device, 1)
        assert read == [EIGHT_BIT, model.main]

    @pytest.mark.parametrize("device", ["cpu", "cuda"])
    def test_what_is_recorded_is_the_file_that_is_run(self, device):
        model = weights.open_model("plates", purpose="commercial")
        record = opened_detectors._plates_record(model, Policy(), device)
        content = model.read(EIGHT_BIT if device == "cpu" else model.main)
        assert record.sha256 == sha256(content).hexdigest()
        assert (record.slot, record.threshold_ppm) == ("plates", 450_000)

    @pytest.mark.slow
    def test_frames_of_8k(self):
        assert ours().detect([grey(np.zeros((4320, 7680), np.uint8))]) == [[]]

    def test_one_changed_byte_is_refused_with_the_command_that_mends_it(
        self, tmp_path, monkeypatch
    ):
        model = weights.model("plates")
        manifest = weights.listing._manifest_file()
        (tmp_path / "manifest.toml").write_bytes(manifest.read_bytes())
        content = bytearray((model.place / model.main).read_bytes())
        monkeypatch.setattr(
            weights.listing, "PLACES", (tmp_path / "none", tmp_path / "manifest.toml")
        )
        mends = f"git checkout -- models/{model.main}"
        with pytest.raises(DetectorError) as missing:
            weights.open_model("plates", purpose="commercial")
        content[1000] ^= 1
        (tmp_path / model.main).write_bytes(content)
        with pytest.raises(DetectorError) as changed:
            weights.open_model("plates", purpose="commercial")
        with pytest.raises(DetectorError) as pulled:
            weights.pull(["plates"])
        assert all(mends in str(error.value.todo) for error in (missing, changed, pulled))

    @pytest.mark.slow
    def test_rendered_plates_of_a_seed_kept_aside(self):
        """Crops of another seed than the training's, in strokes that it never saw as a font."""
        # Measured when the weights were made: see models/plates.md; the floor is a little lower.
        finds, lettering = ours(long_side=256), Lettering(None)
        hit = whole = 0
        for index in range(60):
            crop = make_crop(index, Sources(), lettering, seed=99)
            (found,) = finds.detect([coloured(crop.picture)])
            for plate in crop.plates:
                if plate[2] - plate[0] >= 24:
                    whole += 1
                    hit += any(covers(one.box.grow(0.15), plate) for one in found)
        assert whole >= 25
        assert hit / whole >= RENDERED_FLOOR

    @pytest.mark.slow
    @pytest.mark.shared
    def test_real_plates_of_other_rides(self, shared):
        """All 78 were covered when the weights were made; every third frame is looked at here."""
        truth = json.loads((shared / "truth.json").read_text())["plates"]
        finds, hits = ours(), []
        for name in sorted(truth)[::3]:
            picture = cv2.cvtColor(cv2.imread(str(shared / "plates" / name)), cv2.COLOR_BGR2RGB)
            (found,) = finds.detect([coloured(picture)])
            for x, y, wide, high in truth[name]["boxes"]:
                plate = (x, y, x + wide, y + high)
                hits.append(any(covers(one.box.grow(0.15), plate) for one in found))
        assert len(hits) >= 20
        assert sum(hits) / len(hits) >= 0.95

    @pytest.mark.slow
    def test_nothing_in_noise(self):
        noise = np.random.default_rng(1).integers(0, 255, (240, 320), np.uint8)
        assert ours().detect([grey(noise)]) == [[]]


RENDERED_FLOOR = 0.65


def covers(box, plate) -> bool:
    """Whether at least 80 % of a plate's area lie inside."""
    wide = max(min(box.x1, plate[2]) - max(box.x0, plate[0]), 0)
    high = max(min(box.y1, plate[3]) - max(box.y0, plate[1]), 0)
    return wide * high >= 0.8 * (plate[2] - plate[0]) * (plate[3] - plate[1])


class TestPolicy:
    def test_plates_are_looked_for_unless_the_policy_says_no(self):
        off = Policy(plates=Plates(find=False))
        assert "plate" in scope_of(Policy())
        assert scope_of(Policy()) - scope_of(off) == {"plate"}

    def test_each_kind_is_covered_in_its_own_way(self):
        policy = Policy(plates=Plates(method="pixelate", cells=2))
        assert policy.covering(Kind.PLATE) is policy.plates
        assert policy.covering(Kind.FACE) is policy.faces

    @pytest.mark.weights
    def test_the_detectors_of_a_policy(self, models, monkeypatch):
        monkeypatch.setenv("REDACT_MODELS", str(models))
        both = Detectors.open(Policy(), device="cpu", threads=1)
        faces = Detectors.open(Policy(plates=Plates(find=False)), device="cpu", threads=1)
        assert {model.slot for model in both.models} - {model.slot for model in faces.models} == {
            "plates"
        }
        for detector_ in (both.pictures, both.pictures_quick, both.pictures_again):
            assert "redact-plates@" in detector_.name
        assert "redact-plates@" not in faces.pictures.name
