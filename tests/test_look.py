import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from redact.errors import DetectorError, InputError
from redact.look import BATCH, WAITING, Looker, look_at_picture
from redact.media.ahead import ahead
from redact.media.probe import probe
from redact.policy import Limits
from redact.schedule import Schedule
from redact.types import Box, Detection, Frame, Kind
from tests.media_maker import Picture, make_clip


def frame(index, *, fps=30, start=0, level=100, still=False):
    """Noise in one pattern, so that no frame looks like a new scene; something moves in it."""
    noise = np.random.default_rng(level).integers(0, 255, (48, 64), dtype=np.uint8)
    noise[:6, :6] = 0 if still else index * 41 % 256
    half = np.full((24, 32), 128, np.uint8)
    return Frame((noise, half, half), 8, index, start + index, Fraction(1, fps))


class Watcher:
    """Finds one face in the frames `where`; notes what it was shown; fails at `fails_at`."""

    name = "watcher@0"

    def __init__(self, where=(), fails_at=None, **how):
        self.where, self.fails_at, self.shown = where, fails_at, []
        self.how = how  # doubtful, or weak

    def detect(self, frames):
        for one in frames:
            self.shown.append(one.index)
            if one.index == self.fails_at:
                raise DetectorError("lost the GPU")
        face = Detection(Kind.FACE, Box(10, 10, 30, 30), 0.9, self.name, **self.how)
        return [[face] if one.index in self.where else [] for one in frames]


def nothing_known(*_):
    return False


def look(watcher, frames, *, ignore=nothing_known, pace=10.0, phase=0.0, fps=30, **options):
    looker = Looker(watcher, Schedule(looks_per_second=pace, phase=phase), **options)
    for one in frames:
        looker.take(one)
    return looker.seen(rate=fps, ignore=ignore)


def test_looks_keep_the_pace_and_reach_the_last_frame():
    watcher = Watcher()
    seen = look(watcher, [frame(i) for i in range(32)])
    assert watcher.shown == [*range(0, 31, 3), 31]
    assert (seen.tracks, seen.frames, seen.frames_scanned) == ((), 32, 12)


def test_a_slow_clip_is_looked_at_frame_by_frame():
    watcher = Watcher()
    look(watcher, [frame(i, fps=5) for i in range(9)], fps=5)
    assert watcher.shown == list(range(9))


def test_a_late_start_does_not_change_the_pace():
    watcher = Watcher()
    look(watcher, [frame(i, start=90_001) for i in range(31)])
    assert len(watcher.shown) in (11, 12)


def test_a_second_look_sees_other_frames():
    first, second = Watcher(), Watcher()
    look(first, [frame(i) for i in range(60)], pace=5)
    look(second, [frame(i) for i in range(60)], pace=5, phase=0.5)
    assert set(first.shown) & set(second.shown) <= {0, 59}


def test_both_sides_of_a_scene_cut_are_looked_at():
    watcher = Watcher()
    frames = [frame(i) for i in range(10)] + [frame(i, level=7) for i in range(10, 20)]
    look(watcher, frames, pace=1)
    assert {9, 10} <= set(watcher.shown)


def test_a_face_between_two_looks_is_covered_in_every_frame():
    seen = look(Watcher(where=range(6, 13)), [frame(i) for i in range(31)])
    covered = {i for track in seen.tracks for i in range(track.first, track.last + 1)}
    assert covered >= set(range(6, 13))


def test_what_is_known_already_is_not_found_again():
    seen = look(Watcher(where=range(31)), [frame(i) for i in range(31)], ignore=lambda *_: True)
    assert seen.tracks == ()


def test_looks_between_thorough_ones_are_quick_but_for_the_ends_of_the_clip():
    thorough, quick = Watcher(), Watcher()
    seen = look(thorough, [frame(i) for i in range(34)], quick=quick)
    assert thorough.shown == [0, 12, 24, 33]
    assert quick.shown == [3, 6, 9, 15, 18, 21, 27, 30, 33]
    assert seen.frames_scanned == 12


def test_at_a_slow_pace_every_second_look_is_thorough():
    thorough, quick = Watcher(), Watcher()
    look(thorough, [frame(i, fps=5) for i in range(9)], quick=quick, fps=5)
    assert thorough.shown == [0, 2, 4, 6, 8]


def test_where_nothing_moves_fewer_frames_are_looked_at_and_both_ways():
    thorough, quick = Watcher(), Watcher()
    look(thorough, [frame(i, still=True) for i in range(60)], quick=quick)
    assert thorough.shown == [0, 24, 48, 59]
    assert quick.shown == [12, 36]


