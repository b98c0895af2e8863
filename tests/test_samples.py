"""The sample clips: what is drawn, what is refused, and what is in the clips that are made."""

import json
import struct
import sys
import zipfile
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import av
import cv2
import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import make_samples
from samples_parts import photo, plates
from samples_parts.clips import RECIPES, Materials, conversation, portrait
from samples_parts.footage import CARPHONE_FACES, STREET_FACES, between
from samples_parts.media import Movie, Tags, write_movie
from samples_parts.packages import Package, SampleError, Shelf, UnavailableError
from samples_parts.portrait import FACE_CENTRE, FACE_HALF, Pose, scenes
from samples_parts.voice import RATE, Speech, SpokenName

CACHE = platformdirs.user_cache_path("redact") / "samples"


def masked_face():
    """A black photo whose face is a white ellipse."""
    photo = np.zeros((512, 512, 3), np.uint8)
    axes = (round(FACE_HALF[0]), round(FACE_HALF[1]))
    centre = (round(FACE_CENTRE[0]), round(FACE_CENTRE[1]))
    cv2.ellipse(photo, centre, axes, 0, 0, 360, (255, 255, 255), -1)
    return photo


def frames_of(path):
    with av.open(str(path)) as clip:
        yield from clip.decode(video=0)


def tone(seconds):
    times = np.arange(round(seconds * RATE)) / RATE
    return Speech((0.3 * np.sin(2000 * times)).astype(np.float32), "", ())


def grey(width, height, count):
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    picture = cv2.resize(noise, (width, height))
    return [np.roll(picture, 3 * i, axis=1) for i in range(count)]


class TestBoxes:
    @settings(max_examples=60, deadline=None)
    @given(
        x=st.floats(-100, 740),
        y=st.floats(-100, 580),
        scale=st.floats(0.3, 3),
        degrees=st.floats(-180, 180),
    )
    def test_the_face_lies_in_its_box_and_fills_it(self, x, y, scale, degrees):
        pose = Pose(x, y, scale, degrees)
        [(picture, boxes)] = scenes(masked_face(), [lambda _: pose], (640, 480), [0.0])
        if not boxes:
            return
        [(left, top, width, height)] = boxes
        assert left >= 0
        assert top >= 0
        assert left + width <= 640.05
        assert top + height <= 480.05
        seen = np.argwhere(picture[..., 0] > 180)
        drawn = np.array([*seen.min(axis=0), *-(seen.max(axis=0) + 1)])
        told = np.array([top, left, -(top + height), -(left + width)])
        blur = 1.5 + 1.5 * scale
        assert np.all(drawn >= told - blur)
        if min(left, top) > 0 and left + width < 639.9 and top + height < 479.9:
            assert np.all(drawn <= told + blur)

    def test_a_face_that_has_left_has_no_box(self):
        assert Pose(-30, 200, 1).box(640, 480) is None
        assert Pose(0, 200, 1).box(640, 480) is not None

    @pytest.mark.parametrize("seconds", [0.0, 0.9, 2.2, 3.1, 4.97])
    def test_each_plate_is_white_inside_its_box_and_not_around_it(self, seconds):
        picture, boxes = plates.street(seconds)
        assert len(boxes) == len(plates.CARS)
        for left, top, width, height in boxes:
            assert 0 <= left < left + width <= plates.WIDTH + 0.05
            assert 0 <= top < top + height <= plates.HEIGHT + 0.05
            middle = round(left + width / 2)
            column = picture[:, middle].min(axis=1).astype(int)
            inside = column[round(top) : round(top + height)].max()
            above = column[round(top) - round(height) - 3 : round(top) - 3].max()
            assert inside > 190 > 140 > above

    def test_marks_are_joined_by_straight_lines(self):
        marks = {0: [[0, 0, 10, 10]], 4: [[8, 4, 10, 10]], 5: []}
        boxes = between(marks, 7)
        assert boxes[1] == [[2, 1, 10, 10]]
        assert boxes[4] == [[8, 4, 10, 10]]
        assert boxes[5] == boxes[6] == []

    @pytest.mark.parametrize(
        ("marks", "width", "height"), [(CARPHONE_FACES, 176, 144), (STREET_FACES, 640, 272)]
    )
    def test_marks_lie_in_the_picture(self, marks, width, height):
        for boxes in marks.values():
            for x, y, w, h in boxes:
                assert 0 <= x < x + w <= width
                assert 0 <= y < y + h <= height


