"""Every table of the README is what its script writes of the results that lie beside it."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
RESULTS = ROOT / "scripts" / "bench_results"
sys.path.insert(0, str(ROOT / "scripts"))

BLOCKS = dict(re.findall(r"<!-- ((?:bench|measured):\w+) -->\n(.*?)<!-- /\1 -->", README, re.S))


def written(monkeypatch, module, function, *arguments):
    """What a script's function puts into the README, by mark."""
    put = {}
    script = importlib.import_module(module)
    monkeypatch.setattr(script, "put", lambda name, text: put.update({name: text}))
    getattr(script, function)(*arguments)
    return put


def results(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def same(name, text):
    assert BLOCKS[name].rstrip() == text.rstrip(), name


def test_the_tables_of_bench(monkeypatch):
    put = written(monkeypatch, "bench", "_write_readme", results("cpu"))
    parts = ("speed", "faces", "trade", "recognition", "names", "listening")
    assert put.keys() == {f"bench:{it}" for it in parts}
    for name, text in put.items():
        same(name, text)


@pytest.mark.parametrize(
    ("name", "module", "function", "source"),
    [
        ("bench:ledger", "bench_ledger", "table", "ledger"),
        ("bench:review", "bench_review", "_table", "review"),
        ("bench:crash", "crash", "table", "crash"),
        ("measured:contacts", "measure_contacts", "table", "contacts"),
        ("measured:memory", "measure_memory", "table", "memory"),
    ],
)
def test_a_table_of_one_script(name, module, function, source):
    pytest.importorskip("samples_parts")
    same(name, getattr(importlib.import_module(module), function)(results(source)))


def test_the_card_of_voice_activity():
    text = importlib.import_module("measure_voice").table(results("voice"))
    assert text in (ROOT / "models" / "voice-activity.md").read_text("utf-8")


def test_the_table_of_sentences(monkeypatch):
    put = written(monkeypatch, "measure_sentences", "write_readme")
    same("measured:sentences", put["measured:sentences"])


def test_the_card_of_plates(monkeypatch, tmp_path):
    for path in ("models/manifest.toml", "scripts/bench_results/plates_training.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    put = written(monkeypatch, "plates_parts.card", "write", tmp_path, results("plates"))
    same("bench:plates", put["bench:plates"])
    for path in ("models/plates.md", "models/manifest.toml"):
        assert (tmp_path / path).read_text("utf-8") == (ROOT / path).read_text("utf-8")


def test_no_table_is_left_out():
    known = {
        "speed",
        "faces",
        "trade",
        "recognition",
        "names",
        "listening",
        "ledger",
        "review",
        "crash",
        "plates",
    }
    measured = {"measured:contacts", "measured:memory", "measured:sentences"}
    assert BLOCKS.keys() == {"bench:gpu", *(f"bench:{it}" for it in known), *measured}
    assert BLOCKS["bench:gpu"] == ""  # until there is a GPU


def test_a_page_without_the_marks_stays_as_it_is(tmp_path):
    from bench_parts.page import put

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n")
    put("x", "new", page)
    assert page.read_text() == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"
    for wrong in ("y", "x -->"):
        with pytest.raises(SystemExit, match="no marks"):
            put(wrong, "other", page)
    assert page.read_text() == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"
