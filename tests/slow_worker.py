"""A worker that starts on an output and never ends. Run by test_stopped.py."""

import sys
import time
from multiprocessing.connection import Connection

from redact import worker
from redact.media.probe import probe


class Slow:
    def __init__(self, policy, *, device, threads, strict):
        self.policy = policy

    def probe(self, path, progress):
        return probe(path, self.policy.limits)

    def make(self, clip, target, plan, trust, progress):
        target.write_bytes(b"a frame that nobody has looked at yet")
        progress(0.5)
        time.sleep(600)


worker.Pipeline = Slow
worker._child(Connection(int(sys.argv[1])), Connection(int(sys.argv[2]), writable=False))
