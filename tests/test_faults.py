"""A model that fails, or that finds more at the second look, holds its clip and no other."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from redact import worker
from redact.cli import main
from tests.command import bytes_of
from tests.media_maker import Picture, Voice, make_clip

pytestmark = pytest.mark.slow

SECRET = b"Quillathorpe"


class Desk:
    """Two clips, a store, and `redact` with models at fault, which only the first clip meets."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self._patch, self.base, self.store = patch, base, base / "store"
        patch.setenv("REDACT_KEYS", str(base / "keys"))
        noise = np.random.default_rng(1).normal(0, 0.1, (1, 9_600)).astype(np.float32)
        voice = Voice(codec="pcm_s16le", rate=16_000, layout="mono", samples=noise)
        quiet = Voice(codec="pcm_s16le", rate=16_000, layout="mono", samples=noise[:, :8_010])
        self.victim = make_clip(base / "victim.mov", Picture(width=64), [voice])
        self.good = make_clip(base / "good.mov", Picture(width=96), [quiet])

    def redact(self, fault: str, *arguments: str | Path) -> tuple[int, list[dict]]:
        blind = str(Path(__file__).with_name("blind_worker.py"))
        self._patch.setattr(worker, "COMMAND", (sys.executable, blind, fault))
        done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
        assert SECRET not in done.output_bytes
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    def run(self, fault: str, *options: str) -> tuple[int, dict, dict]:
        """Exit code, what is said of the victim, and of the other clip."""
        inputs = (self.victim, self.good, "--store", self.store)
        code, lines = self.redact(fault, "run", *inputs, *options)
        victim, good = lines[:2]
        assert victim["input"] == str(self.victim)
        return code, victim, good

    def entries(self) -> list[dict]:
        assert self.redact("none", "ledger", "verify", "--store", self.store)[0] == 0
        return self.redact("none", "ledger", "show", "--store", self.store)[1]


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("fault", "reason", "code"),
    [
        ("raises", "detector_failed", 4),
        ("nan", "detector_failed", 4),
        ("crashes", "crashed", 3),
        ("deaf", "detector_failed", 4),
        ("foreign", "language", 4),
    ],
)
def test_a_model_that_could_not_look_holds_the_clip(desk, fault, reason, code):
    ended, victim, good = desk.run(fault)
    assert (victim["status"], victim["reason"], victim["exit_code"]) == ("held", reason, code)
    assert victim["means"] == "Nothing was published."
    assert victim["todo"]
    assert good["status"] == "published"
    assert ended == code
    assert [path.stem for path in (desk.store / "clips").iterdir()] == [good["record"]]
    assert [(one["kind"], one.get("reason")) for one in desk.entries()] == [
        ("held", reason),
        ("published", None),
    ]
    assert SECRET not in bytes_of(desk.store)


def test_once_the_model_is_sound_the_held_clip_is_published(desk):
    desk.run("nan")
    code, victim, good = desk.run("none")
    assert (code, victim["status"], good["status"]) == (0, "published", "already")
    assert [one["kind"] for one in desk.entries()] == ["held", "published", "published"]


def test_speech_of_another_language_is_silenced_where_the_policy_says_so(desk):
    code, victim, _ = desk.run("foreign", "--policy", "silence-uncovered")
    assert (code, victim["status"], victim["removed"]["spoken_name"]) == (0, "published", 1)


@pytest.mark.parametrize(
    ("fault", "kind", "count", "rounds"),
    [
        ("sees again", "face", 1, 1),  # in the source, before anything is rendered
        ("sees in the output", "face", 2, 2),
        ("hears again", "spoken_name", 2, 2),
    ],
)
def test_what_the_second_look_finds_is_removed_too(desk, fault, kind, count, rounds):
    code, victim, _ = desk.run(fault)
    assert (code, victim["status"]) == (0, "published")
    assert victim["removed"][kind] == count
    check = desk.entries()[0]["chk"]
    assert (check["verdict"], check["residual"], check["rounds"]) == ("clean", 0, rounds)


