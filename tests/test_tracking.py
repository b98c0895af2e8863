from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redact.tracking import SceneCuts, link
from redact.types import Box, Detection, Frame, Kind

WIDTH, HEIGHT, RATE = 200, 160, 10.0
TAIL = 2  # frames: 0.2 s of ten a second


def at(x, y, size=20, score=0.9, kind=Kind.FACE) -> Detection:
    return Detection(kind, Box(x, y, x + size, y + size), score, "fake@0")


def doubtful(x, y) -> Detection:
    return replace(at(x, y, score=0.5, kind=Kind.PLATE), doubtful=True)


def linked(looks, frames=40, cuts=(), rate=RATE):
    return link(looks, frames=frames, rate=rate, width=WIDTH, height=HEIGHT, cuts=cuts)


def looked(frames, found, every=1) -> dict[int, list[Detection]]:
    return {index: found.get(index, []) for index in range(0, frames, every)}


def box_at(track, index) -> Box:
    return track.boxes[index - track.first]


def holds(outer: Box, inner: Box) -> bool:
    return outer & inner == inner


def covered(tracks, index) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for track in tracks:
        if track.first <= index <= track.last:
            box = box_at(track, index)
            mask[box.y0 : box.y1, box.x0 : box.x1] = True
    return mask


@st.composite
def clips(draw):
    """Looks at some frames of a clip, what each found, and its cuts."""
    frames = draw(st.integers(1, 30))
    every = draw(st.integers(1, 6))
    boxes = st.builds(
        at,
        st.integers(0, 160),
        st.integers(0, 120),
        st.integers(1, 40),
        st.sampled_from([0.3, 0.5, 0.9]),
        st.sampled_from([Kind.FACE, Kind.PLATE]),
    )
    looks = {
        index: draw(st.lists(boxes, max_size=3, unique_by=lambda found: found.box))
        for index in range(0, frames, every)
    }
    cuts = draw(st.sets(st.integers(0, frames), max_size=2))
    return looks, frames, cuts


def scene_of(index, frames, cuts) -> tuple[int, int]:
    """Its first frame, and the one after its last."""
    return (
        max(edge for edge in (0, *cuts) if edge <= index),
        min(edge for edge in (*cuts, frames) if edge > index),
    )


class TestProperties:
    @settings(deadline=None)
    @given(clips())
    def test_a_detection_is_covered_until_the_looks_around_it(self, clip):
        looks, frames, cuts = clip

        tracks = linked(looks, frames, cuts)

        for index, found in looks.items():
            first, end = scene_of(index, frames, cuts)
            first = max([first, *(other + 1 for other in looks if other < index)])
            end = min([end, *(other for other in looks if other > index)])
            for near in range(first, end):
                now = [track for track in tracks if track.first <= near <= track.last]
                for item in found:
                    assert any(
                        track.kind == item.kind and holds(box_at(track, near), item.box)
                        for track in now
                    )

    @settings(deadline=None)
    @given(clips())
    def test_boxes_and_spans_are_inside_picture_and_scene(self, clip):
        looks, frames, cuts = clip

        for track in linked(looks, frames, cuts):
            first, end = scene_of(track.first, frames, cuts)
            assert first <= track.first <= track.last < end
            assert all(holds(Box(0, 0, WIDTH, HEIGHT), box) for box in track.boxes)

    @settings(deadline=None)
    @given(clips())
    def test_a_track_spans_its_tails_at_least(self, clip):
        looks, frames, cuts = clip

        tracks = linked(looks, frames, cuts)

        for index, found in looks.items():
            first, end = scene_of(index, frames, cuts)
            earlier = [other for other in looks if first <= other < index]
            later = [other for other in looks if index < other < end]
            since = max(first, max(earlier) - TAIL) if earlier else first
            until = min(end - 1, min(later) + TAIL) if later else end - 1
            for item in found:
                assert any(
                    track.first <= since
                    and until <= track.last
                    and holds(box_at(track, index), item.box)
                    for track in tracks
                )

    @settings(deadline=None)
    @given(clips(), st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, clip, random):
        looks, frames, cuts = clip
        mixed = list(looks.items())
        random.shuffle(mixed)
        shuffled = {index: random.sample(found, len(found)) for index, found in mixed}

        assert linked(shuffled, frames, cuts) == linked(looks, frames, cuts)

    @settings(deadline=None)
    @given(clips(), st.data())
    def test_one_more_detection_uncovers_no_other(self, clip, data):
        """The union of what the detections cover by themselves only grows."""
        looks, frames, cuts = clip
        index = data.draw(st.sampled_from(sorted(looks)))
        more = looks | {index: [*looks[index], at(50, 50, 37, score=0.7)]}

        tracks = linked(more, frames, cuts)

        for look, found in looks.items():
            for item in found:
                assert covered(tracks, look)[
                    item.box.y0 : item.box.y1, item.box.x0 : item.box.x1
                ].all()


