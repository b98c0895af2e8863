"""Requests of people: by the address of a source and a time, never by who they are."""

import pytest

from redact.ledger import kinds
from redact.ledger.facts import Listing
from tests.review_store import URL
from tests.test_review import PEOPLE, clip_of, folder, made, people, site  # noqa: F401  # fixtures

RECIPIENT = "op_" + "9" * 16


def found(people, **form):
    answer = people["officer"].send("/requests/find", **{"from": "", "to": "", "right": "", **form})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_source_is_found_by_its_address_however_it_is_spelt(site, people):
    for spelling in (f"{URL}7", f"{URL}7#t=9".replace("https", "http"), f"  {URL}7 "):
        assert ": 1 clip." in found(people, url=spelling)
    assert "No clip in this store comes from" in found(people, url=f"{URL}99")
    assert site.opened.index.others("rights_case") == []  # a look-up only


def test_it_says_who_was_given_the_clip(site, people):
    rec = next(e.rec for e in site.opened.log.by_url(site.opened.store.url_hmac(f"{URL}7")))
    entry = site.opened.log.by_rec(rec)[0]
    given = kinds.admission(
        [entry.seq], "admit", purpose="research-training", adm_policy="ab" * 32, to=RECIPIENT
    )
    assert "nobody, as far as the gate knows" in found(people, url=f"{URL}7")
    site.opened.store.append([given])
    text = found(people, url=f"{URL}7")
    assert RECIPIENT in text
    assert "nobody" not in text


def test_a_request_is_a_case_from_finding_to_done(site, people):
    text = found(people, url=f"{URL}7", right="eu-gdpr:A17")
    (case,) = site.opened.index.others("rights_case")
    assert (case["state"], case["right"]) == ("found", "eu-gdpr:A17")
    assert len(case["clips"]) == 1
    assert case["case"] in text
    assert URL.encode() not in site.opened.log.about(case["clips"][0])[0].to_bytes()

    form = {"url": f"{URL}7", "case": case["case"], "right": "eu-gdpr:A17", "reason": "erasure"}
    done = people["officer"].send("/requests/withdraw", **form)
    assert done.status_code == 200
    assert "Withdrawn now: 1 clip." in done.text
    assert "Nothing of this source is published again" in done.text
    states = [one["state"] for one in site.opened.index.others("rights_case")]
    assert states == ["done", "found"]
    (gone,) = site.opened.index.others("withdrawn")
    assert (gone["case"], gone["who"]) == (case["case"], PEOPLE["officer"].who)
    assert not (site.opened.root / "clips" / f"{gone['rec']}.mp4").exists()
    assert site.opened.store.verify().withdrawn == 1
    assert [one["state"] for one in site.opened.index.others("source")] == ["suppressed"]


def test_a_source_that_nothing_came_from_is_a_case_too_and_can_be_suppressed(site, people):
    found(people, url=f"{URL}99", right="eu-gdpr:A21")
    (case,) = site.opened.index.others("rights_case")
    assert case["state"] == "not_identifiable"
    answer = people["officer"].send("/requests/withdraw", url=f"{URL}99", reason="mistake")
    assert answer.status_code == 409
    assert "Nothing was withdrawn" in answer.text
    answer = people["officer"].send("/requests/withdraw", url=f"{URL}99", reason="objection")
    assert "Withdrawn now: 0 clips." in answer.text
    assert [one["state"] for one in site.opened.index.others("source")] == ["suppressed"]


def test_a_stretch_of_time_looks_into_the_restricted_detail_and_says_so(site, people):
    text = found(people, url=f"{URL}7", **{"from": "0:00.7", "to": "0:00:00.8"})
    assert "2 places" in text  # the face and the name
    assert "1 place</td>" in found(people, url=f"{URL}7", **{"from": "0.3", "to": "0.5"})
    assert "0 places" in found(people, url=f"{URL}7", **{"from": "1:40"})
    assert len(site.opened.index.others("access")) == 3
    (entry,) = site.opened.log.by_url(site.opened.store.url_hmac(f"{URL}7"))
    site.opened.store.path(entry).unlink()
    text = found(people, url=f"{URL}7", **{"from": "0:00.7", "to": "0:00:00.8"})
    assert "2 places, by the average frame rate" in text


@pytest.mark.parametrize(
    "form",
    [
        {"url": ""},
        {"url": "footage.example.com"},
        {"url": "javascript:alert(1)"},
        {"url": "https://user:secret@footage.example.com/"},
        {"url": f"{URL}7", "right": "to everything"},
        {"url": f"{URL}7", "from": "soon"},
        {"url": f"{URL}7", "from": "9", "to": "3"},
        {"url": f"{URL}7", "from": "-1"},
    ],
)
def test_what_is_no_address_or_time_is_refused(site, people, form):
    size = len(site.opened.log)
    answer = people["officer"].send("/requests/find", **form)
    assert answer.status_code == 400
    assert len(site.opened.log) == size


def test_nobody_is_withdrawn_for_an_invented_case(site, people):
    case = "00000000-0000-4000-8000-000000000000"
    form = {"url": f"{URL}7", "case": case, "reason": "erasure"}
    assert people["officer"].send("/requests/withdraw", **form).status_code == 404
    assert site.opened.index.clip("rec", clip_of(site))["state"] == "published"
    assert site.opened.index.others("withdrawn") == []


def test_addresses_are_kept_nowhere_but_encrypted(site, people, folder):
    found(people, url=f"{URL}7", right="eu-gdpr:A15")
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"footage.example.com" not in path.read_bytes(), path


def test_a_clip_whose_address_came_with_a_late_manifest_is_found_and_taken_back(site, people):
    rec = clip_of(site, place=3)
    file = site.opened.log.by_rec(rec)[0].file_hmac
    store, url = site.opened.store, "https://late.example.net/1"
    src = {"type": "crawled", "acq_method": "crawl", "manifest": "aa" * 32,
           "url_hmac": store.url_hmac(url)}  # fmt: skip
    rights = {"licence_media": "CC0-1.0", "licence_ann": "CC0-1.0", "permitted": [], "optout": []}
    known = Listing(src=src, rights=rights)
    store.append([kinds.source(src["url_hmac"], "listed", known, file_hmac=file)])
    assert rec in found(people, url=url)
    done = people["officer"].send("/requests/withdraw", url=url, reason="opt_out")
    assert "Withdrawn now: 1 clip." in done.text
    assert site.opened.index.clip("rec", rec)["state"] == "withdrawn"


def test_a_request_that_needs_no_withdrawal_is_closed_too(site, people):
    found(people, url=f"{URL}7", right="eu-gdpr:A15")
    (case,) = people["viewer"].json("/overview.json")["cases"]
    assert case["state"] == "found"
    assert "due" in case
    wrong = people["officer"].send("/requests/close", case=case["case"], state="whim")
    assert wrong.status_code == 409
    assert people["officer"].send("/requests/close", case="x", state="done").status_code == 404
    done = people["officer"].send("/requests/close", case=case["case"], state="done")
    assert done.status_code == 303
    again = people["officer"].send("/requests/close", case=case["case"], state="refused")
    assert again.status_code == 409
    assert people["viewer"].json("/overview.json")["cases"] == []
    (shown,) = people["officer"].json("/requests.json")["cases"]
    assert (shown["state"], shown["due"]) == ("done", case["due"])
