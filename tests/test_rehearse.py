"""The second look at covered frames, before they are encoded."""

from copy import copy
from dataclasses import replace

import pytest

from redact import pipeline
from redact import rehearse as rehearsals
from redact.detectors.plates import PlateDetector
from redact.detectors.together import together
from redact.errors import DetectorError
from redact.look import Looker
from redact.media.decode import frames
from redact.media.probe import probe
from redact.rehearse import rehearse
from redact.schedule import Schedule
from redact.types import Box, Detection, Kind
from tests.media_maker import Picture, make_clip
from tests.test_pipeline import FACE, POLICY, Counting, Faces, made_of, nobody, quiet, visible

BESIDE = Box(68, 34, 90, 56)


@pytest.fixture
def clip(tmp_path):
    return probe(make_clip(tmp_path / "clip.mp4", Picture(frames=30)), POLICY.limits)


def planned(clip, first=None):
    """A plan with one region, or what `first` finds, and nothing else."""
    one = made_of(first or Faces(), again=nobody())
    return one.plan(clip, quiet)


def rehearsed(clip, plan, again, **settings):
    policy = replace(POLICY, check=replace(POLICY.check, **settings))
    return rehearse(clip, plan, made_of(nobody(), again=again).detectors, policy, quiet)


def covered(plan):
    return {n for region in plan.regions for n in range(region.first, region.last + 1)}


class Artefacts(Counting):
    """Sees a face at BESIDE once FACE is covered, in the frames `where`, and until it is too."""

    def _look(self, frame):
        face, beside = (
            frame.planes[0][box.y0 : box.y1, box.x0 : box.x1].std() for box in (FACE, BESIDE)
        )
        there = frame.index in self.where and face < 20 and beside > 5
        return [Detection(Kind.FACE, BESIDE, 0.9, self.name)] if there else []


def test_what_the_first_look_missed_is_added(clip):
    plan = planned(clip, Faces(where=range(5)))
    assert covered(plan) != set(range(30))
    assert covered(rehearsed(clip, plan, Faces())) == set(range(30))


def test_what_is_covered_is_not_seen(clip):
    plan = planned(clip)
    assert rehearsed(clip, plan, Faces()) == plan


def test_what_only_shows_once_something_is_covered_is_added(clip):
    plan = planned(clip)
    more = rehearsed(clip, plan, Artefacts())
    assert len(more.regions) == 2
    assert more.regions[1].boxes[0] & BESIDE == BESIDE


@pytest.mark.parametrize("others", [[], [nobody()]], ids=["alone", "beside faces"])
def test_what_is_nearly_a_plate_is_added(clip, others):
    class Almost(PlateDetector):
        """Sees a plate at BESIDE, until it is covered, if asked for what nearly is one."""

        name, asked = "almost", False

        def __init__(self):
            """No network."""

        def nearly(self):
            other = copy(self)
            other.asked = True
            return other

        def detect(self, frames):
            found = [Detection(Kind.PLATE, BESIDE, 0.9, self.name)]
            bare = (one.planes[0][BESIDE.y0 : BESIDE.y1, BESIDE.x0 : BESIDE.x1] for one in frames)
            return [found if self.asked and part.std() > 5 else [] for part in bare]

    more = rehearsed(clip, planned(clip), together([*others, Almost()]))
    assert [region.kind for region in more.regions] == [Kind.FACE, Kind.PLATE]


def chosen(clip, keep):
    looker = Looker(nobody(), Schedule(looks_per_second=4, phase=0.5), keep=keep)
    for frame in frames(clip):
        looker.pass_by(frame)
    return looker.kept()


def test_frames_that_were_kept_are_not_decoded(clip, monkeypatch):
    plan = planned(clip)
    expected = rehearsed(clip, plan, Artefacts())
    kept = chosen(clip, 1 << 30)
    monkeypatch.setattr(rehearsals, "frames", None)
    for _ in range(2):  # the frames that are kept stay as they are
        detectors = made_of(nobody(), again=Artefacts()).detectors
        assert rehearse(clip, plan, detectors, POLICY, quiet, kept) == expected


def test_a_plan_is_made_with_one_decoding(clip, monkeypatch):
    monkeypatch.setattr(rehearsals, "frames", None)
    assert len(made_of(Faces(), again=Artefacts()).plan(clip, quiet).regions) == 2


def test_or_with_more_where_the_frames_are_too_large_to_be_kept(clip, monkeypatch):
    expected = made_of(Faces(), again=Artefacts()).plan(clip, quiet)
    monkeypatch.setattr(pipeline, "KEPT_BYTES", 1000)
    assert made_of(Faces(), again=Artefacts()).plan(clip, quiet) == expected
    monkeypatch.setattr(rehearsals, "frames", None)
    with pytest.raises(TypeError):
        made_of(Faces(), again=Artefacts()).plan(clip, quiet)


def test_frames_that_are_covered_as_before_are_not_looked_at_again(clip):
    """Each is, once it is covered in another way: and that another time, to see that it is gone."""
    plan, again = planned(clip), Artefacts(where=range(10))
    rehearsed(clip, plan, again)
    looked = {index: again.shown.count(index) for index in again.shown}
    assert looked[29] == 1
    assert looked[0] == 2


def test_it_stops_after_as_many_rounds_as_there_may_be(clip):
    class Moving(Counting):
        """Finds something at another place in each round."""

        def _look(self, frame):
            n = self.shown.count(frame.index)
            return [Detection(Kind.FACE, Box(8 * n, 0, 8 * n + 8, 8), 0.9, self.name)]

    assert len(rehearsed(clip, planned(clip), Moving(), rounds=1).regions) == 1 + 2


def test_what_the_decoder_gave_stays_as_it_is(clip, monkeypatch):
    """Two looks may be at the same frame: it is covered once for each."""
    plan = planned(clip)
    given = []

    def kept(clip):
        for frame in frames(clip):
            given.append(frame)
            yield frame

    monkeypatch.setattr(rehearsals, "frames", kept)
    rehearsed(clip, plan, nobody())
    assert len(given) == 30
    assert all(map(visible, given))


@pytest.mark.parametrize("at", [0, 29])
def test_a_detector_that_could_not_look_is_an_error(clip, at):
    with pytest.raises(DetectorError):
        rehearsed(clip, planned(clip), Faces(where=(), fails_at=at))
