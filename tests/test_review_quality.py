"""Samples: the bounds against published figures, the draw, the blind queue, two signatures."""

import math
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact import quality
from redact.ledger import merkle
from redact.review import lots
from redact.review.guard import RefusedError
from tests.media_maker import Picture, make_clip
from tests.review_store import fill, film
from tests.test_review import PEOPLE, folder, made, people, site  # noqa: F401  # fixtures

# Exact binomial plans (scipy), as in sampling tables: clips for a leak rate and a count of leaks.
PLANS = {
    0.01: {0: 299, 1: 473, 2: 628, 3: 773, 5: 1049},
    0.005: {0: 598, 1: 947, 2: 1258, 3: 1549, 5: 2100},
    0.001: {0: 2995, 1: 4742, 2: 6294, 3: 7752, 5: 10511},
    0.0001: {0: 29956, 1: 47437, 2: 62956, 3: 77535, 5: 105128},
}


@pytest.mark.parametrize("rate", PLANS)
def test_how_many_clips_a_claim_takes(rate):
    assert {leaks: quality.needed(leaks, rate) for leaks in PLANS[rate]} == PLANS[rate]


def test_the_claim_at_99_percent():
    assert quality.needed(0, 0.001, 0.99) == 4603


@pytest.mark.parametrize(("shown", "least"), [(59, 0.95), (299, 0.99)])
def test_how_well_a_reviewer_sees(shown, least):
    assert quality.lower_bound(shown, shown) >= least
    assert quality.lower_bound(shown - 1, shown - 1) < least


@given(st.integers(1, 3000), st.integers(0, 40))
def test_the_bound_is_where_so_few_leaks_become_unlikely(reviewed, leaks):
    leaks = min(leaks, reviewed - 1)
    bound = quality.upper_bound(leaks, reviewed)
    tail = sum(
        math.comb(reviewed, k) * bound**k * (1 - bound) ** (reviewed - k) for k in range(leaks + 1)
    )
    assert tail == pytest.approx(0.05, rel=1e-6)  # of floating point sums
    assert bound > leaks / reviewed


@pytest.mark.parametrize(("leaks", "reviewed"), [(-1, 5), (6, 5), (0, 0)])
def test_no_bound_for_what_is_no_share(leaks, reviewed):
    with pytest.raises(ValueError, match="no share"):
        quality.upper_bound(leaks, reviewed)


def test_the_draw_is_the_same_for_everyone_and_another_for_every_seed():
    records = [f"rec{number}" for number in range(1000)]
    seed = quality.seed(b"\1" * 32, 17, "ab" * 16, b"\2" * 32)
    assert seed == sha256(b"\1" * 32 + (17).to_bytes(8, "big") + b"\xab" * 16 + b"\2" * 32).digest()
    sample = quality.draw(seed, records, 20)
    assert sample == quality.draw(seed, reversed(records), 20)
    assert sample == quality.draw(seed, records, 40)[:20]
    for other in (
        quality.seed(b"\3" * 32, 17, "ab" * 16, b"\2" * 32),
        quality.seed(b"\1" * 32, 18, "ab" * 16, b"\2" * 32),
        quality.seed(b"\1" * 32, 17, "ac" * 16, b"\2" * 32),
        quality.seed(b"\1" * 32, 17, "ab" * 16, b"\4" * 32),
    ):
        assert quality.draw(other, records, 20) != sample


def test_every_record_is_drawn_as_often_as_any_other():
    """Chi squared over 2,000 draws of 5 from 20; 43.8 is passed once in a thousand."""
    counts = dict.fromkeys("abcdefghijklmnopqrst", 0)
    for number in range(2000):
        for record in quality.draw(number.to_bytes(32, "big"), counts, 5):
            counts[record] += 1
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 43.8


def begin(people, count=5, stratum="all"):
    officer = people["officer"]
    where = officer.send("/quality").headers["location"]
    answer = officer.send(f"{where}/draw", stratum=stratum, count=str(count))
    assert answer.status_code == 303, answer.text
    return where


def answer_all(browser, where, **answers):
    """Answer until nothing is left; returns the numbers that were shown."""
    numbers = []
    while (number := browser.json(f"{where}/next.json")["number"]) is not None:
        given = answers.get(f"n{number}", "clean")
        done = browser.send(f"{where}/answer", number=str(number), **{given: "yes"})
        assert done.status_code == 303, done.text
        numbers.append(number)
    return numbers


