"""Entries that come after a clip's own: late manifests, withdrawals by source, keys, shredding."""

import csv
import io
import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from redact import reports
from redact.gate import Gate
from redact.ledger import kinds
from redact.ledger.facts import Listing
from redact.reports.subject import Subject
from redact.review.index import Index
from redact.review.opened import Opened
from redact.store import Store
from tests.facts import FACTS, clip
from tests.review_store import film
from tests.test_review import PEOPLE, Browser, folder, made, people, site  # noqa: F401

WHO = "op_" + "0" * 16
URL = "https://late.example.net/watch?v="


def listing(store, licence="CC-BY-4.0", domain="late.example.net", url=None) -> Listing:
    src = {"type": "crawled", "domain": domain, "acq_month": "2026-11", "acq_method": "crawl",
           "manifest": "aa" * 32}  # fmt: skip
    return Listing(
        src=src | ({"url_hmac": store.url_hmac(url)} if url else {}),
        rights={"licence_media": licence, "licence_ann": "CC0-1.0",
                "permitted": [] if licence == "CC0-1.0" else ["research-training"],
                "optout": [{"proto": "robots", "answer": "allowed"}]},
        law={"basis": "eu-gdpr:A6-1-a"},
        adm={"decision": "admit", "policy": "bb" * 32},
    )  # fmt: skip


def state_late(store, number, known) -> None:
    """What `redact run --manifest` records of a file that was published before."""
    file = store.file_hmac(clip(number).source)
    url = (known.src or {}).get("url_hmac")
    store.append([kinds.source(url, "listed", known, file_hmac=file, adm=known.adm)])


def publish(store, source, number, policy="ab" * 32, known=None) -> str:
    """The record of a clip; without `known`, nothing is said of where it comes from."""
    work = replace(clip(number), policy=policy)
    output = store.workspace(work, "video/mp4")
    output.write_bytes(source.read_bytes() + f"{number} {policy}".encode())
    facts = replace(FACTS, listing=known, output=replace(FACTS.output, dur_us=2_000_000))
    return store.publish(output, work, facts, b"{}").stem


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "late", tmp_path / "late-keys") as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    return film(tmp_path)


def index_of(store, *, at_once=True) -> Index:
    """The read index; from all entries in one go, or from each as it came."""
    index = Index(None, "log")
    rows = [(entry.seq, entry.to_bytes()) for entry in store.log.entries()]
    for part in [rows] if at_once else [[row] for row in rows]:
        list(index.feed(part))
    return index


def table(store, tmp_path, report) -> list[dict[str, str]]:
    path = tmp_path / "report.csv"
    reports.export(store, report, "csv", path, who=WHO)
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_manifest_that_comes_late_counts_in_every_list_and_report(store, source, tmp_path):
    rec = publish(store, source, 1)
    assert [index_of(store).clip("rec", rec)[name] for name in ("domain", "licence")] == ["", ""]
    assert table(store, tmp_path, "source_licence")[0]["media_licence"] == "not recorded"

    state_late(store, 1, listing(store, url=f"{URL}1"))

    shown = index_of(store).clip("rec", rec)
    assert (shown["domain"], shown["licence"]) == ("late.example.net", "CC-BY-4.0")
    (row,) = table(store, tmp_path, "source_licence")
    assert (row["type"], row["domain"], row["media_licence"], row["clips"]) == (
        "crawled", "late.example.net", "CC-BY-4.0", "1",
    )  # fmt: skip
    assert row["legal_basis"] == "eu-gdpr:A6-1-a"
    register = table(store, tmp_path, "removal_register")
    assert {row["media_licence"] for row in register} == {"CC-BY-4.0"}
    reports.export(store, "training_summary", "json", tmp_path / "summary.json", who=WHO)
    said = json.loads((tmp_path / "summary.json").read_text())
    assert (said["2.3"]["clips_recorded"], said["2.3"]["domains_recorded"]) == (1, 1)
    assert said["3.1"]["opt_out_signals"][0]["clips"] == 1
    reports.export(store, "article_30", "jsonld", tmp_path / "record.json", who=WHO)
    said = json.loads((tmp_path / "record.json").read_text())
    assert said["dpv:hasProcess"]["dpv:hasLegalBasis"] == ["eu-gdpr:A6-1-a"]


