import itertools
import multiprocessing
import os
import shutil
import stat
import subprocess
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from redact.errors import AdmissionError, LedgerCorruptError, Reason, StoreError
from redact.ledger import database, kinds
from redact.store import Store, Summary
from tests.facts import FACTS, clip


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root, keys):
    with Store(root, keys) as store:
        yield store


def content(number: int) -> bytes:
    return f"redacted {number}".encode() * 100


def publish(store, number=1):
    """What a run does with one clip."""
    if entry := store.find(clip(number)):
        return store.path(entry)
    output = store.workspace(clip(number), "video/mp4")
    output.write_bytes(content(number))
    return store.publish(output, clip(number), FACTS, b'{"path": "/somewhere/%d.mp4"}' % number)


def files(root: Path) -> list[str]:
    """Every file of a store but the locks and the database."""
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and path.name != "lock" and not path.name.startswith("log.sqlite")
    )


def test_a_published_clip_is_there_and_recorded(store, root):
    path = publish(store)

    assert path.read_bytes() == content(1)
    assert path.parent == root / "clips"
    entry = store.find(clip())
    assert entry.output == sha256(content(1)).hexdigest()
    assert store.path(entry) == path
    assert path.name == entry.rec + ".mp4"
    assert store.log.by_output(entry.output) == [entry]
    assert store.recall(entry).sidecar == b'{"path": "/somewhere/1.mp4"}'
    assert store.verify() == Summary(
        entries=1, published=1, withdrawn=0, held=0, root=store.log.checkpoint().root.hex(),
        origin=store.log.origin,
    )  # fmt: skip
    assert not list((root / ".work").glob("*/*.*"))  # the workspace of the clip is gone


def test_only_published_clips_are_found(store):
    assert store.find(clip()) is None
    store.workspace(clip(), "video/mp4")
    assert store.find(clip()) is None
    store.hold(clip(), "strict", Reason.TIMEOUT)
    assert store.find(clip()) is None
    publish(store)
    assert store.find(clip()) is not None
    assert store.find(clip(2)) is None


def test_the_source_is_named_nowhere(store, root):
    publish(store)
    store.hold(clip(2), "strict", Reason.CORRUPT, b"/somewhere/2.mp4")
    for path in root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for number in (1, 2):
                assert clip(number).source.encode() not in data
                assert bytes.fromhex(clip(number).source) not in data
            assert b"somewhere" not in data


def test_the_commitment_to_the_source_opens(store):
    publish(store)
    entry = store.find(clip())
    opened = sha256(store.recall(entry).source_nonce + bytes.fromhex(clip().source)).hexdigest()
    assert entry.value["in"]["commit"] == f"sha256:{opened}"


def test_publishing_again_adds_nothing(store, root):
    publish(store)
    before = files(root)
    output = store.workspace(clip(), "video/mp4")
    output.write_bytes(b"another encode of the same clip")

    path = store.publish(output, clip(), FACTS, b"{}")

    assert path.read_bytes() == content(1)
    assert len(store.log) == 1
    assert files(root) == before


def test_a_held_clip_is_recorded_once_for_each_reason(store, root):
    first = store.hold(clip(), "strict", Reason.TIMEOUT, b"{}")
    again = store.hold(clip(), "strict", Reason.TIMEOUT, b"{}")
    other = store.hold(clip(), "strict", Reason.CORRUPT, b"{}")

    assert again == first
    assert [entry.seq for entry in (first, other)] == [0, 1]
    assert first.value["reason"] == "timeout"
    assert store.recall(other).sidecar == b"{}"
    assert store.verify().held == 1
    assert os.listdir(root / "clips") == []

    publish(store)
    assert store.verify().held == 0


def withdraw(store, number=1, reason="erasure"):
    entry = store.find(clip(number))
    return entry, store.append([kinds.withdrawn(entry, reason)])[0]


