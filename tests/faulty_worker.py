"""A worker whose Pipeline misbehaves as it is told to. Run by test_worker.py."""

import ctypes
import os
import sys
import time
from multiprocessing.connection import Connection

from redact import worker
from redact.cuda.calls import GpuLostError
from redact.errors import DetectorError, InputError


class Faulty:
    def __init__(self, policy, *, device, threads, strict):
        if device == "missing":
            raise DetectorError("the model is missing.", todo="redact models pull")

    def echo(self, value, progress):
        progress(0.5)
        return value

    def refuse(self, progress):
        raise InputError("the clip is damaged.", todo="Mend it.")

    def crash(self, progress):
        ctypes.string_at(0)

    def leave(self, progress):
        os._exit(9)

    def give_up(self, progress):
        raise KeyboardInterrupt

    def unsendable(self, progress):
        return lambda: None

    def hang(self, progress):
        time.sleep(600)

    def allocate(self, progress):
        return len(bytearray(64 * 2**30))

    def stumble(self, progress):
        raise ValueError("Jane Roe lives at 12 Rue Example")

    def full(self, progress):
        raise OSError(28, "No space left on device")

    def process(self, progress):
        return os.getpid()

    def slow(self, value, progress):
        progress(0.5)
        time.sleep(1.5)
        return value, os.getpid()

    def hang_alone(self, path, progress):
        """Crashes beside others; alone, says that it has begun, and hangs."""
        if beside_others:
            ctypes.string_at(0)
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(600)

    def lose(self, value, progress):
        if beside_others:
            raise GpuLostError("the GPU gave up in the middle.")
        return value


worker.Pipeline = Faulty
pipe, lifeline, *more = map(int, sys.argv[1:])
beside_others = bool(more)
worker._child(Connection(pipe), Connection(lifeline, writable=False), *map(Connection, more))
