import json

import pytest

from redact.errors import UsageError
from redact.plan import Cut, Looked, Model, Plan, Region
from redact.types import Box, Kind

DIGEST = "ab" * 32


def plan(**changes) -> Plan:
    face = Region(
        kind=Kind.FACE,
        method="fill",
        first=1,
        boxes=(Box(0, 0, 8, 8), Box(1, 1, 16, 12)),
        score_ppm=912_000,
        detector="centerface@09189deaaf8646c5",
    )
    name = Cut(
        kind=Kind.SPOKEN_NAME,
        method="silence",
        stream=1,
        start_us=-20_000,
        end_us=800_000,
        score_ppm=500_000,
        detector="whisper-base@d01c3014881c9c6f",
    )
    values = {
        "source": DIGEST,
        "policy": DIGEST,
        "engine": "redact 0.1.0",
        "models": (Model(slot="faces", name="centerface", sha256=DIGEST, threshold_ppm=300_000),),
        "looked": Looked(
            frames=3,
            frames_scanned=2,
            sound_us=900_000,
            sound_us_scanned=900_000,
            speech_us=700_000,
            language="en",
        ),
        "width": 16,
        "height": 12,
        "regions": (face,),
        "cuts": (name,),
        "strip": {"chapter": 1},
    }
    return Plan(**{**values, **changes})


def test_a_plan_survives_json():
    assert Plan.from_json(plan().to_json()) == plan()


def test_a_plan_has_a_line_for_each_region_so_that_a_person_can_drop_one():
    two = plan(regions=plan().regions * 2)
    kept = [line for line in two.to_json().splitlines() if '"kind": "face"' in line]
    assert len(kept) == 2
    assert Plan.from_json(two.to_json().replace(kept[0] + "\n", "", 1)) == plan()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("regions", 0, "method"), "gauss"),
        (("regions", 0, "boxes"), []),
        (("regions", 0, "boxes"), [[8, 0, 8, 8]]),  # empty
        (("regions", 0, "boxes"), [[0, 0, 17, 8]]),  # leaves the picture
        (("regions", 0, "first"), 2),  # goes on after the last frame
        (("regions", 0, "colour"), "red"),
        (("cuts", 0, "end_us"), -20_000),
        (("cuts", 0, "end_us"), 0.5),
        (("source",), "short"),
        (("schema",), "redact/plan/2"),
        (("name",), "a key that no plan has"),
        (("regions", 0, "detector"), "free text is refused"),
    ],
)
def test_a_plan_that_says_something_unknown_is_refused(path, value):
    edited = json.loads(plan().to_json())
    place = edited
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(UsageError):
        Plan.from_json(json.dumps(edited))


def test_a_plan_that_is_not_json_is_refused():
    with pytest.raises(UsageError, match="not JSON"):
        Plan.from_json("{")