@pytest.mark.parametrize("removed", [False, True])
def test_a_withdrawn_clip_does_not_stand_and_its_file_may_go(store, removed):
    publish(store, 1)
    publish(store, 2)
    entry, taken_back = withdraw(store)
    if removed:
        store.path(entry).unlink()

    summary = store.verify()
    assert (summary.published, summary.withdrawn, summary.entries) == (1, 1, 3)
    assert store.log.about(entry.seq) == [taken_back]
    with pytest.raises(AdmissionError, match=r"withdrawn by entry 2 \(erasure\)") as caught:
        publish(store, 1)
    assert caught.value.exit_code == 8


def test_a_withdrawn_clip_whose_file_is_another_is_found(store):
    publish(store)
    entry, _ = withdraw(store)
    store.path(entry).write_bytes(b"another")
    with pytest.raises(LedgerCorruptError, match="entry 0 published"):
        store.verify()


def test_a_withdrawal_of_what_was_not_published_is_found(store):
    publish(store)
    held = store.hold(clip(2), "strict", Reason.TIMEOUT)
    store.append([kinds.withdrawn(held, "erasure")])
    with pytest.raises(LedgerCorruptError, match="entry 2 withdraws"):
        store.verify()


@pytest.mark.parametrize("reason", ["erasure", "leak"])
def test_what_was_withdrawn_for_its_source_stays_so_under_another_policy(store, reason):
    publish(store)
    withdraw(store, reason=reason)
    other = replace(clip(), policy="ba" * 32)

    with pytest.raises(AdmissionError):
        store.find(clip())
    if reason == "erasure":
        with pytest.raises(AdmissionError):
            store.find(other)
    else:  # another policy, or a version that finds what this one missed, may try again
        assert store.find(other) is None


def test_a_clip_withdrawn_while_it_is_made_is_not_published(store, root, keys):
    publish(store)
    other = replace(clip(), policy="ba" * 32)
    output = store.workspace(other, "video/mp4")
    output.write_bytes(b"made meanwhile")
    withdraw(store)

    with pytest.raises(AdmissionError):
        store.publish(output, other, FACTS, b"{}")
    assert len(os.listdir(root / "clips")) == 1
    store.verify()
    assert not output.exists()


def test_the_source_can_be_found_by_its_file_and_url_without_saying_which(store):
    publish(store)
    entry = store.find(clip())
    assert store.log.by_file(store.file_hmac(clip().source)) == [entry]
    assert store.url_hmac("https://a.example/") != store.url_hmac("https://b.example/")


def test_a_source_that_could_not_be_read_can_be_held(store):
    nothing = clip().__class__(source=None, policy="ab" * 32, engine="redact 0.1.0")

    entry = store.hold(nothing, "strict", Reason.NO_PERMISSION, b"{}")

    assert "in" not in entry.value
    assert entry.idem is None
    assert store.find(nothing) is None
    assert store.verify().held == 1
    with pytest.raises(StoreError, match="unknown content"):
        store.workspace(nothing, "video/mp4")


def test_a_clip_that_stands_published_is_not_held(store):
    publish(store)
    assert store.hold(clip(), "strict", Reason.TIMEOUT).kind == "published"
    assert len(store.log) == 1


def test_what_is_not_made_in_its_workspace_is_not_published(store, tmp_path):
    (tmp_path / "output.mp4").write_bytes(b"")
    with pytest.raises(StoreError, match="in the workspace"):
        store.publish(tmp_path / "output.mp4", clip(), FACTS, b"{}")
    with pytest.raises(StoreError, match="unknown content or type"):
        store.workspace(clip(), "text/html")
    with pytest.raises(StoreError, match="No such file"):
        store.publish(store.workspace(clip(), "video/mp4"), clip(), FACTS, b"{}")
    assert len(store.log) == 0


