#!/usr/bin/env python3
"""
Measures the ledger: appending, proving, looking up, verifying, and how fast it grows.

    python scripts/bench_ledger.py [--entries 1000000] [--minutes 7] [--folder DIR] [--readme]

The log may come out smaller if --minutes are over. With --folder it is kept, and the next call goes
on with it, however the last one ended. On a shared machine, read the processor times. --readme
writes README.md's table anew from the JSON; --entries 0 measures nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from bench_parts.imagined import SIDECAR, drafts
from bench_parts.page import put

from redact.bench_machine import made_on
from redact.ledger import detail, entry, proof
from redact.ledger.index import LARGE
from redact.ledger.keys import Keys
from redact.ledger.log import Log
from redact.ledger.reader import Reader
from redact.ledger.verify import verify

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "scripts" / "bench_results" / "ledger.json"
GROUP = 2000
"""Entries in one commit, in the measurement of appends by one caller."""

PART = 100_000
"""Entries after which the speed is told anew: it must not fall as the log grows."""

KEYS = Keys((bytes(range(32)),), bytes(32), bytes(32))


def main() -> None:
    options = _options()
    if options.entries:
        folder = options.folder or Path(tempfile.mkdtemp())
        try:
            result = measured(folder, options.entries, options.minutes)
        finally:
            if options.folder is None:
                shutil.rmtree(folder)
        options.output.write_text(json.dumps(result, indent=1) + "\n")
    result = json.loads(options.output.read_text())
    print(table(result))
    if options.readme:
        put("bench:ledger", table(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=7, help="append no longer than this")
    parser.add_argument("--folder", type=Path, help="where the log is kept; nowhere, if not given")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--readme", action="store_true")
    return parser.parse_args()


def measured(folder: Path, size: int, minutes: float) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    Log.create(folder, KEYS.first_signer, "redact/bench")
    result = _where() | {"group": GROUP}
    with closing(Log(folder, KEYS.signer)) as log:
        result["append"] = appended(log, folder / "appended.json", size, minutes)
        size = result["entries"] = len(log)
        say(f"{size} entries; now by many threads")
        result["threads"] = appended_by_threads(log, size)
    say("proofs and look-ups")
    with closing(Reader(folder)) as reader, closing(Reader(folder, proving=True)) as proving:
        result["proof_ms"] = timed(reader, size, partial(proof.prove, reader))
        result["look_up_ms"] = timed(reader, size, lambda it: reader.by_output(str(it.output)))
        proved = timed(proving, size, lambda it: proving.by_output(str(it.output)))
        result["proved_look_up_ms"] = proved
    result["open_ms"] = in_a_process_of_its_own(first_proved_look_up, folder)
    say("the full check")
    result["verify"] = in_a_process_of_its_own(verified, folder)
    result["bytes_per_entry"] = grown(folder, result["verify"]["entries"])
    return result


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def appended(log: Log, kept: Path, size: int, minutes: float) -> dict[str, Any]:
    """
    One caller, GROUP entries at a time; the making of the drafts is not counted.

    What was measured is in `kept`, for the next call to go on with: [entries, seconds, seconds of
    processor] of each PART of the log.
    """
    parts: list[list[float]] = json.loads(kept.read_text()) if kept.exists() else []
    until = time.monotonic() + 60 * minutes
    while (first := len(log)) < size and time.monotonic() < until:
        made = drafts(first, min(GROUP, size - first))
        start, start_cpu = time.perf_counter(), time.process_time()
        log.append(made)
        spent = time.perf_counter() - start, time.process_time() - start_cpu
        if first // PART == len(parts):
            parts.append([0, 0.0, 0.0])
        for place, value in enumerate((len(made), *spent)):
            parts[-1][place] += value
        kept.write_text(json.dumps(parts))
        if len(log) % PART == 0:
            say(f"{len(log)} entries; the last {PART}: {_speed(parts[-1])}")
    count, wall, cpu = (sum(column) for column in zip(*parts, strict=True))
    whole = [part for part in parts if part[0] == PART] or parts
    return {
        "entries": count,
        "per_second": round(count / wall),
        "cpu_us": round(1e6 * cpu / count),
        "part": PART,
        "first": _speed(whole[0]),
        "last": _speed(whole[-1]),
    }


def _speed(part: list[float]) -> dict[str, int]:
    count, wall, cpu = part
    return {"per_second": round(count / wall), "cpu_us": round(1e6 * cpu / count)}


def appended_by_threads(log: Log, first: int, threads: int = 64, each: int = 50) -> dict[str, Any]:
    """Many threads with one entry at a time, which share commits."""
    made = [drafts(first + number * each, each) for number in range(threads)]
    workers = [
        threading.Thread(target=lambda own=own: [log.append([it]) for it in own]) for own in made
    ]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - start
    return {
        "threads": threads,
        "entries": threads * each,
        "per_second": round(threads * each / seconds),
    }


def timed(log: Reader, size: int, work: Callable[[entry.Entry], object]) -> dict[str, float]:
    """Of 1,000 entries drawn at random, each looked at once: milliseconds."""
    draw, times = random.Random(), []
    for _ in range(1000):
        chosen = next(log.entries(draw.randrange(size)))
        start = time.perf_counter()
        work(chosen)
        times.append(1000 * (time.perf_counter() - start))
    times.sort()
    return {"median": round(statistics.median(times), 2), "p95": round(times[949], 2)}


def first_proved_look_up(folder: Path) -> dict[str, float]:
    """What `redact admit` pays once: opening the log, and the index that is signed with it."""
    start, start_cpu = time.perf_counter(), time.process_time()
    with closing(Reader(folder, proving=True)) as log:
        log.by_output("0" * 64)
    spent = time.perf_counter() - start, time.process_time() - start_cpu
    return {"wall": round(1000 * spent[0], 1), "cpu": round(1000 * spent[1], 1)}


def verified(folder: Path) -> dict[str, float]:
    """Processor time and memory are those of both processes that take part."""
    start = time.perf_counter()
    with closing(Reader(folder)) as log:
        count = verify(log)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "entries": count,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in used), 1),
        "peak_mb": round(sum(one.ru_maxrss for one in used) / 1024),
    }


def in_a_process_of_its_own(work: Callable[[Path], dict[str, Any]], folder: Path) -> Any:
    """So that the memory is that of this work alone."""
    spawn = multiprocessing.get_context("spawn")  # not a Pool: its processes may start none
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, folder).result()


def grown(folder: Path, count: int) -> dict[str, Any]:
    """The log's file, and the two files of a detail; `on_disk` counts whole blocks of 4 KiB."""
    with closing(sqlite3.connect(folder / "log.sqlite")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (folder / "log.sqlite").stat().st_size
    sealed = [
        len(part) for part in detail.seal("REC", detail.Detail(SIDECAR, bytes(32)), bytes(32)).files
    ]
    blocks = sum(-(-length // 4096) * 4096 for length in sealed)
    log = size / count
    return {
        "log": round(log),
        "detail": sum(sealed),
        "together": round(log + sum(sealed)),
        "on_disk": round(log + blocks),
    }


def _where() -> dict[str, Any]:
    return made_on() | {"load": round(os.getloadavg()[2], 1), "sqlite": sqlite3.sqlite_version}


def table(result: dict[str, Any]) -> str:
    append, threads, whole = result["append"], result["threads"], result["verify"]
    size, month = result["bytes_per_entry"], 30_000_000
    rows = [
        ("what", "measured"),
        ("---", "---"),
        (
            f"append, {result['group']} entries a commit",
            f"{append['per_second']:,} a second ({append['cpu_us']} µs of processor each)",
        ),
        (
            f"the first {append['part']:,} of them, and the last",
            " / ".join(
                f"{append[name]['per_second']:,} a second ({append[name]['cpu_us']} µs)"
                for name in ("first", "last")
            ),
        ),
        (
            f"append, {threads['threads']} threads, one entry each at a time",
            f"{threads['per_second']:,} a second",
        ),
        ("one proof, median / 95 %", "{median} / {p95} ms".format(**result["proof_ms"])),
        ("look-up by sha256, median / 95 %", "{median} / {p95} ms".format(**result["look_up_ms"])),
        (
            "the same, proved to be all, as `redact admit` asks",
            "{median} / {p95} ms".format(**result["proved_look_up_ms"])
            + " (the first: {wall} ms, {cpu} of processor)".format(**result["open_ms"]),
        ),
        (
            "full check of the log",
            f"{whole['seconds']} s ({whole['cpu_seconds']} s of processor), {whole['peak_mb']} MB",
        ),
        (
            "growth for each entry: log + detail",
            f"{size['log']:,} + {size['detail']:,} bytes ({size['on_disk']:,} in whole blocks)",
        ),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    hours = month * append["cpu_us"] / 1e6 / 3600
    check = month * whole["cpu_seconds"] / whole["entries"] / 3600
    return "\n".join(
        [
            *lines,
            "",
            f"A log of {result['entries']:,} entries. Measured on {result['date']} at "
            f"{result['commit']}: {result['machine']} (load {result['load']}), "
            f"Python {result['python']}, SQLite {result['sqlite']}.",
            "",
            f"30 million clips a month are 12 a second, {hours:.1f} hours of one core to append "
            f"and {check:.1f} to check; the log grows by {month * size['log'] / 1e9:.0f} GB. "
            f"Proofs need the logarithm of the size, {(month - 1).bit_length()} hashes instead of "
            f"{(result['entries'] - 1).bit_length()}; a look-up reads a page of each of "
            f"{month // LARGE} blocks instead of {result['entries'] // LARGE}. One log a month (or "
            "a region) keeps each file small, old ones become read-only, and a check reads one of "
            "them: a store for each is all the sharding that it takes.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
