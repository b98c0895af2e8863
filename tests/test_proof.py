"""What an auditor does: proofs, the public key, a witness; a detail shredded, a key replaced."""

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from redact.cli import main
from redact.errors import LedgerCorruptError, Reason, StoreError
from redact.ledger import checkpoint, consistency, keys, merkle, proof
from redact.ledger.log import Log
from redact.ledger.proof import Proof
from redact.store import Store
from redact.store import verify as verify_store
from tests.facts import clip
from tests.test_ledger import Tree, plain_root
from tests.test_store import publish, withdraw

HERE = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    with Store(folder) as store:
        for number in range(1, 6):
            publish(store, number)
        yield store


# --- proofs -----------------------------------------------------------------------------------


def plain_path(index, leaves):
    """RFC 6962, section 2.1.1, word for word: the second implementation."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*plain_path(index, leaves[:k]), plain_root(leaves[k:])]
    return [*plain_path(index - k, leaves[k:]), plain_root(leaves[:k])]


def plain_subproof(old, leaves, known):
    """RFC 6962, section 2.1.2, word for word."""
    if old == len(leaves):
        return [] if known else [plain_root(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= k:
        return [*plain_subproof(old, leaves[:k], known), plain_root(leaves[k:])]
    return [*plain_subproof(old - k, leaves[k:], False), plain_root(leaves[:k])]


@given(st.integers(1, 130).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_proofs_are_those_of_a_second_implementation(sizes):
    new, old = sizes
    tree = Tree(b"%d" % number for number in range(new))

    assert merkle.inclusion_proof(old - 1, new, tree.node) == plain_path(old - 1, tree.leaves)
    assert merkle.consistency_proof(old, new, tree.node) == plain_subproof(old, tree.leaves, True)


def test_a_proof_has_the_form_of_c2sp():
    """The form of the example in c2sp.org/tlog-proof, with extra data, an index and two hashes."""
    made = Proof(b"entry", 5, (bytes(32), bytes([1] * 32)), b"example.com/log\n6\nroot\n\nsigned\n")
    assert made.to_bytes() == (
        b"c2sp.org/tlog-proof@v1\nextra ZW50cnk=\nindex 5\n"
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        b"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n"
        b"example.com/log\n6\nroot\n\nsigned\n"
    )
    assert Proof.from_bytes(made.to_bytes()) == made


def test_every_entry_is_proven_offline(store):
    for entry in store.log.entries():
        assert proof.verify(proof.prove(store.log, entry), store.log.vkey) == (
            entry, store.log.checkpoint(),
        )  # fmt: skip


@pytest.mark.slow
def test_a_proof_with_any_bit_changed_is_refused(store):
    data = proof.prove(store.log, store.find(clip(3)))
    for place, bit in itertools.product(range(len(data)), range(8)):
        wrong = bytearray(data)
        wrong[place] ^= 1 << bit
        with pytest.raises(LedgerCorruptError):
            proof.verify(bytes(wrong), store.log.vkey)
    for end in range(0, len(data), 7):
        with pytest.raises(LedgerCorruptError):
            proof.verify(data[:end], store.log.vkey)


def test_a_proof_of_another_entry_index_or_log_is_refused(store, tmp_path):
    first, second = (store.find(clip(number)) for number in (1, 2))
    good = Proof.from_bytes(proof.prove(store.log, first))
    wrong = [
        Proof(second.to_bytes(), good.index, good.hashes, good.note),
        Proof(good.entry, 1, good.hashes, good.note),
        Proof(good.entry, good.index, good.hashes[::-1], good.note),
        Proof(good.entry, good.index, good.hashes[:-1], good.note),
    ]
    for one in wrong:
        with pytest.raises(LedgerCorruptError):
            proof.verify(one.to_bytes(), store.log.vkey)
    with Store(tmp_path / "other") as other:
        publish(other, 1)
        with pytest.raises(LedgerCorruptError):
            proof.verify(good.to_bytes(), other.log.vkey)


# --- that the log only grew -------------------------------------------------------------------


@pytest.fixture
def grown(store):
    """An older checkpoint, the proof that the log of now continues it, and the log's key."""
    since = store.log.note()
    for number in range(6, 10):
        publish(store, number)
    return since, consistency.prove(store.log, since), store.log.vkey


def test_a_log_that_grew_is_shown_to_continue_each_older_one(store):
    notes = [store.log.note()]
    for number in range(6, 12):
        publish(store, number)
        notes.append(store.log.note())
    for size, since in enumerate(notes, 5):
        data = consistency.prove(store.log, since)
        old, head = consistency.verify(data, since, store.log.vkey)
        assert (old.size, head) == (size, store.log.checkpoint())


