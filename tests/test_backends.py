"""What every database of a ledger promises: the same tests over SQLite and PostgreSQL."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from uuid import uuid4

import pytest

from redact.errors import LedgerCorruptError, StoreError
from redact.ledger import database, keys, kinds, proof
from redact.ledger.begin import DATABASE
from redact.ledger.log import Log
from redact.ledger.verify import verify
from redact.store import Store
from tests import postgres_server
from tests.facts import FACTS, clip
from tests.kinds import every_draft, held, published, stated
from tests.test_store import publish, withdraw

KEYS = keys.Keys((bytes(32),), b"", b"")


@pytest.fixture(scope="session")
def postgres():
    binaries = postgres_server.programs()
    if binaries is None:
        pytest.skip("needs PostgreSQL 15 or newer (apt-get install postgresql)")
    with postgres_server.server(binaries) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def at(request):
    """The address of a new, empty database."""
    if request.param == "sqlite":
        return DATABASE
    import psycopg

    url, schema = request.getfixturevalue("postgres"), f"log_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {schema}")
    return f"{url}?options=-csearch_path%3D{schema}"


@pytest.fixture
def folder(tmp_path, at):
    folder = tmp_path / "ledger"
    folder.mkdir()
    Log.create(folder, KEYS.first_signer, "redact/test", at)
    return folder


@pytest.fixture
def log(folder):
    with closing(Log(folder, KEYS.signer)) as log:
        yield log


def change(folder, statement):
    """As someone with the database at hand would, behind the log's back."""
    with closing(database.open_at(database_of(folder), folder)) as db:
        db.rows(statement)


def database_of(folder):
    path = folder / "address"
    return path.read_text().strip() if path.exists() else DATABASE


def test_what_was_appended_is_there(folder, log):
    log.append([published(1), held(2)])
    log.append([published(3), kinds.withdrawn(log.at(0), "erasure")])

    with closing(Log(folder)) as reader:
        assert [entry.seq for entry in reader.entries()] == [0, 1, 2, 3]
        assert [entry.kind for entry in reader.by_rec(stated(2)["rec"])] == ["held"]
        assert [entry.seq for entry in reader.by_output(f"{3:064x}")] == [2]
        assert [entry.seq for entry in reader.by_rec(stated(1)["rec"])] == [0, 3]
        assert [entry.seq for entry in reader.about(0)] == [3]
        assert [entry.seq for entry in reader.by_kind("withdrawn")] == [3]
        assert verify(reader) == len(reader) == 4
        assert proof.verify(proof.prove(reader, reader.at(2)), reader.vkey)[0] == reader.at(2)


def test_every_kind_can_be_kept(log):
    log.append([published(number) for number in (2, *range(11, 18))])
    drafts = [draft for draft in every_draft().values() if draft["kind"] != "key"]
    assert [entry.kind for entry in log.append(drafts)] == [draft["kind"] for draft in drafts]
    assert verify(log) == 8 + len(drafts)


def test_entries_are_all_or_none_and_a_clip_is_published_once(log):
    with pytest.raises(StoreError):
        log.append([published(1), {**published(2), "note": "free text"}])
    with pytest.raises(StoreError, match="already"):
        log.append([published(1), published(1)])
    assert verify(log) == 0
    log.append([published(1)])
    with pytest.raises(StoreError, match="already"):
        log.append([published(1)])
    log.append([published(1, replaces=0)])
    assert verify(log) == 2


def test_threads_share_commits_and_one_that_fails_fails_alone(log, monkeypatch):
    commits = []
    real = database.commit

    def slow(db):
        commits.append(db)
        time.sleep(0.05)
        real(db)

    monkeypatch.setattr(database, "commit", slow)
    failed = []

    def append(number):
        try:
            log.append([published(max(number, 1))])  # 0 and 1 are the same clip
        except StoreError:
            failed.append(number)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(failed) == 1
    assert failed[0] in (0, 1)
    assert verify(log) == 23
    assert len(commits) < 12


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM entries WHERE seq = 1", "entry 1"),
        ("DELETE FROM entries WHERE seq = 3", "rolled back or added to"),
        ("DELETE FROM tail", "entry 0"),
        ("DELETE FROM once", "entry 0"),
        ("UPDATE tail SET word = word + 1 WHERE (word & 65535) = 3", "entry 3"),
        ("UPDATE once SET seq = 1 WHERE seq = 2", "entry 2"),
        ("UPDATE entries SET kind = 'held' WHERE seq = 2", "entry 2"),
        ("UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE seq = 0) WHERE seq = 2",
         "entry 2"),
        ("DELETE FROM nodes WHERE level = 0 AND place = 0", "entry 0"),
        ("UPDATE nodes SET hash = (SELECT hash FROM nodes WHERE level = 0 AND place = 1) "
         "WHERE level = 0 AND place = 2", "entry 2"),
        ("UPDATE meta SET value = 'x' WHERE name = 'vkey'", "begun with"),
        ("DELETE FROM meta WHERE name = 'checkpoint'", "begun with|no checkpoint"),
    ],
)  # fmt: skip
def test_a_changed_log_is_found(folder, log, statement, named):
    log.append([published(1), held(2), published(3), {**every_draft()["access"], "of": 0}])
    verify(log)
    change(folder, statement)
    with pytest.raises(LedgerCorruptError, match=named):
        verify(log)


