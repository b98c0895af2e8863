import copy
import itertools
import json
import multiprocessing
import os
import sqlite3
from base64 import b64decode
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from redact.errors import LedgerCorruptError, Reason, StoreError
from redact.ledger import checkpoint, database, detail, entry, keys, merkle
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.facts import SUFFIX
from redact.ledger.files import locked
from redact.ledger.log import Log
from redact.ledger.schema import schema
from redact.ledger.verify import verify
from redact.types import Kind
from tests.facts import FACTS, clip
from tests.kinds import complete, every_draft, held, published, stated
from tests.test_kinds import at, objects

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def signer(origin, vkey):
    return keys.Keys((bytes(32),), b"", b"").signer(origin, vkey)


# --- the tree ---------------------------------------------------------------------------------

# Leaves, roots and proofs published with Certificate Transparency's reference code, and kept in
# transparency-dev/merkle (proof/verify_test.go, Apache-2.0).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C, D, E, F, G, H = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
)
INCLUSION = [
    (0, 8, [A, B, C]),
    (5, 8, [D, E, F]),
    (2, 3, [ROOTS[1]]),
    (1, 5, [ROOTS[0], B, D]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [G, E, F]),
    (2, 5, [B, D]),
    (6, 7, [G, H, F]),
]


class Tree:
    """Nodes in memory, as a log keeps them."""

    def __init__(self, leaves):
        self.leaves = [merkle.leaf_hash(leaf) for leaf in leaves]
        self.nodes = {}
        for size, leaf in enumerate(self.leaves):
            for level, place, value in merkle.grown(size, leaf, self.node):
                self.nodes[level, place] = value

    def node(self, level, place):
        return self.nodes[level, place]

    def root(self, size):
        return merkle.root(size, self.node)


def plain_root(leaves):
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def test_published_vectors():
    tree = Tree(LEAVES)

    assert [tree.root(size).hex() for size in range(1, 9)] == ROOTS
    assert tree.root(0).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for index, size, proof in INCLUSION:
        assert [hash.hex() for hash in merkle.inclusion_proof(index, size, tree.node)] == proof
    for old, new, proof in CONSISTENCY:
        assert [hash.hex() for hash in merkle.consistency_proof(old, new, tree.node)] == proof


def test_every_root_and_proof_up_to_200_leaves():
    tree = Tree(f"leaf {number}".encode() for number in range(200))
    roots = [plain_root(tree.leaves[:size]) for size in range(201)]

    for size in range(201):
        assert tree.root(size) == roots[size]
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, tree.node)
            assert merkle.verify_inclusion(tree.leaves[index], index, size, proof, roots[size])
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, tree.node)
            assert merkle.verify_consistency(old, size, roots[old], roots[size], proof)


def changed(proof):
    """Every proof near this one that is not this one."""
    for place in range(len(proof)):
        yield [*proof[:place], *proof[place + 1 :]]
        yield [*proof[:place], bytes([proof[place][0] ^ 8]) + proof[place][1:], *proof[place + 1 :]]
        yield [*proof[:place], proof[place][:-1], *proof[place + 1 :]]
    for extra in (b"", bytes(32)):
        yield [*proof, extra]
        yield [extra, *proof]