def test_a_proof_of_growth_has_the_form_that_witnesses_take(grown):
    """c2sp.org/tlog-witness, add-checkpoint: old size, hashes, an empty line, the checkpoint."""
    _, data, vkey = grown
    head, _, note = data.partition(b"\n\n")
    old, *hashes = head.decode().split("\n")
    assert old == "old 5"
    assert [len(line) for line in hashes] == [44] * len(hashes)
    assert checkpoint.verify(note, vkey).size == 9


@pytest.mark.slow
@pytest.mark.parametrize("part", ["proof", "checkpoint"])
def test_a_proof_of_growth_with_any_bit_changed_is_refused(grown, part):
    since, data, vkey = grown
    good = data if part == "proof" else since
    for place, bit in itertools.product(range(len(good)), range(8)):
        wrong = bytearray(good)
        wrong[place] ^= 1 << bit
        given = (bytes(wrong), since) if part == "proof" else (data, bytes(wrong))
        with pytest.raises(LedgerCorruptError):
            consistency.verify(*given, vkey)
    for end in range(0, len(good), 5):
        given = (data[:end], since) if part == "proof" else (data, since[:end])
        with pytest.raises(LedgerCorruptError):
            consistency.verify(*given, vkey)


def test_what_does_not_continue_is_not_proven(store, folder, tmp_path, grown):
    since, data, vkey = grown
    store.close()
    shutil.copytree(folder, tmp_path / "fork")
    for place, number in ((folder, 20), (tmp_path / "fork", 21)):
        with Store(place) as one:
            publish(one, number)
    with Store(folder) as one, Store(tmp_path / "fork") as fork:
        mine, theirs = one.log.note(), fork.log.note()
        for log, seen in ((one.log, theirs), (fork.log, mine)):
            with pytest.raises(LedgerCorruptError, match="not shown to continue"):
                consistency.prove(log, seen)
        older = consistency.prove(one.log, since)
        with pytest.raises(LedgerCorruptError, match="not shown to continue"):
            consistency.verify(older, mine, vkey)  # of another older checkpoint
    with Store(tmp_path / "other") as other:
        publish(other, 1)
        with pytest.raises(LedgerCorruptError):
            consistency.prove(other.log, since)
        with pytest.raises(LedgerCorruptError):
            consistency.verify(data, since, other.log.vkey)


def test_growth_over_a_replaced_key_is_proven_with_both_keys(store, grown):
    since, _, old = grown
    store.rotate()
    publish(store, 20)
    data, new = consistency.prove(store.log, since), store.log.vkey
    assert consistency.verify(data, since, old, new)[1].size == 11
    for keys_ in ((old,), (new,)):
        with pytest.raises(LedgerCorruptError):
            consistency.verify(data, since, *keys_)


def test_a_key_that_was_replaced_shows_no_growth(store, grown):
    since, data, old = grown
    store.rotate()
    assert consistency.verify(data, since, old)
    with pytest.raises(LedgerCorruptError):
        consistency.verify(data, since, old, store.log.vkey)


def test_the_commands_for_a_log_that_grew(store, folder, tmp_path):
    store.close()
    since = tmp_path / "since"
    shutil.copy(folder / "ledger" / "checkpoint", since)
    with Store(folder) as again:
        publish(again, 6)
        again.rotate()
        publish(again, 7)
    made = ("--store", folder, "-o", tmp_path / "proof")
    shown = call("ledger", "prove", "--since", since, *made, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["size"]) == (0, 8)
    (tmp_path / "keys.txt").write_text(call("ledger", "key", "show", "--store", folder).stdout)
    check = ("ledger", "verify", "--proof", tmp_path / "proof", "--vkey")
    shown = call(*check, tmp_path / "keys.txt", "--since", since, "--json")
    value = json.loads(shown.stdout)
    assert (shown.exit_code, value["continues"], value["since"], value["size"]) == (0, True, 5, 8)
    first = (tmp_path / "keys.txt").read_text().split()[0]
    assert call(*check, first, "--since", since).exit_code == 6  # another key signs now
    assert call(*check, tmp_path / "keys.txt", "--since", tmp_path / "proof").exit_code == 6
    assert call(*check, tmp_path / "keys.txt", "--since", tmp_path / "none").exit_code == 5
    assert call(*check, tmp_path / "keys.txt").exit_code == 2
    assert call(*check, tmp_path / "keys.txt", "--since", since, since).exit_code == 2
    assert call("ledger", "prove", *made).exit_code == 2
    assert call("ledger", "prove", "--since", tmp_path / "proof", *made).exit_code == 6


# --- the witness ------------------------------------------------------------------------------


def test_a_witness_follows_a_log_that_grows(store, tmp_path):
    witness = tmp_path / "witness"
    assert consistency.check_witness(store.log, witness).size == 5
    publish(store, 6)
    assert consistency.check_witness(store.log, witness).size == 6
    assert consistency.check_witness(store.log, witness).size == 6


