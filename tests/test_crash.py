"""Kill a run at any moment: what is published has its entry, and the next run finishes the job."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import closing
from hashlib import sha256

import pytest

from redact.errors import Reason
from redact.ledger import database
from redact.ledger.log import Log
from redact.store import Store
from tests.facts import FACTS, clip

pytestmark = pytest.mark.slow

CLIPS, HELD = 3, 3  # the last number is that of a clip which is held
KILLS = 60
CHILD = multiprocessing.get_context("fork")


def content(number: int) -> bytes:
    return f"redacted {number} ".encode() * 20_000


def run(root, keys):
    """What a run does with each clip: look up, make, publish; and one is held."""
    with Store(root, keys) as store:
        for number in range(CLIPS):
            if store.find(clip(number)) is None:
                output = store.workspace(clip(number), "video/mp4")
                output.write_bytes(content(number))
                store.publish(output, clip(number), FACTS, b"{}" * 1000)
        store.hold(clip(HELD), "strict", Reason.CORRUPT, b"{}")


def check_nothing_is_unlogged(root):
    """Right after the kill, before anything is repaired: no file without its entry."""
    published = list(root.glob("clips/*"))
    if published:
        with closing(Log(root / "ledger")) as log:
            recorded = {entry.file_name: entry.output for entry in log.entries() if entry.output}
        for path in published:
            assert sha256(path.read_bytes()).hexdigest() == recorded[path.name]


def check_all_is_done_once(root, keys):
    with Store(root, keys) as store:
        summary = store.verify()
        assert (summary.published, summary.held, summary.entries) == (CLIPS, 1, CLIPS + 1)
        times = Counter(entry.idem for entry in store.log.entries())
        assert set(times.values()) == {1}
        for number in range(CLIPS):
            assert store.path(store.find(clip(number))).read_bytes() == content(number)
    assert not list((root / ".work").glob("*/"))
    assert len(list(root.glob("restricted/*"))) == 2 * CLIPS
    assert len(list(root.glob("held/*"))) == 2


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


def test_killed_at_random_each_clip_is_published_once(tmp_path):
    """Killed anywhere, inside the database's own writes too; half of them again while repairing."""
    begun = time.monotonic()
    run(tmp_path / "calm", tmp_path / "calm-keys")
    seconds = time.monotonic() - begun
    draw, killed, number = random.Random(), 0, 0
    while killed < KILLS:
        number += 1
        root, keys = tmp_path / f"store{number}", tmp_path / f"keys{number}"
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
