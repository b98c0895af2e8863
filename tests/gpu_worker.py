"""A worker whose GPU is the stand-in's, with a network of ours. Run by test_crew.py."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from redact import worker
from redact.cuda.dlpack import borrowed
from redact.detectors import gathered
from redact.media import on_gpu
from redact.media.planes import planes_of
from tests.stand_in import GpuStandIn
from tests.test_cuda_clips import pipelines


def surface(picture, gpu):
    planes, _ = planes_of(picture, "a clip")
    luma, u, v = planes
    return tuple(borrowed(plane, gpu) for plane in (luma, np.stack([u, v], axis=-1)))


def pipeline(_policy, **_settings):
    return pipelines(GpuStandIn(Path(os.environ["REDACT_TEST_LIBRARY"])))[1]


on_gpu._hardware = lambda _gpu: None
on_gpu._by_pyav = surface
worker.Pipeline = pipeline
_run = gathered.Gathered._run


def counted(self, taken):
    """Writes of how many clips the frames are that are looked at together."""
    with open(os.environ["REDACT_TEST_BATCHES"], "a", encoding="ascii") as file:
        file.write(f"{len(taken)}\n")
    _run(self, taken)


gathered.Gathered._run = counted
pipe, lifeline, *more = map(int, sys.argv[1:])
worker._child(Connection(pipe), Connection(lifeline, writable=False), *map(Connection, more))
