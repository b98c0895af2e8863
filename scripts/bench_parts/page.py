"""Puts what a script measured into a page, between its marks."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def put(name: str, text: str, page: Path = README) -> None:
    """
    Replace what stands between `<!-- name -->` and `<!-- /name -->`, on lines of their own.

    Stops if the page does not have both, in this order, once.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    whole = page.read_text(encoding="utf-8")
    before, _, rest = whole.partition(start)
    _, _, after = rest.partition(end)
    if whole.count(start) != 1 or rest.count(end) != 1:
        raise SystemExit(f"{page.name} has no marks for {name}: nothing was written.")
    page.write_text(f"{before}{start}{text.rstrip()}\n{end}{after}", encoding="utf-8")
