"""A clip that is stopped half-way leaves nothing of its media, and no word of it in the ledger."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from redact import redactor as public
from redact import worker
from redact.batch import run_all
from redact.errors import InputError, Reason
from redact.policy import Limits, Policy
from redact.redactor import Redactor
from redact.store import Store
from tests.media_maker import Picture, make_clip

pytestmark = pytest.mark.slow


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    command = (sys.executable, str(Path(__file__).with_name("slow_worker.py")))
    monkeypatch.setattr(worker, "COMMAND", command)
    sizes = (48, 64, 96)
    return [make_clip(tmp_path / f"{w}.mp4", Picture(width=w, frames=5)) for w in sizes]


def left(root):
    return [path for path in (root / ".work").rglob("*") if path.suffix == ".mp4"]


def test_a_worker_that_is_closed_by_another_thread_holds_nothing(clips, tmp_path):
    raised = []
    with Store(tmp_path / "store") as store:
        redactor = Redactor(Policy())

        def run():
            with pytest.raises(worker.Stopped) as caught:
                redactor.run(clips[0], store, progress=lambda _share: half.set())
            raised.append(caught.value)

        half, thread = threading.Event(), threading.Thread(target=run)
        thread.start()
        assert half.wait(60)
        assert left(store.root)
        redactor.close()
        thread.join(60)
        assert len(raised) == 1
        assert len(store.log) == 0
        assert not left(store.root)


@pytest.fixture
def ctrl_c():
    """As in a terminal: a shell that starts something in the background has it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_run_and_starts_no_other_clip(clips, tmp_path):
    seen = set()

    def watch(path, share):
        if share == 0.5:
            seen.add(path)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with Store(tmp_path / "store") as store:
        with pytest.raises(KeyboardInterrupt):
            list(run_all(clips, store, Policy(), watch=watch))
        assert seen == {clips[0]}
        assert len(store.log) == 0
        assert not left(store.root)


def test_what_a_killed_child_had_made_is_deleted_at_once(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(public, "START_SECONDS", 6.0)
    policy = Policy(limits=Limits(seconds_per_second=1))
    with Store(tmp_path / "store") as store, Redactor(policy) as redactor:
        with pytest.raises(InputError) as caught:
            redactor.run(clips[0], store)
        assert caught.value.reason is Reason.TIMEOUT
        assert not left(store.root)
        assert [entry.kind for entry in store.log.entries()] == ["held"]


def test_a_ctrl_c_does_not_reach_the_child(clips):
    one = worker.Worker(Policy())
    try:
        one.start()
        assert os.getsid(one._process.pid) != os.getsid(0)
    finally:
        one.close()
