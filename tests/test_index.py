"""What entries are looked up by: right at every size, and complete, whoever has the database."""

import random
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest

from redact.errors import LedgerCorruptError
from redact.ledger import checkpoint, index, kinds
from redact.ledger.index import key, packed, unpacked
from redact.ledger.log import Log
from redact.ledger.reader import Reader
from redact.ledger.verify import verify
from tests.test_ledger import SIGNER, held, published, signer

SMALL, LARGE = 4, 16


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A log whose blocks are small enough to fill."""
    for module in (index, __import__("redact.ledger.rebuilt", fromlist=["rebuilt"])):
        monkeypatch.setattr(module, "SMALL", SMALL)
        monkeypatch.setattr(module, "LARGE", LARGE)
    folder = tmp_path / "ledger"
    folder.mkdir()
    Log.create(folder, SIGNER, "redact/test")
    return folder


def drafts(number):
    """Of a few files and addresses, so that look-ups find several; every third is a withdrawal."""
    draft = {**published(number), "in": {**published(number)["in"]}}
    draft["in"]["file_hmac"] = published(number % 5)["in"]["file_hmac"]
    return draft


def filled(folder, sizes):
    """A log of published clips, held ones and withdrawals, appended so many at a time."""
    draw = random.Random(3)
    with closing(Log(folder, signer)) as log:
        for size in sizes:
            start = len(log)
            made = [drafts(start + place) for place in range(size)]
            if start and size > 1:
                made[0] = kinds.withdrawn(log.at(draw.randrange(start)), "erasure")
            if size > 2:
                made[1] = held(start + 1)
            log.append(made)


def everything(log):
    """What each look-up has to give, by reading every entry."""
    said = {}
    for entry in log.entries():
        for name, value in entry.said:
            found = said.setdefault((name, value), [])
            if entry not in found:
                found.append(entry)
    return said


def look_up(log, name, value):
    by = {"rec": log.by_rec, "output": log.by_output, "file": log.by_file, "url": log.by_url}
    return log.about(value) if name == "of" else by[name](value)


SIZES = [(1,) * 9, (7, 1, 30), (40,), (3, 13, 16, 1), (64, 2)]


@pytest.mark.parametrize("proving", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_look_up_finds_what_reading_everything_finds(folder, sizes, proving):
    filled(folder, sizes)
    with closing(Reader(folder, proving=proving)) as log:
        known = everything(log)
        assert {name for name, _ in known} >= {"rec", "output", "file"}
        for said, entries in known.items():
            assert look_up(log, *said) == entries
        assert look_up(log, "rec", "nobody") == []
        assert verify(log) == sum(sizes)


def test_a_reader_that_stays_open_sees_what_was_added(folder):
    with closing(Reader(folder, proving=True)) as proving, closing(Reader(folder)) as plain:
        for size in range(1, 40):
            filled(folder, [1])
            rec = published(size - 1)["rec"]
            assert [entry.seq for entry in proving.by_rec(rec)] == [size - 1]
            assert plain.by_rec(rec) == proving.by_rec(rec)


TABLES = {
    "tail": "SELECT word, word, NULL FROM tail",
    "small": "SELECT block, NULL, words FROM small",
    "pages": "SELECT place, NULL, words FROM pages WHERE length(words) > 0",
    "large": "SELECT block, NULL, sums FROM large",
}


def hidden(folder, entry):
    """Rewrite every block without an entry, digests too, as who has no key would: all but note."""
    words = {*index.words_of(entry)}
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        db.executemany("DELETE FROM tail WHERE word = ?", [(word,) for word in words])
        for table, column in (("small", "block"), ("pages", "place")):
            for place, data in db.execute(f"SELECT {column}, words FROM {table}").fetchall():
                rest = packed(word for word in unpacked(data) if word not in words)
                db.execute(f"UPDATE {table} SET words = ? WHERE {column} = ?", (rest, place))
        for block, data in db.execute("SELECT block, words FROM small").fetchall():
            digest = index.sha256(data).digest()
            db.execute("UPDATE small SET digest = ? WHERE block = ?", (digest, block))
        for (block,) in db.execute("SELECT block FROM large").fetchall():
            query = "SELECT words FROM pages WHERE place & 4294967295 = ? ORDER BY place"
            pages = [data for (data,) in db.execute(query, (block,))]
            sums = b"".join(index.sha256(page).digest() for page in pages)
            row = index.sha256(sums).digest(), sums, block
            db.execute("UPDATE large SET digest = ?, sums = ? WHERE block = ?", row)


@pytest.mark.parametrize("seq", [2, 9, 18, 21, 22], ids=lambda seq: f"entry {seq}")
def test_an_entry_can_not_be_hidden_without_the_key(folder, seq):
    """In a large block, a small one, and after the last block; the digests made to match."""
    filled(folder, [1] * 23)
    with closing(Reader(folder)) as log:
        entry, rec = log.at(seq), log.at(seq).rec
    hidden(folder, entry)

    with closing(Reader(folder)) as plain:
        assert plain.by_rec(rec) == []  # so it was hidden well
        with pytest.raises(LedgerCorruptError, match=f"entry {seq} "):
            verify(plain)
    with closing(Reader(folder, proving=True)) as proving:
        if seq < 20:
            with pytest.raises(LedgerCorruptError, match="its index was changed"):
                proving.by_rec(rec)
        else:  # there, the entries themselves are read
            assert proving.by_rec(rec) == [entry]


@pytest.mark.parametrize("seq", [2, 9, 18, 21, 22], ids=lambda seq: f"entry {seq}")
@pytest.mark.parametrize("count", [1, 9, 30], ids=["one", "a block", "a large block"])
def test_what_was_hidden_is_not_signed_by_the_next_writer(folder, seq, count):
    """Who appends has the key: it would be hidden from the gate too."""
    filled(folder, [1] * 23)
    with closing(Reader(folder)) as log:
        entry = log.at(seq)
    with closing(Log(folder, signer)) as open_all_the_time:
        open_all_the_time.append([drafts(23)])
        hidden(folder, entry)
        with pytest.raises(LedgerCorruptError, match="its index was changed"):
            open_all_the_time.append([drafts(24 + number) for number in range(count)])
    with (
        closing(Log(folder, signer)) as opened_later,
        pytest.raises(LedgerCorruptError, match="its index was changed"),
    ):
        opened_later.append([drafts(24)])
    with closing(Reader(folder)) as log:
        assert len(log) == 24


def test_words_that_were_hidden_are_not_merged_under_their_old_digest(folder):
    """Only the block's words are changed: the digests are still those that were signed."""
    filled(folder, [1] * 13)
    with closing(Log(folder, signer)) as log:
        with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
            ((block, data),) = db.execute("SELECT block, words FROM small LIMIT 1").fetchall()
            rest = packed(unpacked(data)[1:])
            db.execute("UPDATE small SET words = ? WHERE block = ?", (rest, block))
        with pytest.raises(LedgerCorruptError, match="its index was changed"):
            log.append([drafts(13 + number) for number in range(5)])
        assert len(log) == 13


