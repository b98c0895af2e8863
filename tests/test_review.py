"""The review page at its border: who may do what, what is shown, what a decision leaves behind."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from redact.errors import Reason
from redact.ledger import kinds
from redact.ledger.database import packed, unpacked
from redact.ledger.proof import verify
from redact.review import words
from redact.review.access import Account, Sessions
from redact.review.app import RULES, make_app
from redact.review.asking import Site
from redact.review.opened import Opened
from redact.store import Store
from redact.types import Kind
from tests.review_store import fill, film

HERE = "http://127.0.0.1:8000"
PEOPLE = {
    role: Account(role, f"op_{number:016x}", role)
    for number, role in enumerate(("viewer", "reviewer", "officer", "auditor", "second"))
}
PEOPLE["second"] = Account("second", "op_00000000000000ff", "officer")


class Browser:
    """A person's browser: a session, and the token of its forms."""

    def __init__(self, site: Site, account: Account | None) -> None:
        self.client = TestClient(
            make_app(site), HERE, follow_redirects=False, raise_server_exceptions=False
        )
        self.token = ""
        if account:
            link = site.sessions.link(account)
            answer = self.send("/enter", link=link)
            assert answer.status_code == 303, answer.text
            cookie = self.client.cookies[site.cookie]
            session = site.sessions.find(cookie)
            assert session
            self.token = session.token

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def send(self, path, headers=None, **form):
        known = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        fields = {"token": self.token, **form} if self.token else form
        return self.client.post(path, data=fields, headers=known)

    def json(self, path):
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store that tests copy, with its keys beside it."""
    folder = tmp_path_factory.mktemp("made")
    with Store(folder / "store", folder / "keys") as store:
        fill(store, film(folder))
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def site(folder) -> Iterator[Site]:
    with Opened(folder / "store", folder / "keys", folder / "index") as opened:
        opened.refresh()
        yield Site(
            opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c", secure=False
        )


@pytest.fixture
def people(site) -> dict[str, Browser]:
    return {name: Browser(site, account) for name, account in PEOPLE.items()}


def clip_of(site, state="published", place=0) -> str:
    from redact.review.columns import STATES, Filter

    index = site.opened.index
    keys = index.columns.find(Filter(state=STATES.index(state)), before=None, limit=50)
    return index.clips(keys)[place]["rec"]


def path_of(rule, site) -> str:
    return rule.path.format(rec=clip_of(site), lot="0" * 32, number=1, report="integrity")


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD")


def test_every_route_refuses_whoever_has_no_session(site):
    nobody = Browser(site, None)
    before = site.opened.size
    for rule in RULES:
        for method in METHODS:
            for path in (path_of(rule, site), f"{path_of(rule, site)}.json"):
                answer = nobody.client.request(method, path, headers={"Origin": HERE})
                assert answer.status_code in (401, 405), (method, path)
                assert "redact_" not in answer.text
                assert site.opened.index.clips([0])[0]["rec"] not in answer.text
    site.opened.refresh()
    assert site.opened.size == before


def test_every_route_refuses_the_roles_that_it_does_not_name(site, people):
    for rule in RULES:
        for role in ("viewer", "reviewer", "officer", "auditor"):
            if role not in rule.roles:
                browser, path = people[role], path_of(rule, site)
                answer = browser.get(path) if rule.method == "GET" else browser.send(path)
                assert answer.status_code == 403, (role, path)
                assert "may not do that" in answer.text


def test_every_route_refuses_methods_that_it_does_not_name(site, people):
    officer = people["officer"]
    for path in {path_of(rule, site) for rule in RULES}:
        named = {rule.method for rule in RULES if path_of(rule, site) == path}
        for method in set(METHODS) - named - ({"HEAD"} if "GET" in named else set()):
            answer = officer.client.request(method, path, headers={"Origin": HERE})
            assert answer.status_code == 405, (method, path)


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, {}),
        ({"Origin": "http://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({"Origin": HERE, "Sec-Fetch-Site": "cross-site"}, {}),
        ({"Origin": HERE, "Sec-Fetch-Site": "same-site"}, {}),
        ({"Origin": HERE, "Host": "evil.example"}, {}),
        ({"Origin": HERE}, {"token": "another"}),
        ({"Origin": HERE}, {"token": ""}),
    ],
)
def test_every_post_refuses_another_origin_host_or_token(site, people, headers, field):
    before = site.opened.size
    for rule in RULES:
        if rule.method == "POST":
            answer = people["officer"].send(path_of(rule, site), headers=headers, **field)
            assert answer.status_code == 403, rule.path
    site.opened.refresh()
    assert site.opened.size == before
    assert people["officer"].get("/overview").status_code == 200  # nobody was signed out either


def test_the_walk_over_the_routes_sees_a_route_that_lets_anyone_in(site):
    """The tests above can fail: static files and the way in are reached without a session."""
    nobody = Browser(site, None)
    assert nobody.get("/static/style.css").status_code == 200
    assert nobody.get("/enter/x").status_code == 200


def test_every_answer_carries_the_headers(site, people):
    for browser, path in [
        (Browser(site, None), "/overview"),
        (people["officer"], "/overview"),
        (people["officer"], "/nothing"),
        (people["officer"], f"/clips/{clip_of(site)}/media"),
        (people["officer"], "/clips?kind=nonsense"),
    ]:
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_no_page_has_script_or_style_of_its_own(site, people):
    pages = [path_of(rule, site) for rule in RULES if rule.method == "GET"]
    for path in pages:
        answer = people["officer"].get(path)
        if answer.headers["content-type"].startswith("text/html"):
            assert not re.search(r"<script(?![^>]*(src=|application/json))", answer.text), path
            assert "<style" not in answer.text
            assert not re.search(r"\s(style|on[a-z]+)=", answer.text), path


def test_a_link_works_once_and_not_for_ever(site):
    now = [0.0]
    sessions = Sessions(now=lambda: now[0])
    link = sessions.link(PEOPLE["officer"])
    cookie = sessions.redeem(link)
    assert cookie
    assert sessions.redeem(link) is None
    late = sessions.link(PEOPLE["officer"])
    now[0] = 15 * 60 + 1
    assert sessions.redeem(late) is None


def test_sessions_expire_by_idling_and_by_age():
    now = [0.0]
    sessions = Sessions(now=lambda: now[0])
    cookie = sessions.redeem(sessions.link(PEOPLE["officer"]))
    for now[0] in range(0, 8 * 3600, 1700):
        assert sessions.find(cookie)
    now[0] = 8 * 3600 + 1
    assert sessions.find(cookie) is None

    cookie = sessions.redeem(sessions.link(PEOPLE["officer"]))
    now[0] += 30 * 60 + 1
    assert sessions.find(cookie) is None


def test_signing_out_ends_the_session(people):
    officer = people["officer"]
    assert officer.send("/leave").status_code == 303
    assert officer.get("/overview").status_code == 401
    assert people["second"].get("/overview").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "reviewer", "officer", "auditor"])
def test_every_page_is_also_json_and_says_the_same(site, people, role):
    for rule in RULES:
        path = path_of(rule, site)
        if rule.method == "GET" and role in rule.roles and "{lot}" not in rule.path:
            page = people[role].get(path)
            if page.headers["content-type"].startswith("text/html"):
                assert page.status_code == 200, page.text
                assert people[role].json(f"{path}.json") is not None


def test_the_overview_counts(people):
    said = people["viewer"].json("/overview.json")
    assert said["clips"] == {"published": 12, "held": 3, "withdrawn": 0}
    assert said["removed"]["faces"] == 16
    assert said["removed"]["names"] == 8
    assert said["removed"]["plates"] == 4
    assert said["not_reviewed"] == 12
    assert {line["reason"] for line in said["held_reasons"]} == {
        "corrupt", "language", "still_visible",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 15),
        ("state=held", 3),
        ("state=published", 12),
        ("kind=plate", 4),
        ("kind=face", 8),
        ("method=pixelate", 4),
        ("kind=face&method=tone", 0),
        ("domain=site1.example.org", 3),
        ("licence=CC-BY-4.0", 12),
        ("licence=none-of-ours", 0),
        ("reason=language", 1),
        ("score=32", 8),
        ("score=31", 0),
        ("review=not_yet&state=published", 12),
        ("review=clean", 0),
        ("since=2020-01-01", 15),
        ("since=2100-01-01", 0),
        ("until=2020-01-01", 0),
        ("model=centerface@cdcdcdcdcdcd", 12),
        ("policy=strict%20abababababab", 15),
    ],
)
def test_filters(people, query, count):
    said = people["viewer"].json(f"/clips.json?{query}")
    assert said["count"] == count
    assert len(said["clips"]) == count


def test_pages_of_a_list_hold_each_clip_once(site, people, monkeypatch):
    monkeypatch.setattr("redact.review.clips.PAGE", 4)
    seen, path = [], "/clips.json?state=published"
    while path:
        said = people["viewer"].json(path)
        seen += [clip["rec"] for clip in said["clips"]]
        path = f"/clips.json?{said['more']}" if said["more"] else None
    assert len(seen) == len(set(seen)) == 12
    assert seen == sorted(seen, key=lambda rec: -site.opened.index.clip("rec", rec)["key"])


def test_search_by_record_file_name_and_sha256(site, people):
    rec = clip_of(site)
    sha256 = site.opened.index.clip("rec", rec)["output"]
    for text in (rec, rec.lower(), f"{rec}.mp4", sha256, sha256.upper()):
        said = people["viewer"].json(f"/clips.json?q={text}")
        assert [clip["rec"] for clip in said["clips"]] == [rec]
    answer = people["viewer"].get(f"/clips?q={'0' * 64}")
    assert answer.status_code == 404
    assert "must not be trained on" in answer.text


def test_only_the_redacted_file_is_served_and_by_ranges(site, people):
    rec = clip_of(site)
    path = site.opened.root / "clips" / f"{rec}.mp4"
    answer = people["reviewer"].get(f"/clips/{rec}/media")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == "video/mp4"
    part = people["reviewer"].get(f"/clips/{rec}/media", Range="bytes=10-19")
    assert part.status_code == 206
    assert part.content == path.read_bytes()[10:20]
    assert people["viewer"].get(f"/clips/{rec}/media").status_code == 403

    path.write_bytes(path.read_bytes() + b"more")
    assert people["reviewer"].get(f"/clips/{rec}/media").status_code == 409
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert people["reviewer"].get(f"/clips/{rec}/media").status_code == 409


def test_outlines_are_an_access_entry_and_only_for_those_who_may(site, people):
    rec = clip_of(site)
    plain = people["officer"].get(f"/clips/{rec}").text
    assert "outlines" not in plain
    assert '"regions"' not in plain
    for role in ("viewer", "reviewer"):
        assert people[role].send(f"/clips/{rec}/where").status_code == 403
    assert site.opened.index.others("access") == []

    page = people["auditor"].send(f"/clips/{rec}/where")

    assert page.status_code == 200
    assert '"regions"' in page.text
    assert "00:00:00.600" in page.text  # the name's place, in the table
    (access,) = site.opened.index.others("access")
    assert (access["rec"], access["who"]) == (rec, PEOPLE["auditor"].who)


def test_the_proof_holds_without_the_page(site, people):
    rec = clip_of(site)
    data = people["viewer"].get(f"/clips/{rec}/proof").content
    entry, head = verify(data, site.opened.log.vkey)
    assert entry == site.opened.log.by_rec(rec)[0]
    assert head.size == len(site.opened.log)


def answer_for(site, browser, rec, **answers):
    last = max(value["seq"] for value in site.opened.history(rec))
    return browser.send(f"/clips/{rec}/verdict", last=str(last), **answers)


def test_a_clean_verdict_is_recorded(site, people):
    rec = clip_of(site)
    assert answer_for(site, people["reviewer"], rec, clean="yes").status_code == 303
    clip = site.opened.index.clip("rec", rec)
    assert (clip["state"], clip["review"]) == ("published", "clean")
    assert people["viewer"].json("/clips.json?review=clean")["count"] == 1


@pytest.mark.parametrize("leak", ["face_seen", "plate_seen", "name_heard"])
def test_a_leak_withdraws_the_clip_with_the_same_append(site, people, leak):
    rec = clip_of(site)
    size = site.opened.size
    assert answer_for(site, people["reviewer"], rec, **{leak: "yes"}).status_code == 303
    assert [entry.kind for entry in site.opened.log.by_rec(rec)][-2:] == ["verdict", "withdrawn"]
    assert site.opened.size == size + 2
    clip = site.opened.index.clip("rec", rec)
    assert (clip["state"], clip["review"]) == ("withdrawn", leak)
    assert not (site.opened.root / "clips" / f"{rec}.mp4").exists()
    assert people["reviewer"].get(f"/clips/{rec}/media").status_code == 404
    assert site.opened.store.verify().withdrawn == 1


@pytest.mark.parametrize("answers", [{}, {"clean": "yes", "face_seen": "yes"}, {"other": "yes"}])
def test_no_answer_or_a_contradiction_records_nothing(site, people, answers):
    size = site.opened.size
    answer = answer_for(site, people["reviewer"], clip_of(site), **answers)
    assert answer.status_code == 400
    assert len(site.opened.log) == size


def test_the_second_reviewer_on_one_clip_is_told(site, people):
    rec = clip_of(site)
    assert "has this clip open" not in people["reviewer"].get(f"/clips/{rec}").text
    assert "has this clip open" in people["officer"].get(f"/clips/{rec}").text
    last = str(max(value["seq"] for value in site.opened.history(rec)))
    first = people["reviewer"].send(f"/clips/{rec}/verdict", last=last, clean="yes")
    second = people["officer"].send(f"/clips/{rec}/verdict", last=last, face_seen="yes")
    assert (first.status_code, second.status_code) == (303, 409)
    assert "Someone else has recorded" in second.text
    assert site.opened.index.clip("rec", rec)["state"] == "published"


def test_an_officer_withdraws(site, people):
    rec = clip_of(site)
    last = str(max(value["seq"] for value in site.opened.history(rec)))
    assert people["reviewer"].send(f"/clips/{rec}/withdraw", last=last).status_code == 403
    wrong = people["officer"].send(f"/clips/{rec}/withdraw", last=last, reason="whim")
    assert wrong.status_code == 400
    done = people["officer"].send(f"/clips/{rec}/withdraw", last=last, reason="erasure")
    assert done.status_code == 303
    assert site.opened.index.clip("rec", rec)["state"] == "withdrawn"
    entry = site.opened.log.by_rec(rec)[-1].value
    assert (entry["reason"], entry["who"]) == ("erasure", PEOPLE["officer"].who)


def test_the_check_is_recorded_with_who_did_it(site, people):
    assert people["auditor"].send("/ledger/verify").status_code == 303
    (check,) = people["viewer"].json("/ledger.json")["checks"]
    assert (check["result"], check["published"], check["who"]) == (
        "whole", 12, PEOPLE["auditor"].who,
    )  # fmt: skip


def test_a_check_that_fails_makes_the_page_read_only(site, people):
    rec = clip_of(site)
    (site.opened.root / "clips" / f"{rec}.mp4").write_bytes(b"another")
    people["auditor"].send("/ledger/verify")
    page = people["officer"].get("/ledger")
    assert "Read-only" in page.text
    assert f"clips/{rec}.mp4 is not the file" in page.text
    answer = answer_for(site, people["officer"], clip_of(site, place=1), clean="yes")
    assert answer.status_code == 409
    assert "can only be read" in answer.text


def test_the_witness_is_shown_asked_and_told(site, people, tmp_path):
    witness = tmp_path / "witness"
    assert "None is asked" in people["viewer"].get("/ledger").text
    site.opened.witness = witness
    assert "has seen nothing yet" in people["viewer"].get("/ledger").text
    people["auditor"].send("/ledger/verify")
    said = people["viewer"].json("/ledger.json")["ledger"]["witness"]
    assert said["seen"]["size"] == site.opened.size - 1  # the check itself came after
    assert "The ledger continues them" in people["viewer"].get("/ledger").text
    assert PEOPLE["auditor"].who in people["viewer"].get("/ledger").text


@pytest.mark.parametrize("seen", ["more", "other", "nonsense"])
def test_a_log_that_the_witness_does_not_know_makes_the_page_read_only(
    site, people, folder, tmp_path, seen
):
    witness, notes = tmp_path / "witness", folder / "store" / "ledger" / "checkpoint"
    if seen == "more":
        shutil.copytree(folder, tmp_path / "ahead")
        with Store(tmp_path / "ahead" / "store", folder / "keys") as ahead:
            ahead.append([kinds.qa_seed("ab" * 16, "sha256:" + "cd" * 32, who="op_" + "0" * 16)])
        notes = tmp_path / "ahead" / "store" / "ledger" / "checkpoint"
    elif seen == "other":
        with Store(tmp_path / "other", tmp_path / "other-keys"):
            notes = tmp_path / "other" / "ledger" / "checkpoint"
    witness.write_bytes(b"no note" if seen == "nonsense" else notes.read_bytes())
    with Opened(folder / "store", folder / "keys", folder / "index", witness) as opened:
        opened.prepare()
        site = Site(opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c",
                    secure=False)  # fmt: skip
        page = Browser(site, PEOPLE["officer"]).get("/overview").text
        assert "Read-only." in page
        assert opened.checked_at_start == "broken"


@pytest.mark.parametrize("code", [*Reason])
def test_every_reason_is_said_in_words_with_what_to_do(code):
    said = words.reason(code.value), words.what_to_do(code.value)
    assert all(text[0].isupper() and text.endswith(".") for text in said)
    assert "_" not in "".join(said)
    assert "Ask whoever" not in said[1]


def test_every_kind_has_a_word_and_a_plural(site):
    assert {str(kind) for kind in Kind} == set(words.KINDS)
    assert words.one_or_more(12, words.kind("metadata")) == "12 tags in the file"
    assert words.one_or_more(1, words.kind("metadata")) == "1 tag in the file"
    assert words.one_or_more(2, words.kind("speech")) == "2 stretches of speech"
    assert words.one_or_more(2, words.kind("data_stream")) == "2 data tracks (position, sensors)"


def test_the_policy_in_words_says_what_it_does_with_plates():
    from redact.policy import NAMED
    from redact.review.settings import in_words

    for policy in NAMED.values():
        said = " ".join(in_words(f"{policy.name} {policy.sha256[:12]}"))
        for part in ("Faces", "Licence plates", "Spoken names"):
            assert part in said


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "\u202egnirts\u202c",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "' OR 1=1 --",
    "\u0000",
    "é" * 1500,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_query_is_shown_as_text_or_refused(site, people, text):
    for rule in RULES:
        for name in rule.query:
            answer = people["officer"].client.get(path_of(rule, site), params={name: text})
            assert answer.status_code in (200, 400, 404, 413), (rule.path, name)
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert "\u202e" not in answer.text
            assert ">49<" not in answer.text
            assert "root:" not in answer.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_form_and_path_is_refused(site, people, text):
    from urllib.parse import quote

    size = site.opened.size
    fields = ("reason", "last", "clean", "number", "stratum", "count", "decision", "lot", "url",
              "format", "from", "to", "case", "bound_ppm")  # fmt: skip
    for rule in RULES:
        places = {name: quote(text, safe="") for name in ("rec", "lot", "number", "report")}
        path = rule.path.format(**places)
        if path != rule.path and rule.method == "GET":
            assert people["officer"].get(path).status_code in (400, 404), path
        if rule.method == "POST" and rule.path not in ("/leave", "/ledger/verify", "/quality"):
            form = dict.fromkeys(fields, text)
            for target in {path, path_of(rule, site)} - {f"/clips/{clip_of(site)}/where"}:
                answer = people["officer"].send(target, **form)
                assert answer.status_code in (400, 404, 409, 413), (target, answer.status_code)
                assert "<script>alert" not in answer.text
    assert len(site.opened.log) == size


def test_ten_megabytes_are_refused(site, people):
    answer = people["officer"].send("/requests/find", url="x" * 10_000_000)
    assert answer.status_code == 413
    assert "Nothing was changed" in answer.text


def test_fields_twice_or_unknown_are_refused(people):
    viewer = people["viewer"].client
    assert viewer.get("/clips?kind=face&kind=plate").status_code == 400
    assert viewer.get("/clips?colour=red").status_code == 400
    assert viewer.get("/overview?x=1").status_code == 400


def test_a_form_that_is_no_form_is_refused(site, people):
    headers = {"Origin": HERE, "Content-Type": "application/json"}
    answer = people["officer"].client.post("/quality", content=b"{}", headers=headers)
    assert answer.status_code == 415


def open_broken(folder) -> tuple[Opened, Browser]:
    opened = Opened(folder / "store", folder / "keys", folder / "index2")
    opened.refresh()
    site = Site(
        opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c", secure=False
    )
    return opened, Browser(site, PEOPLE["officer"])


def raw(folder: Path):
    return closing(
        sqlite3.connect(folder / "store" / "ledger" / "log.sqlite", isolation_level=None)
    )


def remove_all(folder):
    shutil.rmtree(folder / "store")


def remove_checkpoint(folder):
    (folder / "store" / "ledger" / "checkpoint").unlink()


def roll_back(folder):
    with raw(folder) as db:
        db.execute("DELETE FROM entries WHERE seq > 10")


def lose_the_keys(folder):
    for path in (folder / "keys").glob("*.key"):
        path.unlink()


def cut_the_database(folder):
    path = folder / "store" / "ledger" / "log.sqlite"
    for beside in path.parent.glob("log.sqlite-*"):
        beside.unlink()
    path.write_bytes(path.read_bytes()[:5000])


def newer_version(folder):
    with Store(folder / "store", folder / "keys") as store:
        last = len(store.log) - 1
    with raw(folder) as db:
        (data,) = db.execute("SELECT bytes FROM entries WHERE seq = ?", (last,)).fetchone()
        newer = packed(unpacked(data).replace(b"redact/entry/1", b"redact/entry/9"))
        db.execute("UPDATE entries SET bytes = ? WHERE seq = ?", (newer, last))


def spoil_an_entry(folder):
    with raw(folder) as db:
        db.execute("UPDATE entries SET bytes = ? WHERE seq = 3", (b"\xff\x00nonsense",))


@pytest.mark.parametrize(
    "harm",
    [remove_all, remove_checkpoint, roll_back, lose_the_keys, cut_the_database, newer_version,
     spoil_an_entry],
)  # fmt: skip
def test_a_store_that_is_not_sound_opens_read_only_and_says_so(folder, harm):
    harm(folder)
    before = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    opened, browser = open_broken(folder)
    with opened:
        for path in ("/overview", "/clips", "/held", "/quality", "/ledger", "/settings"):
            answer = browser.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert "Read-only." in answer.text, path
        for path in ("/quality", "/ledger/verify", "/exports/integrity"):
            assert browser.send(path, format="txt").status_code == 409
    kept = {path: size for path, size in before.items() if path.name in ("checkpoint", "vkey")}
    assert all(path.stat().st_size == size for path, size in kept.items())
    assert (folder / "store").exists() == (harm is not remove_all)


def empty_the_index(folder):
    with raw(folder) as db:
        for table in ("tail", "small"):
            db.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    "harm", [[lose_the_keys], [lose_the_keys, empty_the_index]], ids=["no keys", "no index"]
)
def test_a_history_is_whole_without_keys_and_without_an_index(site, folder, harm, monkeypatch):
    rec = clip_of(site)
    known = site.opened.history(rec)
    assert known
    for each in harm:
        each(folder)
    opened, _ = open_broken(folder)
    if len(harm) == 1:  # by the index: nothing else is read
        monkeypatch.setattr(opened, "_values", None)
    with opened:
        assert opened.history(rec) == known


def test_a_changed_entry_is_found_by_the_check_at_the_start(folder):
    with raw(folder) as db:
        (data,) = db.execute("SELECT bytes FROM entries WHERE seq = 3").fetchone()
        other = packed(unpacked(data).replace(b'"count":2', b'"count":1'))
        assert other != data
        db.execute("UPDATE entries SET bytes = ? WHERE seq = 3", (other,))
    opened, browser = open_broken(folder)
    with opened:
        opened.check()
        assert "Read-only." in browser.get("/overview").text
        assert "entry 3 does not match" in browser.get("/overview").text


def test_a_store_that_is_being_written_to_shows_what_was_added(site, people, folder):
    before = people["viewer"].json("/overview.json")["clips"]["held"]
    with Store(folder / "store", folder / "keys") as other:
        from tests.facts import clip

        other.hold(clip(77), "strict", Reason.TIMEOUT, b"{}")
        assert people["viewer"].json("/overview.json")["clips"]["held"] == before + 1


def test_an_index_is_taken_up_again_and_made_again(site, folder):
    size = len(site.opened.index.columns)
    with Opened(folder / "store", folder / "keys", folder / "index") as again:
        assert again.index.next == site.opened.index.next
        assert len(again.index.columns) == size
    for path in (folder / "index").glob("*.sqlite"):
        path.write_bytes(b"no database")
    with Opened(folder / "store", folder / "keys", folder / "index") as again:
        again.refresh()
        assert len(again.index.columns) == size


def test_nothing_of_the_restricted_tier_is_in_the_index(site, folder):
    for path in (folder / "index").glob("*"):
        data = path.read_bytes()
        assert b"footage.example.com" not in data
        assert b'"boxes"' not in data


def test_while_the_log_is_still_read_the_page_says_so_and_decides_nothing(
    site, people, monkeypatch
):
    monkeypatch.setattr(Opened, "behind", property(lambda _: 2001))
    assert "Still reading the ledger" in people["viewer"].get("/overview").text
    answer = answer_for(site, people["officer"], clip_of(site), clean="yes")
    assert answer.status_code == 409
    assert "still reading" in answer.text


def test_only_this_machine_without_accounts_and_encryption(tmp_path):
    from redact.errors import UsageError
    from redact.review.server import Where

    accounts, pem = tmp_path / "accounts", tmp_path / "pem"
    good = [
        {},
        {"address": "::1"},
        {"address": "0.0.0.0", "accounts": accounts, "certificate": pem, "key": pem},
        {"address": "10.0.0.1", "accounts": accounts, "behind": "https://review.example.org"},
    ]
    bad = [
        {"address": "0.0.0.0"},
        {"address": "0.0.0.0", "accounts": accounts},
        {"address": "10.0.0.1", "certificate": pem, "key": pem},
        {"address": "localhost"},
        {"behind": "https://review.example.org"},
        {"accounts": accounts, "behind": "http://review.example.org"},
        {"certificate": pem},
    ]
    for options in good:
        Where(**options).check()
    for options in bad:
        with pytest.raises(UsageError) as caught:
            Where(**options).check()
        assert "The page was not started." in str(caught.value)
    behind = Where(accounts=accounts, behind="https://review.example.org/x")
    assert behind.origins(8765) == {"https://review.example.org"}


def test_accounts_are_made_kept_private_and_checked(tmp_path):
    from redact.errors import UsageError
    from redact.review.access import TooManyTriesError, add_account, load_accounts

    path = tmp_path / "accounts.toml"
    keys = {role: add_account(path, f"{role}.one", role) for role in ("viewer", "officer")}
    accounts = load_accounts(path)
    assert [account.role for account in accounts] == ["viewer", "officer"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(key in path.read_text() for key in keys.values())
    sessions = Sessions(accounts)
    assert sessions.login("viewer.one", keys["viewer"])
    assert sessions.login("viewer.one", keys["officer"]) is None
    assert sessions.login("nobody", keys["officer"]) is None
    for _ in range(4):
        sessions.login("viewer.one", "x")
    with pytest.raises(TooManyTriesError):
        sessions.login("viewer.one", keys["viewer"])
    assert sessions.login("officer.one", keys["officer"])

    with pytest.raises(UsageError, match="already"):
        add_account(path, "viewer.one", "officer")
    for text in ("[[account]]\nname = 1\n", "colour = 1", "[[account]]\nnom = 'x'", "]"):
        path.write_text(text)
        with pytest.raises(UsageError):
            load_accounts(path)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        load_accounts(path)