def test_restricted_folders_are_closed_to_others(store, root):
    publish(store)
    for name in ("restricted", "held", ".work"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o700
    for path in (root / "restricted").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("work", ["publish", "hold"])
def test_failing_call_leaves_all_or_none_and_a_rerun_finishes(
    tmp_path, monkeypatch, work, happened
):
    """Fails the nth write, sync, rename, delete or commit, for every n, before and after it."""
    for call in range(1000):
        root, keys = tmp_path / f"store{call}", tmp_path / "keys"
        with Store(root, keys) as store:
            publish(store, 2)
            output = store.workspace(clip(), "video/mp4")
            output.write_bytes(content(1))
            with monkeypatch.context() as patch:
                left = fail_call(patch, call, happened)
                with suppress(StoreError):
                    if work == "publish":
                        store.publish(output, clip(), FACTS, b"{}")
                    else:
                        store.hold(clip(), "strict", Reason.TIMEOUT, b"{}")
            assert all_or_none(store)
            if call % 2:  # the same process goes on; else only the next one does
                finish(store, work)
        with Store(root, keys) as store:
            finish(store, work)
            assert len(store.log) == 2
            store.verify()
        assert not list((root / ".work").glob("*/"))
        if left[0] >= 0:
            return  # this one went through without a failure: every call has had its turn
    pytest.fail("the calls never came to an end")


def fail_call(patch, number, happened):
    left = [number]

    def failing(real):
        def wrapper(*args, **options):
            left[0] -= 1
            result = real(*args, **options) if left[0] >= 0 or happened else None
            if left[0] == -1:
                raise OSError(5, "Input/output error")
            return result

        return wrapper

    for name in ("write", "fsync", "replace", "mkdir", "unlink", "rmdir"):
        patch.setattr(os, name, failing(getattr(os, name)))
    patch.setattr(database, "commit", failing(database.commit))
    return left


def all_or_none(store):
    """A file in clips/ has its entry, whatever failed; the reverse may wait for a rerun."""
    outputs = {entry.output for entry in store.log.entries()}
    found = [path.read_bytes() for path in (store.root / "clips").iterdir()]
    return {sha256(data).hexdigest() for data in found} <= outputs


def finish(store, work):
    if work == "publish":
        assert publish(store).read_bytes() == content(1)
    else:
        store.hold(clip(), "strict", Reason.TIMEOUT, b"{}")


def test_files_get_their_names_only_when_the_entry_is_durable(store, monkeypatch):
    """A failing call cannot show a missing sync, so the order itself is the test."""
    output = store.workspace(clip(), "video/mp4")
    output.write_bytes(content(1))
    calls = []

    def seen(name, real):
        def wrapper(*args, **options):
            calls.append((name, label(args[-1] if name == "replace" else args[0])))
            return real(*args, **options)

        return wrapper

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, seen(name, getattr(os, name)))
    monkeypatch.setattr(database, "commit", seen("commit", database.commit))

    store.publish(output, clip(), FACTS, b"{}")

    assert calls == [
        *[("fsync", "key.tmp"), ("replace", "key"), ("fsync", "job")],
        *[("fsync", "detail.tmp"), ("replace", "detail"), ("fsync", "job")],
        *[("fsync", "output"), ("fsync", "job")],
        ("commit", "database"),
        *[("fsync", "checkpoint.tmp"), ("replace", "checkpoint"), ("fsync", "ledger")],
        *[("replace", "key"), ("fsync", "restricted")],
        *[("replace", "detail"), ("fsync", "restricted")],
        *[("replace", "clip"), ("fsync", "clips")],
    ]


def label(what):
    """What a call was about: the kind of file, whatever its name."""
    if not isinstance(what, int | Path):
        return "database"
    path = Path(os.readlink(f"/proc/self/fd/{what}")) if isinstance(what, int) else what
    if path.parent.name == "clips":
        return "clip"
    if path.parent.parent.name == ".work":
        return "job"
    if path.suffix in (".tmp", ".key", ".detail"):
        return ".".join(path.name.split(".")[1:]) if path.name != "checkpoint.tmp" else path.name
    return path.stem


def test_a_lost_file_is_reported_and_made_again_under_a_new_entry(store):
    lost = publish(store)
    publish(store, 2)
    lost.unlink()

    with pytest.raises(LedgerCorruptError, match="entry 0 published"):
        store.verify()
    assert store.find(clip()) is None
    assert publish(store) == lost

    again = store.find(clip())
    assert (again.seq, again.replaces) == (2, 0)
    assert store.verify().published == 2


