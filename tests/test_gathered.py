"""Looks of several threads become one call, and each gets its own frames' findings."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from redact.detectors.gathered import MOST, Gathered
from redact.errors import DetectorError
from tests.test_methods import make


class Slow:
    """Says of each frame its index; the first call waits until it is let go."""

    name = "slow"

    def __init__(self, fails=False):
        self.calls, self.go, self.fails = [], threading.Event(), fails

    def detect(self, frames):
        self.calls.append(len(frames))
        assert len({(frame.width, frame.height) for frame in frames}) <= 1
        if len(self.calls) == 1:
            assert self.go.wait(60)
        if self.fails and len(self.calls) == 2:
            raise DetectorError("could not look")
        return [[int(frame.planes[0][0, 0])] for frame in frames]


def frames(number, count, size=20):
    some = [make(size, 20) for _ in range(count)]
    for index, frame in enumerate(some):
        frame.planes[0][:] = np.uint8(4 * number + index)
    return some


def ask(slow, requests):
    """Each request from a thread of its own; all but the first while that one is looked at."""
    gathered = Gathered(slow)
    with ThreadPoolExecutor(len(requests)) as pool:
        asked = [pool.submit(gathered.detect, requests[0])]
        while not slow.calls:
            pass
        asked += [pool.submit(gathered.detect, request) for request in requests[1:]]
        while len(gathered._waiting) < len(requests) - 1:
            pass
        slow.go.set()
        return [one.exception() or one.result() for one in asked]


def test_those_that_wait_are_looked_at_together():
    slow = Slow()
    found = ask(slow, [frames(number, 3) for number in range(10)])
    assert found == [[[4 * number + index] for index in range(3)] for number in range(10)]
    assert slow.calls == [3, 27]


def test_only_frames_of_one_size_and_not_too_many():
    slow = Slow()
    sizes = [20, 20, 30, 20, 30]
    found = ask(slow, [frames(number, 4, size) for number, size in enumerate(sizes)])
    assert found == [[[4 * number + index] for index in range(4)] for number in range(5)]
    assert sorted(slow.calls[1:]) == [8, 8]
    slow = Slow()
    ask(slow, [frames(0, 1)] + [frames(0, 40) for _ in range(3)])
    assert max(slow.calls) <= MOST


def test_who_could_not_be_looked_at_is_told():
    first, *others = ask(Slow(fails=True), [frames(number, 1) for number in range(4)])
    assert first == [[0]]
    assert all(isinstance(one, DetectorError) for one in others)


def test_no_frame_at_all():
    slow = Slow()
    slow.go.set()
    assert Gathered(slow).detect([]) == []


@pytest.mark.parametrize("threads", [1, 8])
def test_many_rounds(threads):
    slow = Slow()
    slow.go.set()
    gathered = Gathered(slow)

    def rounds(number):
        return [gathered.detect(frames(number, 2)) for _ in range(20)]

    with ThreadPoolExecutor(threads) as pool:
        for number, found in enumerate(pool.map(rounds, range(threads))):
            assert found == [[[4 * number], [4 * number + 1]]] * 20
