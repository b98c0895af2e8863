"""
What a run states of a clip: plain values, in the words of the entry that is made from them.

Durations are whole microseconds, scores and shares parts per million, digests hex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SUFFIX = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/webm": ".webm",
    "video/x-msvideo": ".avi",
    "video/mp2t": ".ts",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/aac": ".aac",
    "audio/x-matroska": ".mka",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
}
"""Every media type that an entry can name, and the suffix of a published file of that type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """
    What makes a clip's work the same work: one of these is published at most once.

    `source` and `policy` are sha256 in hex; `source` is None for a file that could not be read,
    which can only be held. `engine` is "redact 0.1.0": the plan's.
    """

    source: str | None
    policy: str
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The entry's `in`: the file that came in. Zeros where it has no picture."""

    media: str
    dur_us: int
    w: int
    h: int
    fps_num: int  # of the average rate
    fps_den: int
    audio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    media: str
    frames: int
    dur_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    slot: str
    name: str
    sha256: str
    thr_ppm: int  # 0 where it has no threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much was looked at; "found nothing" means nothing without it."""

    frames: int
    frames_scanned: int
    audio_us: int
    audio_us_scanned: int
    speech_us: int
    passes: int  # looks at the source; the second look at the output is in `Check`


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """
    What was removed of one kind by one method. What does not apply to the kind is None.

    Pictures (face, plate): all but None. Sound (spoken_name and its like): count, dur_us,
    score_ppm_min.
    Container kinds: count only, method "strip".
    """

    k: str  # a Kind
    method: str
    count: int  # tracks, spans, or things in the container
    frames: int | None = None  # covered regions, summed over the frames
    dur_us: int | None = None
    area_ppm_max: int | None = None  # of the picture
    score_ppm_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """
    The second look at the encoded output. Its verdict is "clean" where nothing is left.

    Else it is "overruled": a person applied a plan of their own, and took what is left for nothing.
    """

    rounds: int  # how often the clip was rendered again
    frames_scanned: int
    audio_us_scanned: int
    residual: int = 0  # tracks and spans that it still found


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """
    What a manifest says of a clip's source, and what the gate made of it, in the entry's words.

    Each is a group of the schema (`$defs` of the same name), or None where nothing is known. The
    URL itself belongs in the restricted detail.
    """

    src: dict[str, Any] | None = None
    rights: dict[str, Any] | None = None
    law: dict[str, Any] | None = None
    ret: dict[str, Any] | None = None
    adm: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run states of a clip that it publishes."""

    source: Source
    output: Output
    policy_id: str  # the policy's name
    models: tuple[Model, ...]
    coverage: Coverage
    scope: frozenset[str]  # the kinds that were looked for, whether found or not
    removed: tuple[Removal, ...]
    check: Check
    listing: Listing | None = None
    c2pa: str | None = None  # "none", "embedded" or "sidecar"; None where it was not asked for
