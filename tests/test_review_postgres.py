"""The review page over a ledger in PostgreSQL: as over SQLite, and when the server is away."""

import pytest

from redact import reports
from redact.review.access import Sessions
from redact.review.asking import Site
from redact.review.opened import Opened
from redact.store import Store
from tests import postgres_server
from tests.review_store import fill, film
from tests.test_review import HERE, PEOPLE, Browser, answer_for, clip_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    binaries = postgres_server.programs()
    if binaries is None:
        pytest.skip("needs PostgreSQL 15 or newer (apt-get install postgresql)")
    with postgres_server.server(binaries) as url:
        yield url


def test_every_page_decision_and_report_and_a_server_that_goes_away(server, tmp_path):
    import psycopg

    with Store(tmp_path / "store", tmp_path / "keys", ledger=server) as store:
        fill(store, film(tmp_path), clips=4, held=1)
    with Opened(tmp_path / "store", tmp_path / "keys", tmp_path / "index") as opened:
        opened.prepare()
        assert opened.trouble is None
        assert opened.checked_at_start == "whole: 5 entries"
        site = Site(opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c",
                    secure=False)  # fmt: skip
        officer, rec = Browser(site, PEOPLE["officer"]), clip_of(site)
        for path in ("/overview", "/clips?kind=face", f"/clips/{rec}", "/held", "/quality",
                     "/requests", "/ledger", "/exports", "/settings"):  # fmt: skip
            page = officer.get(path)
            assert page.status_code == 200
            assert "Read-only" not in page.text
        assert officer.send(f"/clips/{rec}/where").status_code == 200
        assert answer_for(site, officer, rec, face_seen="yes").status_code == 303
        assert officer.json("/overview.json")["clips"] == {
            "published": 3, "held": 1, "withdrawn": 1,
        }  # fmt: skip
        assert officer.send("/ledger/verify").status_code == 303
        for name, report in reports.REPORTS.items():
            if name != "qa_certificate":
                for format in report.formats:
                    assert officer.send(f"/exports/{name}", format=format).status_code == 200

        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE application_name = 'redact'")  # fmt: skip
        assert "Read-only" not in officer.get("/overview").text  # it connects again
        assert answer_for(site, officer, clip_of(site), clean="yes").status_code == 303


def test_a_server_that_is_away_makes_the_page_read_only_until_it_is_back(tmp_path):
    binaries = postgres_server.programs()
    if binaries is None:
        pytest.skip("needs PostgreSQL 15 or newer (apt-get install postgresql)")
    with postgres_server.server(binaries) as url:
        with Store(tmp_path / "store", tmp_path / "keys", ledger=url) as store:
            fill(store, film(tmp_path), clips=2, held=1)
        opened = Opened(tmp_path / "store", tmp_path / "keys", tmp_path / "index")
        opened.prepare()
    with opened:
        site = Site(opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c",
                    secure=False)  # fmt: skip
        officer = Browser(site, PEOPLE["officer"])
        for path in ("/overview", "/clips", "/held", "/quality", "/ledger", "/settings"):
            page = officer.get(path)
            assert "Read-only." in page.text, path
            assert "PostgreSQL server says" in page.text
        assert officer.json("/overview.json")["clips"]["published"] == 2  # as far as it was read
        assert officer.send("/quality").status_code == 409
    with Opened(tmp_path / "store", tmp_path / "keys", tmp_path / "index") as opened:
        site = Site(opened=opened, sessions=Sessions(), origins=frozenset({HERE}), cookie="c",
                    secure=False)  # fmt: skip
        page = Browser(site, PEOPLE["officer"]).get("/overview")
        assert "Read-only." in page.text
        assert "PostgreSQL server says" in page.text
