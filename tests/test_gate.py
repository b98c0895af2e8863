"""The gate: what is admitted, what is not and why, and that whatever fails is a no."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import redact
from redact import gate
from redact.errors import AdmissionError, LedgerCorruptError, Reason, Refusal, UsageError
from redact.gate import Gate
from redact.ledger import kinds
from redact.ledger.facts import Listing
from redact.ledger.log import Log
from redact.ledger.reader import Reader
from redact.sources import Purpose
from redact.sources.cells import as_source
from redact.sources.stated import judged, listing, unlisted
from redact.store import Store
from redact.withdraw import REASONS, withdraw
from tests.command import bytes_of
from tests.command import redact as command
from tests.facts import FACTS, clip
from tests.test_sources import GOOD

PURPOSE = "commercial-training"
URL = "https://canary-9f31.example/watch/1"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root, keys):
    with Store(root) as store:
        yield store


def content(number: int) -> bytes:
    return f"redacted {number}".encode() * 9


def listed(store: Store, **changed: str) -> Listing:
    """What a manifest's row says, as a run records it."""
    source = as_source(GOOD | {"url": URL} | changed)
    return judged(listing(source, "ab" * 32, store.url_hmac(source.url)), ())


def publish(store: Store, number: int = 1, known: Listing | None = None, **facts) -> Path:
    """What a run does with one clip; without `known`, as its manifest allows everything."""
    known = known or listed(store, url=f"{URL}{number}")
    output = store.workspace(clip(number), "video/mp4")
    output.write_bytes(content(number))
    detail = json.dumps({"plan": {}, "source": {"url": f"{URL}{number}"}}).encode()
    return store.publish(output, clip(number), replace(FACTS, listing=known, **facts), detail)


def entry_of(store: Store, path: Path):
    return store.log.by_output(sha256(path.read_bytes()).hexdigest())[-1]


def refusals(root: Path, path: Path, purpose: str = PURPOSE) -> set[Refusal]:
    with Gate(root, purpose) as opened:
        return set(opened.decide(path).refusals)


def test_a_clip_of_which_everything_is_known_is_admitted(store, root):
    path = publish(store)
    decision = redact.admit(path, store=root, purpose=PURPOSE)
    assert decision.admitted
    assert (decision.record, decision.seq, decision.size) == (path.stem, 0, 1)


def test_the_same_bytes_elsewhere_are_admitted_too(store, root, tmp_path):
    copy = shutil.copy(publish(store), tmp_path / "shard-0001.mp4")
    assert redact.admit(copy, store=root, purpose=PURPOSE).admitted


def test_a_no_is_raised_with_every_reason_and_its_sentence(store, root):
    path = publish(store, known=listed(store, media_licence="CC-BY-NC-4.0", robots="reserved"))
    with pytest.raises(redact.AdmissionError) as caught:
        redact.admit(path, store=root, purpose=PURPOSE)
    assert caught.value.refusals == (Refusal.LICENCE, Refusal.OPT_OUT)
    assert Refusal.OPT_OUT.sentence in str(caught.value)
    assert caught.value.exit_code == 8


def test_another_purpose_is_another_question(store, root):
    path = publish(store, known=listed(store, media_licence="CC-BY-NC-4.0"))
    assert refusals(root, path, "research-training") == set()
    assert refusals(root, path, PURPOSE) == {Refusal.LICENCE}
    assert refusals(root, path, "evaluation") == {Refusal.PURPOSE}
    with pytest.raises(UsageError, match="no purpose"):
        redact.admit(path, store=root, purpose="world-domination")


# What stands against a clip


def test_a_file_that_was_never_recorded(store, root, tmp_path):
    publish(store)
    (tmp_path / "other.mp4").write_bytes(b"x")
    assert refusals(root, tmp_path / "other.mp4") == {Refusal.UNKNOWN_FILE}
    assert refusals(root, tmp_path / "none.mp4") == {Refusal.UNREADABLE}
    assert refusals(root, tmp_path) == {Refusal.UNREADABLE}


def test_every_changed_bit_of_a_file_is_found(store, root):
    path = publish(store)
    good = path.read_bytes()
    with Gate(root, PURPOSE) as opened:
        for bit in range(8 * len(good)):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bad)
            assert opened.decide(path).refusals == (Refusal.UNKNOWN_FILE,), bit
        path.write_bytes(good)
        assert opened.decide(path).admitted


