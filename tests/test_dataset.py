"""Admitted clips for training: checked while they are read, in shards, from where they stopped."""

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import redact
from redact import AdmittedClips
from redact.errors import AdmissionError, LedgerCorruptError, Refusal, StoreError, UsageError
from redact.ledger import kinds
from redact.ledger.facts import Listing
from redact.store import Store
from redact.withdraw import withdraw
from tests.test_gate import (
    FACTS,
    PURPOSE,
    URL,
    clip,
    content,
    entry_of,
    keys,
    listed,
    publish,
    root,
    store,
)

__all__ = ["keys", "root", "store"]  # fixtures

TO = "op_0123456789abcdef"


@pytest.fixture
def clips(store):
    """Ten clips that may be used, and four that may not."""
    good = [publish(store, number) for number in range(10)]
    publish(store, 10, listed(store, robots="reserved"))
    publish(store, 11, Listing())
    publish(store, 12)
    publish(store, 13)
    for number, answer in ((12, "leak"), (13, "quality")):
        withdraw(store, record=(store.root / "clips").joinpath(name_of(store, number)).stem,
                 reason=answer)  # fmt: skip
    return good


def name_of(store, number: int) -> str:
    from hashlib import sha256

    return store.log.by_output(sha256(content(number)).hexdigest())[-1].file_name


def records(clips) -> list[str]:
    return [clip.record for clip in clips]


def stems(paths) -> list[str]:
    return [path.stem for path in paths]


def test_it_reads_what_may_be_used_and_nothing_else(root, clips):
    dataset = AdmittedClips(root, purpose=PURPOSE)
    read = list(dataset)
    assert records(read) == stems(clips)
    assert [clip.data for clip in read] == [content(number) for number in range(10)]
    assert {clip.media for clip in read} == {"video/mp4"}
    assert len(dataset) == 10
    assert records(dataset) == stems(clips)  # a second epoch
    assert list(AdmittedClips(root, purpose="evaluation")) == []


def test_shards_cover_every_clip_once_and_a_seed_shuffles_them(root, clips):
    for seed in (None, 1, 2):
        shards = [
            AdmittedClips(root, purpose=PURPOSE, seed=seed, rank=r, ranks=3) for r in range(3)
        ]
        assert Counter(name for one in shards for name in records(one)) == Counter(stems(clips))
    one, two, other = (records(AdmittedClips(root, purpose=PURPOSE, seed=n)) for n in (1, 1, 2))
    assert one == two != other
    dataset = AdmittedClips(root, purpose=PURPOSE, seed=1, rank=0, ranks=2)
    first = records(dataset)
    dataset.set_epoch(1)
    again = records(dataset)
    assert sorted(again) == sorted(first)
    assert again != first


def test_a_rank_comes_from_torchrun_s_environment_or_is_refused(root, clips, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert records(AdmittedClips(root, purpose=PURPOSE)) == stems(clips)[1::2]
    for wrong in ({"rank": 2, "ranks": 2}, {"rank": -1, "ranks": 2}, {"rank": 0}, {"ranks": 2}):
        with pytest.raises(UsageError, match="no place"):
            AdmittedClips(root, purpose=PURPOSE, **wrong)
    with pytest.raises(UsageError, match="recipient"):
        AdmittedClips(root, purpose=PURPOSE, to="Jane")


def test_who_was_given_what_stands_in_the_ledger_before_it_is_read(root, store, clips):
    dataset = AdmittedClips(root, purpose=PURPOSE, rank=1, ranks=2, to=TO)
    (entry,) = store.log.by_kind("admission")
    given = [store.log.at(seq).rec for seq in entry.value["clips"]]
    assert given == stems(clips)[1::2] == records(dataset)
    assert (entry.value["to"], entry.value["purpose"]) == (TO, PURPOSE)

    AdmittedClips(root, purpose=PURPOSE, rank=1, ranks=2, to=TO)  # the same again adds nothing
    assert len(store.log.by_kind("admission")) == 1
    AdmittedClips(root, purpose="research-training", rank=1, ranks=2, to=TO)  # another purpose does
    purposes = [one.value["purpose"] for one in store.log.by_kind("admission")]
    assert purposes == [PURPOSE, "research-training"]
    done = withdraw(store, record=clips[1].stem, reason="leak")
    given, _ = done.handed_out
    assert (given.to, given.seq, given.records) == (TO, entry.seq, (clips[1].stem,))
    assert withdraw(store, record=clips[0].stem, reason="leak").handed_out == ()


def test_without_keys_nothing_is_handed_out(root, store, clips, monkeypatch, tmp_path):
    store.close()
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="missing"):
        AdmittedClips(root, purpose=PURPOSE)


