"""With a small network of SCRFD's form: nobody's weights are needed."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from redact.detectors.insightface_pack import LICENCE, InsightFacePack
from redact.detectors.opened import Detectors
from redact.errors import DetectorError, UsageError
from redact.policy import Faces, Policy
from redact.types import Box, Frame, Kind

RESEARCH = Policy(purpose="research", accept_licences=(LICENCE,))


def bright_squares(*, bad: bool = False) -> bytes:
    """
    Finds squares of 8, 16 and 32 pixels by their mean light, with two anchors for each place;
    boxes reach a stride to each side of a square's top left. If `bad`, boxes are infinite.
    """
    nodes, weights, scores, boxes = (
        [],
        [("reach", np.ones((1, 4)) * (np.inf if bad else 1))],
        [],
        [],
    )
    shape = numpy_helper.from_array(np.array([-1, 1]), "column")
    for stride in (8, 16, 32):
        mean = np.full((1, 3, stride, stride), 1 / 3 / stride**2)
        weights += [(f"mean{stride}", mean)]
        sides = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes += [
            helper.make_node("Conv", ["picture", f"mean{stride}"], [f"map{stride}"], **sides),
            helper.make_node("Reshape", [f"map{stride}", "column"], [f"once{stride}"]),
            helper.make_node("Concat", [f"once{stride}"] * 2, [f"twice{stride}"], axis=1),
            helper.make_node("Reshape", [f"twice{stride}", "column"], [f"score{stride}"]),
            helper.make_node("Mul", [f"score{stride}", "none"], [f"nought{stride}"]),
            helper.make_node("Add", [f"nought{stride}", "reach"], [f"box{stride}"]),
        ]
        scores.append(helper.make_tensor_value_info(f"score{stride}", TensorProto.FLOAT, [None, 1]))
        boxes.append(helper.make_tensor_value_info(f"box{stride}", TensorProto.FLOAT, [None, 4]))
    weights += [("none", np.zeros((1, 4)))]
    tensors = [numpy_helper.from_array(np.float32(value), name) for name, value in weights]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph(nodes, "scrfd", [picture], [*scores, *boxes], [*tensors, shape])
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def with_square(x, y, side=8, width=128, height=96) -> Frame:
    luma = np.zeros((height, width), np.uint8)
    luma[y : y + side, x : x + side] = 255
    return Frame((luma,), 8, 0, 0, Fraction(1, 25), full_range=True)


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "buffalo_x"
    folder.mkdir()
    (folder / "det_x.onnx").write_bytes(bright_squares())
    return folder


def opened(folder, policy=RESEARCH, **how) -> InsightFacePack:
    return InsightFacePack(folder, policy=policy, **{"min_score": 0.5, "long_side": 128, **how})


@pytest.mark.parametrize(
    "policy",
    [Policy(), Policy(purpose="research"), Policy(accept_licences=(LICENCE,))],
    ids=["neither", "licence not accepted", "commercial"],
)
def test_refused_unless_the_policy_allows_it(pack, policy):
    with pytest.raises(UsageError, match="research only"):
        opened(pack, policy)


def test_package_absent(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "insightface", None)

    with pytest.raises(DetectorError, match="not installed"):
        opened(pack)


@pytest.mark.parametrize("names", [[], ["det_a.onnx", "det_b.onnx"]])
def test_folder_without_one_detector(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(DetectorError, match=f"{len(names)} face detectors"):
        opened(tmp_path)


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("insightface")

    def test_finds_in_pixels_of_the_frame(self, pack):
        ((face,),) = opened(pack).detect([with_square(64, 40)])

        assert face.kind == Kind.FACE
        assert face.box == Box(56, 32, 72, 48)
        assert face.detector.startswith("det_x@")

    def test_scale_is_undone(self, pack):
        ((face,),) = opened(pack).detect([with_square(256, 160, 32, width=512, height=384)])

        assert face.box == Box(224, 128, 288, 192)

    @pytest.mark.weights
    @pytest.mark.slow
    @pytest.mark.usefixtures("models")
    def test_clips_that_are_worked_on_at_once_ask_it_in_turn(self, pack, monkeypatch):
        """Its code may not be for several threads, which all have these detectors on a CPU."""
        faces = Faces(insightface_pack=str(pack))
        detectors = Detectors.open(replace(RESEARCH, faces=faces), device="cpu", threads=1)
        inside, most = [], []

        def detect(_pack, frames):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            return [[] for _ in frames]

        monkeypatch.setattr(InsightFacePack, "detect", detect)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(detectors.pictures.detect, [[with_square(8, 8)]] * 8))
        assert set(most) == {1}
        digest = sha256((pack / "det_x.onnx").read_bytes()).hexdigest()
        assert digest in [model.sha256 for model in detectors.models if model.slot == "faces"]

    def test_one_list_for_each_frame(self, pack):
        found = opened(pack).detect([with_square(64, 40), with_square(0, 0, 0), with_square(8, 8)])

        assert [len(faces) for faces in found] == [1, 0, 1]

    def test_nothing_is_printed(self, pack, capsys):
        opened(pack).detect([with_square(64, 40)])

        assert capsys.readouterr().out == ""

    def test_numbers_that_are_not_finite_are_an_error(self, pack):
        (pack / "det_x.onnx").write_bytes(bright_squares(bad=True))

        with pytest.raises(DetectorError, match="not finite"):
            opened(pack).detect([with_square(64, 40)])

    @pytest.mark.parametrize("model", [b"", b"not a network"])
    def test_what_is_no_network_is_an_error(self, pack, model):
        (pack / "det_x.onnx").write_bytes(model)

        with pytest.raises(DetectorError, match="can't be opened"):
            opened(pack)

    @pytest.mark.parametrize("device", ["cuda", "tpu"])
    def test_absent_device_is_an_error(self, pack, device):
        with pytest.raises(DetectorError):
            opened(pack, device=device)
