"""
NVIDIA's own Python bindings in the GPU path, over a stand-in for the driver's library.

tests/stand_in.py plays the bindings; here they are real, and what they pass on is checked below
them: handles, addresses, and the parameters of kernels with their types.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from redact.cuda.compiled import machine_code

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
WORK = """
import gc, sys, threading
from pathlib import Path
import numpy as np
from redact.cuda import kernels as run, reference
from redact.cuda.driver import Gpu
from redact.cuda.surfaces import downloaded, uploaded
from redact.methods import cover_all
from redact.methods.cuda import cover_frames
from redact.types import Box
from tests.test_cuda_methods import on_gpu, semi
from tests.test_methods import copy, make

gpu = Gpu(cache=Path(sys.argv[1]))
assert (gpu.name, gpu.architecture, gpu.driver_version) == ("stand-in, no GPU", "sm_90", (13, 5))
assert gpu.notes == [] and gpu.context == 16 and gpu.free_bytes() == 1 << 30

def work():
    frame = make(97, 65, depth=10, seed=3)
    here = on_gpu(frame, semi(gpu, frame, 20))
    patches = [(Box(5, 5, 60, 50), "fill", 4), (Box(20, 9, 90, 60), "blur", 5)]
    expected = copy(frame)
    cover_all(expected, patches)
    table = np.stack([run.shown(here, 60, 40, mean=127.5, scale=1 / 128)])
    tensor = run.letterbox(gpu, [here], table, 64, 64, border=3, turns=1)
    values = np.empty(tensor.shape, np.float32)
    gpu.read(tensor.memory.address, values)
    seen = reference.letterbox([frame.planes], table, 64, 64, border=3, turns=1)
    np.testing.assert_array_equal(values, seen)
    cover_frames(gpu, [here], [patches])
    for plane, other in zip(expected.planes, downloaded(here.surface), strict=True):
        np.testing.assert_array_equal(plane, other)
    finder = run.Finder(gpu, 1, 12)
    head = np.zeros((), run.HEAD)
    heat, sizes = gpu.upload(np.float32([[[[0, 1, 0]]]])), gpu.upload(np.ones((1, 4, 1, 3), "f4"))
    head["heat"], head["sizes"], head["rows"], head["columns"] = heat.address, sizes.address, 1, 3
    head["channels"], head["stride"], head["unit"], head["scale"] = 1, 4, 2, 0.5
    head["min_score"], head["cut_off"], head["flattest"] = 0.5, 0.5, 9
    finder.decode(head)
    (boxes,), faults = finder.merge(0.4, alone=0.25, tiny=2.0)
    assert faults == 0 and boxes.tolist() == [(8.0, 0.0, 16.0, 8.0, 0.75, 0)]
    pinned = gpu.pinned(100)
    gpu.read_later(heat.address, pinned)
    gpu.wait_for_default()
    gpu.wait()
    planes = here.surface.planes
    assert int(run.compare(gpu, [(planes[0], planes[0], (0, 0, 9, 9))])[0]["largest"]) == 0

errors = []
def watched():
    try:
        work()
    except BaseException as error:
        errors.append(error)
        raise

work()
thread = threading.Thread(target=watched)
thread.start()
thread.join()
gc.collect()
gpu.trim()
assert not errors and gpu.used == 0
print("done")
"""


def test_what_the_bindings_pass_on(kernels, tmp_path):
    pytest.importorskip("cuda.core", reason="needs cuda-core and NVRTC (the extra gpu)")
    machine_code("sm_90", cache=tmp_path)  # cuda-core itself asks more of a driver than ours
    library = tmp_path / "libcuda.so.1"
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    source = str(HERE / "libcuda_stand_in.cc")
    subprocess.run(["g++", *flags, source, "-o", str(library), "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", WORK, str(tmp_path)],
        env=os.environ
        | {
            "LD_LIBRARY_PATH": str(tmp_path),
            "REDACT_TEST_LIBRARY": str(kernels),
            "PYTHONPATH": str(HERE.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stderr[-3000:]
