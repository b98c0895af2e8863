import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from redact import worker
from redact.errors import DetectorError, InputError, Reason, RedactError, StoreError
from redact.policy import Limits, Policy

pytestmark = pytest.mark.slow


@pytest.fixture
def child(monkeypatch):
    command = (sys.executable, str(Path(__file__).with_name("faulty_worker.py")))
    monkeypatch.setattr(worker, "COMMAND", command)
    one = worker.Worker(Policy(limits=Limits(memory_gigabytes=4)))
    yield one
    one.close()


def do(child, method, *arguments, seconds=60.0):
    return child.do(method, *arguments, progress=lambda _share: None, seconds=seconds)


def test_a_job_goes_there_and_back_with_its_progress(child):
    shares = []
    value = child.do("echo", {"a": 1}, progress=shares.append, seconds=60)
    assert (value, shares) == ({"a": 1}, [0.5])


def test_an_error_of_ours_comes_back_as_it_was(child):
    with pytest.raises(InputError) as caught:
        do(child, "refuse")
    assert str(caught.value).splitlines()[2] == "  Mend it."
    assert caught.value.reason is Reason.CORRUPT


@pytest.mark.parametrize(
    ("method", "kind", "reason"),
    [
        ("crash", InputError, Reason.CRASHED),
        ("leave", InputError, Reason.CRASHED),
        ("allocate", InputError, Reason.MEMORY),
        ("stumble", RedactError, Reason.CRASHED),
        ("full", StoreError, Reason.STORE_FAILED),
    ],
)
def test_a_fault_costs_one_clip_and_the_next_job_works(child, method, kind, reason):
    with pytest.raises(kind) as caught:
        do(child, method)
    assert caught.value.reason is reason
    assert do(child, "echo", 5) == 5


def test_a_worker_that_is_closed_opens_anew_and_one_that_is_stopped_does_not(child):
    assert do(child, "echo", 1) == 1
    child.close()
    assert do(child, "echo", 2) == 2
    child.stop()
    with pytest.raises(worker.Stopped):
        do(child, "echo", 3)


def test_what_an_unforeseen_error_says_stays_in_the_child(child):
    with pytest.raises(RedactError) as caught:
        do(child, "stumble")
    assert "ValueError at faulty_worker.py" in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_a_hang_ends_with_its_time_limit(child):
    with pytest.raises(InputError) as caught:
        do(child, "hang", seconds=0.5)
    assert caught.value.reason is Reason.TIMEOUT
    assert do(child, "echo", 5) == 5


def test_a_model_that_does_not_open_is_said_at_the_start(child):
    missing = worker.Worker(Policy(), device="missing")
    with pytest.raises(DetectorError, match="missing"):
        missing.start()
    missing.close()


def test_the_child_dies_with_its_parent(child):
    number = do(child, "process")
    child._lifeline.close()
    for _ in range(100):
        if not Path(f"/proc/{number}").exists() or child._process.poll() is not None:
            break
        time.sleep(0.1)
    assert child._process.poll() is not None
    assert not os.path.exists(f"/proc/{number}/fd")


@pytest.mark.parametrize(
    "begin",
    [
        "from redact.review import frame_times; sys.argv[1:] = ['1']; frame_times.main()",
        "from redact import policy, worker; worker._limit(policy.Policy(), 'cpu')",
    ],
    ids=["page", "run"],
)
def test_a_process_that_opens_files_leaves_no_core_dump(begin):
    """A core that goes to a program heeds no limit: only what can't be dumped is not."""
    told = "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    code = f"import ctypes, resource, sys; {begin}; {told}"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"(0, 0) 0\n"
