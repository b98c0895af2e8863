"""A store worth looking at, made in a second: real clips of a pattern, imagined facts."""

import json
from dataclasses import replace
from pathlib import Path

from redact.errors import Reason
from redact.ledger.facts import Listing, Removal
from redact.plan import Cut, Looked, Plan, Region
from redact.store import Store
from redact.types import Box, Kind
from tests.facts import FACTS, clip
from tests.media_maker import Picture, Voice, make_clip

WIDTH, HEIGHT, FRAMES = 320, 180, 50
URL = "https://footage.example.com/watch?v="
REASONS = (Reason.CORRUPT, Reason.LANGUAGE, Reason.STILL_VISIBLE)
NOTHING = replace(FACTS, removed=())
PLATES = replace(
    FACTS,
    removed=(
        *FACTS.removed,
        Removal(
            k="plate",
            method="pixelate",
            count=1,
            frames=30,
            dur_us=1_200_000,
            area_ppm_max=9_000,
            score_ppm_min=410_000,
        ),
    ),
)


def film(folder: Path) -> Path:
    """Two seconds of a moving pattern with a tone, as every browser plays it."""
    path = folder / "film.mp4"
    picture = Picture(width=WIDTH, height=HEIGHT, frames=FRAMES, rate=25)
    return make_clip(path, picture, [Voice(seconds=2.0)])


def fill(store: Store, source: Path, clips: int = 12, held: int = 3) -> None:
    """Publish clips and hold some."""
    for number in range(clips):
        facts = replace((FACTS, NOTHING, PLATES)[number % 3], listing=listing(store, number))
        facts = replace(
            facts,
            source=replace(facts.source, w=WIDTH, h=HEIGHT, fps_num=25, fps_den=1),
            output=replace(facts.output, frames=FRAMES, dur_us=2_000_000),
        )
        output = store.workspace(clip(number), "video/mp4")
        unlike = b"\x00\x00\x00\x0cfree" + number.to_bytes(4, "big")
        output.write_bytes(source.read_bytes() + unlike)
        store.publish(output, clip(number), facts, sidecar(number))
    for number in range(held):
        store.hold(clip(1000 + number), "strict", REASONS[number % len(REASONS)], b"{}")


def listing(store: Store, number: int) -> Listing:
    domain = f"site{number % 4}.example.org"
    return Listing(
        src={
            "type": "crawled",
            "domain": domain,
            "url_hmac": store.url_hmac(f"{URL}{number}"),
            "acq_month": "2026-10",
            "acq_method": "crawl",
            "manifest": "ef" * 32,
        },
        rights={
            "licence_media": "CC-BY-4.0",
            "licence_ann": "CC0-1.0",
            "permitted": ["research-training"],
            "optout": [{"proto": "robots", "answer": "allowed"}],
        },
        law={"basis": "eu-gdpr:A6-1-f", "purpose": "research-training", "lia": "LIA-7"},
        ret={"class": "months-12", "restricted_until": "2027-11-26"},
    )


def publish_with(
    store: Store, source: Path, boxes: tuple[Box, ...], width: int, height: int, frames: int = 0
) -> None:
    """Publish a clip of which these boxes, from its first frame on, say where something was."""
    facts = replace(FACTS, source=replace(FACTS.source, w=width, h=height))
    output = store.workspace(clip(1), "video/mp4")
    output.write_bytes(source.read_bytes())
    value = json.loads(sidecar(1))
    plan = value["plan"] | {"width": width, "height": height, "cuts": []}
    plan["looked"] |= {"frames": frames or len(boxes)}
    plan["regions"] = plan["regions"][:1]
    plan["regions"][0] |= {"first": 0, "boxes": [(b.x0, b.y0, b.x1, b.y1) for b in boxes]}
    store.publish(output, clip(1), facts, json.dumps({"plan": plan}).encode())


def sidecar(number: int) -> bytes:
    """The restricted detail: a plan with a face that wanders and a name."""
    boxes = tuple(Box(40 + at, 30, 100 + at, 110) for at in range(30))
    face = Region(
        kind=Kind.FACE, method="fill", first=5, boxes=boxes, score_ppm=640_000, detector="a@0"
    )
    name = Cut(
        kind=Kind.SPOKEN_NAME, method="silence", stream=1, start_us=600_000, end_us=1_100_000,
        score_ppm=377_000, detector="b@0",
    )  # fmt: skip
    looked = Looked(
        frames=FRAMES, frames_scanned=20, sound_us=2_000_000, sound_us_scanned=2_000_000,
        speech_us=900_000, language="en",
    )  # fmt: skip
    plan = Plan(
        source=str(clip(number).source), policy="ab" * 32, engine="redact 0.1.0", models=(),
        looked=looked, width=WIDTH, height=HEIGHT, regions=(face,), cuts=(name,), strip={},
    )  # fmt: skip
    return json.dumps({"plan": json.loads(plan.to_json())}).encode()
