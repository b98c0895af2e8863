"""One row of a manifest: each cell checked, none believed, and none repeated in a message."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import EnumMeta
from typing import Any

from redact.sources.address import normal
from redact.sources.licences import expression
from redact.sources.source import SIGNALS, Acquisition, Answer, Basis, Purpose, Source

REQUIRED = (
    "file",
    "url",
    "media_licence",
    "retrieved_at",
    "acquisition",
    "purposes",
    "legal_basis",
)
"""A manifest without these columns is refused. A cell may be empty: then that is not known."""

OPTIONAL = (
    "sha256",
    "platform",
    "personal_site",
    "annotation_licence",
    "dataset",
    "dataset_terms",
    *SIGNALS,
)
"""What is not told in these is not known."""
COLUMNS = (*REQUIRED, *OPTIONAL)

LONGEST = 4096  # characters of a cell
_WORD = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"


class CellError(ValueError):
    """A cell that can't be taken. Its message names the column, never what stands in the cell."""


def as_source(cells: Mapping[str, str | Sequence[str]]) -> Source:
    """
    The source that a row tells of. Keys are COLUMNS; an empty cell is not known.

    Raises CellError for a cell that its column does not allow.
    """
    texts = {name: _text(name, cell) for name, cell in cells.items() if name != "purposes"}
    if not texts.get("file"):
        raise CellError("file is empty")
    signals = (_read(texts, name, _answer) or Answer.UNANSWERED for name in SIGNALS)
    return Source(
        file=texts["file"],
        url=_read(texts, "url", normal),
        platform=_read(texts, "platform", _word),
        personal_site=_read(texts, "personal_site", _yes_or_no) or False,
        media_licence=_read(texts, "media_licence", expression),
        annotation_licence=_read(texts, "annotation_licence", expression),
        dataset=_read(texts, "dataset", _word),
        dataset_terms=_read(texts, "dataset_terms", expression),
        retrieved_us=_read(texts, "retrieved_at", _moment),
        acquisition=_read(texts, "acquisition", Acquisition),
        purposes=_purposes(cells.get("purposes", "")),
        signals=tuple(signals),
        legal_basis=_read(texts, "legal_basis", Basis),
        sha256=_read(texts, "sha256", _sha256),
    )


def _text(name: str, cell: object) -> str:
    if not isinstance(cell, str):
        raise CellError(f"{name} is no text")
    if len(cell) > LONGEST:
        raise CellError(f"{name} is longer than {LONGEST} characters")
    if any(ord(character) < 32 or ord(character) == 127 for character in cell):
        raise CellError(f"{name} holds control characters")
    return cell.strip() if name != "file" else cell


def _read(texts: Mapping[str, str], name: str, reader: Callable[[str], Any]) -> Any:
    """What a cell says; None where it is empty or its column is not there."""
    if not (text := texts.get(name, "")):
        return None
    try:
        return reader(text)
    except ValueError as error:
        words = ", ".join(map(str, reader)) if isinstance(reader, EnumMeta) else ""
        known = f"it can be {words}" if words else str(error)
        raise CellError(f"{name} can't be taken: {known}") from None


def _purposes(cell: object) -> frozenset[Purpose]:
    """A list of JSON, or words between blanks, commas or semicolons."""
    words = re.split(r"[\s,;|]+", cell.strip()) if isinstance(cell, str) else cell
    if not isinstance(words, list | tuple):
        raise CellError("purposes is neither text nor a list")
    try:
        return frozenset(Purpose(word) for word in words if word != "")
    except (ValueError, TypeError):
        raise CellError(f"purposes can't be taken: it can be {', '.join(Purpose)}") from None


def _word(text: str) -> str:
    text = re.sub(r"\s+", "-", text)
    if not re.fullmatch(_WORD, text):
        raise ValueError("it takes letters, digits and . _ + - only, 64 at most")
    return text


def _answer(text: str) -> Answer:
    """C2PA's "constrained" allows nothing without more."""
    try:
        return Answer.RESERVED if text == "constrained" else Answer(text)
    except ValueError:
        raise ValueError(f"it can be {', '.join(Answer)}") from None


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise ValueError("it can be yes or no")
    return text.lower() in ("yes", "true")


def _moment(text: str) -> int:
    """Whole microseconds since 1970 of a time with its zone, as in RFC 3339."""
    moment = datetime.fromisoformat(text) if re.match(r"\d{4}-\d\d-\d\d[Tt ]\d", text) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("it must be a time with its zone, such as 2026-11-22T10:00:00Z")
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if microseconds < 0:
        raise ValueError("it lies before 1970")
    return microseconds


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("it must be 64 hexadecimal digits")
    return text.lower()
