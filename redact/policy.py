"""What is removed, how, and for which purpose. The ledger records the policy by its hash."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import rfc8785

from redact.errors import UsageError
from redact.types import Kind

PictureMethod = Literal["fill", "pixelate", "blur"]
SoundMethod = Literal["silence", "tone"]
Caution = Literal["low", "normal", "high"]
Recogniser = Literal[
    "speech",
    "speech-small",
    "whisper-large-v3",
    "whisper-large-v3-turbo",
    "openai-whisper-base",
    "openai-whisper-large-v3",
]
Also = Literal["spoken_phone", "spoken_email", "spoken_address", "spoken_card", "speech"]


def _between(default: Any, low: float, high: float) -> Any:
    """A setting that has to lie in [low, high]: beyond it, it would protect nothing."""
    return field(default=default, metadata={"between": (low, high)})


class _Checked:
    """Refuses a value outside its setting's range, wherever the policy comes from."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            low, high = item.metadata.get("between", (None, None))
            value = getattr(self, item.name)
            if low is not None and not low <= value <= high:
                raise UsageError(
                    f"the policy's {item.name} is {value}.",
                    todo=f"It must lie between {low:g} and {high:g}.",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces(_Checked):
    method: PictureMethod = "fill"
    """`fill` keeps nothing of the face. `pixelate` and `blur` keep `cells` x `cells` averages, from
    which a face can be recognised better than by chance: see the README."""
    cells: int = _between(4, 1, 64)
    margin: float = _between(0.15, 0, 3)
    """Each side of a box moves out by this share of its length before it is covered."""
    min_score: float = _between(0.25, 0.01, 0.99)
    """Detections below this are dropped; 0.1 less is enough for a small face in a crowd, and for
    one that the picture's edge cuts off, 0.15 less where a track leads to it. Low: a miss costs a
    person, a false alarm a patch."""
    long_side: int = _between(960, 160, 8192)
    """The picture is scaled down to this long side for a look; where small faces may be, to one
    and a half times this for another."""
    insightface_pack: str = ""
    """A folder with a model pack of InsightFace, to use instead of the default model. For research
    only: `purpose` and `accept_licences` have to say so."""
    looks_per_second: float = _between(10.0, 0.5, 1000)
    """Frames between looks are filled from both sides. Most looks are quick ones, smaller and
    upright only; one in 0.4 seconds is thorough. Where nothing moves there are fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plates(_Checked):
    find: bool = True
    """False: licence plates are not looked for, and every entry says so (`scope`)."""
    method: PictureMethod = "fill"
    """`fill` keeps nothing of the plate; `pixelate` and `blur` keep `cells` x `cells` averages."""
    cells: int = _between(1, 1, 64)
    """One: whoever knows a plate's font and place can tell numbers apart by a few averages."""
    margin: float = _between(0.15, 0, 3)
    """Each side of a box moves out by this share of its length before it is covered."""
    min_score: float = _between(0.45, 0.01, 0.99)
    """Detections below this are dropped. In video, one below 0.6 counts if it is found again within
    five looks (see tracking.chains)."""
    long_side: int = _between(1280, 160, 8192)
    """Of the largest look at a picture; two smaller ones see what is large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(_Checked):
    method: SoundMethod = "silence"
    model: Recogniser = "speech"
    """The recogniser: its slot or its name in the model manifest. Another one is asked where it is
    unsure."""
    uncovered_language: Literal["hold", "silence"] = "hold"
    """What happens to speech in a language whose names no installed model finds."""
    caution: Caution = "normal"
    """How much doubt is enough to remove a word: `low` takes what was heard as a name, `normal`
    also what may be one, `high` all that the recogniser was unsure of. Measured in the README."""
    also: tuple[Also, ...] = ()
    """What else goes: numbers of phones and cards, e-mail and street addresses; or all `speech`. A
    voice that stays can still be recognised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(_Checked):
    rounds: int = _between(2, 0, 10)
    """How often what the second look still finds is removed again before the clip is held."""
    long_side: int = _between(640, 160, 8192)
    """Another size than the first look's."""
    looks_per_second: float = _between(4.0, 0.5, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(_Checked):
    """Input is hostile: what is beyond these is held."""

    megapixels: float = _between(70.0, 0.001, 10_000)
    streams: int = _between(32, 1, 1000)
    hours: float = _between(12.0, 0.001, 1000)
    gigabytes: float = _between(100.0, 0.001, 100_000)
    memory_gigabytes: float = _between(12.0, 1, 10_000)
    """Of one clip's child process."""
    seconds_per_second: float = _between(60.0, 1, 10_000)
    """A clip may take this times its own duration, and two minutes, before it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding(_Checked):
    """How a picture is encoded again when something in it was covered."""

    crf: int = _between(18, 0, 51)
    preset: str = "veryfast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(_Checked):
    """
    The settings of a run.

    Raises UsageError for a key it does not know: a typo must not weaken a policy.
    """

    name: str = "strict"
    purpose: Literal["commercial", "research"] = "commercial"
    """Weights whose licence does not allow this purpose are refused."""
    sources: Literal["listed", "unlisted"] = "listed"
    """What the gate asks of a clip: "listed" is a row of a manifest; "unlisted" says that you
    answer for footage without one (your own, say), for this purpose."""
    accept_licences: tuple[str, ...] = ()
    """SPDX or LicenseRef ids of model licences that were read and accepted."""
    faces: Faces = field(default_factory=Faces)
    plates: Plates = field(default_factory=Plates)
    names: Names = field(default_factory=Names)
    check: Check = field(default_factory=Check)
    limits: Limits = field(default_factory=Limits)
    encoding: Encoding = field(default_factory=Encoding)

    def __post_init__(self) -> None:
        _Checked.__post_init__(self)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", self.name):
            raise UsageError(
                f"a policy can't be named {self.name!r}.",
                todo="The ledger records the name: one word of letters, digits and . _ + -",
            )

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

    def covering(self, kind: Kind) -> Faces | Plates:
        """How things of this kind are covered in the picture."""
        return self.plates if kind is Kind.PLATE else self.faces

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
        return tuple(_value(get_args(hint)[0], item, where) for item in value)
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
