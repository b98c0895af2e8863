"""
Several workers with one child process between them: on a GPU, clips share context and models.

The looks of all clips go to the network together, so that its batches are large. What a process of
its own gives each clip on a CPU is kept: when the child dies, or loses the GPU, nobody knows by
whose fault, and each clip that it worked on is done again alone. The one that fails then is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from redact.cuda.calls import GpuLostError
from redact.errors import InputError, Reason
from redact.policy import Policy
from redact.worker import START_SECONDS, Child, Stopped, Worker, spawned


class Crew:
    """Makes so many workers, each for a thread of its own."""

    def __init__(
        self, policy: Policy, count: int, *, device: str, threads: int = 0, strict: bool = False
    ) -> None:
        self.settings = {"device": device, "threads": threads, "strict": strict}
        self.policy, self.closed = policy, False
        self.alone = threading.Lock()
        self._lock = threading.Lock()
        self._child: Child | None = None
        self.workers = tuple(Sharing(self, number) for number in range(count))

    def child(self, start: Callable[[Child], None]) -> Child:
        """The child of all; a new one, for which `start` opens the models, if there is none."""
        with self._lock:
            if self.closed:
                raise Stopped
            if self._child is None or self._child.process.poll() is not None:
                self._child = child = spawned(len(self.workers))
                try:
                    start(child)
                except BaseException:
                    child.process.kill()
                    raise
            return self._child


class Sharing(Worker):
    """One worker of a crew."""

    def __init__(self, crew: Crew, number: int) -> None:
        super().__init__(crew.policy, **crew.settings)  # type: ignore[arg-type]
        self._crew, self._number = crew, number
        self._own: Worker | None = None  # for a clip that is done again

    def start(self) -> None:
        """See Worker.start."""
        if self._process is not None and self._process.poll() is None:
            return
        self.end()
        child = self._crew.child(self._open)
        self._process, self._pipe = child.process, child.pipes[self._number]

    def _open(self, child: Child) -> None:
        self._process, self._pipe = child.process, child.pipes[0]
        self._ask(self._settings, lambda _share: None, START_SECONDS)

    def do(
        self, method: str, *arguments: Any, progress: Callable[[float], None], seconds: float
    ) -> Any:
        """See Worker.do; a clip that was under way when the child died is done again, alone."""
        try:
            return super().do(method, *arguments, progress=progress, seconds=seconds)
        except GpuLostError:
            pass
        except InputError as error:
            if error.reason is not Reason.CRASHED:
                raise
        with self._crew.alone:
            self._own = own = Worker(self._crew.policy, **self._crew.settings)  # type: ignore[arg-type]
            try:
                if self._crew.closed:
                    raise Stopped
                return own.do(method, *arguments, progress=progress, seconds=seconds)
            finally:
                own.close()

    def close(self) -> None:
        """End the child of all, and one of its own: the run is over."""
        self._crew.closed = True
        self.end()
        if self._own is not None:
            self._own.stop()