def test_where_nothing_moves_a_slow_clip_is_still_looked_at_twice_a_second():
    watcher = Watcher()
    look(watcher, [frame(i, fps=4, still=True) for i in range(9)], fps=4)
    assert watcher.shown == [0, 2, 4, 6, 8]


def test_what_comes_into_a_still_picture_is_looked_at():
    watcher = Watcher()
    look(watcher, [frame(i, still=i not in range(14, 18)) for i in range(40)])
    assert 15 in watcher.shown


def test_a_face_that_only_thorough_looks_find_is_covered_between_them():
    """Found in 12 alone: quick looks never saw it, so they can't say that it is gone."""
    seen = look(Watcher(where={12}), [frame(i) for i in range(61)], quick=Watcher())
    covered = {i for track in seen.tracks for i in range(track.first, track.last + 1)}
    assert covered >= set(range(1, 24))


def test_quick_looks_that_found_a_face_say_that_it_is_gone():
    seen = look(Watcher(where={12}), [frame(i) for i in range(61)], quick=Watcher(where={15}))
    (track,) = seen.tracks
    assert track.last == 18 + 6


def test_the_last_frame_is_looked_at_thoroughly_where_a_quick_look_were_next():
    thorough, quick = Watcher(), Watcher()
    look(thorough, [frame(i) for i in range(32)], quick=quick)
    assert (thorough.shown[-1], 31 in quick.shown) == (31, False)