def test_a_witness_finds_a_roll_back_and_another_history(store, folder, tmp_path):
    """A whole store put back from an old copy, keys and all: only who saw it later can tell."""
    store.close()
    shutil.copytree(folder, tmp_path / "old")
    with Store(folder) as later:
        publish(later, 6)
        consistency.check_witness(later.log, tmp_path / "witness")
    seen = (tmp_path / "witness").read_bytes()

    with (
        closing(Log(tmp_path / "old" / "ledger")) as log,
        pytest.raises(LedgerCorruptError, match="witness saw"),
    ):
        consistency.check_witness(log, tmp_path / "witness")
    with Store(tmp_path / "old") as forked:
        publish(forked, 7)
        publish(forked, 8)
        with pytest.raises(LedgerCorruptError, match="does not continue the 6"):
            consistency.check_witness(forked.log, tmp_path / "witness")
    assert (tmp_path / "witness").read_bytes() == seen


def test_a_witness_that_is_another_logs_or_no_checkpoint_is_refused(store, tmp_path):
    with Store(tmp_path / "other") as other:
        consistency.check_witness(other.log, tmp_path / "witness")
    for seen in ((tmp_path / "witness").read_bytes(), b"", b"\xff\n9\n"):
        (tmp_path / "witness").write_bytes(seen)
        with pytest.raises(LedgerCorruptError):
            consistency.check_witness(store.log, tmp_path / "witness")


# --- shredding --------------------------------------------------------------------------------


def test_a_shredded_detail_is_gone_and_every_proof_holds(store, folder):
    entry = store.find(clip(2))
    kid = entry.value["detail"]["kid"]
    kept = [path.read_bytes() for path in (folder / "restricted").glob(f"{kid}*")]
    before = proof.prove(store.log, entry)

    done = store.shred(entry, "erasure")

    assert store.shred(entry, "erasure") == done  # again adds nothing
    assert proof.verify(before, store.log.vkey)[0] == entry
    assert proof.verify(proof.prove(store.log, entry), store.log.vkey)[0] == entry
    assert store.verify().published == 5
    with pytest.raises(LedgerCorruptError, match="was shredded by entry 5"):
        store.recall(entry)
    everything = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert not any(part in data for part in kept for data in everything)


def test_a_shredded_detail_that_comes_back_is_found(store, folder):
    entry = store.find(clip(2))
    path = next((folder / "restricted").glob(f"{entry.value['detail']['kid']}.key"))
    data = path.read_bytes()
    store.shred(entry, "retention")
    path.write_bytes(data)

    with pytest.raises(LedgerCorruptError, match="is there again"):
        store.verify()


@pytest.mark.parametrize("call_", range(12))
def test_a_shredding_that_fails_is_finished_by_the_next_writer(folder, store, monkeypatch, call_):
    entry = store.find(clip(2))
    left = [call_]

    def failing(real):
        def wrapper(*args, **options):
            left[0] -= 1
            if left[0] == -1:
                raise OSError(5, "Input/output error")
            return real(*args, **options)

        return wrapper

    with monkeypatch.context() as patch:
        for name in ("fsync", "unlink", "rmdir", "replace"):
            patch.setattr(os, name, failing(getattr(os, name)))
        with suppress(StoreError):
            store.shred(entry, "retention")
    store.close()
    with Store(folder) as again:
        assert len(again.log) in (5, 6)
        again.verify()  # recorded: its files are gone; not recorded: they are there
        again.shred(entry, "retention")
        assert again.verify().entries == 6


def test_a_held_clip_is_shredded_too(store):
    held = store.hold(clip(9), "strict", Reason.TIMEOUT, b"where it was")
    store.shred(held, "retention")
    store.verify()
    with pytest.raises(StoreError, match="no restricted detail"):
        store.shred(store.log.at(len(store.log) - 1), "retention")


# --- the signing key --------------------------------------------------------------------------


def test_a_new_key_follows_the_old_one(store, folder):
    old = store.log.vkey
    handed = store.rotate()
    publish(store, 6)
    new = store.log.vkey

    assert (handed.value["old"], handed.value["new"]) == (old, new)
    assert old != new
    assert store.verify().entries == 7
    store.close()
    with Store(folder) as again:
        publish(again, 7)
        again.rotate()
        publish(again, 8)
        assert again.verify().published == 8
        last = again.log.vkey
    for known in (old, new, last, None):
        assert verify_store(folder, vkey=known).published == 8


