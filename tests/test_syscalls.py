"""
Kill or fail each system call of a publishing run that changes the disk, the database's own too.

strace stands between the run and the kernel: the nth call of a kind kills the run, or fails with
"no space left" or "input/output error". After each, the next run must leave every clip published
once or held, with a log that verifies.
"""

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from redact.store import Store
from tests.publishing import ALL, check_all_is_done_once, check_nothing_is_unlogged, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace (apt-get install strace)"),
]

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,ftruncate,fallocate,flock"
)
FAULTS = {"killed": "signal=KILL", "no space left": "error=ENOSPC", "broken disk": "error=EIO"}
SHARE = 12
"""How many calls of each fault, drawn at random, a test has time for; scripts/crash.py does all."""


def traced(root: Path, keys: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-qq", "-o", str(root.parent / "trace"), "-e", f"trace={CALLS}"]
    script = [sys.executable, "-m", "tests.publishing", str(root), str(keys), "1"]
    return subprocess.run(
        [*command, *options, *script],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def calls_of_a_run(folder: Path) -> list[tuple[str, int]]:
    """Each call of a whole run, as its name and which of that name it is."""
    folder.mkdir()
    done = traced(folder / "store", folder / "keys")
    if "ptrace" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("may not trace its own processes here")
    assert done.returncode == 0, done.stderr
    seen = re.findall(r"^\d+ +(\w+)\(", (folder / "trace").read_text(), re.MULTILINE)
    return [(name, seen[: place + 1].count(name)) for place, name in enumerate(seen)]


@pytest.fixture
def calls(tmp_path):
    return calls_of_a_run(tmp_path / "counted")


def check_after(fault: str, name: str, nth: int, folder: Path) -> int:
    """Fail one call of a run, check what it leaves, run again, check all; how the run ended."""
    folder.mkdir()
    root, keys = folder / "store", folder / "keys"
    done = traced(root, keys, "-e", f"inject={name}:{FAULTS[fault]}:when={nth}")
    place = f"{name} {nth} {fault}: {done.stderr}"
    # An error that does no harm (to a last delete) may let the run end well.
    assert done.returncode in ({137, -9} if fault == "killed" else {0, 5}), place
    check_nothing_is_unlogged(root)
    run(root, keys, 1)
    check_all_is_done_once(root, keys, 1)
    shutil.rmtree(folder)
    return done.returncode


@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_that_fails_leaves_a_store_that_the_next_run_finishes(tmp_path, calls, fault):
    assert len(calls) > 100  # else these were not the calls of a run
    assert {"fsync", "fdatasync", "pwrite64"} & {name for name, _ in calls}
    chosen = calls if ALL else random.Random().sample(calls, SHARE)
    ended = Counter(
        check_after(fault, *call, tmp_path / str(number)) for number, call in enumerate(chosen)
    )
    assert fault == "killed" or ended[5], ended


def test_a_run_that_is_only_watched_publishes(tmp_path, calls):
    with Store(tmp_path / "counted" / "store", tmp_path / "counted" / "keys") as store:
        assert store.verify().published == 1
