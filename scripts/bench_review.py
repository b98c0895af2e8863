#!/usr/bin/env python3
"""
Measures the review page over a store of a million entries: page times, readers at once, the index.

    python scripts/bench_review.py [--entries 1000000] [--readers 50] [--requests 200] [--readme]
                                   [--only readme]

The entries are imagined, appended to a real log; no clips lie behind them. Times are taken at the
server: from a request's arrival to its last byte, over HTTP on this machine. With --readme (or
--only readme, which measures nothing) the table between the marks of README.md is written anew.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "scripts" / "bench_results" / "review.json"
MARKS = "<!-- bench:review -->", "<!-- /bench:review -->"
PAGES = {
    "overview": "/overview",
    "list, first page": "/clips",
    "list, 3 filters, many match": "/clips?state=published&kind=face&review=not_yet",
    "list, 3 filters, few match": "/clips?kind=plate&domain=site977.example.org&score=42",
    "list, none matches": "/clips?kind=face&method=tone",
    "list, page 1,000 or so": "/clips?state=published&before=500000",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--store", type=Path, help="Kept, and taken up again.")
    parser.add_argument("--only", choices=["readme"])
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    if options.only != "readme":
        with tempfile.TemporaryDirectory() as folder:
            measured = _measure(options.store or Path(folder), options)
        RESULT.write_text(json.dumps(measured, indent=1) + "\n")
        print(_table(measured))
    if options.readme or options.only == "readme":
        _write_readme(json.loads(RESULT.read_text()))


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    os.environ |= {"REDACT_KEYS": str(folder / "keys"), "XDG_CACHE_HOME": str(folder / "cache")}
    built = _fill(folder / "store", options.entries)
    process, address, cookie, started = _start(folder / "store")
    try:
        alone = {
            name: _times(address, cookie, path, options.requests) for name, path in PAGES.items()
        }
        crowd = _crowd(address, cookie, options.readers)
        memory = _memory(process.pid)
    finally:
        process.terminate()
        process.wait()
    return {
        **_where(),
        "entries": options.entries,
        "requests": options.requests,
        "readers": options.readers,
        "append_s": built,
        "first_start_s": started,
        "second_start_s": _again(folder / "store"),
        "memory_mb": memory,
        "pages": alone,
        "crowd": crowd,
    }


def _where() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "machine": f"{next(models, platform.processor())}, {os.cpu_count()} cores",
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "starlette", "uvicorn")},
        "commit": commit,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _fill(root: Path, entries: int) -> float:
    """A real log of imagined clips; returns the seconds that the appends took."""
    from redact.store import Store

    chance, start = random.Random(1), time.perf_counter()
    with Store(root) as store:
        have = len(store.log)
        for first in range(have, entries, 5000):
            store.append(
                [_draft(number, chance) for number in range(first, min(first + 5000, entries))]
            )
            print(f"\r{first + 5000:,} of {entries:,} entries", end="", file=sys.stderr)
    return round(time.perf_counter() - start, 1)


def _draft(number: int, chance: random.Random) -> dict[str, Any]:
    """One in twenty is held; domains, policies, models and what was removed vary."""
    digest = sha256(str(number).encode())
    hexed, source = digest.hexdigest(), f"site{number % 1000}.example.org"
    from redact.ledger.entry import record_name

    common = {
        "schema": "redact/entry/1",
        "rec": record_name(digest.digest()[:16]),
        "idem": f"hmac-sha256:{'a' * 8}:{hexed}",
        "pol": {"id": f"policy{number % 3}", "sha256": "ab" * 32},
        "eng": {"name": "redact", "ver": "0.1.0"},
    }
    if number % 20 == 19:
        reason = chance.choice(["corrupt", "language", "timeout"])
        return common | {"kind": "held", "reason": reason, "in": {"commit": f"sha256:{hexed}"}}
    lines = []
    if number % 3:
        lines.append({"k": "face", "method": "fill", "count": 1 + number % 4, "frames": 90,
                      "dur_us": 3_000_000, "area_ppm_max": 30_000,
                      "score_ppm_min": chance.randrange(250_000, 990_000)})  # fmt: skip
    if number % 7 == 0:
        lines.append({"k": "plate", "method": "pixelate", "count": 1, "frames": 40,
                      "dur_us": 1_300_000, "area_ppm_max": 8_000,
                      "score_ppm_min": chance.randrange(250_000, 990_000)})  # fmt: skip
    model = {"slot": "faces", "name": f"model{number % 5}", "sha256": "cd" * 32, "thr_ppm": 250_000}
    return common | {
        "kind": "published",
        "eng": common["eng"] | {"models": [model]},
        "in": {"commit": f"sha256:{hexed}", "media": "video/mp4", "dur_us": 10_000_000, "w": 640,
               "h": 360, "fps_num": 30, "fps_den": 1, "audio": True},
        "out": {"sha256": hexed, "bytes": 900_000, "frames": 300, "dur_us": 10_000_000,
                "media": "video/mp4"},
        "cov": {"frames": 300, "frames_scanned": 100, "audio_us": 10_000_000,
                "audio_us_scanned": 10_000_000, "speech_us": 4_000_000, "passes": 1},
        "scope": ["face", "plate", "spoken_name"],
        "sum": lines,
        "chk": {"verdict": "clean", "rounds": 0, "frames_scanned": 40,
                "audio_us_scanned": 10_000_000, "residual": 0, "decode": "pass", "strip": "pass",
                "outside": "pass"},
        "voice_treatment": "none",
        "ocr": "not_scanned",
        "claim_level": "minimised",
        "detail": {"commit": f"hmac-sha256:{hexed}", "bytes": 900, "kid": hexed[:32]},
        "src": {"type": "crawled", "domain": source, "acq_method": "crawl", "manifest": "ef" * 32},
        "rights": {"licence_media": ("CC-BY-4.0", "CC0-1.0")[number % 2], "licence_ann": "CC0-1.0",
                   "permitted": ["research-training"], "optout": []},
    }  # fmt: skip


def _start(store: Path) -> tuple[subprocess.Popen[str], str, str, float]:
    """The page's process, its address, a session, and the seconds until all entries are shown."""
    process = subprocess.Popen(
        [sys.executable, "-m", "redact", "review", "--store", str(store), "--port", "0", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    start = time.perf_counter()
    up = json.loads(process.stdout.readline())
    address, token = up["address"].partition("://")[2], up["link"].rpartition("/")[2]
    wire = http.client.HTTPConnection(address, timeout=3600)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": up["address"]}
    wire.request("POST", "/enter", f"link={token}", form)
    cookie = wire.getresponse().headers["set-cookie"].partition(";")[0]
    while not _all_shown(address, cookie):
        time.sleep(1)
    return process, address, cookie, round(time.perf_counter() - start, 1)


def _all_shown(address: str, cookie: str) -> bool:
    """Whether every entry is taken in, and the check of the whole log has ended."""
    wire = http.client.HTTPConnection(address, timeout=3600)
    wire.request("GET", "/overview.json", headers={"Cookie": cookie})
    said = json.loads(wire.getresponse().read())["ledger"]
    if said["checked_at_start"] == "broken":
        raise SystemExit("the log does not verify")
    return said["entries"] == said["signed"] and str(said["checked_at_start"]).startswith("whole")


def _again(store: Path) -> float:
    process, _, _, seconds = _start(store)
    process.terminate()
    process.wait()
    return seconds


def _get(wire: http.client.HTTPConnection, path: str, cookie: str) -> float:
    """Seconds for one page; stops the measurement if it is not whole."""
    start = time.perf_counter()
    wire.request("GET", path, headers={"Cookie": cookie})
    answer = wire.getresponse()
    body = answer.read()
    if answer.status != 200 or b"</html>" not in body or b"Read-only" in body:
        raise SystemExit(f"{path}: {answer.status}")
    return time.perf_counter() - start


def _times(pid: int, address: str, cookie: str, path: str, requests: int) -> dict[str, float]:
    wire, before = http.client.HTTPConnection(address), _cpu(pid)
    return _summary([_get(wire, path, cookie) for _ in range(requests)], _cpu(pid) - before)


def _cpu(pid: int) -> float:
    """Seconds of processor that a process has used: what other work can't lengthen."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _crowd(pid: int, address: str, cookie: str, readers: int) -> dict[str, float]:
    """Readers at once, each going through all the pages twice, with filters of their own."""

    def read(number: int) -> list[float]:
        wire, chance = http.client.HTTPConnection(address), random.Random(number)
        paths = [*PAGES.values(), *PAGES.values()]
        paths += [f"/clips?domain=site{chance.randrange(1000)}.example.org&kind=face"] * 3
        chance.shuffle(paths)
        return [_get(wire, path, cookie) for path in paths]

    before = _cpu(pid)
    with ThreadPoolExecutor(readers) as pool:
        times = [one for several in pool.map(read, range(readers)) for one in several]
    return _summary(times, _cpu(pid) - before)


def _summary(seconds: list[float], cpu: float) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {"n": len(seconds), "cpu_ms": round(1000 * cpu / len(seconds), 1),
            "median_ms": round(1000 * statistics.median(seconds), 1),
            "p95_ms": round(1000 * cuts[-1], 1),
            "max_ms": round(1000 * max(seconds), 1)}  # fmt: skip


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def _table(measured: dict[str, Any]) -> str:
    rows = [(name, one) for name, one in measured["pages"].items()]
    rows.append((f"{measured['readers']} readers at once, all of these", measured["crowd"]))
    lines = ["| page | median, ms | 95th percentile, ms | processor, ms | requests |"]
    lines.append("| --- | --- | --- | --- | --- |")
    names = ("median_ms", "p95_ms", "cpu_ms", "n")
    lines += [f"| {name} | {' | '.join(str(one[key]) for key in names)} |" for name, one in rows]
    lines.append(
        f"\n{measured['entries']:,} entries; all of them shown and verified "
        f"{measured['first_start_s']} s after the first start (the read index is made), "
        f"{measured['second_start_s']} s after a later one; {measured['memory_mb']} MB. Measured on "
        f"{measured['date']} at {measured['commit']}: {measured['machine']}, load "
        f"{measured['load_at_start']} from other work, so read the processor time first; "
        f"Python {measured['python']}."
    )
    return "\n".join(lines)


def _write_readme(measured: dict[str, Any]) -> None:
    path = ROOT / "README.md"
    before, _, rest = path.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    path.write_text(f"{before}{MARKS[0]}\n{_table(measured)}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
