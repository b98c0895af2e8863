"""redact bench says what it measured; that the numbers are small or large is no matter here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from redact import bench, bench_kernels
from redact.cli import main
from redact.errors import DetectorError
from tests.test_cuda_clips import NO_NVENC, clip_of, decoder, pipelines  # noqa: F401  # a fixture


@pytest.fixture
def small(gpu, monkeypatch):
    on_cpu, on_gpu = pipelines(gpu)
    monkeypatch.setattr(
        bench, "Pipeline", lambda _policy, device: {"cpu": on_cpu}.get(device, on_gpu)
    )
    monkeypatch.setattr(bench_kernels, "FRAMES", (1, 2))
    monkeypatch.setattr(bench_kernels, "REPEATS", 1)
    monkeypatch.setattr(bench_kernels, "_bandwidth", lambda _gpu: 1e9)
    monkeypatch.setattr(bench, "repeated", lambda work: work() and 0.5)


def run(*arguments):
    return CliRunner().invoke(main, ["bench", *arguments])


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_part_is_measured(small, tmp_path, device):
    clip, target = clip_of(tmp_path), tmp_path / "result.json"
    done = run(
        "--device", device, "--clips", "1,2", "--footage", str(clip), "-o", str(target), "--json"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(target.read_text())
    assert {"commit", "date", "machine", "versions", "driver", "python"} <= result.keys()
    assert result["clip"]["frames"] == 24
    for part in ("decode", "tensors", "files"):
        assert [row["at_once"] for row in result[part]] == [1, 2]
        for row in result[part]:
            assert row["fps"] > 0
            assert row["years_a_day"] == pytest.approx(row["fps"] / 30 / 365.25, abs=1e-4)
    assert {row["frames"] for row in result["detector"]} >= {1, 4}
    if device == "cuda":
        assert "no GPU" in result["device"]  # it is the stand-in, and says so
        assert result["files"][0]["on_cpu"] == [NO_NVENC]
        assert result["tensors"][0]["on_cpu"] == []
        kinds = {row["kernel"] for row in result["kernels"]["rows"]}
        assert {name.split()[0] for name in kinds} >= {"letterbox", "decode", "compare", "fill,"}
        assert len(kinds) == 9
        assert len(result["kernels"]["rows"]) == 18
        assert result["stand_in"] is True
        assert result["tensors"][0]["crossed_percent"] < result["files"][0]["crossed_percent"]
        assert as_table(target).returncode == 1


@pytest.mark.slow
def test_a_part_that_fails_is_said_and_the_others_are_kept(small, tmp_path, monkeypatch):
    def fails(_pipeline, clip):
        raise DetectorError(f"{clip.name}: the network fell over.")

    monkeypatch.setattr(bench, "_detector", fails)
    clip, target = clip_of(tmp_path).rename(tmp_path / "Jane Roe.mp4"), tmp_path / "result.json"
    done = run("--device", "cuda", "--clips", "1", "--footage", str(clip), "-o", str(target))
    assert done.exit_code == 4
    result = json.loads(target.read_text())
    assert "Jane Roe" not in done.output + target.read_text()
    assert result["failed"] == {"detector": "the clip: the network fell over."}
    assert all(result[part] for part in ("kernels", "decode", "tensors", "files"))


def as_table(path):
    """scripts/bench_table.py on this result: nothing of a stand-in gets into the README."""
    script = Path(bench.__file__).parents[1] / "scripts" / "bench_table.py"
    return subprocess.run([sys.executable, str(script), str(path)], capture_output=True)


def test_eighty_years_a_day():
    assert bench.years_a_day(876_600) == pytest.approx(80)
    assert bench.machines(876_600) == 1
    assert bench.machines(2_500) == 351


@pytest.mark.parametrize("clips", ["0", "x", "", "1,65"])
def test_wrong_use(clips):
    assert run("--clips", clips).exit_code == 2


def test_the_clip_that_it_makes(tmp_path):
    from redact.media.decode import frames
    from redact.media.probe import probe
    from redact.policy import Limits

    clip = probe(bench.made(tmp_path / "clip.mp4", 1), Limits())
    assert sum(1 for _ in frames(clip)) == 30
    assert (clip.picture.width, clip.picture.height, clip.picture.codec) == (1920, 1080, "h264")
