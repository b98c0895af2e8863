"""Progress on stderr: of a run of many clips, and of one clip."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from tqdm import tqdm

from redact.batch import Inputs
from redact.cli import say
from redact.media.source import shown
from redact.redactor import Result, Status


class _Stderr:
    """Where progress is shown; if nobody can read it any more, that is no fault of a clip."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()

    def fileno(self) -> int:
        return sys.stderr.fileno()


class Bar:
    """Progress of a run on stderr: share of the bytes, × real time, time left."""

    def __init__(self, inputs: Inputs) -> None:
        self._sizes = {path: _size(path) for path in inputs.paths}
        self._shares: dict[Path, float] = {}
        self._footage = 0.0
        self._start = time.monotonic()
        self._bar = tqdm(
            total=sum(self._sizes.values()),
            file=_Stderr(),
            unit="B",
            unit_scale=True,
            bar_format="{percentage:3.0f}% |{bar}| {desc} left {remaining}",
        )
        self._describe(0)
        self._clips = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds = time.monotonic() - self._start
        self._bar.close()

    def watch(self, path: Path, share: float) -> None:
        before = self._shares.get(path, 0.0)
        if share > before:
            self._shares[path] = share
            self._bar.update(int(share * self._sizes[path]) - int(before * self._sizes[path]))

    def done(self, result: Result) -> None:
        self.watch(result.source, 1.0)
        self._footage += result.seconds if result.status is Status.PUBLISHED else 0
        self._clips += 1
        self._describe(self._clips)

    def print(self, line: str) -> None:
        """A result on stdout, above the bar."""
        self._bar.clear()
        say(line)
        self._bar.refresh()

    def _describe(self, clips: int) -> None:
        speed = self._footage / max(time.monotonic() - self._start, 1e-6)
        self._bar.set_description_str(
            f"{clips} of {len(self._sizes)} clips, {speed:.2f} × real time,"
        )


class Share:
    """Progress of one clip on stderr."""

    def __init__(self, path: Path) -> None:
        self._bar = tqdm(
            total=100,
            file=_Stderr(),
            desc=shown(path),
            bar_format="{desc}: {percentage:3.0f}% |{bar}|",
        )

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.close()

    def watch(self, share: float) -> None:
        self._bar.update(max(0, int(share * 100) - self._bar.n))


def _size(path: Path) -> int:
    try:
        return max(1, path.stat().st_size)
    except OSError:
        return 1