def test_a_new_key_follows_the_old_one(folder, log):
    log.append([published(1)])
    new = keys.Keys((bytes(31) + b"1",), b"", b"").first_signer
    log.hand_over(new)
    log.append([published(2)])
    assert verify(log) == 3
    change(folder, "DELETE FROM handovers")
    with pytest.raises(LedgerCorruptError):
        Log(folder)


def test_a_reader_sees_one_state_while_others_write(folder, log):
    log.append([published(1)])
    with closing(Log(folder)) as reader, reader.snapshot():
        assert len(reader) == 1
        log.append([published(2)])
        assert len(reader) == 1
        assert [entry.seq for entry in reader.entries()] == [0]
    assert len(log) == 2


def append_some(folder, first):
    with closing(Log(folder, KEYS.signer)) as log:
        for number in range(first, first + 10):
            log.append([published(number)])


@pytest.mark.slow
def test_several_processes_take_turns(folder):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_some, args=(folder, n)) for n in (100, 200, 300)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with closing(Log(folder)) as log:
        assert verify(log) == 30


def test_who_holds_a_postgresql_ledger_is_said(postgres):
    from redact.ledger.postgres import Postgres

    with (
        closing(Postgres(postgres)) as holder,
        closing(Postgres(postgres, seconds=0.1)) as other,
        holder.alone(),
        pytest.raises(StoreError, match=r"process \d+ of the server, from 127.0.0.1"),
        other.alone(),
    ):
        pass


def test_an_address_with_a_password_or_of_nowhere_is_refused(tmp_path, postgres):
    with pytest.raises(StoreError, match="holds a password"):
        Store(tmp_path / "a", tmp_path / "keys", ledger="postgresql://me:secret@127.0.0.1/x")
    with pytest.raises(StoreError, match="PostgreSQL server says"):
        Store(tmp_path / "b", tmp_path / "keys", ledger="postgresql://127.0.0.1:1/x")
    with pytest.raises(StoreError, match="none that redact knows"):
        Store(tmp_path / "c", tmp_path / "keys", ledger="mysql://127.0.0.1/x")


def test_a_store_remembers_where_its_ledger_is(tmp_path, at):
    root, keys_folder = tmp_path / "store", tmp_path / "keys"
    with Store(root, keys_folder, ledger=at) as store:
        publish(store, 1)
        publish(store, 2)
        withdraw(store, 1)
        store.shred(store.log.at(1), "retention")
    with Store(root, keys_folder) as again:
        assert again.verify().published == 1
    with pytest.raises(StoreError, match="another database"):
        Store(root, keys_folder, ledger="postgresql://127.0.0.1/other")


def run(root, keys_folder, at, numbers):
    with Store(root, keys_folder, ledger=at) as store:
        for number in numbers:
            publish(store, number)


@pytest.mark.slow
def test_killed_at_random_each_clip_is_published_once(tmp_path, at):
    root, keys_folder, numbers = tmp_path / "store", tmp_path / "keys", range(6)
    context = multiprocessing.get_context("spawn")
    for attempt in range(4):
        child = context.Process(target=run, args=(root, keys_folder, at, numbers))
        child.start()
        child.join(1.5 + 0.2 * attempt)
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()
    run(root, keys_folder, at, numbers)
    with Store(root, keys_folder) as store:
        assert store.verify().published == len(numbers)
        assert set(Counter(it.idem for it in store.log.entries()).values()) == {1}


@pytest.mark.slow
def test_a_connection_that_ends_in_the_middle_leaves_all_or_none(tmp_path, postgres):
    """The server ends our session at each of its statements in turn; the next run finishes."""
    import psycopg

    from redact.ledger.postgres import Postgres

    for number in range(1000):
        schema = f"cut_{number}"
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(f"CREATE SCHEMA {schema}")
            at = f"{postgres}?options=-csearch_path%3D{schema}"
            root, keys_folder = tmp_path / f"store{number}", tmp_path / f"keys{number}"
            run(root, keys_folder, at, [1])
            reached = cut(admin, Postgres, number, root, keys_folder)
        run(root, keys_folder, at, [1, 2])
        with Store(root, keys_folder) as store:
            assert store.verify().published == len(store.log) == 2
        if not reached:
            assert number > 5
            return


def cut(admin, kind, number, root, keys_folder):
    """Publish clip 2, and have the server end the session before statement `number`."""
    with Store(root, keys_folder) as store:
        output = store.workspace(clip(2), "video/mp4")
        output.write_bytes(b"redacted 2" * 100)
        left, real = [number], store.log._db._db.execute

        def counted(*args, **options):
            left[0] -= 1
            if left[0] == -1:
                pid = store.log._db._db.info.backend_pid
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                time.sleep(0.05)
            return real(*args, **options)

        store.log._db._db.execute = counted
        with suppress(StoreError):
            store.publish(output, clip(2), FACTS, b"{}")
        with suppress(StoreError):
            store.close()
    return left[0] < 0