def test_the_last_correction_counts_and_for_every_clip_of_the_file(store, source, tmp_path):
    first = publish(store, source, 1, known=listing(store))
    second = publish(store, source, 1, policy="cd" * 32)
    other = publish(store, source, 2, known=listing(store))
    state_late(store, 1, listing(store, "CC0-1.0", "first.example.net"))
    state_late(store, 1, listing(store, "MIT", "second.example.net"))
    third = publish(store, source, 1, policy="ef" * 32)

    for at_once in (True, False):
        index = index_of(store, at_once=at_once)
        for rec in (first, second, third):
            shown = index.clip("rec", rec)
            assert (shown["domain"], shown["licence"]) == ("second.example.net", "MIT")
        assert index.clip("rec", other)["licence"] == "CC-BY-4.0"
        code = index.code("licence", "MIT")
        assert list(index.columns["licence"]).count(code) == 3
    rows = table(store, tmp_path, "source_licence")
    assert {row["media_licence"]: row["clips"] for row in rows} == {"MIT": "3", "CC-BY-4.0": "1"}


def test_a_late_licence_shows_on_the_page_and_in_its_filters(site, people, folder):
    rec = site.opened.index.clips([1])[0]["rec"]
    with Store(folder / "store", folder / "keys") as other:
        state_late(other, 1, listing(other, "MIT", "corrected.example.net"))
    viewer = people["viewer"]
    for query in ("licence=MIT", "domain=corrected.example.net"):
        assert [one["rec"] for one in viewer.json(f"/clips.json?{query}")["clips"]] == [rec]
    assert viewer.json("/clips.json?domain=site1.example.org")["count"] == 2
    page = viewer.get(f"/clips/{rec}").text
    assert "MIT" in page
    assert "corrected.example.net" in page
    assert "CC-BY-4.0" not in page.partition("<h2>Source and rights</h2>")[2].partition("</dl>")[0]
    assert "said later, by entry" in page
    assert "Its source was stated anew" in page


def test_a_clip_whose_source_is_closed_is_published_nowhere(store, source, tmp_path):
    """An address that was closed before a late manifest named it: the gate refuses the clip."""
    closed = publish(store, source, 1)
    known = publish(store, source, 2, known=listing(store, url=f"{URL}2"))
    same_file = publish(store, source, 2, policy="cd" * 32)
    stands = publish(store, source, 3, known=listing(store, url=f"{URL}3"))
    for number in (1, 2):
        hmac = store.url_hmac(f"{URL}{number}")
        store.append([kinds.source(hmac, "suppressed", reason="opt_out", who=WHO)])
    state_late(store, 1, listing(store, url=f"{URL}1"))

    for at_once in (True, False):
        index = index_of(store, at_once=at_once)
        states = {rec: index.clip("rec", rec)["state"] for rec in (closed, known, same_file)}
        assert set(states.values()) == {"withdrawn"}
        assert index.standing_at(len(store.log)) == [stands]
    (row,) = table(store, tmp_path, "source_licence")
    assert row["clips"] == "1"
    retention = {row["record"]: row for row in table(store, tmp_path, "retention")}
    assert retention[closed]["state"] == "withdrawn"
    assert retention[closed]["withdrawn_for"] == "opt_out"
    assert retention[stands]["withdrawn_for"] == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_index_reports_and_gate_agree_whatever_comes_in_whichever_order(store, source, seed):
    chance = random.Random(seed)
    for _ in range(40):
        number, url = chance.randrange(4), f"{URL}{chance.randrange(4)}"
        licence = chance.choice(["CC-BY-SA-4.0", "CC0-1.0", "CC-BY-4.0"])
        known = listing(store, licence, url=chance.choice([None, url]))
        published = [entry for entry in store.log.entries() if entry.kind == "published"]
        match chance.randrange(8):
            case 0 | 1 | 2:
                policy = chance.choice(["ab", "cd", "ef"]) * 32
                work = replace(clip(number), policy=policy)
                if not store.log.by_rec(store._rec(work)):
                    publish_anyway(store, source, number, policy, chance.choice([None, known]))
            case 3 | 4 | 5 if published:
                state_late(store, number, known)
            case 6 if published:
                reason = chance.choice(["leak", "erasure", "mistake", "quality", "opt_out"])
                store.append([kinds.withdrawn(chance.choice(published), reason, who=WHO)])
            case 7 if chance.random() < 0.3:
                store.append([kinds.source(store.url_hmac(url), "suppressed", reason="order")])
    at_once, by_and_by = index_of(store), index_of(store, at_once=False)
    recs = sorted({entry.rec for entry in store.log.entries() if entry.kind == "published"})
    assert [at_once.clip("rec", rec) for rec in recs] == [
        by_and_by.clip("rec", rec) for rec in recs
    ]
    for name in ("domain", "licence", "state", "gone"):
        assert list(at_once.columns[name]) == list(by_and_by.columns[name])
    reported = {value["rec"]: (value, state) for value, state in Subject.of(store.log).clips()}
    with Gate(store.root, "research-training") as gate:
        for rec in recs:
            entry = next(one for one in store.log.by_rec(rec) if one.kind == "published")
            refusals = set(gate.refusals(entry, entry.output, entry.value["out"]["bytes"]))
            value, state = reported[rec]
            shown = at_once.clip("rec", rec)
            taken_back = bool(refusals & {"withdrawn", "suppressed"})
            assert shown["state"] == state == ("withdrawn" if taken_back else "published")
            said = value.get("rights", {}).get("licence_media", "")
            assert shown["licence"] == said
            assert ("purpose" in refusals) == (said == "CC0-1.0")
            assert ("unlisted" in refusals) == (said == "")


