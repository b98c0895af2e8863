"""The whole way, with the real models: files in, published clips and a record out."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import redact as api
from redact.errors import ResidualError
from redact.methods.geometry import touched
from redact.plan import Plan
from redact.types import Kind
from tests.command import Outcome, bytes_of, redact
from tests.media_maker import Picture, Voice, make_clip, packet_hashes

pytestmark = [pytest.mark.weights, pytest.mark.slow]

FRAMES = 20
INVENTED = ("Wilhelmina", "Osterby", "Brentano")  # no one's name


@pytest.fixture(scope="module")
def photo(shared: Path) -> NDArray[np.uint8]:
    """A person before a wall, (height, width, 3), R G B."""
    picture = cv2.imread(str(shared / "faces" / "no-mask_mov-16_jpg.jpg"))
    small = cv2.resize(picture, (360, 240), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


@pytest.fixture(scope="module")
def moving(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The person from a camera that pans, (frames, height, width, 3)."""
    return np.stack([np.roll(photo, 2 * index, axis=1) for index in range(FRAMES)])


@pytest.fixture
def portrait(moving: NDArray[np.uint8]) -> Callable[[Path], Path]:
    """Writes a clip with a face, a tag and the noise of a room: a tone may pass for a voice."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in moving]

    def write(path: Path) -> Path:
        picture = Picture(width=360, height=240, frames=FRAMES, greys=greys)
        noise = np.random.default_rng(0).normal(0, 0.002, (2, 38_400)).astype(np.float32)
        return make_clip(path, picture, [Voice(samples=noise)], tags={"title": INVENTED[0]})

    return write


@pytest.fixture
def keys(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def greys_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as source:
        return [frame.to_ndarray(format="gray") for frame in source.decode(video=0)]


def change(before: Path, after: Path, box: tuple[int, int, int, int]) -> float:
    """The mean change of the pixels in a box, over all frames."""
    x0, y0, x1, y1 = box
    pairs = zip(greys_of(before), greys_of(after), strict=True)
    return float(np.mean([cv2.absdiff(a[y0:y1, x0:x1], b[y0:y1, x0:x1]).mean() for a, b in pairs]))


def test_a_face_is_removed_once_and_not_found_again(tmp_path, keys, portrait):
    clip, store = portrait(tmp_path / "a.mp4"), tmp_path / "store"
    seen = redact("check", clip, "--json", keys=keys)
    assert (seen.code, seen.lines[0]["clean"]) == (7, False)
    assert set(seen.lines[0]["found"]) == {"face", "metadata"}
    assert not store.exists()

    done = redact("run", clip, "--store", store, "--json", keys=keys)
    said = done.clip("/a.mp4")
    assert (done.code, said["status"]) == (0, "published")
    assert said["removed"]["face"] >= 1
    output = Path(said["output"])
    assert packet_hashes(output, "audio") == packet_hashes(clip, "audio")

    again = redact("check", output, "--json", keys=keys)
    assert (again.code, again.lines[0]) == (0, {"file": str(output), "found": {}, "clean": True})

    before = output.stat().st_mtime_ns, output.stat().st_ino
    second = redact("run", clip, "--store", store, "--json", keys=keys).clip("/a.mp4")
    assert (second["status"], second["output"]) == ("already", str(output))
    assert second["removed"] == said["removed"]
    assert (output.stat().st_mtime_ns, output.stat().st_ino) == before
    assert len(redact("ledger", "show", "--store", store, "--json", keys=keys).lines) == 1


def test_a_plan_is_edited_by_hand_and_applied(tmp_path, keys, portrait):
    clip, store, plan = portrait(tmp_path / "a.mp4"), tmp_path / "store", tmp_path / "plan.json"
    assert redact("plan", clip, "-o", plan, keys=keys).code == 0
    value = json.loads(plan.read_text())
    found = sorted(value["regions"], key=lambda region: region["kind"] != "face")
    faces = sum(region["kind"] == "face" for region in found)  # a badge may pass for a plate
    assert faces
    corner = [20, 60, 60, 100]  # where nothing looks like a plate, however it is encoded
    added = {**found[0], "first": 0, "boxes": [corner] * FRAMES, "method": "pixelate"}
    plan.write_text(json.dumps({**value, "regions": [*found, added]}))

    done = redact("apply", clip, plan, "--store", store, "--json", keys=keys)
    said = done.lines[0]
    assert done.code == 0, said
    assert said["removed"]["face"] == faces + 1
    face = tuple(found[0]["boxes"][0])
    assert change(clip, Path(said["output"]), tuple(corner)) > 2
    assert change(clip, Path(said["output"]), face) > 5
    assert change(clip, Path(said["output"]), (300, 0, 360, 20)) < 2

    plan.write_text(json.dumps({**value, "regions": [added]}))  # the face dropped
    trusted = redact("apply", clip, plan, "--store", store, "--trust-plan", "--json", keys=keys)
    assert trusted.code == 0
    assert change(clip, Path(trusted.lines[0]["output"]), face) < 2
    entries = redact("ledger", "show", "--store", store, "--json", keys=keys).lines
    assert [one["chk"]["verdict"] for one in entries] == ["clean", "overruled"]
    assert redact("ledger", "verify", "--store", store, keys=keys).code == 0


def test_the_python_api(tmp_path, keys, portrait):
    clip = portrait(tmp_path / "a.mp4")
    with api.Redactor("strict", device="cpu") as redactor:
        assert redactor.check(clip).tracks
        plan = redactor.plan(clip)
        faces = sum(region.kind is Kind.FACE for region in plan.regions)
        assert faces
        assert {region.kind for region in plan.regions} <= {Kind.FACE, Kind.PLATE}
        applied = redactor.apply(clip, plan, tmp_path / "by plan")
        assert applied.output is not None
        assert redactor.check(applied.output).clean
        done = redactor.run(clip, tmp_path / "store")
        assert (done.status, done.removed["face"]) == ("published", faces)
        assert redactor.run(clip, tmp_path / "store").status == "already"
        with pytest.raises(ResidualError):
            redactor.apply(clip, Plan.from_json(without_regions(plan)), tmp_path / "by plan")
    assert [path.name for path in (tmp_path / "store" / ".work").iterdir()] == ["lock"]
    assert api.run(clip, tmp_path / "store").record == done.record


def without_regions(plan: Plan) -> str:
    return json.dumps({**json.loads(plan.to_json()), "regions": []})


def test_frames_in_memory(models, moving):
    covered, report = api.redact_frames(moving, 25.0, device="cpu")
    assert covered.shape == moving.shape
    assert report.frames == FRAMES
    assert report.regions
    box = report.regions[0].boxes[0]
    inside = np.s_[0, box.y0 : box.y1, box.x0 : box.x1]
    assert np.abs(covered[inside].astype(int) - moving[inside]).mean() > 5
    outside = np.ones(moving.shape[:3], bool)
    for region in report.regions:
        for index, one in enumerate(region.boxes, region.first):
            edge = touched(one, 360, 240)  # the soft edge lies outside the region
            outside[index, edge.y0 : edge.y1, edge.x0 : edge.x1] = False
    np.testing.assert_array_equal(covered[outside], moving[outside])


def test_what_is_installed_is_told(models, keys):
    verified = redact("models", "verify", "--json", keys=keys)
    assert verified.code == 0
    assert set(verified.lines[0].values()) == {"ok"}
    report = redact("doctor", "--json", keys=keys).lines[0]
    assert report["looked for"]["faces"] == "yes"
    assert report["models"]["folder"] == str(models)


def spoken(path: Path, text: str, voice: str) -> Path:
    """The text in a machine's voice, or a counted skip."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng")
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), text], check=True)
    return path