def test_what_an_old_key_signs_later_counts_for_nothing(store, folder, tmp_path):
    signer = store.log._signer
    store.rotate()
    head = store.log.checkpoint()
    store.close()
    forged = checkpoint.Checkpoint(head.origin, head.size + 1, head.root)
    for claimed in (checkpoint.sign(forged, signer), checkpoint.sign(head, signer)):
        (folder / "ledger" / "checkpoint").write_bytes(claimed)
        if claimed == checkpoint.sign(head, signer):  # the last that it may sign
            assert Log(folder / "ledger").checkpoint() == head
        else:
            with pytest.raises(LedgerCorruptError):
                Log(folder / "ledger")


def test_a_key_that_is_not_in_the_chain_is_refused(store, folder):
    store.rotate()
    store.close()
    other = keys.Keys((b"o" * 32,), b"", b"").first_signer.public_key()
    with pytest.raises(LedgerCorruptError, match="not signed by the key that you gave"):
        verify_store(folder, vkey=checkpoint.verification_key(store.log.origin, other))


def test_a_run_without_the_new_key_refuses_to_start(store, folder, tmp_path):
    store.rotate()
    store.close()
    (new,) = (tmp_path / "keys").glob("signing-*.key")
    hidden = new.rename(tmp_path / "hidden")
    with pytest.raises(StoreError, match="signing key is not the one"):
        Store(folder)
    hidden.rename(new)
    (tmp_path / "keys" / "signing.key").unlink()  # the old one may go once it has handed over
    with Store(folder) as again:
        again.verify()


def test_a_process_that_still_has_the_old_key_appends_nothing(store, folder):
    with Store(folder) as other:
        other.rotate()
    with pytest.raises(StoreError, match="was replaced while"):
        publish(store, 6)


@pytest.mark.parametrize("change", ["DELETE FROM handovers", "UPDATE handovers SET note = 'x'"])
def test_a_changed_chain_of_keys_is_found(store, folder, change):
    store.rotate()
    store.close()
    with closing(sqlite3.connect(folder / "ledger" / "log.sqlite", isolation_level=None)) as db:
        db.execute(change)
    with pytest.raises(LedgerCorruptError):
        verify_store(folder)


# --- the commands -----------------------------------------------------------------------------


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_the_commands_of_an_auditor(store, folder, tmp_path):
    path = store.path(store.find(clip(2)))
    store.close()
    shown = call("ledger", "prove", path, "--store", folder, "-o", tmp_path / "p.tlog-proof")
    assert shown.exit_code == 0
    vkey = call("ledger", "key", "show", "--store", folder).stdout.strip()
    check = ("ledger", "verify", "--proof", tmp_path / "p.tlog-proof", "--vkey", vkey)

    assert "published as entry 1" in call(*check, path).stdout
    assert json.loads(call(*check, path, "--json").stdout)["seq"] == 1
    (tmp_path / "other.mp4").write_bytes(b"another")
    assert call(*check, tmp_path / "other.mp4").exit_code == 6
    assert call(*check).exit_code == 2
    witness = ("ledger", "verify", "--store", folder, "--witness", tmp_path / "witness")
    assert call(*witness).exit_code == 0
    assert call("ledger", "key", "rotate", "--store", folder).exit_code == 0
    assert call(*witness).exit_code == 0
    assert call("ledger", "verify", "--store", folder, "--vkey", vkey).exit_code == 0
    record = path.stem
    assert (
        call("ledger", "shred", record, "--reason", "retention", "--store", folder).exit_code == 0
    )
    assert "shredded" in call("ledger", "show", record, "--store", folder).stdout
    assert call("ledger", "verify", "--store", folder).exit_code == 0
    assert call("ledger", "prove", "nothing", "--store", folder, "-o", "x").exit_code == 2


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from redact.cli import main
main(sys.argv[2:])
"""
MEDIA = "av,cv2,faker,faster_whisper,jellyfish,names,numpy,onnx,onnxruntime,spacy,wordfreq,psycopg"


@pytest.mark.parametrize("given", ["store", "proof"])
def test_an_auditor_needs_no_media_libraries_and_no_models(store, folder, tmp_path, given):
    """As after `pip install redact[verify]`: what the other extras bring can't be imported."""
    path = store.path(store.find(clip(2)))
    (tmp_path / "proof").write_bytes(proof.prove(store.log, store.find(clip(2))))
    vkey = store.log.vkey
    store.close()
    what = ["--store", folder] if given == "store" else ["--proof", tmp_path / "proof", path]
    command = [sys.executable, "-c", WITHOUT, MEDIA, "ledger", "verify", "--vkey", vkey, *what]
    environment = {**os.environ, "REDACT_KEYS": str(tmp_path / "nowhere")}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_withdrawn_clips_are_counted(store, folder):
    withdraw(store, 1)
    store.close()
    shown = json.loads(call("ledger", "verify", "--store", folder, "--json").stdout)
    assert (shown["published"], shown["withdrawn"]) == (4, 1)
