"""The full check of a large log, whose entries another process judges meanwhile."""

import multiprocessing
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import verify as module
from redact.ledger.database import packed, unpacked
from redact.ledger.log import Log
from redact.ledger.reader import Reader
from redact.ledger.verify import verified, verify
from tests.test_ledger import SIGNER, published, signer

SIZE = 10


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A log that counts as large, in chunks of three entries."""
    monkeypatch.setattr(module, "LARGE_LOG", 1)
    monkeypatch.setattr(module, "CHUNK", 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    folder = tmp_path / "ledger"
    folder.mkdir()
    Log.create(folder, SIGNER, "redact/test")
    with closing(Log(folder, signer)) as log:
        log.append([published(number) for number in range(SIZE)])
    return folder


@pytest.fixture
def in_a_thread(monkeypatch):
    """In the place of a process, which takes half a second to start."""
    monkeypatch.setattr(module, "_second_process", lambda _: ThreadPoolExecutor(1))


def change(folder, seq, old, new):
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        ((data,),) = db.execute("SELECT bytes FROM entries WHERE seq = ?", (seq,)).fetchall()
        other = packed(unpacked(data).replace(old, new, 1))
        assert other != data
        db.execute("UPDATE entries SET bytes = ? WHERE seq = ?", (other, seq))


def dies(_columns):
    os._exit(3)


def test_another_process_judges_what_one_does(folder):
    with closing(Reader(folder)) as log:
        assert verify(log) == SIZE
        assert [entry.seq for entry in verified(log)] == list(range(SIZE))
    change(folder, 4, b'"kind":', b'"kind" :')
    with (
        closing(Reader(folder)) as log,
        pytest.raises(LedgerCorruptError, match="entry 4 does not match: its bytes"),
    ):
        verify(log)


@pytest.mark.parametrize("seq", range(SIZE))
@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"{", b"{ ", "its bytes"),  # not canonical
        (b'"verdict":"clean"', b'"verdict":"other"', "its bytes"),  # against the schema
        (b'"frames":300', b'"frames":301', "its place in the tree"),
    ],
    ids=["not canonical", "schema", "another"],
)
def test_a_changed_entry_is_named_and_what_comes_before_is_given(
    folder, in_a_thread, seq, old, new, what
):
    change(folder, seq, old, new)
    seen = []
    with (
        closing(Reader(folder)) as log,
        pytest.raises(LedgerCorruptError, match=f"entry {seq} does not match: {what}"),
    ):
        seen.extend(entry.seq for entry in verified(log))
    assert seen == list(range(seq))


def test_a_process_that_dies_is_no_judgement(folder, monkeypatch):
    monkeypatch.setattr(module, "_sound", dies)
    with (
        closing(Reader(folder)) as log,
        pytest.raises(StoreError, match="ended before it was done"),
    ):
        verify(log)


def in_a_daemon(folder, said):
    module.LARGE_LOG = 1
    with closing(Reader(folder)) as log:
        said.put(verify(log))


def test_a_process_that_may_start_none_does_it_alone(folder):
    """A DataLoader's worker, for one."""
    spawn = multiprocessing.get_context("spawn")
    said = spawn.SimpleQueue()
    worker = spawn.Process(target=in_a_daemon, args=(folder, said), daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert said.get() == SIZE