@pytest.mark.parametrize("reason", ["erasure", "leak"])
def test_a_withdrawal_counts_from_the_next_clip_on(root, store, clips, reason):
    dataset = AdmittedClips(root, purpose=PURPOSE)
    reader = iter(dataset)
    assert next(reader).record == clips[0].stem
    withdraw(store, record=clips[1].stem, reason=reason)
    withdraw(store, record=clips[9].stem, reason=reason)
    assert records(reader) == stems(clips[2:9])


def test_it_counts_even_if_the_file_is_put_back(root, store, clips, tmp_path):
    kept = shutil.copy(clips[3], tmp_path / "kept")
    dataset = AdmittedClips(root, purpose=PURPOSE)
    withdraw(store, url=URL + "3", reason="objection")
    shutil.copy(kept, clips[3])
    assert clips[3].stem not in records(dataset)


def test_a_verdict_and_a_source_that_is_reserved_count_too(root, store, clips):
    dataset = AdmittedClips(root, purpose=PURPOSE)
    first, second = (entry_of(store, path) for path in clips[:2])
    known = listed(store, c2pa="reserved", url=URL + "1")
    store.append([
        kinds.verdict(first, ["face_seen"], who=TO),
        kinds.source(None, "listed", known, file_hmac=second.file_hmac),
    ])  # fmt: skip
    assert records(dataset) == stems(clips[2:])


def test_a_late_listing_opens_the_gate_and_its_address_can_close_it(root, store, clips):
    late = publish(store, 20, Listing())
    known, file = listed(store, url=URL + "late"), entry_of(store, late).file_hmac
    url = known.src["url_hmac"]
    store.append([kinds.source(url, "listed", known, file_hmac=file)])
    dataset = AdmittedClips(root, purpose=PURPOSE)
    assert records(dataset) == stems([*clips, late])
    store.append([kinds.source(url, "suppressed", reason="order")])
    for one in (dataset, AdmittedClips(root, purpose=PURPOSE)):
        assert records(one) == stems(clips)


@pytest.mark.parametrize("closed", ["first", "second", "of its sibling"])
def test_every_address_that_a_file_was_ever_said_to_come_from_can_close_it(
    root, store, clips, closed
):
    """As at the gate: a later manifest that names another address changes nothing of that."""
    late = publish(store, 20, Listing())
    entry = entry_of(store, late)
    said = {name: listed(store, url=URL + name) for name in ("first", "second")}
    store.append(
        [
            kinds.source(known.src["url_hmac"], "listed", known, file_hmac=entry.file_hmac)
            for known in said.values()
        ]
    )
    said["of its sibling"] = listed(store, url=URL + "sibling")
    other = replace(clip(20), policy="cd" * 32)  # the same file, under another policy
    output = store.workspace(other, "video/mp4")
    output.write_bytes(content(21))
    store.publish(output, other, replace(FACTS, listing=said["of its sibling"]), b"{}")
    before = AdmittedClips(root, purpose=PURPOSE)
    assert late.stem in records(before)
    store.append([kinds.source(said[closed].src["url_hmac"], "suppressed", reason="order")])
    for one in (before, AdmittedClips(root, purpose=PURPOSE)):
        assert records(one) == stems(clips)
    # An address that is named only after it was closed closes too.
    known = listed(store, url=URL + "9")
    store.append([kinds.source(known.src["url_hmac"], "suppressed", reason="order")])
    again = AdmittedClips(root, purpose=PURPOSE)
    fourth = entry_of(store, clips[4])
    store.append([kinds.source(known.src["url_hmac"], "listed", known, file_hmac=fourth.file_hmac)])
    for one in (again, AdmittedClips(root, purpose=PURPOSE)):
        assert clips[4].stem not in records(one)


def test_a_detail_that_is_gone_stops_the_reader_and_one_that_was_shredded_does_not(
    root, store, clips
):
    entry = entry_of(store, clips[0])
    dataset = AdmittedClips(root, purpose=PURPOSE)
    next((root / "restricted").glob(f"{entry.value['detail']['kid']}.key")).unlink()
    with pytest.raises(AdmissionError) as caught:
        list(dataset)
    assert caught.value.refusals == (Refusal.DETAIL,)
    store.append([kinds.shredded(entry, "retention")])
    assert len(records(AdmittedClips(root, purpose=PURPOSE))) == 10


BROKEN = {
    "a bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link": lambda path: path.rename(path.parent / "x") and path.symlink_to(path.parent / "x"),
}


def test_a_file_that_is_not_what_was_recorded_stops_the_reader(root, clips, tmp_path):
    for how, change in BROKEN.items():
        dataset = AdmittedClips(root, purpose=PURPOSE, to=TO)
        kept = clips[2].read_bytes()
        change(clips[2])
        read = []
        with pytest.raises(AdmissionError) as caught:
            read.extend(iter(dataset))
        assert caught.value.refusals[0] in (Refusal.CHANGED, Refusal.UNREADABLE), how
        for path in (clips[2], root / "clips" / "x"):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        clips[2].write_bytes(kept)