@given(st.integers(1, 64).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_a_changed_inclusion_proof_shows_nothing(place):
    size, index = place
    tree = Tree(bytes([number]) for number in range(size))
    leaf, root = tree.leaves[index], tree.root(size)
    proof = merkle.inclusion_proof(index, size, tree.node)

    for wrong in changed(proof):
        assert not merkle.verify_inclusion(leaf, index, size, wrong, root)
    for other in {*range(-1, size + 2)} - {index}:
        assert not merkle.verify_inclusion(leaf, other, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, proof, bytes(32))
    assert not merkle.verify_inclusion(bytes(32), index, size, proof, root)
    assert not merkle.verify_inclusion(b"", index, size, proof, root)


@given(st.integers(2, 64).flatmap(lambda new: st.tuples(st.integers(1, new - 1), st.just(new))))
def test_a_changed_consistency_proof_shows_nothing(sizes):
    old, new = sizes
    tree = Tree(bytes([number]) for number in range(new))
    roots = tree.root(old), tree.root(new)
    proof = merkle.consistency_proof(old, new, tree.node)

    for wrong in changed(proof):
        assert not merkle.verify_consistency(old, new, *roots, wrong)
    assert not merkle.verify_consistency(old, new, roots[1], roots[0], proof)
    assert not merkle.verify_consistency(old, new, bytes(32), roots[1], proof)
    assert not merkle.verify_consistency(old, new, roots[0], bytes(32), proof)
    assert not merkle.verify_consistency(new, old, *roots, proof)


@pytest.mark.parametrize(
    ("old", "new", "first", "second", "proof", "shown"),
    [
        (0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [], True),
        (0, 1, merkle.EMPTY_ROOT, bytes(32), [], True),
        (0, 1, bytes(32), bytes(32), [], False),
        (0, 1, merkle.EMPTY_ROOT, bytes(32), [bytes(32)], False),
        (1, 1, bytes(32), bytes(32), [], True),
        (1, 1, bytes(32), bytes(32), [bytes(32)], False),
        (1, 2, bytes(32), bytes(32), [], False),
        (3, 4, bytes(32), bytes(32), [], False),
        (2, 1, bytes(32), bytes(32), [], False),
        (-1, 1, bytes(32), bytes(32), [], False),
    ],
)
def test_consistency_at_its_edges(old, new, first, second, proof, shown):
    assert merkle.verify_consistency(old, new, first, second, proof) is shown


def test_no_proof_of_what_is_not_there():
    tree = Tree([b"one"])
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(1, 1, tree.node)
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(2, 1, tree.node)


# --- the checkpoint ---------------------------------------------------------------------------

# The example of golang.org/x/mod/sumdb/note, whose format signed-note describes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_NOTE = (
    PETER_TEXT + "\n\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_the_published_note():
    key = Ed25519PrivateKey.from_private_bytes(b64decode(PETER_SECRET)[1:])

    assert checkpoint.verification_key("PeterNeumann", key.public_key()) == PETER
    assert checkpoint.sign_note(PETER_TEXT, "PeterNeumann", key) == PETER_NOTE
    assert checkpoint.open_note(PETER_NOTE, PETER) == PETER_TEXT


def test_the_published_checkpoint_text():
    """The example of c2sp.org/tlog-checkpoint."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    parsed = Checkpoint.parse(text)

    assert (parsed.origin, parsed.size) == ("example.com/behind-the-sofa", 20852163)
    assert parsed.text == text


def test_a_checkpoint_with_any_bit_changed_is_refused():
    note = checkpoint.sign(Checkpoint("redact/test", 3, bytes(range(32))), SIGNER)
    vkey = checkpoint.verification_key("redact/test", SIGNER.public_key())
    assert checkpoint.verify(note, vkey) == Checkpoint("redact/test", 3, bytes(range(32)))

    for place, bit in itertools.product(range(len(note)), range(8)):
        wrong = bytearray(note)
        wrong[place] ^= 1 << bit
        with pytest.raises(LedgerCorruptError):
            checkpoint.verify(bytes(wrong), vkey)
    for end in range(len(note)):
        with pytest.raises(LedgerCorruptError):
            checkpoint.verify(note[:end] + b"x", vkey)


def test_a_witness_may_sign_below():
    note = checkpoint.sign(Checkpoint("redact/test", 0, merkle.EMPTY_ROOT), SIGNER)
    vkey = checkpoint.verification_key("redact/test", SIGNER.public_key())
    seen = note + "\N{EM DASH} witness.example AAAAAAAA\n".encode()

    assert checkpoint.verify(seen, vkey).size == 0


def test_another_key_or_another_text_is_refused():
    note = checkpoint.sign(Checkpoint("redact/test", 0, merkle.EMPTY_ROOT), SIGNER)
    other = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1").public_key()
    vkey = checkpoint.verification_key("redact/test", SIGNER.public_key())

    with pytest.raises(LedgerCorruptError, match="no signature"):
        checkpoint.verify(note, checkpoint.verification_key("redact/test", other))
    with pytest.raises(LedgerCorruptError):
        checkpoint.verify(note, vkey[:-2] + "=" + vkey[-1])
    for text in ("01\n" + "A" * 43 + "=", "1\nAA==", "1\n", "x\ny"):
        signed = checkpoint.sign_note(f"redact/test\n{text}\n", "redact/test", SIGNER)
        with pytest.raises(LedgerCorruptError, match="no checkpoint"):
            checkpoint.verify(signed, vkey)


# --- the entry --------------------------------------------------------------------------------


def test_the_schema_is_one_and_agrees_with_the_code():
    whole = schema()
    Draft202012Validator.check_schema(whole)

    assert set(whole["$defs"]["media"]["enum"]) == set(SUFFIX)
    assert set(whole["$defs"]["kind"]["enum"]) == {kind.value for kind in Kind}
    assert set(whole["$defs"]["held"]["properties"]["reason"]["enum"]) == {*Reason}
    for draft in (published(), held()):
        assert Draft202012Validator(whole).is_valid(complete(draft))


NEEDED_NOT = {"idem", "in", "detail"}  # of a held entry


@pytest.mark.parametrize("draft", [published(), held()], ids=["published", "held"])
def test_an_entry_leaves_out_nothing(draft):
    for path in objects(complete(draft)):
        for key in at(complete(draft), path):
            less = complete(copy.deepcopy(draft))
            del at(less, path)[key]
            if key == "file_hmac" or (draft["kind"] == "held" and not path and key in NEEDED_NOT):
                assert Entry(less).to_bytes()
            else:
                with pytest.raises(StoreError):
                    Entry(less).to_bytes()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seq",), -1),
        (("seq",), 2**53),
        (("seq",), 42.0),
        (("seq",), True),
        (("kind",), "forged"),
        (("rec",), "01JD8Q5V7Z3M9K2T4R6W8Y0A1"),
        (("rec",), "00000000000000000000000001\n"),
        (("out", "sha256"), "A" * 64),
        (("out", "sha256"), "a" * 63 + "\n"),
        (("out", "media"), "text/html"),
        (("pol", "id"), "a person's name"),
        (("scope",), ["face", "face"]),
        (("scope",), ["voice"]),
        (("sum", 0, "method"), "silence"),
        (("sum", 0, "area_ppm_max"), 1_000_001),
        (("chk", "verdict"), "unclean"),
        (("chk", "verdict"), "overruled"),  # of a residual of 0
        (("chk", "residual"), 1),  # in a clean verdict
        (("claim_level",), "anonymous"),
    ],
)
def test_a_value_that_can_not_be_is_refused(path, value):
    wrong = complete(copy.deepcopy(published()))
    at(wrong, path[:-1])[path[-1]] = value

    with pytest.raises(StoreError, match="do not follow the schema"):
        Entry(wrong).to_bytes()


def test_what_a_person_left_in_spite_of_the_second_look_is_no_clean_verdict():
    facts = replace(FACTS, check=replace(FACTS.check, residual=2))
    output = {"sha256": "0" * 64, "bytes": 1, "replaces": None}
    overruled = Entry(complete(entry.published(clip(), facts, **stated(), **output)))
    chk = Entry.from_bytes(overruled.to_bytes()).value["chk"]
    assert (chk["verdict"], chk["residual"]) == ("overruled", 2)


def test_a_breach_does_not_repeat_the_value():
    wrong = complete(published())
    wrong["pol"] = {"id": "a person's name", "sha256": "ab" * 32}

    with pytest.raises(StoreError) as caught:
        Entry(wrong).to_bytes()

    assert "person" not in str(caught.value)
    assert "pol/id" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        rfc8785.dumps(complete(published())) + b"\n",
        json.dumps(complete(published())).encode(),
    ],
)
def test_bytes_that_no_entry_has_are_refused(data):
    with pytest.raises(LedgerCorruptError):
        Entry.from_bytes(data)


def test_the_same_work_has_the_same_idem_and_other_work_another():
    same = {entry.idem(clip(1), b"k" * 32, "01234567") for _ in range(2)}
    other = entry.idem(clip(2), b"k" * 32, "01234567"), entry.idem(clip(1), b"l" * 32, "01234567")

    assert len(same) == 1
    assert len({*same, *other}) == 3


@given(st.binary(min_size=16, max_size=16))
def test_a_record_name_is_a_number_in_crockfords_base32(number):
    name = entry.record_name(number)
    digits = {digit: value for value, digit in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
    value = 0
    for character in name:
        value = value * 32 + digits[character]
    assert len(name) == 26
    assert value.to_bytes(16, "big") == number


# --- the log ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ledger"
    folder.mkdir()
    Log.create(folder, SIGNER, "redact/test")
    return folder


@pytest.fixture
def log(folder):
    with closing(Log(folder, signer)) as log:
        yield log


def test_what_was_appended_is_there(folder, log):
    log.append([published(1), held(2)])
    log.append([published(3)])

    with closing(Log(folder)) as reader:
        assert [entry.seq for entry in reader.entries()] == [0, 1, 2]
        assert [entry.kind for entry in reader.by_rec(stated(2)["rec"])] == ["held"]
        assert [entry.seq for entry in reader.by_output(f"{3:064x}")] == [2]
        assert [entry.seq for entry in reader.by_rec(stated(1)["rec"])] == [0]
        assert reader.by_rec(stated(4)["rec"]) == []
        assert verify(reader) == len(reader) == 3


def test_entries_of_every_kind_are_found_by_what_they_say(log):
    log.append([published(number) for number in (2, *range(11, 18))])
    said = log.append([draft for draft in every_draft().values() if draft["kind"] != "key"])

    assert verify(log) == len(log) == 8 + len(said)
    for entry_ in said:
        assert entry_ in log.by_kind(entry_.kind)
        for of in entry_.refers:
            assert entry_ in log.about(of)
        if entry_.url_hmac:
            assert entry_ in log.by_url(entry_.url_hmac)
        if entry_.file_hmac:
            assert entry_ in log.by_file(entry_.file_hmac)


def test_an_entry_about_what_is_not_there_yet_is_found(log):
    log.append([every_draft()["withdrawn"]])  # of entry 7

    with pytest.raises(LedgerCorruptError, match=r"entry 0 .* about"):
        verify(log)


def test_entries_are_all_or_none(log):
    with pytest.raises(StoreError):
        log.append([published(1), {**published(2), "note": "free text"}])
    with pytest.raises(StoreError, match="already"):
        log.append([published(1), published(1)])

    assert verify(log) == 0
    log.append([published(1)])
    assert verify(log) == 1


def test_a_second_publication_must_say_what_it_replaces(log):
    log.append([published(1)])
    with pytest.raises(StoreError, match="already"):
        log.append([published(1)])
    log.append([published(1, replaces=0)])
    with pytest.raises(StoreError, match="already"):
        log.append([published(1, replaces=0)])
    log.append([published(1, replaces=1)])

    assert verify(log) == 3


def test_a_wrong_replacement_is_found(log):
    log.append([published(1), published(2), published(3, replaces=1)])

    with pytest.raises(LedgerCorruptError, match=r"entry 2 .* published once"):
        verify(log)


def test_proofs_come_from_the_stored_tree(log):
    drafts = [published(number) for number in range(1, 14)]
    said = [entry for draft in drafts for entry in log.append([draft])]
    head = log.checkpoint()

    for entry_ in said:
        leaf = merkle.leaf_hash(entry_.to_bytes())
        proof = merkle.inclusion_proof(entry_.seq, head.size, log.node)
        assert merkle.verify_inclusion(leaf, entry_.seq, head.size, proof, head.root)


def test_a_log_without_its_key_is_read_only(folder, log):
    with closing(Log(folder)) as reader, pytest.raises(StoreError, match="without its signing key"):
        reader.append([published()])


def test_another_key_does_not_open_a_log(folder):
    with pytest.raises(StoreError, match="not the one"):
        Log(folder, keys.Keys((bytes(31) + b"1",), b"", b"").signer)


def test_a_log_must_be_signed_by_the_key_that_you_were_given(folder):
    other = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1").public_key()
    with pytest.raises(LedgerCorruptError):
        Log(folder, vkey=checkpoint.verification_key("redact/test", other))


def flipped(data):
    """The data with each byte changed in turn."""
    for place in range(len(data)):
        yield data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :]


CELLS = [
    *(("entries", column) for column in ("seq", "bytes", "kind")),
    *(("nodes", column) for column in ("level", "place", "hash")),
    *(("meta", column) for column in ("name", "value")),
    *(("once", column) for column in ("key", "seq")),
    ("tail", "word"),
]
"""What a log's database holds of one entry."""


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), CELLS)
def test_every_flipped_bit_of_a_small_log_is_found(folder, log, table, column):
    log.append([published(1) if table == "once" else held(1)])
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = OFF")
        rows = [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
        for number, row in enumerate(rows):
            for bad in bits_flipped(row[column]):
                put(db, table, [*rows[:number], {**row, column: bad}, *rows[number + 1 :]])
                with pytest.raises(LedgerCorruptError):
                    verify(log)
        put(db, table, rows)
    assert verify(log) == 1


def bits_flipped(good):
    """A number, text or bytes with each bit changed in turn."""
    if isinstance(good, int):
        yield from (good ^ 1 << bit for bit in range(63))
        return
    data = good.encode() if isinstance(good, str) else good
    for place, bit in itertools.product(range(len(data)), range(8)):
        wrong = bytearray(data)
        wrong[place] ^= 1 << bit
        yield wrong.decode("latin-1") if isinstance(good, str) else bytes(wrong)


def put(db, table, rows):
    db.execute("BEGIN")
    db.execute(f"DELETE FROM {table}")
    names = ", ".join(f":{name}" for name in rows[0])
    db.executemany(f"INSERT INTO {table} VALUES ({names})", rows)
    db.execute("COMMIT")


def test_every_flipped_bit_of_an_entry_is_another_leaf():
    """What the compression can't hide: no other bytes of the same length have the same hash."""
    good = Entry(complete(held(1))).to_bytes()
    for place, bit in itertools.product(range(len(good)), range(8)):
        wrong = bytearray(good)
        wrong[place] ^= 1 << bit
        try:
            said = Entry.from_bytes(bytes(wrong)).to_bytes()
        except LedgerCorruptError:
            continue
        assert merkle.leaf_hash(said) != merkle.leaf_hash(good)


@pytest.mark.parametrize("file", ["checkpoint", "vkey"])
def test_any_flipped_byte_of_a_file_is_found(folder, log, file):
    log.append([published(1)])
    good = (folder / file).read_bytes()
    for bad in flipped(good.rstrip(b"\n")):
        (folder / file).write_bytes(bad)
        with pytest.raises(LedgerCorruptError):
            Log(folder)


@pytest.mark.slow
def test_any_flipped_byte_of_the_database_is_found_or_means_nothing(folder):
    """SQLite's file has bytes without meaning; a change that goes unseen must change nothing."""
    with closing(Log(folder, signer)) as log:
        log.append([published(1), held(2), published(3)])
        said = list(log.entries())
    good = (folder / "log.sqlite").read_bytes()
    found = 0
    for place in [place for place, byte in enumerate(good) if byte][::13]:
        bad = good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
        (folder / "log.sqlite").write_bytes(bad)
        try:
            with closing(Log(folder)) as log:
                verify(log)
                assert list(log.entries()) == said
        except (LedgerCorruptError, StoreError):
            found += 1
    assert found > 100


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DELETE FROM entries WHERE seq = 1", "entry 1"),
        ("DELETE FROM entries WHERE seq = 3", "rolled back or added to"),
        ("DELETE FROM tail WHERE (word & 65535) = 3", "entry 3"),
        ("INSERT INTO tail VALUES (65537)", "entry 1"),
        ("INSERT INTO small VALUES (0, x'00', x'00')", "entry 0"),
        ("INSERT INTO once VALUES (1, 1)", "entry 0"),
        ("INSERT INTO entries SELECT 4, bytes, kind FROM entries WHERE seq = 0",
         "rolled back or added to"),
        ("DELETE FROM meta WHERE name = 'index'", "no signature|not what the key signed"),
        ("UPDATE entries SET seq = -1 WHERE seq = 1", "entry 0"),
        ("DELETE FROM nodes WHERE level = 0 AND place = 0", "entry 0"),
        ("DELETE FROM nodes WHERE level = 2", "is gone"),
        ("INSERT INTO nodes VALUES (0, 4, x'00')", "entry 4"),
        ("DELETE FROM meta WHERE name = 'checkpoint'", "no checkpoint"),
    ],
)  # fmt: skip
def test_a_changed_log_is_found(folder, log, change, named):
    log.append([published(1), held(2), published(3), {**every_draft()["access"], "of": 0}])
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        db.execute(change)

    with pytest.raises(LedgerCorruptError, match=named):
        verify(log)


