"""
One clip at a time in a child process, so that a crash, a hang or a huge allocation costs one clip.

The parent sends a job over a pipe and reads progress and the outcome. The child dies with its
parent, leaves no core dump, and has nowhere to write messages of libraries to: those could
quote what is inside a clip.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from redact.cuda.calls import GpuLostError
from redact.detectors.opened import why_no_gpu
from redact.errors import InputError, Reason, RedactError, StoreError
from redact.media.source import without_core_dump
from redact.pipeline import Pipeline
from redact.policy import Policy

T = TypeVar("T")

COMMAND = (sys.executable, "-m", "redact.worker")

_STORE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)

START_SECONDS = 180.0
"""A child may take so long to open its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Call `method` of the child's Pipeline with `arguments` and a progress."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A child process, and this end of the pipes to it."""

    process: subprocess.Popen[bytes]
    pipes: tuple[Connection, ...]
    lifeline: Connection


def spawned(count: int) -> Child:
    """A new child that so many may ask at once, each by a pipe of its own."""
    pairs = [Pipe() for _ in range(count)]
    held, lifeline = Pipe(duplex=False)
    first, *more = (theirs.fileno() for _, theirs in pairs)
    handles = (first, held.fileno(), *more)
    process = subprocess.Popen(
        [*COMMAND, *map(str, handles)],
        pass_fds=handles,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
    )
    held.close()
    for _, theirs in pairs:
        theirs.close()
    return Child(process, tuple(ours for ours, _ in pairs), lifeline)


class Stopped(BaseException):
    """Another thread has closed the worker: no fault of the clip, and nothing to record of it."""


class Worker:
    """A child process with the models of one policy open. Starts one anew when it has died."""

    def __init__(
        self, policy: Policy, *, device: str = "auto", threads: int = 0, strict: bool = False
    ) -> None:
        self._settings = (policy, device, threads, strict)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._lifeline: Connection | None = None
        self._stopped = False

    def start(self) -> None:
        """Open the child and its models; raises what kept it from that."""
        if self._process is not None and self._process.poll() is None:
            return
        self.end()
        child = spawned(1)
        self._process, (self._pipe,), self._lifeline = child.process, child.pipes, child.lifeline
        if self._stopped:  # before there was a child to end
            self.end()
            raise Stopped
        self._ask(self._settings, lambda _share: None, START_SECONDS)

    def do(
        self, method: str, *arguments: Any, progress: Callable[[float], None], seconds: float
    ) -> Any:
        """
        What the child's Pipeline.<method>(*arguments, progress) returns.

        Raises what it raises; InputError where the child died or took longer than `seconds`;
        Stopped where another thread closed this worker meanwhile.
        """
        self.start()
        return self._ask(Job(method=method, arguments=arguments), progress, seconds)

    def close(self) -> None:
        """End the child, whatever it is doing, for whichever thread."""
        self.end()

    def stop(self) -> None:
        """The same for good: no other one is started."""
        self._stopped = True
        self.end()

    def end(self) -> None:
        """The same, by this worker itself."""
        process, pipes = self._process, (self._pipe, self._lifeline)
        self._process = self._pipe = self._lifeline = None  # a thread that waits sees it first
        if process is not None:
            process.kill()
            process.wait()
        for pipe in pipes:
            if pipe is not None:
                pipe.close()

    def _ask(self, what: Any, progress: Callable[[float], None], seconds: float) -> Any:
        pipe = self._pipe
        if pipe is None:
            raise Stopped
        self._or_why(pipe, lambda: pipe.send(what))
        until = time.monotonic() + seconds
        while True:
            if not self._or_why(pipe, lambda: pipe.poll(max(0.0, until - time.monotonic()))):
                self.end()
                raise InputError(
                    "the clip took longer than its time limit.",
                    todo="Raise limits.seconds_per_second in the policy if it is only slow.",
                    reason=Reason.TIMEOUT,
                )
            kind, value = self._or_why(pipe, pipe.recv)
            if kind == "done":
                return value
            if kind == "failed":
                raise value
            progress(value)

    def _or_why(self, pipe: Connection, work: Callable[[], T]) -> T:
        """What `work` on the pipe returns; or why there is nobody at its other end."""
        try:
            return work()
        except (EOFError, OSError) as error:
            if self._pipe is not pipe:
                raise Stopped from error
            raise self._died() from error

    def _died(self) -> RedactError:
        process = self._process
        if process is None:
            raise Stopped
        code = process.wait()
        self.end()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return InputError(
            f"the process that worked on the clip died ({how}).",
            todo="A decoder crashed on it, or it ran out of memory: repair or leave out the file.",
            reason=Reason.CRASHED,
        )


