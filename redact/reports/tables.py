"""Rows as CSV that no spreadsheet runs, or as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from redact.errors import UsageError

BATCH = 20_000
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: object) -> object:
    """A value for CSV: text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value.startswith(RUN_BY_SPREADSHEETS):
        return f"'{value}"
    return "" if value is None else value


def write_csv(file: BinaryIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a table with a head; returns how many rows."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer, count = csv.writer(text), 0
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        count += 1
    text.flush()
    text.detach()
    return count


def write_parquet(file: BinaryIO, columns: dict[str, type], rows: Iterable[Sequence[Any]]) -> int:
    """The same rows; `columns` gives int or str. Needs pyarrow, or raises UsageError."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow.",
            means="Nothing was written.",
            todo="Install it (pip install 'redact[parquet]'), or ask for CSV.",
        ) from error
    types = {int: arrow.int64(), str: arrow.string()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            arrays = [
                arrow.array(column, field.type)
                for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_batch(arrow.record_batch(arrays, schema))
            count += len(batch)
    return count


def _batches(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch
