"""A run with a manifest: what may not be used is held before work; the address stays restricted."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from redact import worker
from redact.cli import main
from redact.store import Store
from tests.command import bytes_of
from tests.media_maker import Picture, make_clip
from tests.test_sources import GOOD, as_csv

pytestmark = pytest.mark.slow

PURPOSE = ("--purpose", "commercial-training")
SECRET = "canary-17ab"
URL = f"https://video.example.org/{SECRET}/"


class Desk:
    """Clips, a store, and the command on a worker without models."""

    def __init__(self, base: Path) -> None:
        self.base, self.store = base, base / "store"

    def clip(self, name: str, width: int = 96) -> Path:
        return make_clip(self.base / name, Picture(width=width, frames=3))

    def manifest(self, *rows: dict[str, str]) -> Path:
        return as_csv(self.base / "m.csv", *(GOOD | row for row in rows))

    def redact(self, *arguments: str | Path) -> tuple[int, list[dict]]:
        done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    def run(self, *inputs: Path, manifest: Path | None = None) -> tuple[int, dict[str, dict]]:
        more = ("--manifest", manifest) if manifest else ()
        code, lines = self.redact("run", *inputs, "--store", self.store, *more)
        return code, {Path(line["input"]).name: line for line in lines if "input" in line}

    def admitted(self, path: str | Path) -> list[str]:
        lines = self.redact("admit", path, "--store", self.store, *PURPOSE)[1]
        return [one["code"] for one in lines[0]["refusals"]]


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    blind = str(Path(__file__).with_name("blind_worker.py"))
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, blind, "none"))
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    return Desk(tmp_path)


def test_what_may_not_be_used_is_held_and_the_rest_is_admitted(desk):
    names = ("good.mov", "reserved.mov", "unlisted.mov", "swapped.mov")
    clips = [desk.clip(name, 80 + 16 * number) for number, name in enumerate(names)]
    manifest = desk.manifest(
        {"file": "good.mov", "url": URL + "1"},
        {"file": "reserved.mov", "url": URL + "2", "tdmrep": "reserved", "legal_basis": ""},
        {"file": "swapped.mov", "url": URL + "3"} | {"media_licence": "CC-BY-NC-4.0"},
    )
    code, done = desk.run(*clips, manifest=manifest)
    assert code == 8
    assert done["good.mov"]["status"] == "published"
    assert {name: done[name]["refusals"] for name in names[1:]} == {
        "reserved.mov": ["opt_out", "legal_basis"],
        "unlisted.mov": ["unlisted"],
        "swapped.mov": ["licence"],
    }
    assert desk.admitted(done["good.mov"]["output"]) == []

    entries = desk.redact("ledger", "show", "--store", desk.store)[1]
    held = {entry["reason"]: entry for entry in entries if entry["kind"] == "held"}
    assert held["opt_out"]["adm"]["decision"] == "reject"
    assert held["unlisted"].get("src") is None
    (published,) = [entry for entry in entries if entry["kind"] == "published"]
    assert published["src"]["domain"] == "example.org"
    assert SECRET not in json.dumps(entries)
    assert SECRET.encode() not in bytes_of(desk.store)

    with Store(desk.store) as store:  # but whoever may look at the detail finds it there
        entry = store.log.by_rec(published["rec"])[0]
        assert json.loads(store.recall(entry).sidecar)["source"]["url"] == URL + "1"


def test_a_manifest_that_comes_late_opens_the_gate_and_a_later_one_closes_it(desk):
    clip = desk.clip("a.mov")
    output = desk.run(clip)[1]["a.mov"]["output"]
    assert desk.admitted(output) == ["unlisted"]

    row = {"file": "a.mov", "url": URL}
    for _ in range(2):  # the second time, nothing is new
        code, done = desk.run(clip, manifest=desk.manifest(row))
        assert (code, done["a.mov"]["status"]) == (0, "already")
    assert desk.admitted(output) == []
    assert len(desk.redact("ledger", "show", "--store", desk.store)[1]) == 2

    code, done = desk.run(clip, manifest=desk.manifest(row | {"c2pa": "constrained"}))
    assert (code, done["a.mov"]["reason"]) == (8, "opt_out")
    assert desk.admitted(output) == ["opt_out"]


def test_a_withdrawn_source_is_not_redacted_again_under_any_name(desk):
    clip = desk.clip("a.mov")
    manifest = desk.manifest({"file": "a.mov", "url": URL}, {"file": "b.mov", "url": URL})
    output = Path(desk.run(clip, manifest=manifest)[1]["a.mov"]["output"])
    kept = shutil.copy(output, desk.base / "kept.mov")
    asked = ("ledger", "withdraw", "--store", desk.store, "--url", URL, "--reason", "erasure")
    code, (done,) = desk.redact(*asked)
    assert (code, done["records"]) == (0, [output.stem])

    assert not output.exists()
    assert set(desk.admitted(kept)) == {"withdrawn", "suppressed"}
    other = desk.clip("b.mov", 128)  # another cut of the same source
    code, lines = desk.run(clip, other, manifest=manifest)
    assert code == 8
    assert {line["reason"] for line in lines.values()} == {"withdrawn"}
    assert not any((desk.store / "clips").iterdir())
    assert desk.redact("ledger", "verify", "--store", desk.store)[0] == 0


def test_a_manifest_that_can_t_be_read_stops_the_run_before_any_work(desk):
    clip = desk.clip("a.mov")
    bad = desk.base / "m.csv"
    bad.write_text("file,licence\na.mov,MIT\n")
    for manifest in (bad, desk.base / "none.csv"):
        assert desk.run(clip, manifest=manifest)[0] == 2
    assert not desk.store.exists()


def test_footage_of_one_s_own_needs_a_policy_that_answers_for_it(desk):
    clip, policy = desk.clip("a.mov"), desk.base / "ours.toml"
    policy.write_text('name = "ours"\nsources = "unlisted"\n')
    asked = ("run", clip, "--store", desk.store, "--policy", policy)
    output = desk.redact(*asked)[1][0]["output"]
    assert desk.admitted(output) == []