def _child(pipe: Connection, lifeline: Connection, *more: Connection) -> None:
    """
    The child's whole life: open the models, then a job at a time from each pipe until it closes.

    The settings come by the first pipe.
    """
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    try:
        policy, device, threads, strict = pipe.recv()
        _limit(policy, device)
        pipeline = Pipeline(policy, device=device, threads=threads, strict=strict)
    except RedactError as error:
        pipe.send(("failed", error))
        return
    except Exception as error:  # noqa: BLE001  # raised again by the parent
        pipe.send(("failed", fault(error)))
        return
    pipe.send(("done", None))
    for another in more:
        threading.Thread(target=_serve_or_end, args=(pipeline, another), daemon=True).start()
    if more:
        _serve_or_end(pipeline, pipe)
        threading.Event().wait()  # for the others; the parent ends this process
    else:
        _serve(pipeline, pipe)


def _serve(pipeline: Pipeline, pipe: Connection) -> bool:
    """Job after job from one pipe; whether the GPU was lost, or just the pipe closed."""
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return False
        outcome = _outcome(pipeline, job, pipe)
        pipe.send(outcome)
        if isinstance(outcome[1], GpuLostError):
            return True  # this process has lost the GPU; the next one opens it anew
        del outcome  # an error holds what the clip was worked on with


def _serve_or_end(pipeline: Pipeline, pipe: Connection) -> None:
    """The same beside others, for whom the GPU is lost too; nor can they go on without a thread."""
    try:
        lost = _serve(pipeline, pipe)
    except BaseException:  # noqa: BLE001  # the parent would wait for this thread's outcome
        lost = True
    if lost:
        os._exit(1)


def _outcome(pipeline: Pipeline, job: Job, pipe: Connection) -> tuple[str, Any]:
    def progress(share: float) -> None:
        pipe.send(("progress", share))

    try:
        return "done", getattr(pipeline, job.method)(*job.arguments, progress)
    except RedactError as error:
        return "failed", error
    except OSError as error:
        if error.errno not in _STORE_FAULTS:
            return "failed", fault(error)
        return "failed", StoreError(
            f"the output could not be written ({os.strerror(error.errno or 0)}).",
            todo="Make room (or mend the disk) and run again: finished clips are not done again.",
        )
    except MemoryError:
        return "failed", InputError(
            "the clip needs more memory than a child process may take.",
            todo="Raise limits.memory_gigabytes in the policy.",
            reason=Reason.MEMORY,
        )
    except Exception as error:  # noqa: BLE001  # becomes a held clip
        return "failed", fault(error)


def fault(error: Exception) -> RedactError:
    """An error that nobody foresaw: its type and place, but not its text, which may quote media."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return RedactError(
        f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: a fault of redact.",
        todo="Please report it with the line above.",
        reason=Reason.CRASHED,
    )


def _limit(policy: Policy, device: str) -> None:
    """Bounded memory, and no core dump."""
    without_core_dump()
    if device == "cpu" or why_no_gpu():  # CUDA reserves far more addresses than it uses
        most = round(policy.limits.memory_gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _die_with(lifeline: Connection) -> None:
    """End this process when the parent's end of the pipe is gone."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    _first, _held, *_more = map(int, sys.argv[1:])
    _child(Connection(_first), Connection(_held, writable=False), *map(Connection, _more))