def copy_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_rolled_back_database_is_found(folder):
    with closing(Log(folder, signer)) as log:
        log.append([published(1)])
    old = (folder / "log.sqlite").read_bytes()
    with closing(Log(folder, signer)) as log:
        log.append([published(2)])
    (folder / "log.sqlite").write_bytes(old)

    with pytest.raises(LedgerCorruptError, match="rolled back"):
        Log(folder, signer)


@pytest.mark.parametrize("gone", ["log.sqlite", "checkpoint", "vkey"])
def test_a_missing_file_is_found(folder, gone):
    with closing(Log(folder, signer)) as log:
        log.append([published(1)])
    (folder / gone).unlink()

    with pytest.raises(LedgerCorruptError, match="is gone"):
        Log(folder, signer)
    with suppress(LedgerCorruptError):
        Log.create(folder, SIGNER, "redact/test")
    with pytest.raises(LedgerCorruptError, match="is gone"):
        Log(folder, signer)


def test_a_checkpoint_of_another_history_is_found(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Log.create(other, SIGNER, "redact/test")
    for place, number in ((folder, 1), (other, 2)):
        with closing(Log(place, signer)) as log:
            log.append([published(number)])
    (folder / "checkpoint").write_bytes((other / "checkpoint").read_bytes())

    with pytest.raises(LedgerCorruptError, match="does not match its checkpoint"):
        Log(folder, signer)


def test_a_checkpoint_that_a_crash_left_behind_is_brought_up(folder):
    old = (folder / "checkpoint").read_bytes()
    with closing(Log(folder, signer)) as log:
        log.append([published(1)])
    new = (folder / "checkpoint").read_bytes()
    (folder / "checkpoint").write_bytes(old)

    with closing(Log(folder)) as log:
        assert verify(log) == 1
    with closing(Log(folder, signer)):
        assert (folder / "checkpoint").read_bytes() == new


CALLS = [(os, "write"), (os, "fsync"), (os, "replace"), (database, "commit")]


def record(monkeypatch):
    """The calls that make things durable, in the order in which they happen."""
    calls = []
    for module, name in CALLS:
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, real=real, name=name: (calls.append(name), real(*a))[1]
        )
    return calls


