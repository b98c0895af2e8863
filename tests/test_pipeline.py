"""The order for one clip, on real media and with detectors that know what they will find."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from redact import check, pipeline
from redact.detectors.names import Heard
from redact.detectors.opened import Detectors
from redact.errors import DetectorError, InputError, Reason, ResidualError, UsageError
from redact.media.decode import frames
from redact.media.ear import sound
from redact.media.probe import probe
from redact.pipeline import Pipeline
from redact.plan import Model, Plan
from redact.policy import Check, Policy
from redact.record import published_facts, removed_from
from redact.types import Box, Detection, Kind
from tests.media_maker import Picture, Voice, make_clip, packet_hashes, pattern
from tests.test_media import SOUND, VIDEO, named

FACE = Box(24, 16, 56, 44)
POLICY = Policy(check=Check(rounds=1))


def quiet(_share):
    pass


def visible(frame, box=FACE):
    """Whether the pattern can be seen in the box: what covers it is nearly flat."""
    return bool(frame.planes[0][box.y0 : box.y1, box.x0 : box.x1].std() > 20)


class Faces:
    """Finds a face at FACE wherever the pattern can be seen there, in the frames `where`."""

    def __init__(self, where=range(1000), box=FACE, fails_at=None, always=False):
        self.name = "fake@0"
        self.where, self.box, self.fails_at, self.always = where, box, fails_at, always

    def detect(self, shown):
        return [self._look(frame) for frame in shown]

    def _look(self, frame):
        if frame.index == self.fails_at:
            raise DetectorError("lost the GPU")
        there = frame.index in self.where and (visible(frame, self.box) or self.always)
        return [Detection(Kind.FACE, self.box, 0.9, self.name)] if there else []


class Names:
    """Hears a name in the given seconds wherever there is sound in them."""

    name = "ear@0"

    def __init__(self, *spans, language="en", covered=True, unclear=(), error=None):
        self.spans, self.language, self.covered = spans, language, covered
        self.unclear, self.error = unclear, error

    def listen(self, samples, *, again=False):
        if self.error:
            raise self.error
        speech = ((0.0, len(samples) / 16_000),) if self.language else ()
        heard = [
            (start, end, 0.8)
            for start, end in ([] if again else self.spans)
            if np.abs(samples[int(start * 16_000) : int(end * 16_000)]).max(initial=0) > 0.05
        ]
        return Heard(
            names=tuple(heard),
            speech=speech,
            unclear=tuple(() if again else self.unclear),
            language=self.language,
            covered=self.covered,
        )

    def listen_again(self, windows, *, language=""):
        return [self.listen(one, again=True) for one in windows]

    def listen_together(self, ears):
        return [self.listen(samples) for samples in ears]


def nobody():
    return Faces(where=())


def made_of(first, again=None, names=None, policy=POLICY):
    """A Pipeline with these detectors in place of the models."""
    one = object.__new__(Pipeline)
    one.policy, one._device, one._strict, one._spare = policy, "cpu", False, None
    one._lost, one._lock = "", threading.Lock()
    model = Model(slot="faces", name="fake", sha256="ab" * 32, threshold_ppm=0)
    one.detectors = Detectors(
        pictures=first,
        pictures_again=again or first,
        names=names or Names(language=""),
        models=(model,),
    )
    return one


def make(one, path, plan=None, trust=False):
    clip = one.probe(path, quiet)
    target = path.with_name(f"out{clip.suffix}")
    return one.make(clip, target, plan, trust, quiet), target


@pytest.fixture
def clip(tmp_path) -> Path:
    return make_clip(tmp_path / "clip.mp4", Picture(frames=30), [Voice(seconds=1.2)])


def test_a_clip_in_which_nothing_is_found_keeps_picture_and_sound_bit_for_bit(clip):
    made, target = make(made_of(nobody()), clip)
    assert packet_hashes(target, "video") == packet_hashes(clip, "video")
    assert packet_hashes(target, "audio") == packet_hashes(clip, "audio")
    assert (made.rounds, set(removed_from(made.plan))) == (1, {"metadata"})


def test_a_face_is_covered_in_every_frame_and_the_sound_stays(clip):
    made, target = make(made_of(Faces()), clip)
    assert packet_hashes(target, "audio") == packet_hashes(clip, "audio")
    before, after = (list(frames(probe(path, POLICY.limits))) for path in (clip, target))
    assert [f.pts * f.time_base for f in before] == [f.pts * f.time_base for f in after]
    assert all(map(visible, before))
    assert not any(map(visible, after))
    assert made.plan.looked.frames == 30


def test_a_name_is_silenced_and_the_picture_stays_bit_for_bit(clip):
    _, target = make(made_of(nobody(), names=Names((0.4, 0.7))), clip)
    assert packet_hashes(target, "video") == packet_hashes(clip, "video")
    output = probe(target, POLICY.limits)
    (ear,) = sound(output, output.sound[0])
    assert np.abs(ear.samples[int(0.42 * 16_000) : int(0.68 * 16_000)]).max() < 0.01
    assert np.abs(ear.samples[: int(0.35 * 16_000)]).max() > 0.1


class OfTheOutput(Faces):
    """Blind for the source: finds a face only once it is shown the clip for the second time."""

    def __init__(self, **how):
        super().__init__(**how)
        self.starts = 0

    def _look(self, frame):
        self.starts += frame.index == 0
        return super()._look(frame) if self.starts > 1 else []


def test_what_the_second_look_finds_in_the_output_is_removed_too(clip):
    made, target = make(made_of(Faces(where=range(9)), again=OfTheOutput()), clip)
    assert made.rounds == 2
    assert made.verdict.clean
    assert not any(map(visible, frames(probe(target, POLICY.limits))))


def test_what_the_second_look_finds_in_the_source_is_removed_at_once(clip):
    made, target = make(made_of(Faces(where=range(9)), again=Faces()), clip)
    assert made.rounds == 1
    assert made.verdict.clean
    assert not any(map(visible, frames(probe(target, POLICY.limits))))


def test_what_can_still_be_seen_after_all_rounds_holds_the_clip(clip, monkeypatch):
    monkeypatch.setattr(check.Covered, "hides", lambda *_: False)
    again = Faces(always=True)
    with pytest.raises(ResidualError) as caught:
        make(made_of(Faces(), again=again), clip)
    assert caught.value.reason is Reason.STILL_VISIBLE
    assert not clip.with_name("out.mp4").exists()


@pytest.mark.parametrize("at", [0, 1, 15, 28, 29])
@pytest.mark.parametrize("which", ["first", "again"])
def test_a_detector_that_could_not_look_leaves_no_output(clip, which, at):
    policy = Policy.load("strict")
    faster = replace(policy.faces, looks_per_second=100.0)
    policy = replace(policy, faces=faster, check=replace(policy.check, looks_per_second=100.0))
    looks = {"first": nobody(), "again": nobody(), which: Faces(where=(), fails_at=at)}
    with pytest.raises(DetectorError):
        make(made_of(**looks, policy=policy), clip)
    assert not clip.with_name("out.mp4").exists()


def test_a_recogniser_that_could_not_listen_leaves_no_output(clip):
    with pytest.raises(DetectorError):
        make(made_of(nobody(), names=Names(error=DetectorError("out of memory"))), clip)
    assert not clip.with_name("out.mp4").exists()


def test_speech_of_a_language_that_is_not_covered_holds_the_clip_or_is_silenced(clip):
    names = Names(language="fr", covered=False)
    with pytest.raises(DetectorError) as caught:
        make(made_of(nobody(), names=names), clip)
    assert caught.value.reason is Reason.LANGUAGE
    _, target = make(made_of(nobody(), names=names, policy=Policy.load("silence-uncovered")), clip)
    output = probe(target, POLICY.limits)
    (ear,) = sound(output, output.sound[0])
    assert np.abs(ear.samples[:]).max() < 0.01


def test_voice_that_gave_no_words_is_silenced(clip):
    names = Names(unclear=((0.3, 0.9),))
    made, _ = make(made_of(nobody(), names=names), clip)
    (cut,) = made.plan.cuts
    assert (cut.start_us, cut.end_us) == pytest.approx((50_000, 1_150_000), abs=1)


def test_an_output_that_is_not_what_was_rendered_holds_the_clip(clip, monkeypatch):
    """As an encoder that shows a wrong picture would make it."""
    truth = check.thumbnail

    def wrong(frame):
        return truth(frame) + (40 if frame.index >= 20 else 0)

    monkeypatch.setattr(check, "thumbnail", wrong)
    with pytest.raises(ResidualError) as caught:
        make(made_of(Faces()), clip)
    assert caught.value.reason is Reason.CHANGED_ELSEWHERE


def test_an_output_that_lacks_a_frame_holds_the_clip(clip, monkeypatch):
    render = pipeline.render

    def shorter(source, target, **options):
        fewer = make_clip(target.with_name("fewer.mp4"), Picture(frames=29), [Voice(seconds=1.2)])
        render(probe(fewer, POLICY.limits), target, **options)

    monkeypatch.setattr(pipeline, "render", shorter)
    with pytest.raises((ResidualError, InputError)):
        make(made_of(nobody()), clip)
    assert not clip.with_name("out.mp4").exists()


def test_a_tag_that_comes_through_holds_the_clip(clip, monkeypatch):
    def tagged(source, target, **options):
        make_clip(target, Picture(frames=30), [Voice(seconds=1.2)], tags={"title": "Jane Roe"})

    monkeypatch.setattr(pipeline, "render", tagged)
    with pytest.raises(ResidualError) as caught:
        make(made_of(nobody()), clip)
    assert caught.value.reason is Reason.NOT_STRIPPED
    assert "Jane" not in str(caught.value)


def test_a_file_that_changes_while_it_is_worked_on_is_held(clip, monkeypatch):
    def spoiled(*arguments, **options):
        with clip.open("ab") as file:
            file.write(b"\0" * 8)
        return nothing(*arguments, **options)

    nothing = pipeline.check
    monkeypatch.setattr(pipeline, "check", spoiled)
    with pytest.raises(InputError, match="changed"):
        make(made_of(nobody()), clip)


class TestPlans:
    def plan(self, clip, first=None):
        one = made_of(first or Faces())
        return one.plan(one.probe(clip, quiet), quiet)

    def test_a_plan_made_by_hand_is_carried_out_as_it_is(self, clip):
        value = json.loads(self.plan(clip).to_json())
        value["regions"] = value["regions"][:1]
        value["regions"][0] |= {"first": 0, "boxes": [[0, 0, 20, 12]] * 30, "method": "pixelate"}
        made, target = make(made_of(nobody()), clip, Plan.from_json(json.dumps(value)))
        before, after = (list(frames(probe(path, POLICY.limits))) for path in (clip, target))
        assert np.abs(after[9].planes[0][:12, :20] - before[9].planes[0][:12, :20]).max() > 3
        assert len(made.plan.regions) == 1

    def test_what_a_plan_leaves_to_be_seen_holds_the_clip_unless_it_is_trusted(self, clip):
        empty = replace(self.plan(clip), regions=())
        with pytest.raises(ResidualError):
            make(made_of(Faces()), clip, empty)
        made, _ = make(made_of(Faces()), clip, empty, trust=True)
        assert published_facts(made, POLICY, None).check.residual == 1

    def test_a_plan_fits_only_the_file_it_was_made_for(self, clip, tmp_path):
        other = make_clip(tmp_path / "other.mp4", Picture(frames=31), [Voice(seconds=1.2)])
        with pytest.raises(UsageError, match="another file"):
            make(made_of(nobody()), other, self.plan(clip))

    def test_a_plan_that_cuts_what_is_not_there_is_refused(self, clip):
        plan = self.plan(clip, nobody())
        one = made_of(nobody(), names=Names((0.4, 0.7)))
        cut = one.plan(one.probe(clip, quiet), quiet).cuts[0]
        with pytest.raises(UsageError, match="stream"):
            make(made_of(nobody()), clip, replace(plan, cuts=(replace(cut, stream=7),)))

    def test_a_look_writes_nothing(self, clip):
        before = clip.read_bytes()
        self.plan(clip)
        assert clip.read_bytes() == before
        assert [path.name for path in clip.parent.iterdir()] == ["clip.mp4"]


def test_a_copied_track_that_is_not_the_same_holds_the_clip(clip, monkeypatch):
    other = make_clip(
        clip.with_name("other.mp4"), Picture(frames=30, options={"crf": "40"}), [Voice(seconds=1.2)]
    )
    render = pipeline.render

    def swapped(source, target, **options):
        render(probe(other, POLICY.limits), target, **options)

    monkeypatch.setattr(pipeline, "render", swapped)
    with pytest.raises(ResidualError) as caught:
        make(made_of(nobody()), clip)
    assert caught.value.reason is Reason.CHANGED_ELSEWHERE


@pytest.mark.slow
@pytest.mark.parametrize("row", VIDEO, ids=named)
def test_every_format_goes_the_whole_way(tmp_path, row):
    """Untouched it is copied; with a face and a name both are gone, and nothing else is."""
    suffix, picture, voice = row
    path = make_clip(tmp_path / f"clip{suffix}", picture, [Voice(codec=voice, seconds=0.9)])
    make(made_of(nobody()), path)
    made, target = make(made_of(Faces(), names=Names((0.3, 0.5))), path)
    assert (len(made.plan.regions), len(made.plan.cuts)) == (1, 1)
    assert not any(map(visible, frames(probe(target, POLICY.limits))))


@pytest.mark.slow
@pytest.mark.parametrize("row", SOUND, ids=named)
def test_every_kind_of_sound_goes_the_whole_way(tmp_path, row):
    suffix, voice = row
    path = make_clip(tmp_path / f"clip{suffix}", None, [Voice(codec=voice, seconds=0.9)])
    make(made_of(nobody()), path)
    made, _ = make(made_of(nobody(), names=Names((0.3, 0.5))), path)
    assert len(made.plan.cuts) == 1


def test_a_face_that_is_drawn_in_the_alpha_plane_alone_is_covered_there(tmp_path):
    path = tmp_path / "clip.png"
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[..., 3] = pattern(0, 96, 64)
    cv2.imwrite(str(path), picture)
    made, target = make(made_of(Faces()), path)
    (frame,) = frames(probe(target, POLICY.limits))
    assert len(made.plan.regions) == 1
    assert frame.alpha[FACE.y0 : FACE.y1, FACE.x0 : FACE.x1].min() == 255


class Counting(Faces):
    """Notes which frames it was shown."""

    def __init__(self, **how):
        super().__init__(**how)
        self.shown = []

    def detect(self, shown):
        self.shown += [frame.index for frame in shown]
        return super().detect(shown)


def test_the_second_look_at_a_copied_picture_is_taken_with_the_first(clip):
    again = Counting(where=())
    made, target = make(made_of(nobody(), again=again), clip)
    assert packet_hashes(target, "video") == packet_hashes(clip, "video")
    assert len(again.shown) == len(set(again.shown)) == made.verdict.frames_scanned
    assert {0, 29} <= set(again.shown)


def test_what_the_second_look_alone_finds_in_a_picture_to_be_copied_is_covered(clip):
    made, target = make(made_of(nobody(), again=Faces()), clip)
    assert made.rounds == 1
    assert not any(map(visible, frames(probe(target, POLICY.limits))))


def test_a_second_look_that_could_not_look_is_an_error_there_too(clip):
    with pytest.raises(DetectorError, match="lost the GPU"):
        make(made_of(nobody(), again=Faces(where=(), fails_at=29)), clip)


@pytest.mark.parametrize("where", [range(20, 30), range(1)], ids=["late", "early"])
def test_a_covered_picture_is_looked_at_again_itself(clip, where):
    again = Counting(always=True, where=())
    made, _ = make(made_of(Faces(where=where), again=again), clip)
    assert made.plan.regions
    assert again.shown.count(29) == 2  # the source's once covered, and the output's


def test_a_copy_that_decodes_to_another_picture_is_not_published(clip, monkeypatch):
    """Equal packets under other settings of the codec: simulated by another first frame."""
    from redact import check

    real, calls = check.frames, []

    def other(shown):
        calls.append(shown.path)
        for frame in real(shown):
            frame.planes[0][:] += np.uint8(shown.path != clip)
            yield frame

    monkeypatch.setattr(check, "frames", other)
    with pytest.raises(ResidualError, match="first frame of the copy"):
        make(made_of(nobody()), clip)
    assert len(calls) == 2