def test_a_file_of_another_size_is_made_again(store):
    path = publish(store)
    path.write_bytes(b"cut")

    with pytest.raises(LedgerCorruptError, match="entry 0 published"):
        store.verify()
    assert publish(store).read_bytes() == content(1)
    assert store.verify().entries == 2


@pytest.mark.parametrize("name", ["clips", "restricted", "held"])
def test_any_flipped_byte_of_a_file_is_found(store, root, name):
    publish(store)
    store.hold(clip(2), "strict", Reason.TIMEOUT, b"{}")
    for path in (root / name).iterdir():
        good = path.read_bytes()
        for place in range(0, len(good), 1 if len(good) < 100 else 23):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(LedgerCorruptError):
                store.verify()
        path.write_bytes(good)
    store.verify()


@pytest.mark.slow
def test_every_flipped_bit_of_a_small_published_file_is_found(store):
    output = store.workspace(clip(), "video/mp4")
    output.write_bytes(b"redacted")
    path = store.publish(output, clip(), FACTS, b"{}")
    for place, bit in itertools.product(range(8), range(8)):
        wrong = bytearray(b"redacted")
        wrong[place] ^= 1 << bit
        path.write_bytes(wrong)
        with pytest.raises(LedgerCorruptError, match="entry 0 published"):
            store.verify()


def test_a_lost_detail_is_found(store, root):
    publish(store)
    next((root / "restricted").glob("*.key")).unlink()
    with pytest.raises(LedgerCorruptError, match="detail of entry 0 is gone"):
        store.verify()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_stranger_among_the_clips_is_found(store, root, kind):
    path = publish(store)
    stranger = root / "clips" / "stranger.mp4"
    if kind == "file":
        shutil.copy(path, stranger)
    elif kind == "folder":
        stranger.mkdir()
    else:
        stranger = path
        path.rename(root / "elsewhere.mp4")
        path.symlink_to(root / "elsewhere.mp4")

    with pytest.raises(LedgerCorruptError, match=f"clips/{stranger.name}"):
        store.verify()


def test_a_lost_ledger_is_not_begun_anew(root, keys):
    with Store(root, keys) as store:
        publish(store)
    shutil.rmtree(root / "ledger")

    with pytest.raises(LedgerCorruptError, match="ledger is gone"):
        Store(root, keys)


def test_a_deleted_or_rolled_back_database_is_found(root, keys):
    with Store(root, keys) as store:
        publish(store)
    old = (root / "ledger" / "log.sqlite").read_bytes()
    with Store(root, keys) as store:
        publish(store, 2)
    (root / "ledger" / "log.sqlite").write_bytes(old)
    with pytest.raises(LedgerCorruptError, match="rolled back"):
        Store(root, keys)
    (root / "ledger" / "log.sqlite").unlink()
    with pytest.raises(LedgerCorruptError, match="is gone"):
        Store(root, keys)


@pytest.mark.parametrize("name", ["signing", "idem", "wrapping"])
def test_a_wrong_or_missing_key_refuses_to_start(root, keys, name):
    with Store(root, keys) as store:
        publish(store)
    path = keys / f"{name}.key"
    good = path.read_bytes()
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        Store(root, keys)
    path.write_bytes(bytes(32).hex().encode())
    path.chmod(0o600)
    with pytest.raises(StoreError, match=r"not (the one|those)"):
        Store(root, keys)
    path.write_bytes(good)
    with Store(root, keys) as store:
        store.verify()


def test_keys_do_not_lie_in_the_store(root):
    with pytest.raises(StoreError, match="inside the store"):
        Store(root, root / "keys")
    assert not root.exists()


def test_keys_come_from_the_environment(root, keys, monkeypatch):
    monkeypatch.setenv("REDACT_KEYS", str(keys))
    with Store(root):
        assert (keys / "signing.key").exists()


