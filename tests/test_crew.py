"""Several clips in one child process, as on a GPU: what they share, what one costs the others."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from redact import batch, worker
from redact.batch import run_all
from redact.crew import Crew
from redact.errors import InputError, Reason
from redact.policy import Limits, Policy
from redact.redactor import Status
from redact.store import Store
from tests.test_cuda_clips import NO_NVENC, POLICY, clip_of

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture
def crew(monkeypatch):
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, str(HERE / "faulty_worker.py")))
    crew = Crew(Policy(limits=Limits(memory_gigabytes=4)), 3, device="cpu")
    yield crew
    for one in crew.workers:
        one.close()


def do(one, method, *arguments, seconds=60.0):
    return one.do(method, *arguments, progress=lambda _share: None, seconds=seconds)


def at_once(*works):
    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result for one in [pool.submit(*work) for work in works]]


def assert_one_crashed(fails, works, process):
    """One clip is held, and the other, whose work gives 7, was done again in another process."""
    with pytest.raises(InputError) as caught:
        fails()
    assert caught.value.reason is Reason.CRASHED
    value, ran_in = works()
    assert value == 7
    assert ran_in != process


def test_all_work_in_one_process_at_the_same_time(crew):
    results = at_once(*((do, one, "slow", n) for n, one in enumerate(crew.workers)))
    assert [one()[0] for one in results] == [0, 1, 2]
    assert len({one()[1] for one in results}) == 1


def test_who_crashes_the_child_is_held_and_the_others_are_done_again(crew):
    one, other, third = crew.workers
    process = do(third, "process")
    fails, works = at_once((do, one, "crash"), (do, other, "slow", 7))
    assert_one_crashed(fails, works, process)
    assert do(third, "echo", 5) == 5
    assert do(third, "process") == do(one, "process") != process


def test_who_takes_too_long_costs_the_others_no_clip(crew):
    one, other, _ = crew.workers
    do(other, "process")
    fails, works = at_once((lambda: do(one, "hang", seconds=0.7),), (lambda: do(other, "slow", 7),))
    assert works()[0] == 7
    with pytest.raises(InputError) as caught:
        fails()
    assert caught.value.reason is Reason.TIMEOUT


def test_a_lost_gpu_is_opened_anew_for_each_clip_that_was_under_way(crew):
    one, other, third = crew.workers
    process = do(third, "process")
    lost, works = at_once((do, one, "lose", 3), (do, other, "slow", 7))
    assert lost() == 3
    value, ran_in = works()
    assert value == 7
    assert ran_in != process


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("method", ["give_up", "unsendable"])
def test_no_clip_waits_for_a_thread_of_the_child_that_is_gone(crew, method, number):
    process = do(crew.workers[2], "process")
    fails, works = at_once(
        (lambda: do(crew.workers[number], method, seconds=10),),
        (do, crew.workers[1 - number], "slow", 7),
    )
    assert_one_crashed(fails, works, process)


def test_an_error_of_one_clip_is_its_own(crew):
    one, other, third = crew.workers
    process = do(third, "process")
    refused, works = at_once((do, one, "refuse"), (do, other, "slow", 7))
    with pytest.raises(InputError, match="damaged"):
        refused()
    assert works() == (7, process)


def test_a_crew_that_is_closed_starts_nothing_more(crew):
    one, other, _ = crew.workers
    do(one, "process")
    stopped = []

    def work():
        try:
            do(other, "hang")
        except worker.Stopped:
            stopped.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    one.close()
    thread.join(60)
    assert stopped == [True]
    with pytest.raises(worker.Stopped):
        do(one, "echo", 1)


def test_a_crew_that_is_closed_ends_a_clip_that_is_done_again_and_starts_no_other(crew, tmp_path):
    path, stopped = tmp_path / "begun", []

    def work(one):
        try:
            do(one, "hang_alone", str(path), seconds=20)
        except worker.Stopped:
            stopped.append(True)

    threads = [threading.Thread(target=work, args=(one,)) for one in crew.workers]
    for thread in threads:
        thread.start()
    while not path.exists() or not path.read_text():
        time.sleep(0.05)
    for one in crew.workers:
        one.close()
    for thread in threads:
        thread.join(90)
    assert stopped == [True] * 3
    (process,) = path.read_text().split()
    assert not Path(f"/proc/{process}").exists()


def test_clips_on_a_gpu_share_process_network_and_batches(kernels, tmp_path, monkeypatch):
    """A run over the stand-in: one clip breaks off in the decoder, and the others are published."""
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, str(HERE / "gpu_worker.py")))
    monkeypatch.setattr(batch, "why_no_gpu", lambda: "")
    monkeypatch.setenv("REDACT_TEST_LIBRARY", str(kernels))
    monkeypatch.setenv("REDACT_TEST_BATCHES", str(tmp_path / "batches"))
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    paths = []
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(clip_of(folder, options={"crf": str(10 + number)}))
    broken = bytearray(paths[2].read_bytes())
    middle = broken.index(b"mdat") + 3000
    broken[middle : middle + 900] = bytes(900)
    paths[2].write_bytes(broken)
    with Store(tmp_path / "store") as store:
        results = list(run_all(paths, store, POLICY, device="cuda", workers=3))
    by_path = {one.source: one for one in results}
    assert by_path[paths[2]].status is Status.HELD
    assert isinstance(by_path[paths[2]].error, InputError)
    for path in paths[:2] + paths[3:]:
        assert by_path[path].status is Status.PUBLISHED
        assert by_path[path].notes == (NO_NVENC,)
        assert by_path[path].removed["face"] > 0
    batches = list(map(int, (tmp_path / "batches").read_text().split()))
    assert max(batches) > 1
