"""Truth files of three forms are read as one; what can't be true is one clear error."""

import json

import pytest

from redact.errors import UsageError
from redact.evaluate.truth import Label, of_sections, read
from redact.types import Box, Kind


def written(folder, value, name="truth.json", files=()):
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(b"")
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / name).write_text(text)
    return folder / name


def video(**entry):
    return {"video": {"a.mp4": entry}}


def test_our_form(tmp_path):
    truth = {
        "video": {
            "a.mp4": {"kind": "plate", "frames": [[[1.5, 2, 10, 20]], []], "tracks": [[7], []]},
            "counted.mp4": {"persons": 3},
        },
        "faces": {"b.jpg": {"boxes": []}},
        "speech": {
            "c.wav": {"names": [{"name": "x", "times": [[0.5, 1]]}]},
            "d.wav": {"names": [{"times": [[0, 1]]}], "kind": "type"},
        },
    }
    files = ["video/a.mp4", "b.jpg", "c.wav", "speech/d.wav"]

    (a, b, c, d), unlabelled = read(written(tmp_path, truth, files=files))

    assert unlabelled == 1
    assert a.path == tmp_path / "video" / "a.mp4"
    assert a.frames == ((Label(Kind.PLATE, Box(1, 2, 12, 22), 7),), ())
    assert (b.path, b.frames, b.names) == (tmp_path / "b.jpg", ((),), None)
    assert (c.frames, c.names, c.neither) == (None, ((0.5, 1.0),), ())
    assert (d.names, d.neither) == ((), ((0.0, 1.0),))
    assert of_sections([a, b, c, d], ["speech"]) == [c, d]
    assert of_sections([a, b, c, d], []) == [a, b, c, d]


def test_footage_elsewhere(tmp_path):
    footage = tmp_path / "footage"
    written(footage, "", name="a.mp4", files=["a.mp4"])

    (one,), _ = read(written(tmp_path, video(frames=[[]])), footage)

    assert one.path == footage / "a.mp4"


COCO = {
    "images": [{"id": 3, "file_name": "b.jpg"}, {"id": 4, "file_name": "c.jpg"}],
    "categories": [
        {"id": 1, "name": "Human face"},
        {"id": 2, "name": "licence_plate"},
        {"id": 9, "name": "dog"},
    ],
    "annotations": [
        {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 3, "category_id": 2, "bbox": [5, 6, 7.5, 8]},
        {"image_id": 3, "category_id": 9, "bbox": [0, 0, 1, 1]},
    ],
}


def test_coco(tmp_path):
    (b, c), _ = read(written(tmp_path, COCO, files=["b.jpg", "images/c.jpg"]))

    assert b.frames == ((Label(Kind.FACE, Box(1, 2, 4, 6)), Label(Kind.PLATE, Box(5, 6, 13, 14))),)
    assert (c.path.name, c.frames) == ("c.jpg", ((),))


def test_mot(tmp_path):
    lines = "1,5,10,20,30,40,1,1,1\n3,5,12,20,30,40,1\n3,6,0,0,9,9,0,1,1\n\n4,8,1,1,2,2\n"

    (one,), _ = read(written(tmp_path, lines, "walk.txt", files=["walk.mp4"]))
    fitted = one.fitted(6).frames

    assert one.path == tmp_path / "walk.mp4"
    assert fitted is not None
    assert [[label.track for label in at] for at in fitted] == [[5], [], [5], [8], [], []]
    assert fitted[2] == (Label(Kind.FACE, Box(12, 20, 42, 60), 5),)


def test_labels_of_another_number_of_frames(tmp_path):
    (one,), _ = read(written(tmp_path, video(frames=[[], []]), files=["a.mp4"]))

    assert one.fitted(2) == one
    for frames in (1, 3):
        with pytest.raises(UsageError, match=f"2 frames for a.mp4, the file has {frames}"):
            one.fitted(frames)