def test_append_commits_before_it_shows_the_checkpoint(log, monkeypatch):
    """A failing call cannot show a missing sync, so the order itself is the test."""
    calls = record(monkeypatch)

    log.append([published(1)])

    assert calls == ["commit", "write", "fsync", "replace", "fsync"]
    assert log.rows("PRAGMA synchronous") == [(2,)]  # FULL: a commit is a sync
    assert log.rows("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize("happened", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(5))
def test_failing_call_leaves_all_or_none(folder, monkeypatch, call, happened):
    """Fails the nth write, sync, rename or commit of an append: before it happens, and after."""
    with closing(Log(folder, signer)) as log:
        log.append([published(1)])
        left = [call]

        def failing(real):
            def wrapper(*args):
                left[0] -= 1
                result = real(*args) if left[0] >= 0 or happened else None
                if left[0] == -1:
                    raise OSError(28, "No space left on device")
                return result

            return wrapper

        with monkeypatch.context() as patch:
            for module, name in CALLS:
                patch.setattr(module, name, failing(getattr(module, name)))
            with pytest.raises(StoreError, match="No space left"):
                log.append([published(2), published(3)])
        assert len(log) in (1, 3)
        assert verify(log) == len(log)

    with closing(Log(folder, signer)) as reopened:
        assert len(reopened) == (1 if call == 0 and not happened else 3)
        reopened.append([published(4)])
        assert verify(reopened) == len(reopened)


def append_some(folder, first):
    with closing(Log(folder, signer)) as log:
        for number in range(first, first + 20):
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
        assert verify(log) == 60


def test_who_holds_the_lock_is_said(tmp_path):
    said = f"process {os.getpid()} "
    with (
        locked(tmp_path / "lock"),
        pytest.raises(StoreError, match=said),
        locked(tmp_path / "lock", seconds=0.05),
    ):
        pass
    with locked(tmp_path / "lock", seconds=0):
        pass


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=12))
def test_any_history_verifies(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("ledger")
    Log.create(folder, SIGNER, "redact/test")
    with closing(Log(folder, signer)) as log:
        for number in numbers:
            log.append([held(number)])
        assert verify(log) == len(numbers)
        assert [entry.to_bytes() for entry in log.entries()] == [
            database.unpacked(row[0]) for row in log.rows("SELECT bytes FROM entries ORDER BY seq")
        ]


# --- keys and details -------------------------------------------------------------------------


def test_keys_are_made_once_and_for_their_owner_only(tmp_path):
    made = keys.load(tmp_path / "keys", make=True)

    assert keys.load(tmp_path / "keys", make=False) == made
    assert keys.load(tmp_path / "keys", make=True) == made
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").glob("*.key")} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert len({*made.signing, made.idem, made.wrapping}) == 3
    assert made.signing[0].hex() not in repr(made)


@pytest.mark.parametrize("name", ["", "signing.key", "idem.key", "wrapping.key"])
def test_keys_that_others_can_open_are_refused(tmp_path, name):
    keys.load(tmp_path / "keys", make=True)
    path = tmp_path / "keys" / name
    path.chmod(path.stat().st_mode | 0o040)

    with pytest.raises(StoreError, match="other users"):
        keys.load(tmp_path / "keys", make=False)


@pytest.mark.parametrize("name", ["signing.key", "idem.key", "wrapping.key"])
def test_a_missing_or_damaged_key_is_refused(tmp_path, name):
    keys.load(tmp_path / "keys", make=True)
    path = tmp_path / "keys" / name
    path.write_text("00")
    with pytest.raises(StoreError, match="is not a key"):
        keys.load(tmp_path / "keys", make=False)
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        keys.load(tmp_path / "keys", make=False)
    with pytest.raises(StoreError, match="is missing"):
        keys.load(tmp_path / "nowhere", make=False)


def test_the_keys_lie_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path))
    assert keys.default_folder() == tmp_path
    monkeypatch.delenv("REDACT_KEYS")
    assert keys.default_folder().parts[-2:] == ("redact", "keys")


