"""Opening a GPU, its memory, and the compiled kernels: over a stand-in for the driver."""

import ctypes
import gc
import os
import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from redact.cli.models import _gpu as doctors_report
from redact.cuda import compiled, sources
from redact.cuda.calls import GpuLostError, GpuMemoryError
from redact.cuda.compiled import machine_code
from redact.cuda.driver import Gpu
from redact.detectors import opened as opened_module
from redact.errors import DetectorError, Reason
from tests.stand_in import SOURCES, GpuStandIn, StandIn

ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]


class Opened(Gpu):
    """A Gpu whose kernels nobody compiles."""

    def compiled(self, cache):
        return b""


def opened(kernels, monkeypatch=None, **settings):
    calls = StandIn(kernels)
    for name, value in settings.items():
        setattr(calls, name, value)
    return Opened(driver=calls)


def test_memory_is_given_back_used_again_and_counted(gpu):
    first = gpu.allocate(3_000_000)
    address = first.address
    assert gpu.used == 3 << 20
    del first
    assert gpu.used == 0
    assert gpu.allocate(2_500_000).address == address
    gpu.trim()
    assert gpu.calls.held == {}


def test_a_thousand_clips_leave_no_memory_and_no_stream_behind(gpu):
    def clip(number):
        whole = gpu.upload(np.full(5000 + 100 * (number % 7), number % 256, np.uint8))
        pinned = gpu.pinned(5000)
        gpu.read_later(whole.address, pinned)
        gpu.wait()
        assert (pinned.array == number % 256).all()

    for number in range(1000):
        thread = threading.Thread(target=clip, args=(number,))
        thread.start()
        thread.join()
    gc.collect()
    assert gpu.used == 0
    assert len(gpu.calls.pinned) == 1  # the same, a thousand times
    assert len(gpu.calls.streams) <= 1
    assert gpu.calls.most_held < 100_000
    gpu.trim()
    assert gpu.calls.held == gpu.calls.pinned == {}


def test_memory_that_outlives_its_thread_is_used_again(gpu):
    kept = []
    thread = threading.Thread(target=lambda: kept.append(gpu.allocate(5000)))
    thread.start()
    thread.join()
    del thread
    gc.collect()  # the thread's stream is closed
    address = kept.pop().address
    assert gpu.allocate(5000).address == address


def test_pinned_memory_beyond_what_is_kept_is_freed(gpu):
    many = [gpu.pinned(10) for _ in range(70)]
    assert len(gpu.calls.pinned) == 70
    del many
    assert len(gpu.calls.pinned) == 64
    other = gpu.pinned(11)
    assert len(gpu.calls.pinned) == 65
    assert other.array.size == 11


def test_another_thread_is_not_given_memory_that_may_be_in_use(gpu):
    """Its stream may run before the one on which work with that memory is still queued."""
    address = gpu.allocate(1000).address
    other = []
    thread = threading.Thread(target=lambda: other.append(gpu.allocate(1000)))
    thread.start()
    thread.join()
    assert other[0].address != address
    assert gpu.allocate(1000).address == address


def test_spare_memory_is_freed_before_it_is_said_that_none_is_left(kernels):
    gpu = GpuStandIn(kernels, memory=10 << 20)
    for size in (1, 2, 3, 4, 5, 6):  # each of another size: nothing fits again
        gpu.allocate(size << 20)
    with pytest.raises(GpuMemoryError, match=r"no memory left for 11.* MB more") as raised:
        gpu.allocate(11 << 20)
    assert raised.value.reason is Reason.MEMORY
    assert "--device cpu" in str(raised.value)
    gpu.allocate(10 << 20)


class Spare:
    """Holds memory that it can do without."""

    def __init__(self, gpu):
        self.memory = gpu.allocate(1 << 20)

    def drop(self):
        self.memory = None


class Crowded(weakref.WeakSet):
    """While it is gone through, another clip's thread has something that may be kept too."""

    def __init__(self, some, comes):
        super().__init__(some)
        self.other = threading.Thread(target=comes)

    def __iter__(self):
        for number, one in enumerate(super().__iter__()):
            if number == 0:
                self.other.start()
                self.other.join(0.3)
            yield one


