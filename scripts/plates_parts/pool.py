"""Crops made by other processes, in memory that they share with the one that trains."""

from __future__ import annotations

import faulthandler
import mmap
import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import SIDE, Crop

MOST = 12
"""Plates of one crop, wanted and ignored together, that are kept."""

WINDOW, AHEAD = 8_000, 2_000
"""Crops that a batch is drawn from, and crops made before they are asked for."""


class Pool:
    """
    The crops that have been made up to some number, the latest WINDOW of them at hand.

    `make` gives crop number i. Which crops a batch holds depends on numbers alone, not on how fast
    anybody is: a trainer that is too fast waits.
    """

    def __init__(self, make: Callable[[int], Crop], *, workers: int, first: int = 0) -> None:
        slots = WINDOW + AHEAD
        self._pictures: NDArray[np.uint8] = _shared((slots, SIDE, SIDE, 3), np.uint8)
        self._boxes: NDArray[np.float32] = _shared((slots, MOST, 5), np.float32)
        self._asked: NDArray[np.int64] = _shared((1,), np.int64)
        self._done: NDArray[np.int64] = _shared((workers,), np.int64)
        self._asked[0] = self._done[:] = first
        context = multiprocessing.get_context("fork")
        self._workers = [
            context.Process(target=self._work, args=(make, number, first), daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def batch(self, size: int, upto: int, oldest: int, rng: np.random.Generator) -> list[Crop]:
        """Some of the crops from number `oldest` on and below `upto`, of the latest WINDOW."""
        self._asked[0] = upto
        while self._done.min() < upto:
            if not all(worker.is_alive() for worker in self._workers):
                raise RuntimeError("a process that makes crops has ended; its error stands above")
            time.sleep(0.01)
        chosen = rng.integers(max(upto - WINDOW, oldest), upto, size)
        return [self._read(int(index) % len(self._pictures)) for index in chosen]

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()

    def _read(self, slot: int) -> Crop:
        boxes = self._boxes[slot]
        return Crop(self._pictures[slot], boxes[boxes[:, 4] == 1, :4], boxes[boxes[:, 4] == 2, :4])

    def _work(self, make: Callable[[int], Crop], number: int, first: int) -> None:
        faulthandler.enable()
        cv2.setNumThreads(1)
        os.nice(5)  # the one that trains goes first
        parent = os.getppid()
        for index in range(first + number, 1 << 62, len(self._workers) or 1):
            while index >= self._asked[0] + AHEAD:
                if os.getppid() != parent:
                    return
                time.sleep(0.01)
            self._write(index % len(self._pictures), make(index))
            self._done[number] = index + 1

    def _write(self, slot: int, crop: Crop) -> None:
        self._pictures[slot] = crop.picture
        boxes = np.zeros((MOST, 5), np.float32)
        both = [(crop.plates, 1), (crop.ignored, 2)]
        rows = [(*edges, kind) for part, kind in both for edges in part.tolist()][:MOST]
        boxes[: len(rows)] = np.array(rows, np.float32).reshape(-1, 5)
        self._boxes[slot] = boxes


def _shared(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    count = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, count), kind).reshape(shape)