@pytest.mark.parametrize("table", ["small", "large"])
def test_a_changed_digest_is_found(folder, table):
    filled(folder, [1] * 23)
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        db.execute(f"UPDATE {table} SET digest = ? WHERE block = 0 OR block = 4", (bytes(32),))
    with closing(Reader(folder)) as log, pytest.raises(LedgerCorruptError, match="looked up by"):
        verify(log)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_every_flipped_bit_of_the_index_is_found_or_changes_no_answer(folder, table):
    """By `verify` each; and a look-up that proves gives what it gave, or nothing."""
    filled(folder, [1] * 22)
    draw = random.Random(5)
    with closing(Log(folder)) as plain, closing(sqlite3.connect(folder / "log.sqlite")) as db:
        db.execute("PRAGMA synchronous = OFF")
        known = everything(plain)
        rows = db.execute(TABLES[table]).fetchall()
        column = {"tail": "word", "large": "sums"}.get(table, "words")
        name = {"tail": "word", "pages": "place"}.get(table, "block")
        for place, number, data in draw.sample(rows, min(len(rows), 4)):
            for bit in draw.sample(range(63 if data is None else 8 * len(data)), 20):
                wrong = flipped(number, data, bit)
                change = f"UPDATE {table} SET {column} = ? WHERE {name} = ?"
                with suppress(sqlite3.IntegrityError):
                    db.execute(change, (wrong, place))
                    db.commit()
                    with pytest.raises(LedgerCorruptError):
                        verify(plain)
                    check_answers(folder, known, draw)
                    db.execute(change, (number if data is None else data, place if data else wrong))
                    db.commit()
        assert verify(plain) == 22