def test_a_verdict_that_was_overruled(store, root):
    check = replace(FACTS.check, residual=1)
    assert refusals(root, publish(store, check=check)) == {Refusal.VERDICT}


@pytest.mark.parametrize("answer", ["face_seen", "plate_seen", "name_heard"])
def test_a_reviewer_who_saw_a_leak(store, root, answer):
    path = publish(store)
    verdict = kinds.verdict(entry_of(store, path), ["clean"], who="op_" + "0" * 16)
    store.append([verdict])
    assert refusals(root, path) == set()
    store.append([{**verdict, "answers": ["too_much_removed", answer]}])
    assert refusals(root, path) == {Refusal.VERDICT}


@pytest.mark.parametrize("reason", REASONS)
def test_a_withdrawn_clip(store, root, tmp_path, reason):
    path = publish(store)
    copy = Path(shutil.copy(path, tmp_path / "copy.mp4"))
    withdraw(store, record=path.stem, reason=reason)
    assert Refusal.WITHDRAWN in refusals(root, copy)


def test_a_clip_without_a_listing(store, root):
    path = publish(store, known=Listing())
    assert refusals(root, path) == {Refusal.UNLISTED}


def test_footage_of_unlisted_sources_by_policy(store, root):
    path = publish(store, known=unlisted([Purpose.COMMERCIAL]))
    assert refusals(root, path) == set()
    assert refusals(root, path, "evaluation") == {Refusal.PURPOSE}


def test_a_detail_that_is_gone_closes_the_gate_and_one_that_was_shredded_does_not(store, root):
    path = publish(store)
    entry = entry_of(store, path)
    for file in (root / "restricted").iterdir():
        file.unlink()
        assert refusals(root, path) == {Refusal.DETAIL}
    store.append([kinds.shredded(entry, "retention")])
    assert refusals(root, path) == set()


def test_all_that_published_the_same_bytes_must_agree(store, root):
    """Of two sources the same output: a no to one is a no to the file."""
    path = publish(store, 1)
    other = store.workspace(clip(2), "video/mp4")
    other.write_bytes(content(1))
    known = listed(store, url=URL + "2", c2pa="reserved")
    store.publish(other, clip(2), replace(FACTS, listing=known), b"{}")
    assert refusals(root, path) == {Refusal.OPT_OUT}


def test_what_was_said_last_of_a_source_counts(store, root):
    path = publish(store, known=Listing())
    entry = entry_of(store, path)
    for known, expected in (
        (listed(store), set()),
        (listed(store, tdmrep="reserved"), {Refusal.OPT_OUT}),
        (listed(store, legal_basis=""), {Refusal.LEGAL_BASIS}),
        (listed(store), set()),
    ):
        url = known.src["url_hmac"]
        store.append([kinds.source(url, "listed", known, file_hmac=entry.file_hmac)])
        assert refusals(root, path) == expected


def test_a_suppressed_source_stays_closed_whatever_is_listed_later(store, root):
    path = publish(store, known=listed(store))
    url = store.url_hmac("https://canary-9f31.example/watch/1")
    store.append([kinds.source(url, "suppressed", reason="objection")])
    assert refusals(root, path) == {Refusal.SUPPRESSED}
    store.append([kinds.source(url, "listed", listed(store))])
    assert refusals(root, path) == {Refusal.SUPPRESSED}


def test_a_clip_that_was_made_again_is_the_new_one(store, root, tmp_path):
    old = publish(store)
    kept = Path(shutil.copy(old, tmp_path / "old.mp4"))
    old.unlink()
    output = store.workspace(clip(1), "video/mp4")
    output.write_bytes(content(7))
    known = listed(store, url=URL + "1")
    new = store.publish(output, clip(1), replace(FACTS, listing=known), b"{}")
    assert refusals(root, new) == set()
    assert refusals(root, kept) == {Refusal.CHANGED}


# Whatever fails is a no


def tampered(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "ledger" / "log.sqlite")) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