class TestWriting:
    MOVIE = Movie(
        320,
        240,
        Fraction(1, 1000),
        rotation=-90,
        tags=Tags(
            {"com.apple.quicktime.make": "Exemplar"},
            ("picture of Wilhelmina", "sound of Wilhelmina"),
            ("Wilhelmina", "the end"),
        ),
    )
    TICKS = (0, 40, 57, 99, 300, 320, 410, 450)

    def write(self, path, movie=MOVIE):
        write_movie(path, movie, zip(self.TICKS, grey(320, 240, 8), strict=True), tone(0.5))
        return path

    def test_everything_that_is_planted_is_there(self, tmp_path):
        with av.open(str(self.write(tmp_path / "clip.mov"))) as clip:
            assert clip.metadata["com.apple.quicktime.make"] == "Exemplar"
            handlers = [stream.metadata["handler_name"] for stream in clip.streams][:2]
            assert handlers == ["picture of Wilhelmina", "sound of Wilhelmina"]
            titles = [chapter["metadata"]["title"] for chapter in clip.chapters()]
            assert titles == ["Wilhelmina", "the end"]
            assert next(clip.decode(video=0)).rotation == -90

    def test_times_are_kept(self, tmp_path):
        frames = list(
            frames_of(self.write(tmp_path / "clip.mkv", Movie(320, 240, Fraction(1, 1000))))
        )
        assert [round(1000 * frame.time) for frame in frames] == list(self.TICKS)

    @pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
    def test_the_same_bytes_each_time(self, tmp_path, suffix):
        first = self.write(tmp_path / f"first{suffix}")
        second = self.write(tmp_path / f"second{suffix}")
        assert first.read_bytes() == second.read_bytes()

    def test_subtitles(self, tmp_path):
        tags = Tags(subtitles=((0.1, 0.4, "Wilhelmina speaks"),))
        path = self.write(tmp_path / "clip.mkv", Movie(320, 240, Fraction(1, 1000), tags=tags))
        assert b"Wilhelmina speaks" in path.read_bytes()
        with av.open(str(path)) as clip:
            assert [stream.type for stream in clip.streams] == ["video", "audio", "subtitle"]

    def test_a_bare_picture_carries_no_text_of_the_encoder(self, tmp_path):
        plain = self.write(tmp_path / "plain.mp4", Movie(320, 240, Fraction(1, 1000)))
        bare = self.write(tmp_path / "bare.mp4", Movie(320, 240, Fraction(1, 1000), bare=True))
        assert b"x264 - core" in plain.read_bytes()
        assert b"x264" not in bare.read_bytes()
        assert len(list(frames_of(bare))) == len(self.TICKS)


class TestPhoto:
    def test_the_tags_and_the_thumbnail_can_be_read(self):
        data = photo.jpeg_with_exif(grey(640, 480, 1)[0])
        tags = self.folder(data, offset(data, 4))
        assert self.text(data, tags[0x010F]) == photo.MAKE
        assert self.text(data, tags[0x013B]) == photo.ARTIST
        place = self.folder(data, tags[0x8825][1])
        start = TIFF + place[2][1]
        assert data[start : start + 24] == photo.LATITUDE
        second = self.folder(data, self.following(data))
        start, length = TIFF + second[0x0201][1], second[0x0202][1]
        small = cv2.imdecode(np.frombuffer(data[start : start + length], np.uint8), 1)
        assert small.shape == (120, 160, 3)

    def test_it_is_still_a_picture(self):
        data = photo.jpeg_with_exif(grey(640, 480, 1)[0])
        assert cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape == (480, 640, 3)

    def folder(self, data, at):
        """Tag -> (count, value or offset)."""
        (count,) = struct.unpack_from("<H", data, TIFF + at)
        rows = [struct.unpack_from("<HHII", data, TIFF + at + 2 + 12 * i) for i in range(count)]
        return {tag: (number, value) for tag, _, number, value in rows}

    def text(self, data, entry):
        number, value = entry
        return data[TIFF + value : TIFF + value + number - 1].decode()

    def following(self, data):
        first = offset(data, 4)
        (count,) = struct.unpack_from("<H", data, TIFF + first)
        return offset(data, first + 2 + 12 * count)


TIFF = 12  # where EXIF's own offsets start: after the JPEG's start, the marker, and "Exif"


def offset(data, at):
    return struct.unpack_from("<I", data, TIFF + at)[0]


