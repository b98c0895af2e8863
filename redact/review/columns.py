"""One row of numbers for each clip, in memory: what filters and sums run over."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = {
    "t": np.int64,  # microseconds since 1970, of the entry that stands
    "dur_us": np.int64,
    "bytes": np.int64,
    "policy": np.int32,  # codes of words, see index
    "models": np.int32,
    "media": np.int32,
    "domain": np.int32,
    "licence": np.int32,
    "reason": np.int32,
    "score": np.int32,  # the lowest of what was removed, parts per million; NONE if nothing was
    "kinds": np.int32,  # a bit for each kind that was removed
    "methods": np.int32,
    "state": np.int8,
    "review": np.int8,
    "faces": np.int32,
    "plates": np.int32,
    "names": np.int32,
    "others": np.int32,
    "first": np.int64,  # the number of the entry that published it first, and of the one that
    "gone": np.int64,  # withdrew it; NEVER if there is none
}
STATES = ("published", "held", "withdrawn")
NEVER = 1 << 60
NONE = 2_000_000
"""A score above every score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a reader asks for; None asks for everything. Codes are the index's."""

    state: int | None = None
    kinds: int | None = None  # bits: any of them
    methods: int | None = None
    policy: int | None = None
    models: tuple[int, ...] | None = None  # any of these sets of models
    domain: int | None = None
    licence: int | None = None
    reason: int | None = None
    since: int | None = None  # microseconds, inclusive
    until: int | None = None  # exclusive
    score_below: int | None = None
    review: int | None = None

    @property
    def asked(self) -> dict[str, Any]:
        pairs = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in pairs if value is not None}


class Columns:
    """Row `key` is the clip that the index keeps under that key. Safe to read while it grows."""

    def __init__(self) -> None:
        self._mutex, self._size, self.version = threading.Lock(), 0, 0
        self._arrays = {name: np.zeros(1024, kind) for name, kind in COLUMNS.items()}
        self._counts: dict[tuple[int, Filter], int] = {}

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name][: self._size]

    def put(self, rows: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        """Set rows, new or known: (key, the values in the order of COLUMNS)."""
        pairs = list(rows)
        if not pairs:
            return
        keys = np.array([key for key, _ in pairs])
        values = np.array([row for _, row in pairs], np.int64)
        with self._mutex:
            self._grow(int(keys.max()) + 1)
            for place, array in enumerate(self._arrays.values()):
                array[keys] = values[:, place]
            self._size = max(self._size, int(keys.max()) + 1)
            self.version += 1
            self._counts.clear()

    def _grow(self, size: int) -> None:
        for name, array in self._arrays.items():
            if size > len(array):
                larger = np.zeros(max(size, 2 * len(array)), array.dtype)
                larger[: len(array)] = array
                self._arrays[name] = larger

    def find(self, wanted: Filter, *, before: int | None, limit: int) -> list[int]:
        """The newest `limit` keys that match, all below `before`, newest first."""
        end, step = self._size if before is None else min(before, self._size), 1 << 14
        found: list[int] = []
        while end > 0 and len(found) < limit:
            start = max(0, end - step)
            keys = np.flatnonzero(self._matching(wanted, start, end))[::-1] + start
            found.extend(int(key) for key in keys[: limit - len(found)])
            end, step = start, step * 4
        return found

    def count(self, wanted: Filter) -> int:
        """How many clips match."""
        size, known = self._size, (self.version, wanted)
        if not wanted.asked:
            return size
        if known not in self._counts:
            if len(self._counts) > 1000:
                self._counts.clear()
            self._counts[known] = int(np.count_nonzero(self._matching(wanted, 0, size)))
        return self._counts[known]

    def matching(self, wanted: Filter) -> NDArray[np.bool_]:
        return self._matching(wanted, 0, self._size)

    def _matching(self, wanted: Filter, start: int, end: int) -> NDArray[np.bool_]:
        mask = np.ones(end - start, np.bool_)
        for name, value in wanted.asked.items():
            column = TESTED.get(name, name)
            mask &= _test(name, self._arrays[column][start:end], value)
        return mask


TESTED = {"since": "t", "until": "t", "score_below": "score"}
"""Which column a test reads, where it has another name."""


def _test(name: str, column: NDArray[Any], value: Any) -> NDArray[np.bool_]:
    match name:
        case "kinds" | "methods":
            result = (column & value) != 0
        case "models":
            result = np.isin(column, value)
        case "since":
            result = column >= value
        case "until" | "score_below":
            result = column < value
        case _:
            result = column == value
    return np.asarray(result, np.bool_)