FRENCH = (
    "Bonjour à tous. Aujourd'hui nous allons parler du temps qu'il fait dans le nord de la France, "
    "et de ce que les agriculteurs pensent de la pluie qui tombe depuis trois semaines."
)


def test_speech_in_a_language_that_is_not_covered_is_held_or_silenced(tmp_path, keys):
    clip, store = spoken(tmp_path / "fr.wav", FRENCH, "fr"), tmp_path / "store"
    held = redact("run", clip, "--store", store, "--json", keys=keys)
    assert (held.code, held.lines[0]["reason"]) == (4, "language")
    assert "silence-uncovered" in held.lines[0]["todo"]
    assert not list((store / "clips").iterdir())

    policy = ("--policy", "silence-uncovered")
    done = redact("run", clip, "--store", store, *policy, "--json", keys=keys)
    said = done.lines[0]
    assert (done.code, said["status"]) == (0, "published")
    assert loudness(Path(said["output"])) < 0.1 * loudness(clip)


def loudness(path: Path) -> float:
    with av.open(str(path)) as source:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in source.decode(audio=0)])
    return float(np.sqrt(np.mean((sound / 32768.0) ** 2)))


def test_no_name_is_left_in_the_store_or_told(tmp_path, keys):
    """Invented names in the tags, a chapter, the file's name, and spoken."""
    text = f"Hello. My name is {INVENTED[0]} {INVENTED[1]}, and this is my friend {INVENTED[2]}."
    voice = voice_of(spoken(tmp_path / "voice.wav", text, "en-us"))
    folder, store = tmp_path / INVENTED[2], tmp_path / "store"
    folder.mkdir()
    clip = make_clip(
        folder / f"{INVENTED[0]} {INVENTED[1]}.mkv",
        Picture(frames=100),
        [voice],
        tags={"title": " ".join(INVENTED), "artist": INVENTED[0], "location": INVENTED[1]},
    )
    done = redact("run", clip, "--store", store, "--json", keys=keys)
    assert done.lines[0]["status"] in ("published", "held")
    redact("ledger", "verify", "--store", store, keys=keys)
    heard = text.replace(".", "").replace(",", "").split()
    check_untold(done, clip, store, [*INVENTED, *[w for w in heard if len(w) > 5]])


def check_untold(done: Outcome, clip: Path, store: Path, words: list[str]) -> None:
    stored = bytes_of(store).lower()
    told = (
        (done.out + done.err).replace(os.fsencode(clip), b"").replace(os.fsencode(clip.name), b"")
    )
    for word in words:
        assert word.lower().encode() not in stored
        assert word.lower().encode() not in told.lower()


def voice_of(path: Path) -> Voice:
    with av.open(str(path)) as source:
        rate = source.streams.audio[0].rate
        parts = [frame.to_ndarray().ravel() for frame in source.decode(audio=0)]
    samples = np.concatenate(parts).astype(np.float32)[np.newaxis] / 32768
    return Voice(codec="flac", rate=rate, layout="mono", samples=samples)
