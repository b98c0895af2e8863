"""What is removed, how, and for which purpose. The ledger records the policy by its hash."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import rfc8785

from redact.errors import UsageError

PictureMethod = Literal["fill", "pixelate", "blur"]
SoundMethod = Literal["silence", "tone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    method: PictureMethod = "fill"
    """`fill` keeps nothing of the face. `pixelate` and `blur` keep `cells` x `cells` averages, from
    which a face can be recognised better than by chance: see the README."""
    cells: int = 4
    margin: float = 0.15
    """Each side of a box moves out by this share of its length before it is covered."""
    min_score: float = 0.3
    """Detections below this are dropped. Low: a miss costs a person, a false alarm a patch."""
    long_side: int = 960
    """The picture is scaled down to this long side for a look."""
    looks_per_second: float = 10.0
    """Frames between looks are filled from both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    method: SoundMethod = "silence"
    model: Literal["speech", "speech-small"] = "speech"
    """The recogniser's slot in the model manifest."""
    uncovered_language: Literal["hold", "silence"] = "hold"
    """What happens to speech in a language whose names no installed model finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    rounds: int = 2
    """How often what the second look still finds is removed again before the clip is held."""
    looks_per_second: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Input is hostile: what is beyond these is held."""

    megapixels: float = 70.0
    streams: int = 32
    hours: float = 12.0
    gigabytes: float = 100.0
    memory_gigabytes: float = 12.0
    """Of one clip's child process."""
    seconds_per_second: float = 60.0
    """A clip may take this times its own duration, and two minutes, before it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a picture is encoded again when something in it was covered."""

    crf: int = 18
    preset: str = "veryfast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    The settings of a run.

    Raises UsageError for a key it does not know: a typo must not weaken a policy.
    """

    name: str = "strict"
    purpose: Literal["commercial", "research"] = "commercial"
    """Weights whose licence does not allow this purpose are refused."""
    accept_licences: tuple[str, ...] = ()
    """SPDX or LicenseRef ids of model licences that were read and accepted."""
    faces: Faces = field(default_factory=Faces)
    names: Names = field(default_factory=Names)
    check: Check = field(default_factory=Check)
    limits: Limits = field(default_factory=Limits)
    encoding: Encoding = field(default_factory=Encoding)

    @classmethod
    def load(cls, source: str | Path | Policy) -> Policy:
        """A policy by its name, from a TOML file, or as it is."""
        if isinstance(source, Policy):
            return source
        if str(source) in NAMED:
            return NAMED[str(source)]
        path = Path(source)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(
                f"the policy {str(source)!r} can't be read ({error}).",
                todo=f"Name a TOML file, or one of: {', '.join(NAMED)}.",
            ) from error
        policy: Policy = _build(cls, values, where=str(path))
        return policy

    @property
    def sha256(self) -> str:
        """Of the policy's RFC 8785 form, hex: what the plan and the ledger are bound to."""
        return sha256(rfc8785.dumps(asdict(self))).hexdigest()


def _build(kind: Any, values: dict[str, Any], *, where: str) -> Any:
    """A dataclass from a TOML table, every key known and of the right type."""
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    if unknown := sorted(values.keys() - set(known)):
        raise UsageError(
            f"{where}: unknown {', '.join(unknown)}.", todo=f"Known here: {', '.join(known)}."
        )
    return kind(
        **{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    )


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value, where=where)
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise UsageError(f"{where} is {value!r}.", todo=f"It can be {', '.join(get_args(hint))}.")
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UsageError(f"{where} is {value!r}.", todo=f"It must be of type {hint.__name__}.")
    return value


NAMED = {
    # The default: for footage that will be trained on. Nothing of a face is left; speech in a
    # language that we can't search holds the clip.
    "strict": Policy(),
    # For mixed footage of many languages: speech in a language that we can't search is
    # silenced.
    "silence-uncovered": Policy(
        name="silence-uncovered", names=Names(uncovered_language="silence")
    ),
}