class TestKept:
    """What a looker keeps is looked at by others as if they had taken the frames."""

    frames = tuple(frame(i, level=i // 50) for i in range(100))

    def kept(self, *, keep=1 << 30, looks=40):
        first = Looker(Watcher(), Schedule(looks_per_second=10), quick=Watcher(), keep=keep)
        for number, one in enumerate(self.frames):
            (first.take if number < looks else first.pass_by)(one)
        return first.kept()

    def test_it_is_seen_again_and_again(self):
        where = range(20, 61)
        alone, alone_quick = Watcher(where=where), Watcher(where=where)
        expected = look(alone, self.frames, quick=alone_quick)
        chooser = self.kept()

        for _ in range(2):
            thorough, quick = Watcher(where=where), Watcher(where=where)
            looker = Looker(thorough, Schedule(looks_per_second=10), quick=quick)
            looker.look_at(chooser)
            assert looker.seen(rate=30) == expected
            assert (thorough.shown, quick.shown) == (alone.shown, alone_quick.shown)

    def test_what_is_passed_by_is_not_looked_at(self):
        watcher = Watcher()
        looker = Looker(watcher, Schedule(looks_per_second=10), keep=1 << 30)
        for one in self.frames:
            looker.pass_by(one)
        assert watcher.shown == []

    def test_nothing_is_kept_that_does_not_fit(self):
        chosen = self.kept().kept
        assert chosen is not None
        size = sum(plane.nbytes for one, _ in chosen for plane in one.planes)
        assert self.kept(keep=size) is not None
        assert self.kept(keep=size - 1) is None
        assert self.kept(keep=0) is None


class TestSecondLookAtACopy:
    def looked(self, tmp_path, *, where=(), again=(), **how):
        path = make_clip(tmp_path / "clip.mp4", Picture(frames=40, rate=30))
        second = Looker(Watcher(where=again), Schedule(looks_per_second=10, phase=0.5))
        return look_at_picture(
            probe(path, Limits()),
            Watcher(where=where, **how),
            Schedule(looks_per_second=10),
            lambda _: None,
            again=second,
        )

    def test_it_sees_every_frame_where_nothing_is_found(self, tmp_path):
        seen = self.looked(tmp_path)
        assert seen.again is not None
        assert (seen.again.frames, seen.again.tracks) == (40, ())
        assert seen.again.frames_scanned > 3

    def test_what_it_finds_is_told(self, tmp_path):
        seen = self.looked(tmp_path, again=range(40))
        assert seen.tracks == ()
        assert seen.again is not None
        assert seen.again.tracks

    def test_there_is_none_where_anything_was_found(self, tmp_path):
        assert self.looked(tmp_path, where=range(39, 40)).again is None

    def test_what_is_doubtful_and_not_believed_is_nothing(self, tmp_path):
        seen = self.looked(tmp_path, where={0}, doubtful=True)
        assert seen.tracks == ()
        assert seen.again is not None
        assert seen.again.frames == 40

    def test_nor_is_what_is_weak_however_often_it_is_found(self, tmp_path):
        seen = self.looked(tmp_path, where=range(40), weak=True)
        assert seen.tracks == ()
        assert seen.again is not None
        assert seen.again.frames == 40

    def test_what_is_doubtful_and_believed_is_something(self, tmp_path):
        seen = self.looked(tmp_path, where=range(40), doubtful=True)
        assert seen.tracks
        assert seen.again is None


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as threads:
        yield threads


def test_threads_find_what_one_finds(pool):
    """Each its own frame, and the last ones too."""
    frames = [frame(i) for i in range(34)]
    for where in [range(6, 13), {33}, {0}, range(34)]:
        quick = Watcher(where=where)
        alone = look(Watcher(where=where), frames, quick=quick)
        assert look(Watcher(where=where), frames, quick=quick, pool=pool) == alone


@pytest.mark.parametrize("at", [0, 3, 12, 31])
def test_a_thread_that_could_not_look_is_an_error(pool, at):
    frames = [frame(i) for i in range(32)]
    with pytest.raises(DetectorError):
        look(Watcher(fails_at=at), frames, quick=Watcher(fails_at=at), pool=pool)


def test_few_frames_wait_for_the_threads(pool):
    """However slow they are: each frame that waits is held in memory."""
    hold = threading.Event()

    class Slow(Watcher):
        def detect(self, frames):
            hold.wait()
            return super().detect(frames)

    looker = Looker(Slow(), Schedule(looks_per_second=30), pool=pool)
    taken = []

    def take_all():
        for one in (frame(i) for i in range(30)):
            looker.take(one)
            taken.append(one.index)

    thread = threading.Thread(target=take_all)
    thread.start()
    thread.join(timeout=0.5)
    assert len(taken) == WAITING
    hold.set()
    thread.join()
    assert looker.seen(rate=30).frames_scanned == 30


def test_both_sides_of_a_scene_cut_are_looked_at_thoroughly():
    thorough, quick = Watcher(), Watcher()
    frames = [frame(i) for i in range(10)] + [frame(i, level=7) for i in range(10, 20)]
    look(thorough, frames, quick=quick)
    assert {0, 9, 10, 19} <= set(thorough.shown)


def test_what_either_look_finds_in_one_frame_is_kept():
    covered = [
        look(Watcher(where=where), [frame(i) for i in range(34)], quick=Watcher(where=quick)).tracks
        for where, quick in [({33}, ()), ((), {33}), ({33}, {33})]
    ]
    assert all(any(track.last == 33 for track in tracks) for tracks in covered)


def test_a_face_that_quick_looks_miss_is_covered_in_every_frame():
    seen = look(Watcher(where=range(7, 26)), [frame(i) for i in range(61)], quick=Watcher())
    covered = {i for track in seen.tracks for i in range(track.first, track.last + 1)}
    assert covered >= set(range(7, 30))


def test_a_quick_look_that_could_not_look_is_an_error():
    with pytest.raises(DetectorError):
        look(Watcher(), [frame(i) for i in range(32)], quick=Watcher(fails_at=3))


@pytest.mark.parametrize("at", [0, 3, 3 * BATCH, 31])
def test_a_detector_that_could_not_look_is_an_error(at):
    with pytest.raises(DetectorError):
        look(Watcher(fails_at=at), [frame(i) for i in range(32)])


def test_a_picture_without_frames_is_an_error_and_not_a_clean_one():
    with pytest.raises(InputError):
        look(Watcher(), [])


def test_decoding_ahead_keeps_the_order_and_passes_errors_on():
    def broken():
        yield frame(0)
        yield frame(1)
        raise InputError("the picture breaks off")

    taken = []
    with pytest.raises(InputError, match="breaks off"):
        taken.extend(one.index for one in ahead(broken()))
    assert [one.index for one in ahead(iter([frame(i) for i in range(50)]))] == list(range(50))


def test_a_reader_that_stops_early_leaves_no_thread():
    before = threading.active_count()
    for one in ahead(frame(i) for i in range(1000)):
        if one.index == 3:
            break
    assert threading.active_count() == before


def test_at_a_high_rate_no_more_than_eleven_frames_go_unseen():
    watcher = Watcher()
    look(watcher, [frame(i, fps=1000) for i in range(100)], fps=1000)
    shown = sorted(watcher.shown)
    assert max(b - a for a, b in pairwise(shown)) <= 12


def test_a_scene_of_one_frame_is_looked_at_and_so_is_every_flash():
    watcher = Watcher()
    levels = {13: 1, 16: 2, 17: 3, 25: 1}
    look(watcher, [frame(i, fps=60, level=levels.get(i, 100)) for i in range(40)], fps=60)
    assert {*levels, 14, 18, 26} <= set(watcher.shown)


def test_scenes_shorter_than_the_pace_are_all_looked_at():
    watcher = Watcher()
    look(watcher, [frame(i, fps=60, level=i // 2) for i in range(80)], fps=60)
    assert {index // 2 for index in watcher.shown} == set(range(40))
