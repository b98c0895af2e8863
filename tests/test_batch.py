from pathlib import Path

import pytest

from redact.batch import Totals, expand
from redact.errors import DetectorError, InputError, UsageError
from redact.redactor import Result, Status


def test_files_folders_globs_and_lists_come_to_one_list_without_doubles(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a.mp4", "b.MOV", "deep/c.wav", "deep/er/d'\n.png", "deep/notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "list").write_text(f"{tmp_path}/a.mp4\n\n{tmp_path}/deep\n")
    found = expand([f"{tmp_path}/*.mp4", f"{tmp_path}/a.mp4", str(tmp_path), f"@{tmp_path}/list"])
    names = [str(path.relative_to(tmp_path)) for path in found.paths]
    assert names == ["a.mp4", "b.MOV", "deep/c.wav", "deep/er/d'\n.png"]
    assert found.ignored == 3  # notes.txt twice, and the list itself


def test_a_named_file_is_tried_whatever_its_suffix(tmp_path):
    (tmp_path / "clip").touch()
    assert expand([str(tmp_path / "clip")]).paths == (tmp_path / "clip",)


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path):
    (tmp_path / "a[1].mp4").touch()
    assert expand([str(tmp_path / "a[1].mp4")]).paths == (tmp_path / "a[1].mp4",)


@pytest.mark.parametrize("name", ["nothing.mp4", "*.mp4", "@nothing", "."])
def test_an_input_that_is_nothing_is_an_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        expand([name])


def test_a_folder_that_holds_the_store_is_taken_without_it(tmp_path):
    for name in ("clip.mp4", "store/clips/out.mp4", "other/store/kept.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    found = expand([str(tmp_path), f"{tmp_path}/*"], leave=tmp_path / "link")
    names = [str(path.relative_to(tmp_path)) for path in found.paths]
    assert names == ["clip.mp4", "other/store/kept.mp4"]


def code_of(*results):
    totals = Totals()
    for result in results:
        totals.add(result)
    return totals.exit_code


def held(error):
    return Result(source=Path("x"), status=Status.HELD, error=error)


def test_the_exit_code_is_that_of_what_held_the_clips():
    done = Result(source=Path("x"), status=Status.PUBLISHED)
    assert code_of(done) == 0
    assert code_of(done, held(InputError("x"))) == 3
    assert code_of(held(InputError("x")), held(InputError("y"))) == 3
    assert code_of(held(InputError("x")), held(DetectorError("y"))) == 1