WRONG = {
    "not JSON": ("{", "is not JSON"),
    "deep": ("[" * 100_000, "is not JSON"),
    "a list": ([], "holds no sections"),
    "no sections": ({"clips": {}}, "none of the sections"),
    "a section that is a list": ({"video": []}, "a section video"),
    "an entry that is a list": ({"video": {"a.mp4": []}}, "is no object (video, a.mp4)"),
    "nothing labelled": (video(persons=3), "labels nothing"),
    "an unknown kind": (video(kind="cat", frames=[]), "none of face, plate"),
    "frames that are a number": (video(frames=3), "frames that are no list"),
    "a frame that is a box": (video(frames=[5]), "list of boxes (video, a.mp4, frame 0)"),
    "a box of three": (video(frames=[[], [[1, 2, 3]]]), "four numbers"),
    "a box of words": (video(frames=[[["a", 0, 1, 1]]]), "four numbers"),
    "a box of nothing": (video(frames=[[[1, 2, 0, 4]]]), "0 x 4 pixels"),
    "a box turned inside out": (video(frames=[[[1, 2, -3, 4]]]), "-3 x 4 pixels"),
    "a box that is no number": (
        '{"video": {"a.mp4": {"frames": [[[NaN,1,1,1]]]}}}',
        "four numbers",
    ),
    "too few tracks": (video(frames=[[], []], tracks=[[]]), "2 frames and tracks for 1"),
    "a track too many": (video(frames=[[]], tracks=[[1]]), "one track for each box"),
    "a still without boxes": ({"faces": {"a.mp4": {}}}, "no list of boxes"),
    "names that are no list": ({"speech": {"a.mp4": {}}}, "no list of names"),
    "a name without times": ({"speech": {"a.mp4": {"names": [{}]}}}, "without times"),
    "a time alone": ({"speech": {"a.mp4": {"names": [{"times": [[1]]}]}}}, "start and end"),
    "a name that ends first": (
        {"speech": {"a.mp4": {"names": [{"times": [[2, 1]]}]}}},
        "ends before it starts",
    ),
    "COCO without images": ({"annotations": [], "categories": []}, "is not COCO"),
    "COCO of dogs": (COCO | {"categories": [{"id": 9, "name": "dog"}]}, "is not COCO"),
    "COCO of cats": (
        {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]},
        "no category named for faces",
    ),
}


@pytest.mark.parametrize(("value", "what"), WRONG.values(), ids=list(WRONG))
def test_a_file_that_is_wrong(tmp_path, value, what):
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, value, files=["a.mp4", "b.jpg", "c.jpg"]))

    assert what in caught.value.what
    assert caught.value.means == "Nothing was measured."
    assert "--help" in caught.value.todo


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("one,two", "neither JSON nor MOT"),
        ("1", "neither JSON nor MOT"),
        ("1,1,0,0", "four numbers"),
        ("inf,1,0,0,1,1", "counts frames from 1"),
        ("1,nan,0,0,1,1", "counts frames from 1"),
        ("0,1,0,0,1,1", "counts frames from 1"),
        ("1.5,1,0,0,1,1", "counts frames from 1"),
        ("1,1,0,0,1,nan", "four numbers"),
        ("1,1,0,0,-1,1", "-1.0 x 1.0 pixels"),
        ("", "labels nothing"),
    ],
)
def test_mot_that_is_wrong(tmp_path, lines, what):
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, lines, "walk.txt", files=["walk.mp4"]))

    assert what in caught.value.what


def test_mot_without_its_clip(tmp_path):
    with pytest.raises(UsageError, match=r"walk\.\*, of which there are 0"):
        read(written(tmp_path, "1,1,0,0,1,1", "walk.txt"))


def test_footage_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"a\.mp4 is labelled, and is neither in"):
        read(written(tmp_path, video(frames=[])))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="can't be read"):
        read(tmp_path / "none.json")