def sign(browser, where, decision="approved"):
    bound = browser.json(f"{where}.json")["bound_ppm"]
    return browser.send(f"{where}/sign", decision=decision, bound_ppm=str(bound))


def test_the_nonce_is_committed_to_before_the_draw_and_the_sample_can_be_drawn_again(site, people):
    where = begin(people)
    lot = where.rpartition("/")[2]
    (seed,) = site.opened.index.others("qa_seed")
    (drawn,) = site.opened.index.others("qa_draw")
    nonce = bytes.fromhex(drawn["nonce"])
    assert seed["commit"] == "sha256:" + sha256(nonce).hexdigest()
    assert seed["seq"] < drawn["size"] <= drawn["seq"]  # the checkpoint covers the promise
    root = merkle.root(drawn["size"], site.opened.log.node)
    assert root.hex() == drawn["root"]
    standing = [
        entry.rec
        for entry in site.opened.log.entries()
        if entry.kind == "published" and entry.seq < drawn["size"]
    ]
    again = quality.draw(quality.seed(root, drawn["size"], lot, nonce), standing, drawn["n"])
    assert quality.sample_digest(again) == drawn["sample"]
    assert drawn["population"] == len(standing) == 12
    assert lots.sample(site.opened, lots.of(site.opened, lot)) == again


def test_a_sample_is_drawn_once(people):
    where = begin(people)
    again = people["officer"].send(f"{where}/draw", stratum="all", count="5")
    assert again.status_code == 409


def test_what_is_published_or_withdrawn_after_the_draw_changes_nothing(site, people, folder):
    where = begin(people)
    lot = lots.of(site.opened, where.rpartition("/")[2])
    sample = lots.sample(site.opened, lot)
    fill(site.opened.store, film(folder), clips=40, held=0)
    last = max(value["seq"] for value in site.opened.history(sample[0]))
    people["officer"].send(f"/clips/{sample[0]}/withdraw", last=str(last), reason="mistake")
    assert people["officer"].json("/overview.json")["clips"]["published"] == 39
    site.opened.samples.clear()
    assert lots.sample(site.opened, lot) == sample


def test_a_sample_that_is_not_the_recorded_one_is_not_shown(site, people):
    where = begin(people)
    lot = lots.of(site.opened, where.rpartition("/")[2])
    other = replace(lot, drawn={**lot.drawn, "nonce": "00" * 32})
    with pytest.raises(RefusedError, match="can't be drawn again"):
        lots.sample(site.opened, other)


@pytest.mark.parametrize(("stratum", "most"), [("nothing_found", 4), ("something_found", 8)])
def test_a_stratum_holds_only_its_clips(site, people, stratum, most):
    where = begin(people, count=100, stratum=stratum)
    sample = lots.sample(site.opened, lots.of(site.opened, where.rpartition("/")[2]))
    clips = [site.opened.index.clip("rec", rec) for rec in sample]
    assert len(clips) == most
    assert {bool(clip["sum"]) for clip in clips} == {stratum == "something_found"}


def test_the_queue_is_blind(site, people):
    where = begin(people)
    text = people["reviewer"].get(f"{where}/next").text
    lot = lots.of(site.opened, where.rpartition("/")[2])
    for rec in lots.sample(site.opened, lot):
        assert rec not in text
    for word in ("face filled", "licence plate<", "strict", "removed:"):
        assert word not in text
    number = people["reviewer"].json(f"{where}/next.json")["number"]
    film = people["reviewer"].get(f"{where}/media/{number}")
    assert film.headers["content-type"] == "video/mp4"
    assert "content-disposition" not in film.headers


def test_two_people_sign_and_the_bound_is_exact(site, people):
    where = begin(people, count=8)
    early = sign(people["officer"], where)
    assert early.status_code == 409
    assert sorted(answer_all(people["reviewer"], where)) == list(range(1, 9))

    assert sign(people["officer"], where).status_code == 303
    assert site.opened.index.others("sign_off", limit=5)[0]["bound_ppm"] == 312_344
    assert people["viewer"].json("/overview.json")["bound"] is None
    assert sign(people["officer"], where).status_code == 409  # not twice the same person
    assert sign(people["second"], where).status_code == 303
    bound = people["viewer"].json("/overview.json")["bound"]
    assert bound["bound_ppm"] == math.ceil((1 - 0.05 ** (1 / 8)) * 1e6)
    assert sign(people["reviewer"], where).status_code == 409  # two are enough


