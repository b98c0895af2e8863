"""A worker without models: its detectors find nothing, but for the fault it is told to have."""

import ctypes
import sys
from multiprocessing.connection import Connection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from redact import pipeline, worker
from redact.check import check
from redact.detectors.faces import FaceDetector
from redact.detectors.hearing import without_text
from redact.detectors.names import Heard
from redact.detectors.opened import Detectors
from redact.plan import Model
from redact.types import Box, Detection, Kind

VICTIM = 64
"""The width, and a divisor of the number of samples, of the clip that meets the fault."""


def network(last: str, weight: np.ndarray) -> FaceDetector:
    """A network of CenterFace's form whose last step, with this weight, is at fault."""
    shapes = {"heat": 1, "sizes": 2, "offsets": 2}
    weights = [numpy_helper.from_array(weight, "weight")]
    nodes = []
    for name, channels in shapes.items():
        kernel = np.ones((channels, 3, 4, 4), np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{name} kernel"))
        four = {"kernel_shape": [4, 4], "strides": [4, 4]}
        nodes.append(helper.make_node("Conv", ["picture", f"{name} kernel"], [f"{name} 0"], **four))
        nodes.append(helper.make_node(last, [f"{name} 0", "weight"], [name]))

    def value(name: str, channels: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 32, 32])

    outputs = [value(*item) for item in shapes.items()]
    graph = helper.make_graph(nodes, "network", [value("picture", 3)], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return FaceDetector(model.SerializeToString(), label="fault", min_score=0.5, long_side=128)


class Eyes:
    """Sees nothing; in the victim, what `fault` makes of its frames."""

    name = "eyes@0"

    def __init__(self, fault=None):
        self.fault = fault

    def detect(self, frames):
        if self.fault and frames[0].width == VICTIM:
            return self.fault(frames)
        return [[] for _ in frames]


class Ears:
    """Hears nothing; in the victim, what `fault` makes of its samples."""

    name = "ears@0"

    def __init__(self, fault=None):
        self.fault = fault

    def listen(self, samples, *, again=False):
        if self.fault and len(samples) % VICTIM == 0:
            return self.fault(again)
        return heard()

    def listen_again(self, windows, *, language=""):
        return [self.listen(one, again=True) for one in windows]

    def listen_together(self, ears):
        return [self.listen(samples) for samples in ears]


def heard(*names, voice=(), language="", covered=True) -> Heard:
    spans = tuple((start, end, 0.9) for start, end in names)
    return Heard(names=spans, speech=voice, unclear=(), language=language, covered=covered)


def face(frames):
    return [[Detection(Kind.FACE, Box(8, 8, 40, 40), 0.9, Eyes.name)] for _ in frames]


class Output:
    """Whether what is looked at is the encoded output."""

    now = False


def face_in_the_output(frames):
    found = [Detection(Kind.FACE, Box(44, 4, 60, 20), 0.9, Eyes.name)] if Output.now else []
    return [list(found) for _ in frames]


def broken_recogniser(again):
    def work():
        raise RuntimeError("Quillathorpe said so")

    return without_text("the speech recogniser failed", work)


def one_name_then_another(again):
    name = (0.4, 0.5) if again else (0.1, 0.2)
    return heard(name, voice=((0.0, 0.6),), language="en")


def french(again):
    return heard(voice=((0.1, 0.4),), language="fr", covered=False)


NOTHING = np.float32([0])
FAULTS = {
    "none": {},
    "raises": {"faces": network("Reshape", np.int64([7, 7])).detect},
    "nan": {"faces": network("Pow", np.float32([np.nan])).detect},
    "crashes": {"faces": lambda frames: ctypes.string_at(0)},
    "sees again": {"again": face},
    "sees in the output": {"faces": face, "again": face_in_the_output},
    "deaf": {"names": broken_recogniser},
    "hears again": {"names": one_name_then_another},
    "foreign": {"names": french},
}


def opened(policy, *, device, threads):
    fault = FAULTS[sys.argv[1]]
    return Detectors(
        pictures=Eyes(fault.get("faces")),
        pictures_again=Eyes(fault.get("again")),
        names=Ears(fault.get("names")),
        models=(Model(slot="faces", name="eyes", sha256="0" * 64, threshold_ppm=0),),
    )


def checked(*given, **named):
    Output.now = True
    try:
        return check(*given, **named)
    finally:
        Output.now = False


pipeline.check = checked
Detectors.open = opened
worker._child(Connection(int(sys.argv[2])), Connection(int(sys.argv[3]), writable=False))