def test_more_may_be_kept_while_others_let_go_of_theirs(kernels):
    gpu = GpuStandIn(kernels, memory=10 << 20)
    some, more = [Spare(gpu) for _ in range(4)], Spare(gpu)
    gpu._kept = crowded = Crowded(some, lambda: gpu.keep(more))
    gpu.allocate(6 << 20)
    crowded.other.join(60)
    assert more in crowded
    assert [one.memory for one in some] == [None] * 4


@pytest.mark.parametrize("code", [700, 719, 999])
def test_a_lost_context_is_an_error_of_its_own(gpu, code):
    memory = gpu.allocate(100)
    gpu.calls.failing["cuMemcpyDtoHAsync"] = code
    with pytest.raises(GpuLostError, match="gave up in the middle"):
        gpu.read(memory.address, np.empty(100, np.uint8))


def test_a_refused_launch_is_no_silence(gpu):
    gpu.calls.failing["cuLaunchKernel"] = 1
    with pytest.raises(DetectorError, match="refuses cuLaunchKernel"):
        gpu.launch("paint", (1, 1, 1), 1, 0)


def test_work_goes_to_the_callers_stream(gpu):
    own = gpu.stream
    with gpu.on(77):
        assert gpu.stream == 77
    assert gpu.stream == own


def test_no_driver_no_gpu_an_old_one_and_one_too_many(kernels, monkeypatch):
    monkeypatch.setattr("redact.cuda.driver.nvrtc_version", lambda: (13, 5))
    with pytest.raises(DetectorError, match="does not start"):
        opened(kernels, failing={"cuInit": 100})
    with pytest.raises(DetectorError, match="sees 0 GPUs"):
        opened(kernels, count=0)
    with pytest.raises(DetectorError, match=r"older than compute capability 7\.5"):
        opened(kernels, capability=(7, 0))
    with pytest.raises(DetectorError, match=r"speaks CUDA 12\.4.*NVRTC 13\.5") as raised:
        opened(kernels, version=12040)
    assert "Update the driver" in str(raised.value)
    assert opened(kernels).name == "stand-in, no GPU"


def test_a_machine_without_a_driver_says_so():
    pytest.importorskip("cuda.bindings", reason="needs cuda-core (the extra gpu)")
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        with pytest.raises(DetectorError, match=r"there is no NVIDIA driver") as raised:
            Gpu()
        assert "--device cpu" in str(raised.value)
    else:
        pytest.skip("this machine has an NVIDIA driver")


def test_the_doctor_says_what_the_gpu_can_do_and_why_not(gpu, monkeypatch):
    monkeypatch.setattr(opened_module, "why_no_gpu", lambda: "")
    monkeypatch.setattr(opened_module, "open_gpu", lambda: gpu)
    report = doctors_report()
    assert report["pictures"] == "cuda"
    assert report["name"].startswith("stand-in, no GPU, sm_90")
    assert "AV1 on the cpu" in report["decoding"]
    assert report["encoding"] == "cpu: no NVENC"
    assert report["decoder"].startswith("PyAV; PyNvVideoCodec")
    monkeypatch.setattr(opened_module, "open_gpu", refused)
    assert doctors_report() == {"pictures": "cpu: the driver is too old."}


def refused():
    raise DetectorError("the driver is too old.")


def test_a_gpu_that_does_not_open_is_said_or_is_an_error_if_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(opened_module, "why_no_gpu", lambda: "")
    monkeypatch.setattr(opened_module, "open_gpu", refused)
    assert opened_module._device("auto") == (
        "cpu",
        None,
        ("Done on the CPU: the driver is too old.",),
    )
    assert opened_module._device("cpu") == ("cpu", None, ())
    with pytest.raises(DetectorError, match="too old"):
        opened_module._device("cuda")


def test_two_gpus_of_different_kinds_get_kernels_of_their_own(kernels, monkeypatch, tmp_path):
    monkeypatch.setattr("redact.cuda.driver.nvrtc_version", lambda: (13, 5))
    made = []

    def compiler(_place, architecture):
        made.append(architecture)
        return architecture.encode()

    monkeypatch.setattr(compiled, "nvrtc", compiler)
    for capability in ((9, 0), (8, 9), (9, 0)):
        calls = StandIn(kernels)
        calls.capability = capability
        Gpu(driver=calls, cache=tmp_path)
    assert made == ["sm_90", "sm_89"]