def test_a_rejected_lot_supports_no_claim(people):
    where = begin(people, count=3)
    answer_all(people["reviewer"], where)
    sign(people["officer"], where, "rejected")
    sign(people["second"], where)
    assert people["viewer"].json("/overview.json")["bound"] is None


def test_a_leak_in_the_queue_withdraws_and_counts(site, people):
    where = begin(people, count=4)
    answer_all(people["reviewer"], where, n2="face_seen", n3="broken", n4="too_much_removed")
    said = people["viewer"].json(f"{where}.json")
    assert (said["n"], said["leaks"]) == (4, 2)  # broken counts as a leak, too much does not
    assert people["viewer"].json("/overview.json")["clips"]["withdrawn"] == 1
    (gone,) = site.opened.index.others("withdrawn")
    assert gone["reason"] == "leak"
    (verdict,) = [
        one for one in site.opened.index.others("verdict") if one["answers"] == ["face_seen"]
    ]
    assert gone["seq"] == verdict["seq"] + 1


def test_two_reviewers_get_different_clips_and_the_slower_is_told(site, people):
    where = begin(people, count=4)
    first = people["reviewer"].json(f"{where}/next.json")["number"]
    second = people["officer"].json(f"{where}/next.json")["number"]
    assert first != second
    people["reviewer"].send(f"{where}/answer", number=str(first), clean="yes")
    slower = people["officer"].send(f"{where}/answer", number=str(first), face_seen="yes")
    assert slower.status_code == 409
    assert "meanwhile" in slower.text
    assert site.opened.index.others("withdrawn") == []


def test_a_clip_withdrawn_meanwhile_can_still_be_answered(site, people):
    where = begin(people, count=12)
    sample = lots.sample(site.opened, lots.of(site.opened, where.rpartition("/")[2]))
    last = max(value["seq"] for value in site.opened.history(sample[0]))
    people["officer"].send(f"/clips/{sample[0]}/withdraw", last=str(last), reason="licence")
    assert len(answer_all(people["reviewer"], where)) == 12
    assert people["viewer"].json(f"{where}.json")["left"] == 0


def test_known_leaks_measure_the_reviewers(site, people, tmp_path):
    (tmp_path / "leaks").mkdir()
    for number in range(3):
        make_clip(tmp_path / "leaks" / f"{number}.mp4", Picture(frames=5 + number))
    (tmp_path / "leaks" / "notes.txt").write_text("no clip")
    from redact.review.probes import Probe
    from tests.test_review import Browser

    site = replace(site, probes=tmp_path / "leaks")
    people = {name: Browser(site, account) for name, account in PEOPLE.items()}
    where = begin(people, count=12)
    lot = lots.of(site.opened, where.rpartition("/")[2])
    queue = lots.queue(site.opened, lot, site.probes)
    known = [n for n, shown in enumerate(queue, 1) if isinstance(shown, Probe)]
    assert len(queue) == 14
    assert len(known) == 2
    for number in range(1, 15):  # a known leak looks as any other clip does
        film = people["reviewer"].get(f"{where}/media/{number}")
        assert (film.status_code, film.headers["content-type"]) == (200, "video/mp4")

    answer_all(people["reviewer"], where, **{f"n{known[0]}": "face_seen"})
    said = people["viewer"].json(f"{where}.json")
    assert (said["probes"], said["probes_found"]) == (2, 1)
    assert (said["n"], said["leaks"]) == (12, 0)  # known leaks count for the reviewer alone
    assert site.opened.index.others("withdrawn") == []


def test_a_sign_off_that_breaks_off_leaves_nothing(site, people, monkeypatch):
    from redact.errors import StoreError
    from redact.store import Store

    where = begin(people, count=2)
    answer_all(people["reviewer"], where)
    size = len(site.opened.log)

    def failing(*_):
        raise StoreError("the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", failing)
        answer = sign(people["officer"], where)
    assert answer.status_code == 503
    assert "the disk is full" in answer.text
    assert len(site.opened.log) == size
    assert sign(people["officer"], where).status_code == 303


def test_a_result_that_changed_since_it_was_read_is_not_signed(people):
    where = begin(people, count=2)
    answer_all(people["reviewer"], where)
    answer = people["officer"].send(f"{where}/sign", decision="approved", bound_ppm="1")
    assert answer.status_code == 409
    assert "changed" in answer.text