def test_a_ledger_that_was_tampered_with_gives_nothing(root, store, clips):
    """Even where its indexes were tampered with to match: the whole tree is read."""
    dataset = AdmittedClips(root, purpose=PURPOSE)
    reader = iter(dataset)
    next(reader)
    withdrawn = [entry.seq for entry in store.log.by_kind("withdrawn")]
    store.close()
    with closing(sqlite3.connect(root / "ledger" / "log.sqlite")) as db:
        db.execute("UPDATE entries SET kind = 'held' WHERE seq = ?", (withdrawn[0],))
        db.commit()
        assert len(list(AdmittedClips(root, purpose=PURPOSE, to=TO))) == 10
        db.execute("DELETE FROM tail WHERE (word & 65535) = ?", (withdrawn[0],))
        db.commit()
        with pytest.raises(LedgerCorruptError):  # who was given it can't be recorded
            AdmittedClips(root, purpose=PURPOSE, to="op_fedcba9876543210")
        db.execute("DELETE FROM entries WHERE seq = ?", (withdrawn[0],))
        db.commit()
    with pytest.raises(LedgerCorruptError):
        AdmittedClips(root, purpose=PURPOSE)


def test_a_log_that_was_rolled_back_stops_the_reader(root, store, clips, tmp_path):
    store.close()
    shutil.copytree(root / "ledger", tmp_path / "old")
    dataset = AdmittedClips(root, purpose=PURPOSE)
    reader = iter(dataset)
    next(reader)
    shutil.rmtree(root / "ledger")
    shutil.copytree(tmp_path / "old", root / "ledger")
    dataset._gate.close()
    with pytest.raises(LedgerCorruptError):
        list(reader)


def test_it_goes_on_where_it_stopped(root, store, clips):
    whole = records(AdmittedClips(root, purpose=PURPOSE, seed=3, to=TO))
    dataset = AdmittedClips(root, purpose=PURPOSE, seed=3, to=TO)
    reader = iter(dataset)
    begun = [next(reader).record for _ in range(4)]
    state = pickle.loads(pickle.dumps(dataset.state_dict()))

    publish(store, 20)  # published since: not in the shard that was begun
    gone = whole[6]
    withdraw(store, record=gone, reason="leak")  # withdrawn since: left out
    resumed = AdmittedClips(root, purpose=PURPOSE, seed=3, to=TO)
    assert len(resumed) == 10
    resumed.load_state_dict(state)
    rest = records(resumed)
    assert [name for name in whole if name != gone] == begun + rest
    assert records(resumed) == [name for name in whole if name != gone]  # the next epoch
    for other in ({"seed": 4}, {"seed": 3, "rank": 0, "ranks": 2}):
        with pytest.raises(UsageError, match="not saved by this shard"):
            AdmittedClips(root, purpose=PURPOSE, to=TO, **other).load_state_dict(state)


def test_it_survives_a_pickle_without_the_ledger_open(root, clips):
    dataset = AdmittedClips(root, purpose=PURPOSE)
    next(iter(dataset))
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.to == dataset.to
    assert len(records(copy)) == 9  # the copy is where the original was


def test_torch_is_imported_only_for_the_dataset_and_only_if_it_is_there():
    code = """
import sys, redact, redact.gate, redact.withdraw

class Without:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("no torch", name="torch")

assert "torch" not in sys.modules
sys.meta_path.insert(0, Without())
print([kind.__name__ for kind in redact.AdmittedClips.__mro__])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['AdmittedClips', 'object']", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_inside_a_dataloader_each_clip_is_read_once_by_some_worker(root, store, clips, method):
    data = pytest.importorskip("torch.utils.data")
    dataset = AdmittedClips(root, purpose=PURPOSE, seed=5, to=TO)
    assert isinstance(dataset, data.IterableDataset)
    loader = data.DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context=method, prefetch_factor=1
    )
    assert Counter(records(loader)) == Counter(stems(clips))
    withdraw(store, record=clips[4].stem, reason="leak")
    assert Counter(records(loader)) == Counter(stems(clips)) - Counter([clips[4].stem])
    clips[5].write_bytes(b"changed")
    with pytest.raises(AdmissionError, match="changed"):
        list(loader)
    assert len(store.log.by_kind("admission")) == 1


def test_the_public_names():
    assert redact.AdmittedClips is AdmittedClips
    assert callable(redact.admit)
    assert Path(redact.AdmissionError.__module__).name == "redact.errors"


def test_a_store_that_is_not_there(tmp_path, keys):
    with pytest.raises(LedgerCorruptError):
        AdmittedClips(tmp_path / "none", purpose=PURPOSE)
    assert not (tmp_path / "none").exists()
    with pytest.raises(UsageError):
        AdmittedClips(tmp_path / "none", purpose="fun")
    with Store(tmp_path / "empty"):
        assert list(AdmittedClips(tmp_path / "empty", purpose=PURPOSE)) == []
