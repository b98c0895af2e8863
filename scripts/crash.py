#!/usr/bin/env python3
"""
Kills and fails a publishing run at each of its system calls, and writes down how many were done.

    python scripts/crash.py [--only FAULT] [--minutes 14] [--readme]

Each fault is in tests/test_syscalls.py or tests/test_crash.py; what must hold afterwards too. A
call of this script goes on where the last one stopped, and begins a fault anew when what it tests
(the ledger, the store, or the calls of a run) has changed. The first that does not hold ends it.
With --readme, the table between the marks of README.md is written anew from the results.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench_parts.page import put  # noqa: E402

from redact.bench_machine import made_on  # noqa: E402
from tests.test_crash import four_at_once, kill_at_random  # noqa: E402
from tests.test_syscalls import FAULTS, calls_of_a_run, check_after  # noqa: E402

RESULTS = ROOT / "scripts" / "bench_results" / "crash.json"
AT_RANDOM = {"killed at random": (kill_at_random, 300), "four at once, killed": (four_at_once, 20)}
"""What is not tied to a call: the test, and how often it is done."""

STEP = 20
"""Random kills between two times that the results are written."""


def main() -> None:
    options = _options()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"faults": {}}
    until = time.monotonic() + 60 * options.minutes
    for fault in [*FAULTS, *AT_RANDOM]:
        if options.only in (None, fault) and time.monotonic() < until:
            go_on(fault, result, until)
    print(table(result))
    if options.readme:
        put("bench:crash", table(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--only", choices=[*FAULTS, *AT_RANDOM])
    parser.add_argument("--minutes", type=float, default=14, help="begin nothing after this")
    parser.add_argument("--readme", action="store_true")
    return parser.parse_args()


def code(root: Path) -> str:
    """What tells these results from those of other code: its hash, but for docstrings."""
    paths = [*(root / "redact" / "ledger").glob("*.py"), *(root / "redact" / "store").glob("*.py")]
    paths += [
        root / "tests" / name for name in ("publishing.py", "test_crash.py", "test_syscalls.py")
    ]
    found = sha256()
    for path in sorted(paths):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # a docstring
        found.update(f"{path.name} {ast.dump(tree)}".encode())
    return found.hexdigest()[:16]


def go_on(fault: str, result: dict[str, Any], until: float) -> None:
    if result["faults"].get(fault, {}).get("tested") != code(ROOT):
        result["faults"][fault] = {"tested": code(ROOT), "done": 0}
    with tempfile.TemporaryDirectory() as folder:
        if fault in FAULTS:
            each_call(fault, Path(folder), result, until)
        else:
            at_random(fault, Path(folder), result, until)


def each_call(fault: str, folder: Path, result: dict[str, Any], until: float) -> None:
    calls = calls_of_a_run(folder / "counted")
    done = result["faults"][fault]
    done |= {"of": len(calls), "ended": done.get("ended", {})}
    for number in range(done["done"], len(calls)):
        if time.monotonic() > until:
            return
        ended = str(check_after(fault, *calls[number], folder / str(number)))
        done["done"], done["ended"][ended] = number + 1, done["ended"].get(ended, 0) + 1
        write(fault, done, result)


def at_random(fault: str, folder: Path, result: dict[str, Any], until: float) -> None:
    work, times = AT_RANDOM[fault]
    done = result["faults"][fault]
    done["of"] = times
    while done["done"] < times and time.monotonic() < until:
        step = min(STEP if work is kill_at_random else 1, times - done["done"])
        part = folder / str(done["done"])
        part.mkdir()
        work(part, step)
        done["done"] += step
        write(fault, done, result)


def write(fault: str, done: dict[str, Any], result: dict[str, Any]) -> None:
    done |= {name: made_on()[name] for name in ("commit", "date")}
    result["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{time.strftime('%H:%M:%S')} {fault}: {done['done']} of {done['of']}", flush=True)


def table(result: dict[str, Any]) -> str:
    rows = ["| fault | done, and all held afterwards | measured |", "| --- | --- | --- |"]
    for fault, done in result["faults"].items():
        what = "calls, one at a time" if fault in FAULTS else "times"
        rows.append(
            f"| {fault} | {done['done']} of {done['of']} {what} | "
            f"{done['date']} at {done['commit']} |"
        )
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    main()
