"""The review page in a real browser: every screen under axe, by keyboard alone, at 375 px."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redact.review.access import add_account
from redact.store import Store
from redact.types import Box
from tests.media_maker import Picture, make_clip
from tests.review_store import URL, fill, film, publish_with

pytestmark = pytest.mark.slow

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


FOCUSED = (
    "(one => (one.labels?.[0]?.innerText || one.innerText || '').trim())(document.activeElement)"
)
"""What stands on, or beside, the element that has the focus."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@dataclass
class Site:
    """A running page, as `redact review` serves it."""

    process: subprocess.Popen
    address: str
    link: str | None
    said: list[str] = field(default_factory=list)  # what browsers complained of
    asked: set[str] = field(default_factory=set)  # the hosts that they asked

    def person(self, browser, **options):
        """A new person's window. Whatever the browser complains of is kept."""
        page = browser.new_context(viewport={"width": 1280, "height": 900}, **options).new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self.heard(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.add("/".join(request.url.split("/")[:3])))
        return page

    def heard(self, text: str) -> None:
        """Statuses such as 401 are meant; what the policy on content blocks is not."""
        if not text.startswith("Failed to load resource"):
            self.said.append(text)


def serve(folder: Path, *options: str) -> Iterator[Site]:
    environment = {"REDACT_KEYS": str(folder / "keys"), "XDG_CACHE_HOME": str(folder / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-m", "redact", "review", "--store", str(folder / "store"),
         "--port", "0", "--json", *options],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        up = json.loads(process.stdout.readline())
        yield Site(process, up["address"], up["link"])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def store_in(folder: Path) -> Path:
    with Store(folder / "store", folder / "keys") as store:
        fill(store, film(folder))
    return folder


@pytest.fixture
def alone(tmp_path) -> Iterator[Site]:
    """For the one person who started it."""
    yield from serve(store_in(tmp_path))


@pytest.fixture
def shared_site(tmp_path) -> Iterator[tuple[Site, dict[str, str]]]:
    """For people with accounts; known leaks are mixed in."""
    (tmp_path / "leaks").mkdir()
    make_clip(tmp_path / "leaks" / "leak.mp4", Picture(frames=10))
    accounts = tmp_path / "accounts.toml"
    keys = {
        name: add_account(accounts, name, role)
        for name, role in {"ruth": "reviewer", "otto": "officer", "vera": "viewer"}.items()
    }
    leaks = ("--known-leaks", str(tmp_path / "leaks"))
    for site in serve(store_in(tmp_path), "--accounts", str(accounts), *leaks):
        yield site, keys


def enter(page, site) -> None:
    page.goto(site.link)
    page.get_by_role("button", name="Open").click()
    page.wait_for_url("**/overview")


def sign_in(page, site, name, key) -> None:
    page.goto(site.address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Access key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/overview")


def check(page, site) -> None:
    """No violation of WCAG 2.2 AA or good practice, light and dark; nothing wider than 375 px."""
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = Axe().run(page)
        assert result.violations_count == 0, (page.url, scheme, result.generate_report())
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375, page.url
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("document.title")
    assert site.said == [], page.url


def test_every_screen_is_free_of_violations(browser, alone):
    page = alone.person(browser)
    page.goto(alone.address)
    assert "Open the link" in page.inner_text("main")
    check(page, alone)
    page.goto(alone.link)
    check(page, alone)
    enter(page, alone)
    for path in ("overview", "clips", "clips?kind=face&score=90", "clips?kind=face&method=tone",
                 "held", "quality", "requests", "ledger", "exports", "settings"):  # fmt: skip
        page.goto(f"{alone.address}/{path}")
        assert "Read-only" not in page.inner_text("body")
        check(page, alone)
    page.goto(f"{alone.address}/requests")
    page.get_by_label("Address of the source").fill(f"{URL}7")
    page.get_by_label("This is").select_option("eu-gdpr:A15")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/requests/find")
    check(page, alone)
    page.get_by_role("button", name="Answered").click()
    page.wait_for_url("**/requests")
    assert "done" in page.inner_text("main")
    for state in ("published", "held"):
        page.goto(f"{alone.address}/clips?state={state}")
        page.locator("tbody a").first.click()
        page.wait_for_url("**/clips/*")
        check(page, alone)
    page.goto(f"{alone.address}/clips/nothing")
    check(page, alone)
    assert alone.asked == {alone.address}


def test_outlines_follow_the_clip(browser, alone):
    page = alone.person(browser)
    enter(page, alone)
    page.goto(f"{alone.address}/clips?kind=face")
    page.locator("tbody a").first.click()
    assert page.locator("#outlines").count() == 0
    page.get_by_role("button", name="Show where").click()
    page.wait_for_selector("#places", state="attached")
    page.evaluate("document.getElementById('film').currentTime = 0.61")
    page.wait_for_selector("#outlines rect", state="attached")
    first = page.locator("#outlines rect").get_attribute("x")
    page.evaluate("document.getElementById('film').play()")
    page.wait_for_function(
        "first => document.querySelector('#outlines rect')?.getAttribute('x') > first", arg=first
    )
    page.wait_for_function("() => document.getElementById('film').ended")
    assert page.locator("#outlines rect").count() == 0  # the face is gone from frame 35 on
    assert float(first) == 40 + 15 - 5  # 0.61 s is frame 15; the boxes begin with frame 5
    check(page, alone)


MOVES = [0, 17, 277, 294, 554, 600, 617, 877, 900, 1160, 1200]
"""When the frames of a clip of variable rate are shown, milliseconds."""
BRIGHT = """() => {
  const film = document.getElementById('film'), canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [film.videoWidth, film.videoHeight];
  const context = canvas.getContext('2d');
  context.drawImage(film, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  const at = [];
  for (let i = 0; i < data.length; i += 4) if (data[i] > 150) at.push(i / 4);
  const [x, y] = [at.map(i => i % canvas.width), at.map(i => Math.floor(i / canvas.width))];
  return [Math.min(...x), Math.min(...y), Math.max(...x) + 1, Math.max(...y) + 1];
}"""
"""Where the picture is bright, in the pixels that the player shows."""
OUTLINED = """() => {
  const film = document.getElementById('film').getBoundingClientRect();
  const box = document.querySelector('#outlines rect').getBoundingClientRect();
  const scale = document.getElementById('film').videoWidth / film.width;
  return [box.left - film.left, box.top - film.top, box.right - film.left, box.bottom - film.top]
    .map(edge => edge * scale);
}"""


def moving(index: int) -> Box:
    return Box(12 + 12 * index, 20, 36 + 12 * index, 60)


def turned_film(path: Path, rotation: int) -> Path:
    """A bright box that moves, in frames of uneven length, coded lying on its side."""
    greys = []
    for index in range(len(MOVES)):
        grey, box = np.full((96, 192), 40, np.uint8), moving(index)
        grey[box.y0 : box.y1, box.x0 : box.x1] = 235
        greys.append(grey)
    picture = Picture(
        width=192, height=96, frames=len(MOVES), time_base=Fraction(1, 1000), times=MOVES,
        rotation=rotation, greys=greys,
    )  # fmt: skip
    return make_clip(path, picture)


@pytest.mark.parametrize("rotation", [90, -90])
def test_outlines_lie_on_turned_pictures_at_the_time_of_each_frame(browser, tmp_path, rotation):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        publish_with(store, turned_film(tmp_path / "turned.mp4", rotation),
                     tuple(moving(index) for index in range(len(MOVES))), 192, 96)  # fmt: skip
    for site in serve(tmp_path):
        page = site.person(browser)
        enter(page, site)
        page.goto(f"{site.address}/clips")
        page.locator("tbody a").first.click()
        page.get_by_role("button", name="Show where").click()
        page.wait_for_selector("#outlines rect", state="attached")
        seen = set()
        for index, (start, end) in enumerate(itertools.pairwise(MOVES)):
            if end - start < 100:
                continue
            page.evaluate(f"document.getElementById('film').currentTime = {(start + end) / 2000}")
            page.wait_for_function("() => !document.getElementById('film').seeking")
            page.wait_for_timeout(300)
            shown, drawn = page.evaluate(BRIGHT), page.evaluate(OUTLINED)
            assert max(abs(a - b) for a, b in zip(shown, drawn, strict=True)) <= 3, (index, shown)
            seen.add(tuple(round(edge) for edge in drawn))
        assert len(seen) == 4
        assert site.said == []


def test_a_picture_that_the_browser_does_not_know_is_said(browser, tmp_path):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        source = make_clip(tmp_path / "old.mp4", Picture(codec="mpeg4", width=192, height=96))
        publish_with(store, source, tuple(moving(index) for index in range(5)), 192, 96, frames=20)
    for site in serve(tmp_path):
        page = site.person(browser)
        enter(page, site)
        page.goto(f"{site.address}/clips")
        page.locator("tbody a").first.click()
        page.get_by_role("button", name="Show where").click()
        page.wait_for_selector("#unplayed:not([hidden])")
        assert "another browser" in page.inner_text("#unplayed")
        assert "the table holds" in page.inner_text("#drawn")
        assert page.locator("#outlines rect").count() == 0


def test_from_a_source_to_its_withdrawal_by_keyboard_in_four_clicks(browser, alone):
    """ "Which clips of this source did we train on?", answered and taken back, without a mouse."""
    page = alone.person(browser)
    page.goto(alone.link)
    page.wait_for_function("() => document.activeElement.tagName === 'BUTTON'")
    page.keyboard.press("Enter")
    page.wait_for_url("**/overview")
    clicks = 0

    def go_to(name):
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused.startswith(name):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{name} does not show that it has the focus"
                return
        pytest.fail(f"{name} can't be reached with Tab")

    def press():
        nonlocal clicks
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        clicks += 1

    go_to("Requests")
    press()
    page.wait_for_url("**/requests")
    go_to("Address of the source")
    page.keyboard.type(f"{URL}7")
    press()
    page.wait_for_url("**/requests/find")
    assert ": 1 clip." in page.inner_text("main")
    go_to("Withdraw all")
    press()
    page.wait_for_url("**/requests/withdraw")
    assert "Withdrawn now: 1 clip." in page.inner_text("main")
    assert clicks <= 4
    check(page, alone)


def test_the_skip_link_comes_first(browser, alone):
    page = alone.person(browser)
    enter(page, alone)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_sample_from_its_promise_to_two_signatures(browser, shared_site):
    site, keys = shared_site
    ruth, otto = site.person(browser), site.person(browser)
    sign_in(otto, site, "otto", keys["otto"])
    sign_in(ruth, site, "ruth", keys["ruth"])
    otto.get_by_role("link", name="Quality").click()
    otto.get_by_role("button", name="Begin").click()
    check(otto, site)
    otto.get_by_label("How many clips").fill("5")
    otto.get_by_role("button", name="Draw").click()
    otto.wait_for_selector("text=5 of 12 clips")
    check(otto, site)

    ruth.goto(otto.url)
    ruth.get_by_role("link", name="Look at the next clip").click()
    check(ruth, site)
    ruth.locator("#keys").check()
    for number in range(6):  # five clips, one known leak
        ruth.wait_for_selector(f"text={number} of 6 answered")
        assert not ruth.get_by_label("clean").is_checked()
        ruth.keyboard.press("1")  # clean
        assert ruth.get_by_label("clean").is_checked()
        ruth.get_by_role("button", name="Record").click()
    ruth.wait_for_selector("text=Every clip has an answer")
    check(ruth, site)

    for person in (ruth, otto):
        person.goto(otto.url)
        text = person.inner_text("main")
        assert "at most 45.07 % of such clips leak" in text  # 1 - 0.05 ** (1 / 5)
        assert "Known leaks shown among them: 1, found: 0" in text
        person.get_by_label("I have read the result").select_option("approved")
        person.locator("form", has_text="I have read").get_by_role("button").click()
        person.wait_for_load_state()
    otto.goto(f"{site.address}/overview")
    assert "At most 45.07 %" in otto.inner_text("main")
    check(otto, site)
    otto.goto(f"{site.address}/exports")
    with otto.expect_download() as download:
        otto.get_by_role("button", name="Quality certificate as pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    check(otto, site)


def test_wrong_keys_close_the_door(browser, shared_site):
    site, keys = shared_site
    page = site.person(browser)
    for _ in range(6):
        page.goto(site.address)
        page.get_by_label("Name").fill("vera")
        page.get_by_label("Access key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
    assert "Too many wrong keys" in page.inner_text("main")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Access key").fill(keys["vera"])
    page.get_by_role("button", name="Sign in").click()
    assert "Too many wrong keys" in page.inner_text("main")
    other = site.person(browser)
    sign_in(other, site, "ruth", keys["ruth"])
    assert "reviewer" in other.inner_text("header")


def test_a_browser_that_goes_away_in_the_middle_of_a_decision_decides_nothing(browser, alone):
    page = alone.person(browser)
    enter(page, alone)
    page.goto(f"{alone.address}/clips?state=published")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/clips/*")
    (cookie,) = page.context.cookies()
    form = page.locator("form", has_text="Withdraw this clip")
    values = [form.locator(f"[name={name}]").input_value() for name in ("token", "last")]
    body = f"token={values[0]}&last={values[1]}&reason=erasure"
    rec, host = page.url.rpartition("/")[2], alone.address.removeprefix("http://")

    def post(sent: str) -> bytes:
        """The answer to this body, of which the whole is announced."""
        head = (
            f"POST /clips/{rec}/withdraw HTTP/1.1\r\nHost: {host}\r\nOrigin: {alone.address}\r\n"
            f"Cookie: {cookie['name']}={cookie['value']}\r\nSec-Fetch-Site: same-origin\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port)), timeout=30) as connection:
            connection.sendall((head + sent).encode())
            if sent != body:
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(100)

    for sent in ("", body[:20], body[:-1]):
        assert not post(sent).startswith(b"HTTP/1.1 303")
    page.reload()
    assert "published" in page.inner_text("main p")
    assert page.locator("section", has_text="History").locator("tbody tr").count() == 1
    assert post(body).startswith(b"HTTP/1.1 303")  # the same, whole, does decide


def test_a_cookie_is_out_of_reach_of_scripts(browser, alone):
    page = alone.person(browser)
    enter(page, alone)
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""


def test_a_page_prints_without_its_controls(browser, alone):
    page = alone.person(browser)
    enter(page, alone)
    page.goto(f"{alone.address}/clips")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("table").is_visible()
    assert page.pdf().startswith(b"%PDF")
