#!/usr/bin/env python3
"""
Takes the README's pictures of the review page, from the store that scripts/demo made.

    python scripts/screenshots.py [--store demo-store] [--record RECORD]

Needs Chromium (apt-get install chromium) and redact[test]. Shows one clip only: the portrait from
NASA's collection, of which samples/SOURCES.md says that anyone may show it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = Path(__file__).with_suffix("")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--store", type=Path, default=ROOT / "demo-store")
    parser.add_argument("--record", help="The clip to show; else the newest video with a face.")
    options = parser.parse_args()
    program = shutil.which("chromium") or sys.exit("Chromium is missing: apt-get install chromium")
    page_server = subprocess.Popen(
        [sys.executable, "-m", "redact", "review", "--store", str(options.store), "--port", "0",
         "--json"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert page_server.stdout
        up = json.loads(page_server.stdout.readline())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            view = browser.new_page(viewport={"width": 1000, "height": 720})
            view.set_default_timeout(120_000)
            _take(view, up, options.record)
            browser.close()
    finally:
        page_server.terminate()
        page_server.wait()


def _take(view: Page, up: dict[str, str], record: str | None) -> None:
    PICTURES.mkdir(exist_ok=True)
    view.goto(up["link"])
    view.get_by_role("button", name="Open").click()
    view.wait_for_url("**/overview")
    view.screenshot(path=PICTURES / "review-overview.png")
    if record is None:
        view.goto(f"{up['address']}/clips?kind=face")
        view.locator("tbody a").first.click()
    else:
        view.goto(f"{up['address']}/clips/{record}")
    view.get_by_role("button", name="Show where").click()
    view.wait_for_selector("#places", state="attached")
    view.evaluate("document.getElementById('film').currentTime = 1")
    view.wait_for_selector("#outlines rect", state="attached")
    view.wait_for_timeout(1000)
    view.screenshot(path=PICTURES / "review-clip.png")


if __name__ == "__main__":
    main()
