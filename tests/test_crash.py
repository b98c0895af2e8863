"""Kill a run at any moment: what is published has its entry, and the next run finishes the job."""

import multiprocessing
import os
import random
import shutil
import signal
import time

import pytest

from redact.ledger import database
from tests.publishing import ALL, check_all_is_done_once, check_nothing_is_unlogged, run

pytestmark = pytest.mark.slow

KILLS = 300 if ALL else 40
CHILD = multiprocessing.get_context("fork")


def die_at_call(number, happened, root, keys):
    """Run, and be killed at the call of this number that writes: before it happens, or after."""
    left = [number]

    def deadly(real):
        def wrapper(*args, **options):
            left[0] -= 1
            if left[0] < 0 and not happened:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **options)
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    for name in ("write", "fsync", "replace", "mkdir", "unlink", "rmdir"):
        setattr(os, name, deadly(getattr(os, name)))
    database.commit = deadly(database.commit)
    run(root, keys)


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
def test_killed_at_each_call_each_clip_is_published_once(tmp_path, happened):
    """Every call of a whole run that writes, from the making of the keys to the last delete."""
    for number in range(1000):
        root, keys = tmp_path / f"store{number}", tmp_path / f"keys{number}"
        child = CHILD.Process(target=die_at_call, args=(number, happened, root, keys))
        child.start()
        child.join()
        check_nothing_is_unlogged(root)
        run(root, keys)
        check_all_is_done_once(root, keys)
        if child.exitcode == 0:
            assert number > 50  # else the calls were not those of a run
            return
        assert child.exitcode == -signal.SIGKILL
    pytest.fail("the run never came to its end")


def kill_at_random(folder, kills):
    """Kill runs anywhere until so many were killed; half of them again while they repair."""
    begun = time.monotonic()
    run(folder / "calm", folder / "calm-keys")
    seconds = time.monotonic() - begun
    draw, killed, number = random.Random(), 0, 0
    while killed < kills:
        number += 1
        root, keys = folder / f"store{number}", folder / f"keys{number}"
        for _ in range(draw.choice([1, 2])):
            child = CHILD.Process(target=run, args=(root, keys))
            child.start()
            time.sleep(draw.uniform(0, seconds))
            child.kill()
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
            killed += child.exitcode != 0
            check_nothing_is_unlogged(root)
        run(root, keys)
        check_all_is_done_once(root, keys)
        shutil.rmtree(root)


def test_killed_at_random_each_clip_is_published_once(tmp_path):
    """Killed anywhere, inside the database's own writes too; half of them again while repairing."""
    kill_at_random(tmp_path, KILLS)


def four_at_once(folder, times):
    """Four runs on one store, each killed once anywhere; then four that are left alone."""
    begun = time.monotonic()
    run(folder / "calm", folder / "calm-keys")
    seconds, draw = time.monotonic() - begun, random.Random()
    for number in range(times):
        root, keys = folder / f"store{number}", folder / f"keys{number}"
        for killed in (True, False):
            children = [CHILD.Process(target=run, args=(root, keys)) for _ in range(4)]
            for child in children:
                child.start()
            for child in children:
                if killed:
                    time.sleep(draw.uniform(0, seconds))
                    child.kill()
                child.join()
            assert {child.exitcode for child in children} <= (
                {0, -signal.SIGKILL} if killed else {0}
            )
            check_nothing_is_unlogged(root)
        check_all_is_done_once(root, keys)
        shutil.rmtree(root)


def test_four_runs_on_one_store_killed_at_random(tmp_path):
    four_at_once(tmp_path, 20 if ALL else 3)