@pytest.mark.parametrize(
    ("fault", "reason"), [("sees in the output", "still_visible"), ("hears again", "still_audible")]
)
def test_what_can_still_be_found_after_the_last_round_holds_the_clip(desk, fault, reason):
    policy = desk.base / "once.toml"
    policy.write_text('name = "once"\ncheck.rounds = 0\n')
    code, victim, good = desk.run(fault, "--policy", str(policy))
    assert (victim["status"], victim["reason"], victim["exit_code"]) == ("held", reason, 7)
    assert (code, good["status"]) == (7, "published")
    assert len(list((desk.store / "clips").iterdir())) == 1


def test_a_plan_that_leaves_a_face_is_applied_only_by_a_person_who_says_so(desk):
    plan = desk.base / "plan.json"
    assert desk.redact("sees in the output", "plan", desk.victim, "-o", plan)[0] == 0
    apply = ("apply", desk.victim, plan, "--store", desk.store)
    code, (said,) = desk.redact("sees in the output", *apply)
    assert (code, said["reason"]) == (7, "still_visible")
    assert "--trust-plan" in said["todo"]

    code, (said,) = desk.redact("sees in the output", *apply, "--trust-plan")
    assert (code, said["status"]) == (0, "published")
    check = desk.entries()[-1]["chk"]
    assert (check["verdict"], check["residual"]) == ("overruled", 1)


def test_a_plan_that_does_not_fit_is_refused_and_makes_no_store(desk):
    plan = desk.base / "plan.json"
    assert desk.redact("none", "plan", desk.victim, "-o", plan)[0] == 0
    value = json.loads(plan.read_text())
    region = {"first": 0, "kind": "face", "method": "fill", "score_ppm": 1, "detector": "hand"}
    wrong = [
        ("unknown key", json.dumps({**value, "surprise": 1})),
        ("outside", json.dumps({**value, "regions": [{**region, "boxes": [[0, 0, 65, 9]]}]})),
        ("too late", json.dumps({**value, "regions": [{**region, "boxes": [[0, 0, 9, 9]] * 21}]})),
        ("empty box", json.dumps({**value, "regions": [{**region, "boxes": [[9, 0, 9, 9]]}]})),
        ("no plan", "[]"),
        ("no JSON", "{"),
        ("too deep", "[" * 100_000),
    ]
    for case, text in wrong:
        plan.write_text(text)
        code, (said,) = desk.redact("none", "apply", desk.victim, plan, "--store", desk.store)
        assert (code, said["reason"]) == (2, "plan_mismatch"), case
    assert not desk.store.exists()


@pytest.mark.parametrize("change", ["other file", "other size", "other sound"])
def test_a_plan_for_another_file_is_refused(desk, change):
    plan = desk.base / "plan.json"
    assert desk.redact("none", "plan", desk.victim, "-o", plan)[0] == 0
    value = json.loads(plan.read_text())
    cut = {"kind": "spoken_name", "method": "tone", "stream": 7, "start_us": 0, "end_us": 1}
    changes = {
        "other file": {"source": "0" * 64},
        "other size": {"width": 66},
        "other sound": {"cuts": [{**cut, "score_ppm": 0, "detector": "hand"}]},
    }
    plan.write_text(json.dumps({**value, **changes[change]}))
    code, (said,) = desk.redact("none", "apply", desk.victim, plan, "--store", desk.store)
    assert (code, said["reason"]) == (2, "plan_mismatch")
    assert not list((desk.store / "clips").iterdir())


def test_a_check_goes_on_past_what_it_could_not_look_at(desk):
    empty = desk.base / "empty.mov"
    empty.touch()
    files = (empty, desk.victim, desk.good)
    code, (first, second, third) = desk.redact("nan", "check", *files)
    assert (first["clean"], first["reason"], first["exit_code"]) == (False, "empty", 3)
    assert (second["clean"], second["found"]) == (False, {"metadata": 1})
    assert (third["clean"], third["found"], code) == (False, {"metadata": 1}, 1)

    code, (only,) = desk.redact("nan", "check", empty)
    assert (code, only["found"]) == (3, None)


def test_codes_that_differ_make_one(desk):
    empty = desk.base / "empty.mov"
    empty.touch()
    inputs = (desk.victim, empty, "--store", desk.store)
    assert desk.redact("nan", "run", *inputs)[0] == 1