TAMPERED = {
    "an entry's bytes": "UPDATE entries SET bytes = zeroblob(99)",
    "the index's note": "UPDATE meta SET value = replace(value, '2', '3') WHERE name = 'index'",
    "a block that was never signed": "INSERT INTO small VALUES (0, x'00', x'00')",
    "a node of the tree": "UPDATE nodes SET hash = zeroblob(32) WHERE place = 1 AND level = 0",
    "the checkpoint": "UPDATE meta SET value = replace(value, '2', '3') WHERE name = 'checkpoint'",
    "no checkpoint": "DELETE FROM meta WHERE name = 'checkpoint'",
    "another entry in its place": "UPDATE entries SET bytes = (SELECT bytes FROM entries "
    "WHERE seq = 1) WHERE seq = 0",
    "no table": "DROP TABLE small",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_ledger_that_was_tampered_with_admits_nothing(store, root, tmp_path, what):
    path = publish(store, 1)
    publish(store, 2)
    (tmp_path / "x.mp4").write_bytes(b"x")
    store.close()
    tampered(root, TAMPERED[what])
    for file in (path, tmp_path / "x.mp4"):
        assert refusals(root, file), file


def test_a_withdrawal_can_not_be_hidden_in_the_database(store, root):
    """By whoever lacks the keys: from the look-ups that a run makes, but not from the gate."""
    path = publish(store)
    assert refusals(root, path) == set()
    (taken_back,) = store.append([kinds.withdrawn(entry_of(store, path), "leak")])
    store.close()
    hide = "DELETE FROM tail WHERE (word & 65535) = ?"
    with closing(sqlite3.connect(root / "ledger" / "log.sqlite")) as db:
        db.execute(hide, (taken_back.seq,))
        db.execute("UPDATE entries SET kind = 'held' WHERE seq = ?", (taken_back.seq,))
        db.commit()
    with closing(Log(root / "ledger")) as log:
        assert log.about(taken_back.value["of"]) == []  # so it was hidden well
    assert refusals(root, path) == {Refusal.WITHDRAWN}


@pytest.mark.parametrize("name", ["log.sqlite", "checkpoint", "vkey"])
@pytest.mark.parametrize("how", ["gone", "empty", "rubbish", "unreadable"])
def test_a_ledger_with_a_part_missing_admits_nothing(store, root, name, how):
    path = publish(store)
    store.close()
    file = root / "ledger" / name
    data = file.read_bytes()
    file.unlink()
    if how == "unreadable":
        file.mkdir()
    elif how != "gone":
        file.write_bytes(b"" if how == "empty" else b"\xff" + data[: len(data) // 2])
    assert refusals(root, path) == {Refusal.LEDGER}


def test_no_store_at_all_is_a_no_and_none_is_made(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"a")
    assert refusals(tmp_path / "none", tmp_path / "a.mp4") == {Refusal.LEDGER}
    assert not (tmp_path / "none").exists()


def test_a_log_that_another_key_signed_is_a_no(store, root, tmp_path, monkeypatch):
    path = publish(store)
    with Store(tmp_path / "other", tmp_path / "other-keys") as other:
        vkey = other.log.vkey
    with pytest.raises(AdmissionError) as caught:
        redact.admit(path, store=root, purpose=PURPOSE, vkey=vkey)
    assert caught.value.refusals == (Refusal.LEDGER,)
    assert redact.admit(path, store=root, purpose=PURPOSE, vkey=store.log.vkey).admitted


STEPS = [
    *((gate, name) for name in ("digest", "refusals", "sealed_files", "suppressed")),
    *(
        (Reader, name)
        for name in ("by_output", "by_rec", "by_file", "by_url", "about", "checkpoint")
    ),
    *((gate.merkle, name) for name in ("inclusion_proof", "verify_inclusion", "leaf_hash")),
]


@pytest.mark.parametrize(("home", "name"), STEPS, ids=lambda value: str(value))
def test_each_step_that_fails_is_a_no(store, root, monkeypatch, home, name):
    path = publish(store)
    assert refusals(root, path) == set()
    for error in (OSError(), LedgerCorruptError("bad"), KeyError("x"), MemoryError(), ValueError()):

        def fail(*_arguments, error=error, **_named):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(home, name, fail)
            assert refusals(root, path) in ({Refusal.LEDGER}, {Refusal.UNREADABLE}), error


@given(st.dictionaries(st.sampled_from(["src", "rights", "law", "adm"]), st.none(), min_size=1))
def test_a_listing_with_a_group_missing_is_a_no(missing):
    from redact.sources import refusals as judge

    source = as_source(GOOD)
    whole = judged(listing(source, "ab" * 32, "hmac"), ())
    assert judge(whole, Purpose.COMMERCIAL) == ()
    known = replace(whole, **missing)
    if set(missing) & {"src", "rights", "law"}:
        # Without `src` only a policy's own word could stand for it, which says what it permits.
        expected = {"src"} == set(missing) - {"law"}
        assert bool(judge(known, Purpose.COMMERCIAL)) is not expected


# The command


def test_the_command_says_each_no_and_exits_with_8(store, root, keys, tmp_path):
    good, bad = publish(store, 1), publish(store, 2, listed(store, purposes=""))
    (tmp_path / "none.mp4").write_bytes(b"?")
    ask = ("--store", root, "--purpose", PURPOSE)

    yes = command("admit", good, *ask, "--json", keys=keys)
    assert (yes.code, [line["admitted"] for line in yes.lines]) == (0, [True])
    no = command("admit", good, bad, tmp_path / "none.mp4", *ask, "--json", keys=keys)
    assert no.code == 8
    assert [line["admitted"] for line in no.lines] == [True, False, False]
    assert [one["code"] for one in no.lines[1]["refusals"]] == ["purpose"]
    assert no.lines[2]["refusals"][0]["why"] == Refusal.UNKNOWN_FILE.sentence
    people = command("admit", good, bad, *ask, keys=keys)
    assert (people.code, people.out.count(b"not admitted")) == (8, 1)
    assert command("admit", good, "--store", root, "--purpose", "fun", keys=keys).code == 2


def test_asking_needs_no_key_and_changes_nothing(store, root, keys, tmp_path):
    path = publish(store)
    store.close()
    shutil.rmtree(keys)
    before = store.log.vkey, bytes_of(root / "clips")
    ask = ("admit", path, "--store", root, "--purpose", PURPOSE)
    assert command(*ask, keys=tmp_path / "no-keys").code == 0
    assert before == ((root / "ledger" / "vkey").read_text().strip(), bytes_of(root / "clips"))
    assert not (tmp_path / "no-keys").exists()


# Withdrawing


def test_a_withdrawal_by_any_form_of_the_address_takes_every_clip_of_it(store, root):
    mine = [publish(store, number, listed(store)) for number in (1, 2)]
    other = publish(store, 3)
    done = withdraw(store, url="http://www.CANARY-9f31.example/watch/1#t", reason="erasure")
    assert set(done.records) == {path.stem for path in mine}
    assert (done.new, done.removed, done.suppressed) == (2, 2, True)
    assert not any(path.exists() for path in mine)
    assert refusals(root, other) == set()
    assert store.verify().withdrawn == 2


def test_a_withdrawal_by_file_as_it_came_in_or_as_published(store, root, tmp_path):
    source = tmp_path / "in.mp4"
    source.write_bytes(b"source 1")  # what clip(1) says that it came from
    path = publish(store, 1)
    copy = Path(shutil.copy(path, tmp_path / "copy.mp4"))
    assert withdraw(store, file=source, reason="opt_out").records == (path.stem,)
    assert refusals(root, copy) >= {Refusal.WITHDRAWN}
    path = publish(store, 2)
    assert withdraw(store, file=path, reason="leak").records == (path.stem,)


def test_a_leak_is_about_the_clip_and_an_erasure_about_its_source(store, root):
    first, second = (publish(store, number, listed(store)) for number in (1, 2))
    assert withdraw(store, record=first.stem, reason="leak").records == (first.stem,)
    assert refusals(root, second) == set()
    done = withdraw(store, record=second.stem, reason="erasure")
    assert set(done.records) == {first.stem, second.stem}
    assert done.new == 2  # the first too, now for good


@pytest.mark.parametrize("before", ["leak", "quality", "mistake"])
def test_an_erasure_closes_a_source_whose_clip_was_taken_back_before(store, root, before):
    """Else another policy or version would publish it again."""
    path = publish(store, known=Listing())  # of no known address
    withdraw(store, record=path.stem, reason=before)
    done = withdraw(store, record=path.stem, reason="erasure")
    assert (done.records, done.new, done.suppressed) == ((path.stem,), 1, True)
    with pytest.raises(AdmissionError):
        store.find(replace(clip(1), policy="cd" * 32))
    assert withdraw(store, record=path.stem, reason="order").new == 0


def test_an_erasure_suppresses_the_address_that_was_listed_later_too(store, root):
    path = publish(store, 1, Listing())
    known = listed(store)
    url, file = known.src["url_hmac"], entry_of(store, path).file_hmac
    store.append([kinds.source(url, "listed", known, file_hmac=file)])
    withdraw(store, record=path.stem, reason="erasure")
    with pytest.raises(AdmissionError, match="its source was withdrawn"):
        publish(store, 2, known)  # another cut of the same source


def test_nothing_of_a_withdrawn_source_is_published_again(store, root):
    known = listed(store)
    withdraw(store, url=URL, reason="objection")  # before there is any clip of it
    with pytest.raises(AdmissionError, match="withdrawn") as caught:
        publish(store, 1, known)
    assert caught.value.reason is Reason.WITHDRAWN
    assert not any((root / "clips").iterdir())
    publish(store, 2)  # another source


def test_withdrawing_twice_changes_nothing_and_tells_the_same(store, root):
    path = publish(store)
    first = withdraw(store, record=path.stem, reason="erasure")
    size = len(store.log)
    again = withdraw(store, record=path.stem, reason="erasure")
    assert (again.new, again.removed, again.records) == (0, 0, first.records)
    assert len(store.log) == size


def test_what_the_ledger_does_not_know_is_an_error(store, tmp_path):
    publish(store)
    (tmp_path / "x").write_bytes(b"x")
    for named in ({"url": "https://other.example/"}, {"file": tmp_path / "x"}, {"record": "X"}):
        with pytest.raises(UsageError, match="no clip of that source"):
            withdraw(store, **named, reason="leak")
    for wrong in ({}, {"url": URL, "record": "X"}):
        with pytest.raises(UsageError, match="takes one of"):
            withdraw(store, **wrong, reason="leak")
    with pytest.raises(UsageError, match="can't be taken"):
        withdraw(store, url="nonsense", reason="leak")
    with pytest.raises(UsageError, match="takes one of"):
        withdraw(store, url=URL, reason="because")


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["append", "unlink", "sync_folder"])
def test_a_withdrawal_that_breaks_off_leaves_the_gate_closed_or_everything_as_it_was(
    store, root, tmp_path, monkeypatch, call, happened
):
    path = publish(store)
    copy = Path(shutil.copy(path, tmp_path / "copy.mp4"))
    home = {"append": Log, "unlink": Path, "sync_folder": __import__("redact.withdraw").withdraw}
    real = getattr(home[call], call)

    def fail(*arguments, **named):
        if happened:
            real(*arguments, **named)
        raise OSError("it broke")

    with monkeypatch.context() as patch:
        patch.setattr(home[call], call, fail)
        with pytest.raises((redact.StoreError, OSError)):
            withdraw(store, record=path.stem, reason="leak")
    closed = bool(refusals(root, copy))
    assert closed or (path.exists() and len(store.log) == 1)
    assert path.exists() <= (not closed or call != "sync_folder" or not happened)
    done = withdraw(store, record=path.stem, reason="leak")
    assert refusals(root, copy) == {Refusal.WITHDRAWN}
    assert not path.exists()
    assert done.records == (path.stem,)
    assert store.verify().withdrawn == 1


def test_the_withdraw_command(store, root, keys):
    path = publish(store)
    ask = ("ledger", "withdraw", "--store", root, "--url", URL + "1")
    done = command(*ask, "--reason", "erasure", "--json", keys=keys)
    assert (done.code, done.lines[0]["records"]) == (0, [path.stem])
    people = command(*ask, "--reason", "erasure", keys=keys)
    assert b"1 clips are closed, 0 of them now" in people.out
    assert command(*ask, "--reason", "fun", keys=keys).code == 2
    assert command("ledger", "withdraw", "--store", root, "--reason", "leak", keys=keys).code == 2
    assert (
        command(*ask[:2], "--store", root / "no", *ask[4:], "--reason", "leak", keys=keys).code == 2
    )


def test_the_address_is_nowhere_in_what_is_written(store, root, keys):
    publish(store, 1, listed(store))
    publish(store, 2)
    store.hold(clip(3), "strict", Reason.OPT_OUT, b'{"source": {"url": "%s"}}' % URL.encode(),
               listed(store, robots="reserved"))  # fmt: skip
    withdraw(store, url=URL, reason="erasure")
    unpacked = b"\n".join(entry.to_bytes() for entry in store.log.entries())
    store.close()
    written = bytes_of(root) + unpacked
    assert b'"domain":"canary-9f31.example"' in written  # the domain is public
    assert b"watch" not in written
    assert URL.encode() not in written
    assert os.fsencode(sha256(URL.encode()).hexdigest()) not in written
