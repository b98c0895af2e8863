"""A redacted file against its truth: each figure of a case that can be counted by hand."""

from pathlib import Path

import av
import numpy as np
import pytest

from redact.evaluate.measures import Share
from redact.evaluate.page import page
from redact.evaluate.report import Report, Row, as_lines, as_value
from redact.evaluate.score import Leak, hear, see
from redact.evaluate.truth import Label
from redact.types import Box, Kind
from tests.media_maker import Voice, make_clip

WIDTH, HEIGHT, FRAMES = 320, 240, 6
LARGE, SMALL, TINY = Box(16, 16, 96, 116), Box(200, 40, 224, 64), Box(280, 200, 292, 212)


def scene() -> np.ndarray:
    """Structure at every scale, (height, width) uint8."""
    rng = np.random.default_rng(5)
    fine = rng.normal(size=(HEIGHT, WIDTH)) + np.kron(rng.normal(size=(60, 80)), np.ones((4, 4)))
    return np.clip(128 + 30 * fine, 0, 255).astype(np.uint8)


def film(path: Path, covered: list[list[Box]], *, late: int = 0) -> Path:
    """The scene in each frame, less the boxes; without a loss. `late`: the last frame's delay."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=5, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray"
        for index, boxes in enumerate(covered):
            luma = scene()
            for box in boxes:
                luma[box.y0 : box.y1, box.x0 : box.x1] = 128
            frame = av.VideoFrame.from_ndarray(luma, format="gray")
            frame.pts = index + (late if index == len(covered) - 1 else 0)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return film(tmp_path / "source.mkv", [[]] * FRAMES)


def faces(*boxes: Box, track: int | None = None) -> tuple[Label, ...]:
    return tuple(Label(Kind.FACE, box, track) for box in boxes)


def test_everything_was_covered(tmp_path, source):
    output = film(tmp_path / "output.mkv", [[LARGE, SMALL]] * FRAMES)

    seen = see(source, output, [faces(LARGE, SMALL)] * FRAMES, [[LARGE, SMALL]] * FRAMES)

    leak = seen.leaks[Kind.FACE]
    assert leak.instances == Share(0, 2 * FRAMES)
    assert leak.tracks == Share(0, 2)
    assert leak.longest_run == 0
    assert seen.over.part == 0
    assert seen.psnr == np.inf
    assert seen.on_time == Share(FRAMES, FRAMES)


def test_what_lies_outside_of_what_was_covered(tmp_path, source):
    """A third and more of the large one in three frames, less in the others; a tiny one always."""
    bare = {1, 2, 4}
    most, half = Box(0, 16, 96, 95), Box(0, 16, 60, 116)
    covered = [[half, SMALL] if index in bare else [most, SMALL] for index in range(FRAMES)]

    seen = see(source, source, [faces(LARGE, SMALL, TINY)] * FRAMES, covered)
    leak = (seen + see(source, source, [faces(LARGE)] * FRAMES)).leaks[Kind.FACE]

    assert leak.uncovered == Share(3, 2 * FRAMES)
    assert leak.uncovered_run == 2
    lines = "\n".join(as_lines(Report("p", [Row(name="a", section="video", seen=seen)])))
    assert "not covered         3 of 12 (25.00%); longest run 2 frames" in lines


def test_leaks_by_height_track_and_run(tmp_path, source):
    """The large one shows in frames 1, 2 and 4; the tiny one always, and is not counted."""
    bare = {1, 2, 4}
    covered = [[SMALL] if index in bare else [SMALL, LARGE] for index in range(FRAMES)]
    worst = []

    output = film(tmp_path / "output.mkv", covered)
    seen = see(source, output, [faces(LARGE, SMALL, TINY)] * FRAMES, worst=worst)

    leak = seen.leaks[Kind.FACE]
    assert leak.bands == (Share(6, 6), Share(0, 6), Share(0, 0), Share(3, 6))
    assert leak.instances == Share(3, 12)
    assert leak.tracks == Share(1, 2)
    assert leak.longest_run == 2
    assert {bad.index for bad in worst if bad.leaks == 2} == bare


def test_tracks_by_the_truths_own_ids(tmp_path, source):
    """Two that leak, where linking by place would see one."""
    truth = [faces(LARGE, track=index // 3) for index in range(FRAMES)]

    leak = see(source, source, truth).leaks[Kind.FACE]

    assert leak.tracks == Share(2, 2)
    assert leak.longest_run == FRAMES


def test_kinds_are_counted_apart(tmp_path, source):
    output = film(tmp_path / "output.mkv", [[LARGE]] * FRAMES)
    labels = (Label(Kind.FACE, LARGE), Label(Kind.PLATE, SMALL))

    leaks = see(source, output, [labels] * FRAMES).leaks

    assert leaks[Kind.FACE].instances == Share(0, FRAMES)
    assert leaks[Kind.PLATE].instances == Share(FRAMES, FRAMES)


def test_too_much_was_covered(tmp_path, source):
    output = film(tmp_path / "output.mkv", [[Box(200, 100, 300, 200)]] * FRAMES)

    over = see(source, output, [()] * FRAMES).over

    assert over.whole == FRAMES * WIDTH * HEIGHT
    assert 0.2 * 10_000 * FRAMES < over.part <= 10_000 * FRAMES


def test_a_frame_that_comes_late(tmp_path, source):
    output = film(tmp_path / "output.mkv", [[]] * FRAMES, late=1)

    assert see(source, output, [()] * FRAMES).on_time == Share(FRAMES - 1, FRAMES)


def test_a_frame_that_is_missing(tmp_path, source):
    output = film(tmp_path / "output.mkv", [[]] * (FRAMES - 1))

    with pytest.raises(ValueError, match="zip"):
        see(source, output, [()] * FRAMES)


def test_other_speech_and_what_is_nobodys_name(tmp_path):
    voice = make_clip(tmp_path / "a.wav", None, [Voice(codec="pcm_s16le", seconds=2.0)])

    heard = hear(voice, voice, [(0.5, 1.0)], [(1.0, 1.5)])

    assert heard.names == Share(1, 1)
    assert heard.muted == Share(0, 1)
    assert heard.others == Share(0, 50)  # 20 ms each: one second of two


def test_a_report_says_what_was_held_and_shows_no_more_than_the_output(tmp_path, source):
    worst = []
    output = film(tmp_path / "output.mkv", [[LARGE]] * FRAMES)
    seen = see(source, output, [faces(LARGE, SMALL)] * FRAMES, worst=worst)
    rows = [
        Row(name="a<b>.mkv", section="video", seen=seen, footage_s=2.0, taken_s=1.0),
        Row(name="c.mkv", section="video", held="corrupt"),
    ]
    report = Report("strict", rows, unlabelled=3, worst=worst[:1])

    value, text, html = as_value(report), "\n".join(as_lines(report)), page(report)

    assert value["leaks"]["face"]["instances"] == [6, 12]
    assert value["leaks"]["face"]["by_height"]["16-32"] == [6, 6]
    assert (value["held"], value["times_real_time"], value["names"]) == (1, 2.0, None)
    assert "faces that leak" in text
    assert "6 of 12 (50.00%)" in text
    assert "c.mkv: held (corrupt)" in text
    assert html.count("<image") == 1
    assert html.count('class="leaks"') == html.count('class="gone"') == 1


def test_nothing_measured_is_null_and_not_zero():
    value = as_value(Report("strict", [Row(name="c.mkv", section="video", held="corrupt")]))

    for key in ("leaks", "over_redaction", "psnr_db", "names", "times_real_time"):
        assert value[key] is None, key


def test_runs_of_two_clips_do_not_join():
    one, two = (Leak(longest_run=run) for run in (2, 3))

    assert (one + two).longest_run == 3