class TestLink:
    def test_nothing_found(self):
        assert linked(looked(40, {})) == []

    def test_nobody_looked(self):
        assert linked({}) == []

    def test_a_moving_face_is_one_track(self):
        (track,) = linked(looked(20, {index: [at(10 + 4 * index, 30)] for index in range(20)}), 20)

        assert (track.first, track.last) == (0, 19)
        assert all(box_at(track, index) == at(10 + 4 * index, 30).box for index in range(20))

    def test_a_gap_is_filled_along_the_motion(self):
        found = {index: [at(10 + 4 * index, 30)] for index in range(20) if not 5 <= index < 15}

        (track,) = linked(looked(20, found), 20)

        for index in range(20):
            assert holds(box_at(track, index), at(10 + 4 * index, 30).box)
            assert box_at(track, index).width <= 20 + 4 * 11 / 2 + 2

    def test_motion_may_be_uneven_in_a_gap(self):
        """It stands still for a quarter of the gap, then catches up."""
        found = {0: [at(10, 30)], 8: [at(50, 30)]}

        (track,) = linked(looked(9, found), 9)

        assert holds(box_at(track, 2), at(10, 30).box)
        assert holds(box_at(track, 6), at(50, 30).box)

    def test_a_look_that_found_something_beside_the_face_is_doubted(self):
        found = {index: [at(50, 50)] for index in range(20)} | {10: [at(50, 64)]}

        (track,) = linked(looked(20, found), 20)

        assert all(holds(box, at(50, 50).box) for box in track.boxes)
        assert holds(box_at(track, 10), at(50, 64).box)

    def test_a_look_that_found_a_part_of_the_face_is_doubted(self):
        """Where it moves: its neighbours do not agree, but they are larger."""
        found = {index: [at(10 + 14 * index, 50)] for index in range(9)} | {4: [at(70, 60, 8)]}

        (track,) = linked(looked(9, found), 9)

        assert holds(box_at(track, 4), at(66, 50).box)

    def test_half_a_face_inside_the_whole_makes_no_track_of_its_own(self):
        found = {index: [at(50, 50, 40)] for index in range(20)}
        found[5] = [*found[5], at(52, 58, 30, score=0.4)]

        (track,) = linked(looked(20, found), 20)

        assert all(box == at(50, 50, 40).box for box in track.boxes)

    def test_a_box_around_a_crowd_is_not_one_of_it(self):
        crowd = [at(x, 50, 20) for x in (20, 60, 100)]
        found = {index: [*crowd, at(10, 10, 120, score=0.4)] for index in range(20)}

        assert len(linked(looked(20, found), 20)) == 4

    def test_who_comes_much_later_farther_off_is_somebody_else(self):
        found = {0: [at(10, 50)], 15: [at(60, 50)]}

        assert len(linked(looked(20, found), 20)) == 2

    def test_between_two_looks_both_boxes_are_covered(self):
        (track,) = linked(looked(9, {0: [at(10, 30)], 8: [at(22, 40)]}, every=8), 9)

        assert all(box == Box(10, 30, 42, 60) for box in track.boxes[1:8])

    def test_a_face_seen_once_is_covered_beyond_the_looks_around_it(self):
        (track,) = linked(looked(40, {15: [at(50, 50)]}, every=5))

        assert (track.first, track.last) == (10 - TAIL, 20 + TAIL)
        assert all(holds(box, at(50, 50).box) for box in track.boxes)

    def test_past_its_end_a_track_follows_its_motion(self):
        found = {index: [at(20 + 6 * index, 30)] for index in range(10)}

        (track,) = linked(looked(40, found))

        assert track.last == 10 + TAIL
        for index in range(10, 12):
            assert holds(box_at(track, index), at(20 + 6 * index, 30).box)

    def test_before_its_beginning_a_track_follows_its_motion_back(self):
        found = {index: [at(200 - 6 * index, 30)] for index in range(10, 20)}

        (track,) = linked(looked(40, found))

        assert track.first == 9 - TAIL
        for index in range(8, 10):
            inside = at(200 - 6 * index, 30).box.clip(WIDTH, HEIGHT)
            assert holds(box_at(track, index), inside)

    def test_where_nobody_looked_again_a_track_goes_on(self):
        (track,) = linked({20: [at(50, 50)]})

        assert (track.first, track.last) == (0, 39)

    def test_no_track_crosses_a_cut(self):
        found = {index: [at(50, 50)] for index in range(0, 40, 5)}

        tracks = linked(looked(40, found, every=5), cuts={12})

        assert [(track.first, track.last) for track in tracks] == [(0, 11), (12, 39)]

    def test_two_faces_that_cross_stay_covered(self):
        found = {
            index: [at(10 + 5 * index, 40), at(140 - 5 * index, 44)]
            for index in range(28)
            if index % 7
        }

        tracks = linked(looked(28, found), 28)

        for index in range(28):
            mask = covered(tracks, index)
            for box in (at(10 + 5 * index, 40).box, at(140 - 5 * index, 44).box):
                assert mask[box.y0 : box.y1, box.x0 : box.x1].all()

    def test_of_two_equally_near_the_surer_one_goes_on(self):
        near = [at(45, 50, score=0.8), at(55, 50, score=0.9)]

        tracks = [linked({0: [at(50, 50)], 1: order}, 2) for order in (near, near[::-1])]

        assert tracks[0] == tracks[1]
        assert sorted(track.score for track in tracks[0]) == [0.8, 0.9]

    def test_far_apart_is_not_linked(self):
        tracks = linked(looked(40, {10: [at(0, 0)], 12: [at(150, 120)]}))

        assert len(tracks) == 2

    @pytest.mark.parametrize(("second", "tracks"), [(None, 0), (18, 1), (20, 0)])
    def test_a_doubtful_plate_counts_if_it_is_found_twice_in_five_looks(self, second, tracks):
        found = {10: [doubtful(50, 50)]} | ({second: [doubtful(50, 50)]} if second else {})

        assert len(linked(looked(40, found, every=2))) == tracks

    @pytest.mark.parametrize(("second", "tracks"), [(None, 0), (14, 1), (16, 0)])
    def test_a_doubtful_face_counts_if_it_is_found_twice_in_three_looks(self, second, tracks):
        faint = replace(at(50, 50, score=0.2), doubtful=True)
        found = {10: [faint]} | ({second: [faint]} if second else {})

        assert len(linked(looked(40, found, every=2))) == tracks

    @pytest.mark.parametrize("looks", [1, 2])
    def test_in_a_still_and_in_a_short_scene_a_doubtful_face_does_not_count(self, looks):
        faint = replace(at(50, 50, score=0.2), doubtful=True)

        assert linked(looked(looks, {0: [faint]}), looks) == []

    @pytest.mark.parametrize("later", [20, 0])
    def test_a_track_goes_on_with_weak_detections_either_way(self, later):
        weak = [replace(at(50, 50, score=0.13), weak=True)]
        found = {10: [at(50, 50)]} | {10 + (later - 10) * n // 5: weak for n in range(1, 6)}

        (track,) = linked(looked(40, found))

        first, last = min(10, later), max(10, later)
        assert (track.first, track.last) == (max(0, first - 1 - TAIL), last + 1 + TAIL)

    @pytest.mark.parametrize(("index", "x", "last"), [(15, 55, 16), (16, 55, 11), (15, 95, 11)])
    def test_but_not_over_a_long_gap_or_way(self, index, x, last):
        found = {10: [at(50, 50)], index: [replace(at(x, 50, score=0.13), weak=True)]}

        (track,) = linked(looked(40, found))

        assert track.last == last + TAIL

    def test_a_track_goes_on_with_weak_ones_inside_its_scene_alone(self):
        found = {10: [at(50, 50)], 12: [replace(at(50, 50, score=0.13), weak=True)]}

        (track,) = linked(looked(40, found), cuts=[12])

        assert track.last == 11

    def test_weak_ones_alone_are_nothing_nor_do_they_lead_from_what_is_not_believed(self):
        weak = {index: [replace(at(50, 50, score=0.13), weak=True)] for index in range(40)}
        once = {10: [replace(at(50, 50, score=0.2), doubtful=True)]}

        assert linked(looked(40, weak)) == []
        assert linked(looked(40, {**weak, **once})) == []

    def test_one_sure_look_is_enough_for_its_track(self):
        found = {10: [doubtful(50, 50)], 20: [at(50, 50, kind=Kind.PLATE)]}

        (track,) = linked(looked(40, found, every=2))

        assert track.first <= 10

    @pytest.mark.parametrize("looks", [1, 4])
    def test_in_a_still_and_in_a_short_scene_a_doubtful_plate_counts(self, looks):
        assert len(linked(looked(looks, {0: [doubtful(50, 50)]}), looks)) == 1

    def test_a_face_that_becomes_a_plate_is_not_linked(self):
        tracks = linked(looked(40, {10: [at(50, 50)], 11: [at(50, 50, kind=Kind.PLATE)]}))

        assert {track.kind for track in tracks} == {Kind.FACE, Kind.PLATE}

    def test_long_absence_is_not_bridged(self):
        found = {0: [at(50, 50)], 35: [at(50, 50)]}

        assert [(track.first, track.last) for track in linked(looked(40, found))] == [
            (0, 1 + TAIL),
            (34 - TAIL, 36 + TAIL),
        ]

    def test_score_is_the_highest(self):
        found = {0: [at(50, 50, score=0.4)], 1: [replace(at(50, 50), score=0.8)]}

        assert [track.score for track in linked(looked(2, found), 2)] == [0.8]


def frame(luma, depth=8) -> Frame:
    return Frame((luma,), depth, 0, 0, Fraction(1, 25))


def scene(seed, height=90, width=160) -> np.ndarray:
    """A landscape of soft blocks."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(16, 235, (9, 16))
    return np.kron(blocks, np.ones((height // 9, width // 16))).astype(np.uint8)


def cuts_of(pictures, depth=8) -> list[int]:
    cuts = SceneCuts()
    return [index for index, luma in enumerate(pictures) if cuts(frame(luma, depth))]


class TestLeaving:
    """A face of 20 pixels that drifts by two a frame, and is looked for in each frame."""

    def found(self, path) -> dict[int, list[Detection]]:
        """Where `path` says, less what lies outside the picture."""
        picture = Box(0, 0, WIDTH, HEIGHT)
        boxes = {index: Box(x, y, x + 20, y + 20) & picture for index, (x, y) in path.items()}
        return {index: [Detection(Kind.FACE, box, 0.9, "fake@0")] for index, box in boxes.items()}

    @pytest.mark.parametrize(
        ("start", "step"),
        [((16, 60), (-2, 0)), ((164, 60), (2, 0)), ((60, 16), (0, -2)), ((60, 124), (0, 2))],
    )
    @pytest.mark.parametrize("seen", [8, 12], ids=["whole", "cut off"])
    def test_half_a_face_that_is_lost_is_covered_until_it_is_out(self, start, step, seen):
        path = {n: (start[0] + n * step[0], start[1] + n * step[1]) for n in range(18)}
        last = {index: place for index, place in path.items() if index <= seen}
        backwards = {30 - index: place for index, place in last.items()}

        for looks, frames in ((last, range(18)), (backwards, range(30, 12, -1))):
            tracks = linked(looked(40, self.found(looks)))
            for (x, y), index in zip(path.values(), frames, strict=True):
                inside = covered(tracks, index)[max(y, 0) : y + 20, max(x, 0) : x + 20]
                assert inside.size
                assert inside.all()
            assert not covered(tracks, 18 + TAIL if looks is last else 12 - TAIL).any()

    def test_for_a_second_at_most(self):
        tracks = linked(looked(60, self.found({n: (2 - n // 5, 60) for n in range(10)})), 60)

        assert tracks[0].last == 9 + RATE

    @pytest.mark.parametrize("x", [60, 12])
    def test_one_that_is_not_about_to_leave_has_a_tail_alone(self, x):
        """Too far from the edge, or on its way from it."""
        step = -2 if x == 60 else 1
        tracks = linked(looked(40, self.found({n: (x + n * step, 60) for n in range(10)})))

        assert tracks[0].last == 10 + TAIL


class TestSceneCuts:
    def test_hard_cut(self):
        assert cuts_of([scene(1)] * 5 + [scene(2)] * 5 + [scene(1)] * 5) == [5, 10]

    def test_ten_bits(self):
        pictures = [scene(1)] * 5 + [scene(2)] * 5

        assert cuts_of([picture.astype(np.uint16) * 4 for picture in pictures], 10) == [5]

    def test_noise_is_no_cut(self):
        rng = np.random.default_rng(1)

        assert not cuts_of([scene(1) + rng.integers(0, 20, (90, 160), np.uint8) for _ in range(9)])

    def test_a_flash_is_no_cut(self):
        lit = (scene(1) // 3 + 170).astype(np.uint8)

        assert cuts_of([scene(1)] * 4 + [lit] + [scene(1)] * 4) == []

    @pytest.mark.parametrize("level", [0, 255])
    def test_a_blank_picture_is_no_cut(self, level):
        blank = np.full((90, 160), level, np.uint8)

        assert cuts_of([scene(1)] * 4 + [blank] + [scene(1)] * 4) == []

    def test_a_cut_behind_a_blank_picture(self):
        blank = np.zeros((90, 160), np.uint8)

        assert cuts_of([scene(1)] * 4 + [blank] * 2 + [scene(2)] * 4) == [6]

    def test_a_fast_pan_is_no_cut(self):
        wide = np.repeat(np.repeat(scene(1), 4, axis=0), 4, axis=1)

        assert cuts_of([wide[:90, start : start + 160] for start in range(0, 480, 16)]) == []

    def test_a_fade_is_no_cut(self):
        shares = np.linspace(0, 1, 12)
        mixed = [(scene(1) * (1 - share) + scene(2) * share).astype(np.uint8) for share in shares]

        assert cuts_of(mixed) == []

    @pytest.mark.parametrize("size", [(1, 1), (3, 200), (33, 31)])
    def test_any_size(self, size):
        assert cuts_of([np.arange(size[0] * size[1]).reshape(size).astype(np.uint8)] * 3) == []
