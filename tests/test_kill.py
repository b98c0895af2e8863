"""Kill a whole run at any moment: the next one finishes it, and nobody is left behind."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from redact.store import Store
from tests.media_maker import Picture, Voice, make_clip

pytestmark = pytest.mark.slow

KILLS = 3
GOOD = 4


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Some clips that will be published, and one that will be held."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(GOOD):
        voice = Voice(seconds=0.8 + number / 10)
        make_clip(folder / f"{number}.mp4", Picture(frames=20 + number), [voice])
    (folder / "9.mp4").touch()
    return folder


def start(inputs: Path, store: Path, keys: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(__file__).with_name("blind_run.py"))]
    return subprocess.Popen(
        [*command, "run", str(inputs), "--store", str(store)],
        env={**os.environ, "REDACT_KEYS": str(keys)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def children(number: int) -> list[int]:
    try:
        text = Path(f"/proc/{number}/task/{number}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in text.split()]


def gone(number: int) -> bool:
    """Ended, whether or not someone has asked for its exit code."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def wait_until_gone(number: int) -> bool:
    until = time.monotonic() + 60
    while not gone(number) and time.monotonic() < until:
        time.sleep(0.05)
    return gone(number)


@pytest.mark.parametrize("whole_group", [True, False], ids=["all of it", "the parent only"])
def test_a_killed_run_is_finished_by_the_next(tmp_path, inputs, whole_group):
    begun = time.monotonic()
    assert start(inputs, tmp_path / "calm", tmp_path / "keys").wait() == 3
    seconds = time.monotonic() - begun
    store = tmp_path / "store"
    draw = random.Random()
    for _ in range(KILLS):
        running = start(inputs, store, tmp_path / "keys")
        time.sleep(draw.uniform(0.2, 1) * seconds)
        workers = children(running.pid)
        if whole_group:
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.kill()
        running.wait()
        assert all(wait_until_gone(one) for one in workers)
    assert start(inputs, store, tmp_path / "keys").wait() == 3
    check_all_is_done_once(store, tmp_path / "keys")


def check_all_is_done_once(root: Path, keys: Path) -> None:
    assert [path.name for path in (root / ".work").iterdir()] == ["lock"]
    with Store(root, keys) as store:
        summary = store.verify()
        assert summary.published == GOOD
        assert summary.held >= 1  # what can't be read is another clip each time
        entries = [entry for entry in store.log.entries() if entry.kind == "published"]
    assert set(Counter(entry.idem for entry in entries).values()) == {1}
    assert len(list((root / "clips").iterdir())) == GOOD
    assert len(list((root / "restricted").iterdir())) == 2 * GOOD
