"""Decodes ahead: one thread makes frames while another works on those before."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(source: Iterator[T], *, depth: int = 8) -> Iterator[T]:
    """
    The same items, made in a thread while what came earlier is worked on.

    At most `depth` of them wait. What `source` raises is raised here, in its place. No item is
    None: that would be the end.
    """
    ready: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: T | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def make() -> None:
        try:
            for item in source:
                put(item)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001  # raised again by the reader below
            put(error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