@given(st.binary())
def test_a_detail_comes_back_and_shows_nothing(sidecar):
    commitment, nonce = detail.source_commitment("ab" * 32)
    sealed = detail.seal("REC", detail.Detail(sidecar, nonce), b"w" * 32)

    assert detail.unseal("REC", sealed, b"w" * 32) == detail.Detail(sidecar, nonce)
    assert sealed.public["bytes"] == len(sidecar)
    assert commitment == "sha256:" + sha256(nonce + bytes.fromhex("ab" * 32)).hexdigest()
    if len(sidecar) > 8:
        assert sidecar not in sealed.detail


def test_a_detail_with_any_bit_changed_is_refused():
    sealed = detail.seal("REC", detail.Detail(b"boxes and times", bytes(32)), b"w" * 32)
    wrong = [detail.Sealed(sealed.key, bad, sealed.public) for bad in flipped(sealed.detail)]
    wrong += [detail.Sealed(bad, sealed.detail, sealed.public) for bad in flipped(sealed.key)]
    wrong += [
        detail.Sealed(b"", sealed.detail, sealed.public),
        detail.Sealed(sealed.key, b"", sealed.public),
        detail.Sealed(sealed.key, sealed.detail, {**sealed.public, "kid": "0" * 32}),
        detail.Sealed(sealed.key, sealed.detail, {**sealed.public, "commit": "hmac-sha256:00"}),
    ]
    for changed_ in wrong:
        with pytest.raises(LedgerCorruptError):
            detail.unseal("REC", changed_, b"w" * 32)
    for rec, key_ in (("OTHER", b"w" * 32), ("REC", b"x" * 32)):
        with pytest.raises(LedgerCorruptError):
            detail.unseal(rec, sealed, key_)