def flipped(number, data, bit):
    if data is None:
        return number ^ 1 << bit
    wrong = bytearray(data)
    wrong[bit // 8] ^= 1 << bit % 8
    return bytes(wrong)


def check_answers(folder, known, draw):
    with closing(Reader(folder, proving=True)) as proving:
        for said in draw.sample(sorted(known, key=str), 3):
            try:
                assert look_up(proving, *said) == known[said]
            except LedgerCorruptError:
                continue


def test_the_note_of_an_index_is_no_checkpoint_and_of_one_state(folder):
    filled(folder, [3])
    with closing(Log(folder, signer)) as log:
        ((note,),) = log.rows("SELECT value FROM meta WHERE name = 'index'")
        old = log.checkpoint()
        assert checkpoint.verify_index(note.encode(), log.vkey, old)
        with pytest.raises(LedgerCorruptError, match="another thing"):
            checkpoint.verify(note.encode(), log.vkey)
        with pytest.raises(LedgerCorruptError, match="another thing"):
            checkpoint.verify_index(log.note(), log.vkey, old)
    filled(folder, [3])
    with closing(Log(folder)) as log, pytest.raises(LedgerCorruptError, match="another state"):
        checkpoint.verify_index(note.encode(), log.vkey, log.checkpoint())


def test_an_older_index_does_not_pass_with_a_newer_log(folder):
    """All of it put back, note and blocks, as they stood before the last entry."""
    filled(folder, [21])
    path = folder / "log.sqlite"
    names = ("tail", "small", "large", "pages")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        old = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        ((note,),) = db.execute("SELECT value FROM meta WHERE name = 'index'").fetchall()
    filled(folder, [1])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name, rows in old.items():
            db.execute(f"DELETE FROM {name}")
            marks = ", ".join("?" * len(rows[0]))
            db.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        db.execute("UPDATE meta SET value = ? WHERE name = 'index'", (note,))
    with (
        closing(Reader(folder, proving=True)) as log,
        pytest.raises(LedgerCorruptError, match="another state"),
    ):
        log.by_rec(published(21)["rec"])


def test_the_index_of_another_history_of_the_same_size_does_not_pass(folder, tmp_path):
    """A log that was put back from a copy and appended to again; the same key signed both."""
    filled(folder, [3])
    other = shutil.copytree(folder, tmp_path / "other")
    for root, last in ((folder, drafts(3)), (other, held(3))):
        with closing(Log(root, signer)) as log:
            log.append([last])
    with closing(sqlite3.connect(other / "log.sqlite")) as db:
        blocks = db.execute("SELECT * FROM small").fetchall()
        ((note,),) = db.execute("SELECT value FROM meta WHERE name = 'index'").fetchall()
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as db:
        db.execute("DELETE FROM small")
        db.executemany("INSERT INTO small VALUES (?, ?, ?)", blocks)
        db.execute("UPDATE meta SET value = ? WHERE name = 'index'", (note,))
    with (
        closing(Reader(folder, proving=True)) as log,
        pytest.raises(LedgerCorruptError, match="not those that were signed"),
    ):
        log.by_rec(published(3)["rec"])


def test_words_keep_their_order_and_lead_to_their_entries():
    words = [7 << 16 | 3, 5 << 16 | 1, (1 << 63) - 1]
    assert list(unpacked(packed(words))) == sorted(words)
    assert unpacked(packed([])) == ()
    assert list(index._matching(unpacked(packed(words)), 5 << 16 | 99, 256)) == [257]
    assert key("rec", "A") != key("output", "A")
    assert 0 <= key("of", 3) < 1 << 63