def test_two_stores_share_keys_but_not_an_origin(tmp_path, keys):
    with Store(tmp_path / "one", keys) as one, Store(tmp_path / "two", keys) as two:
        assert one.log.origin != two.log.origin


def test_what_a_living_process_works_on_is_left_alone(root, keys, store):
    output = store.workspace(clip(), "video/mp4")
    output.write_bytes(b"half")
    with Store(root, keys) as other:
        publish(other, 2)

    assert output.read_bytes() == b"half"


def test_what_a_dead_process_left_unrecorded_is_deleted(root, keys):
    with Store(root, keys) as store:
        output = store.workspace(clip(), "video/mp4")
        output.write_bytes(b"half")
    assert not output.exists()
    assert not list((root / ".work").glob("*/"))


class Died(BaseException):
    """The process ends here; nothing after it runs."""


@pytest.mark.parametrize("moves", range(3))
def test_a_recorded_clip_is_named_by_whoever_looks_next(root, keys, monkeypatch, moves):
    """Dies after the entry, at each of the three renames; no close, no settling."""
    with Store(root, keys) as looking:
        publish_and_die(root, keys, monkeypatch, moves)
        assert os.listdir(root / "clips") == []

        entry = looking.find(clip())

        assert looking.path(entry).read_bytes() == content(1)
        assert looking.verify().entries == 1


def publish_and_die(root, keys, monkeypatch, number):
    """Publish in a process that ends before the rename of this number."""
    dying = Store(root, keys)
    with monkeypatch.context() as patch:
        die_at_move(patch, number)
        with pytest.raises(Died):
            publish(dying)
    dying._desk.close()  # as the system does


def die_at_move(patch, number):
    real, left = os.replace, [number]

    def replace(source, target):
        if Path(target).parent.name in ("restricted", "clips"):
            left[0] -= 1
            if left[0] < 0:
                raise Died
        real(source, target)

    patch.setattr(os, "replace", replace)


def test_a_wrong_output_is_never_given_the_name(root, keys, monkeypatch):
    with Store(root, keys) as looking:
        publish_and_die(root, keys, monkeypatch, 2)
        next((root / ".work").glob("*/*/output.mp4")).write_bytes(content(1)[:-1] + b"?")

        assert looking.find(clip()) is None
        publish(looking)
        assert looking.find(clip()).replaces == 0
        assert looking.verify().entries == 2


def publish_all(root, keys):
    with Store(root, keys) as store:
        for number in range(12):
            publish(store, number)


@pytest.mark.slow
def test_several_runs_on_one_store_publish_each_clip_once(root, keys):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=publish_all, args=(root, keys)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert [run.exitcode for run in runs] == [0] * 4
    with Store(root, keys) as store:
        assert store.verify().published == 12
        assert set(Counter(entry.idem for entry in store.log.entries()).values()) == {1}


def test_threads_may_share_a_store(store):
    threads = [
        threading.Thread(target=lambda: [publish(store, number) for number in range(6)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.verify().entries == 6


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_publishes_nothing(small_disk, keys):
    root = small_disk / "store"
    with closing(Store(root, keys)) as store:
        publish(store, 1)
        output = store.workspace(clip(2), "video/mp4")
        output.write_bytes(content(2))
        with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"x" * 512):
                pass

        with pytest.raises(StoreError, match=r"[Nn]o space|full") as caught:
            store.publish(output, clip(2), FACTS, b"{}" * 5000)
        assert caught.value.exit_code == 5
        assert len(os.listdir(root / "clips")) == 1

        (small_disk / "ballast").unlink()
        publish(store, 2)
        assert store.verify().published == 2


def test_no_permission_is_a_store_error(root, keys, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with Store(root, keys) as store:
        output = store.workspace(clip(), "video/mp4")
        output.write_bytes(content(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            with pytest.raises(StoreError, match="Permission denied"):
                store.publish(output, clip(), FACTS, b"{}")
        assert os.listdir(root / "clips") == []
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StoreError, match="could not be opened"):
            Store(root, keys)
