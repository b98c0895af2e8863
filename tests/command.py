"""Runs the real command line in its own process, without an administrator's rights."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DROP_CAPABILITY, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2  # of prctl, see linux/prctl.h


@dataclass(frozen=True)
class Outcome:
    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line of JSON; fails on one that is not, or that not every reader would take."""
        return [json.loads(line.encode("ascii")) for line in self.out.decode().splitlines()]

    def clip(self, name: str) -> dict[str, Any]:
        """What was said of the one input whose path ends so."""
        found = [line for line in self.lines if line.get("input", "").endswith(name)]
        assert len(found) == 1, (name, self.out, self.err)
        return found[0]


def mortal() -> None:
    """Root may read everything; from here on, its programs may not."""
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_DROP_CAPABILITY, capability, 0, 0, 0)


def redact(
    *arguments: str | Path,
    keys: Path,
    first: Callable[[], None] = mortal,
    **environment: str,
) -> Outcome:
    """`redact ARGUMENTS`; `first` is called in the new process."""
    done = subprocess.run(
        [sys.executable, "-m", "redact", *arguments],
        env={**os.environ, "REDACT_KEYS": str(keys), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=first,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def bytes_of(folder: Path) -> bytes:
    """Every byte and every name of everything in a folder."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(os.fsencode(path.relative_to(folder)))
        if path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts)