def test_compiled_once_and_kept(tmp_path):
    made = []
    place = copied(tmp_path)
    settings = {"place": place, "cache": tmp_path / "cache", "compiler": compiler_into(made)}
    assert machine_code("sm_90", **settings) == b"code of sm_90"
    assert machine_code("sm_90", **settings) == b"code of sm_90"
    assert machine_code("sm_80", **settings) == b"code of sm_80"
    assert made == ["sm_90", "sm_80"]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_a_cached_file_that_broke_off_is_compiled_again(tmp_path):
    made = []
    place = copied(tmp_path)
    settings = {"place": place, "cache": tmp_path / "cache", "compiler": compiler_into(made)}
    machine_code("sm_90", **settings)
    (cached,) = (tmp_path / "cache").iterdir()
    for content in (b"", cached.read_bytes()[:-1], cached.read_bytes()[:32]):
        cached.write_bytes(content)
        assert machine_code("sm_90", **settings) == b"code of sm_90"
    assert len(made) == 4


def test_a_cache_that_cannot_be_written_is_said_and_goes_on(tmp_path):
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    said, made = [], []
    code = machine_code(
        "sm_90", place=copied(tmp_path), cache=blocked / "cache", compiler=compiler_into(made),
        note=said.append,
    )  # fmt: skip
    assert code == b"code of sm_90"
    assert len(said) == 1
    assert "can't be kept" in said[0]


@pytest.mark.parametrize("how", ["changed", "added", "removed"])
def test_an_edited_source_is_refused(tmp_path, how):
    place = copied(tmp_path)
    if how == "changed":
        text = (place / "cover.cuh").read_text()
        (place / "cover.cuh").write_text(text.replace("+ 64) >> 7", "+ 63) >> 7"))
    elif how == "added":
        (place / "more.cuh").write_text("")
    else:
        (place / "compare.cuh").unlink()
    with pytest.raises(DetectorError, match="a source was edited"):
        machine_code("sm_90", place=place, cache=tmp_path, compiler=compiler_into([]))


def test_the_recorded_digest_is_that_of_the_sources():
    assert sources.checked(SOURCES) == sources.digest(SOURCES)


RACE = """
import sys
from pathlib import Path
from redact.cuda.compiled import machine_code
code = machine_code(
    "sm_90", cache=Path(sys.argv[1]), compiler=lambda *_: bytes(range(256)) * 4000
)
sys.exit(code != bytes(range(256)) * 4000)
"""


def test_many_processes_at_once_all_get_the_whole_code(tmp_path):
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=SOURCES.parent) for _ in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    assert len(list(tmp_path.iterdir())) == 1


def test_without_cuda_core_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(DetectorError, match=r"not installed.*\n.*\n.*redact\[gpu\]"):
        compiled.nvrtc(SOURCES, "sm_90")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_the_sources_for_every_architecture(architecture):
    """NVRTC needs neither a GPU nor a driver."""
    pytest.importorskip("cuda.core", reason="needs cuda-core and NVRTC (the extra gpu)")
    code = compiled.nvrtc(SOURCES, architecture)
    assert code.startswith(b"\x7fELF")
    assert all(name in code for name in (b"letterbox", b"paint", b"merge", b"compare"))


def test_a_source_that_does_not_compile_is_one_clear_error(tmp_path):
    pytest.importorskip("cuda.core", reason="needs cuda-core and NVRTC (the extra gpu)")
    (tmp_path / sources.PROGRAM).write_text("this is no program")
    with pytest.raises(DetectorError, match="NVRTC does not compile the CUDA kernels for sm_90"):
        compiled.nvrtc(tmp_path, "sm_90")


@pytest.mark.slow
def test_nvcc_compiles_them_too():
    if not shutil.which("nvcc"):
        pytest.skip("needs nvcc (the CUDA toolkit)")
    script = SOURCES.parent / "scripts" / "compile_kernels.sh"
    done = subprocess.run([str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ARCHITECTURES


def copied(folder: Path) -> Path:
    """The sources, to be changed."""
    place = folder / "sources"
    shutil.copytree(SOURCES, place)
    return place


def compiler_into(made):
    def compiler(_place, architecture):
        made.append(architecture)
        return f"code of {architecture}".encode()

    return compiler


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_forbids_writing(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    said = []
    settings = {"place": copied(tmp_path), "cache": tmp_path / "cache", "note": said.append}
    assert machine_code("sm_90", compiler=compiler_into([]), **settings)
    assert len(said) == 1
