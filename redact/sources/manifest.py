"""Manifests: where each clip comes from, as CSV, JSON Lines or Croissant. Read row by row."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from redact.errors import UsageError, printable
from redact.ledger.files import digest
from redact.sources.cells import COLUMNS, REQUIRED, CellError, as_source
from redact.sources.source import Source

csv.field_size_limit(1 << 16)

Row = tuple[str, Mapping[str, Any]]
"""Where a row stands ("line 7"), and its cells by column."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says of the files of a run."""

    path: Path
    sha256: str  # of the manifest's own bytes: what the ledger records
    sources: Mapping[Path, Source]  # of the files that were asked for, by absolute path
    rows: int  # of the whole manifest
    missing: tuple[str, ...]  # the first few files that it names and that are not there
    absent: int  # how many there are of those

    def source(self, path: Path) -> Source | None:
        return self.sources.get(_absolute(path))


def read(
    path: Path,
    files: Collection[Path] | None = None,
    *,
    watch: Callable[[int], None] = lambda _rows: None,
) -> Manifest:
    """
    Check a whole manifest, and keep what it says of these files (None: of all that it names).

    `watch` is told how many rows are read. Memory grows by about 100 bytes for each row, and by the
    row itself for each file. Raises UsageError, which
    names the line and the column, for a manifest that can't be read or contradicts itself.
    """
    wanted = None if files is None else {_absolute(file) for file in files}
    sources: dict[Path, Source] = {}
    seen: dict[bytes, bytes] = {}  # by a digest of the file's path: one of its row
    missing: list[str] = []
    absent = rows = 0
    try:
        sha256 = digest(path)
        for rows, (where, cells) in enumerate(_rows(path), start=1):
            source = _source(path, where, cells)
            file = _absolute(path.parent / source.file)
            _check_once(path, where, file, cells, seen)
            if wanted is None or file in wanted:
                sources[file] = source
            elif not os.path.lexists(file):
                absent += 1
                missing += [source.file] if len(missing) < 3 else []
            if rows % 10_000 == 0:
                watch(rows)
        if digest(path) != sha256:
            raise _refused(path, "it changed while it was read")
    except OSError as error:
        raise _refused(path, error.strerror or type(error).__name__) from error
    return Manifest(path, sha256, sources, rows, tuple(missing), absent)


def _source(path: Path, where: str, cells: Mapping[str, Any]) -> Source:
    if unknown := sorted(set(cells) - set(COLUMNS)):
        raise _refused(path, f"{where}: unknown {_named(unknown)}", _KNOWN)
    if lacking := [name for name in REQUIRED if name not in cells]:
        raise _refused(path, f"{where}: {_named(lacking)} is missing", _KNOWN)
    try:
        return as_source(cells)
    except CellError as error:
        raise _refused(path, f"{where}: {error}") from error


def _check_once(
    path: Path, where: str, file: Path, cells: Mapping[str, Any], seen: dict[bytes, bytes]
) -> None:
    """Two rows for one file are an error, the same or not: which of them is meant?"""
    key = blake2b(os.fsencode(file), digest_size=16).digest()
    content = json.dumps([cells.get(name) for name in COLUMNS[1:]]).encode()
    row = blake2b(content, digest_size=16).digest()
    if key in seen:
        how = "repeats" if seen[key] == row else "contradicts"
        raise _refused(path, f"{where} {how} an earlier row for the same file")
    seen[key] = row


def _rows(path: Path) -> Iterator[Row]:
    """Every row, by what the file's name ends in."""
    readers = {".csv": _of_csv, ".jsonl": _of_lines, ".ndjson": _of_lines, ".json": _of_croissant}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _refused(path, f"it is none of {', '.join(readers)}", "Name it for what it is.")
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not UTF-8", "Save it as UTF-8.") from error


def _of_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            for cells in reader:
                where = f"line {reader.line_num}"
                if len(cells) != len(header):
                    raise _refused(path, f"{where}: {len(cells)} cells under {len(header)} columns")
                yield where, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise _refused(path, f"line {reader.line_num}: {error}") from error


def _check_header(path: Path, header: list[str]) -> None:
    if unknown := sorted({name for name in header if name not in COLUMNS}):
        raise _refused(path, f"unknown {_named(unknown)}", _KNOWN)
    if lacking := [name for name in REQUIRED if name not in header]:
        raise _refused(path, f"there is no column {_named(lacking)}", _KNOWN)
    if len(set(header)) != len(header):
        raise _refused(path, "a column stands there twice")


def _of_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", _object(path, f"line {number}", line)


def _object(path: Path, where: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"{where}: it is no JSON that could be read once") from error
    if not isinstance(value, dict):
        raise _refused(path, f"{where}: it is no object")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand there once. Raises ValueError: JSON leaves open which is meant."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _of_croissant(path: Path) -> Iterator[Row]:
    from redact.sources.croissant import rows

    return rows(path, _object(path, "it", path.read_text(encoding="utf-8-sig")), _rows)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _named(names: list[str]) -> str:
    return ", ".join(printable(name[:64]) for name in names[:8])


_KNOWN = f"Known: {', '.join(COLUMNS)}; of these, needed: {', '.join(REQUIRED)}."


def _refused(
    path: Path, why: str, todo: str = "Correct the manifest, then run again."
) -> UsageError:
    return UsageError(
        f"the manifest {printable(path)!r} can't be used: {why}.",
        means="Nothing was done: no clip may be used whose source is not known.",
        todo=todo,
    )
