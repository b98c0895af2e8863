"""What truth.json says of a clip: what can be seen, what can be heard, what is in the container."""

from __future__ import annotations

from typing import Any

from .media import Movie
from .portrait import TruthBox
from .voice import Speech

# Section -> the clip's entry there. `video`, `faces` and `speech` have the form that evaluation
# reads; `container` lists, by kind of finding, the text (or bytes, in `hex`) that was planted.
Truth = dict[str, dict[str, Any]]


def picture_truth(
    kind: str, source: str, licence: str, movie: Movie, rate: int, boxes: list[list[TruthBox]]
) -> dict[str, Any]:
    """What can be seen: a list of boxes for each frame, in the picture as it is stored."""
    about = {"kind": kind, "source": source, "licence": licence, "fps_nominal": rate}
    return about | {"width": movie.width, "height": movie.height, "frames": boxes}


def speech_truth(speech: Speech) -> dict[str, Any]:
    """What can be heard, and when each name is, in seconds."""
    times: dict[str, list[list[float]]] = {}
    for name in speech.names:
        times.setdefault(name.name, []).append([round(name.start, 3), round(name.end, 3)])
    return {
        "text": speech.text,
        "seconds": round(speech.seconds, 3),
        "names": [{"name": name, "times": spans} for name, spans in times.items()],
        "kind": "person",
    }