def publish_anyway(store, source, number, policy, known) -> None:
    """Past the check that keeps a closed source out: older logs, and other writers, have such."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "check_source", lambda *_: None)
        patch.setattr("redact.store.known.check_not_withdrawn", lambda *_: None)
        publish(store, source, number, policy, known)


def test_a_key_that_is_replaced_meanwhile_is_followed(site, people, folder):
    size = site.opened.size
    with Store(folder / "store", folder / "keys") as other:
        new = other.rotate(who=WHO).value["new"]
    page = people["officer"].get("/ledger")
    assert "Read-only" not in page.text
    assert people["officer"].json("/ledger.json")["vkey"] == new
    assert "The signing key was replaced once" in page.text
    assert people["officer"].send("/ledger/verify").status_code == 303  # signed by the new key
    assert site.opened.index.others("verification")[0]["result"] == "whole"
    assert site.opened.size == size + 2
    with Opened(folder / "store", folder / "keys", folder / "index") as again:
        assert again.index.next == size + 2  # taken up, not made again


def test_a_report_of_integrity_names_every_key(store, source, tmp_path):
    publish(store, source, 1)
    first = store.log.vkey
    store.rotate(who=WHO)
    reports.export(store, "integrity", "txt", tmp_path / "report.txt", who=WHO)
    text = (tmp_path / "report.txt").read_text()
    assert "Every entry, every hash of the tree and the signature match." in text
    assert f"key that signs it  |  {store.log.vkey}" in text
    assert first in text.partition("Keys that signed it")[2]


def test_an_index_of_another_history_is_made_again(site, people, folder):
    """As long as the log, of the same name and key, but not made from it."""
    rec = site.opened.index.clips([0])[0]["rec"]
    path = next((folder / "index").glob("*.sqlite"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE clips SET rec = ? WHERE key = 0", ("0" * 26,))
        db.execute("UPDATE meta SET value = ? WHERE name = 'root'", ("ab" * 32,))
        db.commit()
    with Opened(folder / "store", folder / "keys", folder / "index") as again:
        again.refresh()
        assert again.index.clips([0])[0]["rec"] == rec


def test_a_detail_that_was_destroyed_is_not_asked_for(site, people, folder):
    rec = site.opened.index.clips([1])[0]["rec"]
    with Store(folder / "store", folder / "keys") as other:
        other.shred(other.log.by_rec(rec)[0], "erasure", who=WHO)
    page = people["officer"].get(f"/clips/{rec}").text
    assert "Where it was removed was destroyed on" in page
    assert "Show where" not in page
    assert people["officer"].send(f"/clips/{rec}/where").status_code == 410
    assert site.opened.index.others("access") == []
    retention = {row["record"]: row for row in table(site.opened.store, folder, "retention")}
    assert (retention[rec]["detail"], retention[rec]["shredded_for"]) == ("shredded", "erasure")