class TestPackages:
    def wheel(self, folder):
        path = folder / "thing-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("thing/picture.png", b"a picture")
        digest = sha256(path.read_bytes()).hexdigest()
        return path, Package("thing", "1.0", path.name, digest)

    def test_a_checked_wheel_is_read(self, tmp_path):
        _, package = self.wheel(tmp_path)
        assert Shelf(tmp_path).read(package, "thing/picture.png") == b"a picture"

    def test_a_changed_byte_is_refused(self, tmp_path):
        path, package = self.wheel(tmp_path)
        data = bytearray(path.read_bytes())
        data[data.index(b"a picture")] ^= 1
        path.write_bytes(data)
        with pytest.raises(SampleError, match="as pinned"):
            Shelf(tmp_path).read(package, "thing/picture.png")
        with pytest.raises(SampleError, match="as pinned"):
            Shelf(tmp_path).unpack(package, tmp_path / "unpacked")
        assert not (tmp_path / "unpacked").exists()

    @pytest.mark.slow
    def test_a_package_that_cannot_be_had_says_so(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        package = Package("redact-no-such-thing", "1.0", "thing.whl", "0" * 64)
        with pytest.raises(UnavailableError, match=r"redact-no-such-thing 1\.0 could not be had"):
            Shelf(tmp_path / "cache").wheel(package)


class TestMaking:
    @pytest.fixture(autouse=True)
    def recipes(self, monkeypatch):
        self.made = []

        def recipe(materials, path):
            self.made.append(path.name.removeprefix(".unfinished-"))
            path.write_bytes(b"clip")
            return {"speech": {"text": "hello"}}

        monkeypatch.setattr(make_samples, "RECIPES", {"one.wav": recipe, "two.wav": recipe})

    def test_a_second_run_makes_nothing(self, tmp_path):
        make_samples.make(tmp_path, tmp_path / "cache")
        make_samples.make(tmp_path, tmp_path / "cache")
        assert self.made == ["one.wav", "two.wav"]
        truth = json.loads((tmp_path / "truth.json").read_text())
        assert list(truth["speech"]) == ["one.wav", "two.wav"]

    def test_a_missing_and_a_changed_clip_are_remade(self, tmp_path):
        make_samples.make(tmp_path, tmp_path / "cache")
        self.made.clear()
        (tmp_path / "two.wav").unlink()
        make_samples.make(tmp_path, tmp_path / "cache")
        assert self.made == ["two.wav"]
        (tmp_path / "one.wav").write_bytes(b"cli")
        make_samples.make(tmp_path, tmp_path / "cache")
        assert self.made == ["two.wav", "one.wav"]

    def test_other_code_makes_other_clips(self, tmp_path, monkeypatch):
        make_samples.make(tmp_path, tmp_path / "cache")
        monkeypatch.setattr(make_samples, "_recipe", lambda: "another")
        make_samples.make(tmp_path, tmp_path / "cache")
        assert self.made == 2 * ["one.wav", "two.wav"]

    def test_a_clip_that_fails_leaves_none_of_its_name(self, tmp_path, monkeypatch):
        def failing(materials, path):
            path.write_bytes(b"half a cl")
            raise SampleError("no material")

        monkeypatch.setitem(make_samples.RECIPES, "two.wav", failing)
        with pytest.raises(SampleError):
            make_samples.make(tmp_path, tmp_path / "cache")
        assert (tmp_path / "one.wav").exists()
        assert not (tmp_path / "two.wav").exists()


def test_speech_that_follows_moves_its_names():
    first = tone(1.5)
    second = Speech(tone(1).sound, "I am Wilhelmina.", (SpokenName("Wilhelmina", 0.25, 0.75),))
    assert (first + second).names == (SpokenName("Wilhelmina", 1.75, 2.25),)


@pytest.fixture(scope="session")
def samples():
    """The folder of the made clips; kept in the cache, so that another run finds them there."""
    folder = CACHE / "made"
    try:
        make_samples.make(folder, CACHE)
    except UnavailableError as error:
        pytest.skip(f"needs the package index: {error.what}")
    return folder


@pytest.fixture(scope="session")
def truth(samples):
    return json.loads((samples / "truth.json").read_text())


STREAMS = {
    "introduction.mp4": ["h264", "aac"],
    "phone.mov": ["hevc", "aac"],
    "variable_rate.mkv": ["h264", "aac", "subrip"],
    "carphone.mp4": ["h264"],
    "street.mp4": ["h264"],
    "plates.mp4": ["h264"],
    "plain.mp4": ["h264", "aac"],
    "conversation.wav": ["pcm_s16le"],
    "portrait.jpg": ["mjpeg"],
}
PICTURES = [name for name in STREAMS if name not in ("conversation.wav", "portrait.jpg")]


@pytest.mark.slow
class TestClips:
    def test_all_are_there_and_small(self, samples):
        assert set(STREAMS) == set(RECIPES)
        assert sum((samples / name).stat().st_size for name in RECIPES) < 10e6
        assert sum(seconds_of(samples / name) for name in RECIPES) < 60

    @pytest.mark.parametrize("name", STREAMS)
    def test_streams(self, samples, name):
        with av.open(str(samples / name)) as clip:
            known = [stream.codec_context for stream in clip.streams if stream.codec_context]
            assert [context.codec.canonical_name for context in known] == STREAMS[name]

    @pytest.mark.parametrize("name", PICTURES)
    def test_each_frame_has_its_boxes_inside_it(self, samples, truth, name):
        told = truth["video"][name]
        shapes = [(frame.width, frame.height) for frame in frames_of(samples / name)]
        assert len(shapes) == len(told["frames"])
        assert set(shapes) == {(told["width"], told["height"])}
        for x, y, w, h in (box for boxes in told["frames"] for box in boxes):
            assert 0 <= x < x + w <= told["width"] + 0.11
            assert 0 <= y < y + h <= told["height"] + 0.11

    @pytest.mark.parametrize("name", ["introduction.mp4", "phone.mov", "variable_rate.mkv"])
    def test_the_face_moves_with_its_box(self, samples, truth, name):
        """The middle of the box has the same colours in every frame, whatever is around it."""
        told = truth["video"][name]
        colours, corners = [], []
        for frame, boxes in zip(frames_of(samples / name), told["frames"], strict=True):
            picture = frame.to_ndarray(format="rgb24")
            for x, y, w, h in boxes:
                if min(x, y) > 0 and x + w < told["width"] and y + h < told["height"]:
                    middle = picture[int(y + h / 4) : int(y + h * 0.75), int(x + w / 4) :]
                    colours.append(middle[:, : int(w / 2)].mean(axis=(0, 1)))
                    corners.append((x, y))
        assert len(colours) > 50
        assert np.ptp(corners, axis=0).max() > 40
        assert np.ptp(colours, axis=0).max() < 25

    def test_the_phone_clip(self, samples, truth):
        with av.open(str(samples / "phone.mov")) as clip:
            tags = clip.metadata
            planted = truth["container"]["phone.mov"]
            assert set(planted["metadata"]) <= set(tags.values())
            assert tags["creation_time"].startswith("2026-05-17")
            assert planted["chapter"] == [
                chapter["metadata"]["title"] for chapter in clip.chapters()
            ]
            assert next(clip.decode(video=0)).rotation == truth["video"]["phone.mov"]["rotation"]

    def test_what_is_planted_is_in_the_bytes(self, samples, truth):
        for name, planted in truth["container"].items():
            data = (samples / name).read_bytes()
            for kind, texts in planted.items():
                for text in texts:
                    assert (bytes.fromhex(text) if kind == "hex" else text.encode()) in data

    def test_the_variable_rate_varies(self, samples):
        times = [frame.pts for frame in frames_of(samples / "variable_rate.mkv")]
        assert set(np.diff(times)) == {17, 33, 42, 50, 90, 260}

    def test_the_plain_clip_has_nothing_to_remove(self, samples, truth):
        assert not any(truth["video"]["plain.mp4"]["frames"])
        assert truth["speech"]["plain.mp4"]["names"] == []
        assert "plain.mp4" not in truth["container"]
        assert b"x264" not in (samples / "plain.mp4").read_bytes()

    def test_names_are_loud_where_they_are_said(self, samples, truth):
        for name, told in truth["speech"].items():
            sound = sound_of(samples / name)
            for start, end in (span for each in told["names"] for span in each["times"]):
                assert 0.2 < end - start < 1.5
                said = sound[round(start * 16000) : round(end * 16000)]
                assert np.sqrt(np.mean(said**2)) > 0.03

    def test_the_rendered_ones_are_the_same_when_made_again(self, samples, tmp_path):
        """On one machine, that is: another processor or another onnxruntime rounds otherwise."""
        made = []
        for again in ("once", "again"):
            (tmp_path / again).mkdir()
            materials = Materials(Shelf(CACHE), tmp_path / again)
            for name, recipe in (("conversation.wav", conversation), ("portrait.jpg", portrait)):
                recipe(materials, tmp_path / again / name)
                made.append(sha256((tmp_path / again / name).read_bytes()).hexdigest())
        assert made[:2] == made[2:]

    @pytest.mark.weights
    def test_the_recogniser_hears_what_was_written(self, samples, truth, models):
        from faster_whisper import WhisperModel

        recogniser = WhisperModel(str(models / "speech"), device="cpu", cpu_threads=1)
        for name, told in truth["speech"].items():
            segments, _ = recogniser.transcribe(
                sound_of(samples / name), language="en", beam_size=1
            )
            heard = words(" ".join(segment.text for segment in segments))
            written = words(told["text"])
            assert len(set(written) & set(heard)) > 0.6 * len(set(written))


def seconds_of(path):
    if path.suffix == ".jpg":
        return 0.0
    with av.open(str(path)) as clip:
        return clip.duration / 1e6


def sound_of(path):
    """Mono at 16 kHz, float32."""
    resampler = av.AudioResampler("fltp", "mono", 16000)
    with av.open(str(path)) as clip:
        frames = [part for frame in clip.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def words(text):
    return "".join(sign if sign.isalpha() else " " for sign in text.lower()).split()
