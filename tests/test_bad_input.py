"""What can't be redacted is held, with a reason and one message, and stops nothing else."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bad_media import BAD, SECRET, whole
from tests.command import Outcome, bytes_of, mortal, redact
from tests.media_maker import Voice, make_clip

pytestmark = [pytest.mark.weights, pytest.mark.slow]

STRANGE = ['it\'s "so".mp4', "two\nlines.mp4", os.fsdecode(b"not \xff utf-8.mp4"), "\x1b[31m.mp4"]
SHOWN = ['it\'s "so".mp4', "two\\nlines.mp4", "not \\xff utf-8.mp4", "\\x1b[31m.mp4"]


@dataclass(frozen=True)
class Runs:
    """The same inputs run twice: for machines, then for people in a poor terminal."""

    store: Path
    keys: Path
    first: Outcome
    again: Outcome


@pytest.fixture(scope="module")
def runs(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    base = tmp_path_factory.mktemp("bad")
    inputs, store, keys = base / "in", base / "store", base / "keys"
    for folder in (inputs, inputs / "one", inputs / "two", store):
        folder.mkdir()
    for name, (make, _) in BAD.items():
        make(inputs / name)
    for number, name in enumerate(["good.mp4", "one/twin.mp4", "two/twin.mp4", *STRANGE]):
        whole(inputs / name, shift=0.04 * number)
    shutil.copy(inputs / "good.mp4", inputs / "the same.mp4")
    whole(inputs / "locked.mp4").chmod(0)
    os.mkfifo(inputs / "pipe.mp4")
    inside = whole(store / "inside.mp4")
    named = [inputs / "good.mp4", inputs, inputs / "concat", inputs / "playlist.m3u8"]
    first = redact("run", *named, inside, "--store", store, "--json", keys=keys)
    again = redact("run", *named, "--store", store, keys=keys, PYTHONIOENCODING="cp437:strict")
    return Runs(store, keys, first, again)


@pytest.mark.parametrize(
    ("name", "reason", "code"),
    [
        *((name, reason, 3) for name, (_, reason) in BAD.items()),
        ("locked.mp4", "no_permission", 3),
        ("pipe.mp4", "unsupported", 3),
        ("inside.mp4", "inside_store", 2),
    ],
)
def test_it_is_held_with_its_reason_in_one_whole_message(runs, name, reason, code):
    said = runs.first.clip(f"/{name}")
    assert (said["status"], said["reason"], said["exit_code"]) == ("held", reason, code)
    assert (said["output"], said["removed"]) == (None, {})
    assert said["error"].endswith(".")
    assert said["means"] == "Nothing was published."
    assert said["todo"]
    assert "fault of redact" not in said["error"]


@pytest.mark.parametrize("name", ["good.mp4", "one/twin.mp4", "two/twin.mp4", *SHOWN])
def test_the_run_goes_on_and_publishes_the_others(runs, name):
    said = runs.first.clip(f"/{name}")
    assert said["status"] == "published"
    assert (runs.store / "clips" / f"{said['record']}.mp4").is_file()


def test_nothing_but_the_good_clips_is_published(runs):
    records = {line["record"] for line in runs.first.lines if line.get("output")}
    published = [line for line in runs.first.lines if line.get("status") == "published"]
    assert {path.stem for path in (runs.store / "clips").iterdir()} == records
    assert len(published) == len(records) == 3 + len(STRANGE)


def test_what_is_given_twice_is_done_once(runs):
    first, same = runs.first.clip("/good.mp4"), runs.first.clip("/the same.mp4")
    assert (same["status"], same["record"]) == ("already", first["record"])


def test_the_run_ends_with_the_code_of_its_clips(runs):
    """1 where the codes differ: the clip inside the store has another than the broken ones."""
    assert (runs.first.code, runs.again.code) == (1, 3)
    held = sum(line.get("status") == "held" for line in runs.first.lines)
    assert runs.first.lines[-1]["run"]["held"] == held == len(BAD) + 3


def test_the_ledger_says_the_same(runs):
    whole = redact("ledger", "verify", "--store", runs.store, "--json", keys=runs.keys)
    assert (whole.code, whole.lines[0]["published"]) == (0, 3 + len(STRANGE))
    entries = redact("ledger", "show", "--store", runs.store, "--json", keys=runs.keys).lines
    wanted = [reason for _, reason in BAD.values()] + ["no_permission", "unsupported"]
    reasons = [line["reason"] for line in entries if line["kind"] == "held"]
    assert set(reasons) == {*wanted, "inside_store"}


def test_nothing_repeats_what_is_in_the_files(runs):
    for text in (runs.first.out, runs.first.err, runs.again.out, runs.again.err):
        assert SECRET.encode() not in text
    (runs.store / "inside.mp4").unlink(missing_ok=True)
    assert SECRET.encode() not in bytes_of(runs.store)


def test_no_name_reaches_the_store(runs):
    stored = bytes_of(runs.store)
    for name in (*BAD, *STRANGE, "twin", "locked"):
        assert os.fsencode(name) not in stored


def test_a_terminal_gets_lines_and_nothing_to_obey(runs):
    for text, allowed in ((runs.again.out, "\n"), (runs.again.err, "\n\r")):
        odd = {c for c in text.decode("cp437") if not c.isprintable()} - set(allowed)
        assert not odd
    for name in SHOWN:
        assert f"/{name} -> " in runs.again.out.decode("cp437")
    assert "Traceback" not in runs.again.err.decode("cp437")


def test_nothing_is_left_on_the_desk(runs):
    assert [path.name for path in (runs.store / ".work").iterdir()] == ["lock"]


def test_a_folder_that_can_not_be_listed_stops_the_run(models, tmp_path):
    folder = tmp_path / "in" / "locked"
    folder.mkdir(parents=True)
    whole(tmp_path / "in" / "good.mp4")
    folder.chmod(0)
    done = redact("run", tmp_path / "in", "--store", tmp_path / "store", "--json", keys=tmp_path)
    folder.chmod(0o700)
    assert (done.code, done.lines[0]["exit_code"]) == (2, 2)
    assert "can't be listed" in done.lines[0]["error"]
    assert not (tmp_path / "store").exists()


def test_a_changed_model_stops_the_run_before_it_starts(models, tmp_path):
    changed = tmp_path / "models"
    shutil.copytree(models, changed, copy_function=os.symlink)
    weights = changed / "faces" / "centerface.onnx"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.unlink()
    weights.write_bytes(data)
    clip = whole(tmp_path / "good.mp4")
    store, keys = tmp_path / "store", tmp_path / "keys"
    done = redact("run", clip, "--store", store, "--json", keys=keys, REDACT_MODELS=str(changed))
    assert (done.code, done.lines[-1]["reason"]) == (4, "model_changed")
    assert "redact models pull" in done.lines[-1]["todo"]
    assert not list((store / "clips").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_holds_the_clip_that_does_not_fit(models, tmp_path, small_disk):
    large = make_clip(tmp_path / "large.wav", None, [Voice(codec="pcm_s16le", seconds=10)])
    small = make_clip(tmp_path / "small.wav", None, [Voice(codec="pcm_s16le", seconds=0.5)])
    store, keys = small_disk / "store", tmp_path / "keys"
    done = redact("run", large, small, "--store", store, "--json", keys=keys)
    check_store_failed(done, "large.wav", store, keys)


def test_a_file_that_may_not_grow_holds_the_clip(models, tmp_path):
    large = make_clip(tmp_path / "large.wav", None, [Voice(codec="pcm_s16le", seconds=10)])
    small = make_clip(tmp_path / "small.wav", None, [Voice(codec="pcm_s16le", seconds=0.5)])
    store, keys = tmp_path / "store", tmp_path / "keys"

    def limited() -> None:
        mortal()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = redact("run", large, small, "--store", store, "--json", keys=keys, first=limited)
    check_store_failed(done, "large.wav", store, keys)


def check_store_failed(done: Outcome, name: str, store: Path, keys: Path) -> None:
    said = done.clip(name)
    assert (said["status"], said["reason"], said["exit_code"]) == ("held", "store_failed", 5)
    assert "run again" in said["todo"]
    assert done.clip("small.wav")["status"] == "published"
    assert done.code == 5
    verified = redact("ledger", "verify", "--store", store, "--json", keys=keys)
    assert (verified.code, verified.lines[0]["published"]) == (0, 1)
    assert len(list((store / "clips").iterdir())) == 1


def test_a_ledger_that_can_not_grow_publishes_nothing(models, tmp_path):
    """The store is there; from then on no file may grow past what its ledger has by now."""
    one = make_clip(tmp_path / "one.wav", None, [Voice(codec="pcm_s16le", seconds=0.5)])
    two = make_clip(tmp_path / "two.wav", None, [Voice(codec="pcm_s16le", seconds=0.1)])
    store, keys = tmp_path / "store", tmp_path / "keys"
    assert redact("run", one, "--store", store, keys=keys).code == 0

    def limited() -> None:
        mortal()
        resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, 24_000))

    done = redact("run", two, "--store", store, "--json", keys=keys, first=limited)
    assert (done.code, done.lines[0]["reason"]) == (5, "store_failed")
    verified = redact("ledger", "verify", "--store", store, "--json", keys=keys)
    assert (verified.code, verified.lines[0]["published"]) == (0, 1)
    assert len(list((store / "clips").iterdir())) == 1
    assert redact("run", two, "--store", store, keys=keys).code == 0
