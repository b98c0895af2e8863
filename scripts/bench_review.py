#!/usr/bin/env python3
"""
Measures the review page over a million clips: the time of a page, alone and with readers at once.

    python scripts/bench_review.py [--clips 1000000] [--logged 2000] [--readers 50]
                                   [--requests 100] [--readme] [--only readme]

The read index is filled with imagined clips by SQL, over a real log with `--logged` entries of its
own; what it costs to take those in is measured too. Times are taken over HTTP on this machine,
from the request to its last byte; the processor time is the server's. With --readme (or --only
readme, which measures nothing) the table between the marks of README.md is written anew.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench_parts.page import put

from redact.bench_machine import made_on

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "scripts" / "bench_results" / "review.json"
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
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--logged", type=int, default=2_000)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--only", choices=["readme"])
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve, options.clips)
        return
    if options.only != "readme":
        with tempfile.TemporaryDirectory() as folder:
            measured = _measure(Path(folder), options)
        RESULT.write_text(json.dumps(measured, indent=1) + "\n")
        print(_table(measured))
    if options.readme or options.only == "readme":
        put("bench:review", _table(json.loads(RESULT.read_text())))


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    _fill(folder / "store", folder / "keys", options.logged)
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(folder), "--clips", str(options.clips)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        up = json.loads(process.stdout.readline())
        where = process.pid, up["address"], up["cookie"]
        alone = {name: _times(*where, path, options.requests) for name, path in PAGES.items()}
        crowd = _crowd(*where, options.readers)
        memory = _memory(process.pid)
    finally:
        process.terminate()
        process.wait()
    return {
        **_where(),
        "clips": options.clips,
        "logged": options.logged,
        "readers": options.readers,
        "taking_in_us": up["taking_in_us"],
        "loading_s": up["loading_s"],
        "memory_mb": memory,
        "pages": alone,
        "crowd": crowd,
    }


def _serve(folder: Path, clips: int) -> None:
    """The page over a read index with so many imagined clips, in this process until it is ended."""
    import uvicorn

    from redact.review.access import Account, Sessions
    from redact.review.app import make_app
    from redact.review.asking import Site
    from redact.review.index import Index
    from redact.review.opened import Opened
    from redact.review.server import Where, listen

    listener = listen(Where(port=0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    with Opened(folder / "store", folder / "keys", folder / "index") as opened:
        before = time.process_time()
        while opened.behind:
            opened.refresh()
        taking_in = (time.process_time() - before) / opened.size
        Index(folder / "million.sqlite", "imagined").close()
        _imagine(folder / "million.sqlite", clips)
        before = time.process_time()
        many = Index(folder / "million.sqlite", "imagined")
        loading = time.process_time() - before
        many.next, opened.index = opened.index.next, many
        site = Site(opened=opened, sessions=Sessions(), origins=frozenset({f"http://{address}"}),
                    cookie="c", secure=False)  # fmt: skip
        cookie = site.sessions.redeem(site.sessions.link(Account("a", "op_" + "0" * 16, "officer")))
        said = {"address": address, "cookie": f"c={cookie}", "loading_s": round(loading, 1),
                "taking_in_us": round(1e6 * taking_in)}  # fmt: skip
        print(json.dumps(said), flush=True)
        uvicorn.Server(uvicorn.Config(make_app(site), log_level="error")).run(sockets=[listener])


def _imagine(path: Path, clips: int) -> None:
    """One clip in twenty is held; domains, policies, models and what was removed vary."""
    with closing(sqlite3.connect(path)) as db, db:
        words = [(n + 1, "domain", f"site{n}.example.org") for n in range(1000)]
        words += [(2001 + n, "policy", f"policy{n} abababababab") for n in range(3)]
        words += [(2011 + n, "models", f"model{n}@cdcdcdcdcdcd") for n in range(5)]
        words += [(2021, "media", "video/mp4"), (2022, "licence", "CC-BY-4.0"),
                  (2023, "licence", "CC0-1.0"), (2024, "reason", "corrupt")]  # fmt: skip
        db.executemany("INSERT INTO words VALUES (?, ?, ?)", words)
        columns = ", ".join(IMAGINED)
        values = ", ".join(IMAGINED.values())
        db.execute(
            "WITH RECURSIVE n(i) AS "
            f"(SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {clips - 1}) "
            f"INSERT INTO clips ({columns}) SELECT {values} FROM n"
        )


IMAGINED = {
    "key": "i",
    "rec": "printf('0%025d', i)",
    "seq": "i",
    "output": "lower(hex(randomblob(32)))",
    "sum": """'[{"k": "face", "method": "fill", "count": 2}]'""",
    "file": "random() >> 4 & 0xfffffffffffffff",
    "t": "1790000000000000 + i * 1000000",
    "dur_us": "10000000",
    "bytes": "900000",
    "policy": "2001 + i % 3",
    "models": "2011 + i % 5",
    "media": "2021",
    "domain": "1 + i % 1000",
    "licence": "2022 + i % 2",
    "reason": "CASE i % 20 WHEN 19 THEN 2024 ELSE 0 END",
    "score": "250000 + abs(random()) % 740000",
    "kinds": "(i % 3 > 0) + 2 * (i % 7 = 0)",
    "methods": "(i % 3 > 0) + 2 * (i % 7 = 0)",
    "state": "i % 20 = 19",
    "review": "0",
    "faces": "2 * (i % 3 > 0)",
    "plates": "i % 7 = 0",
    "names": "0",
    "others": "1",
    "first": "i",
    "gone": "1 << 60",
}
"""By column of the index's clips: its value, in SQL, for clip number `i`."""


def _hex(number: int, what: str) -> str:
    return sha256(f"{what}{number}".encode()).hexdigest()


def _keyed(number: int, what: str) -> str:
    return f"hmac-sha256:00000000:{_hex(number, what)}"


def _fill(root: Path, keys: Path, entries: int) -> None:
    """A real log of held clips, each of a file and an address of its own."""
    from redact.ledger.entry import record_name
    from redact.store import Store

    drafts = [
        {
            "schema": "redact/entry/1",
            "kind": "held",
            "rec": record_name(sha256(str(number).encode()).digest()[:16]),
            "pol": {"id": "policy", "sha256": "ab" * 32},
            "eng": {"name": "redact", "ver": "0.1.0"},
            "reason": "corrupt",
            "in": {"commit": f"sha256:{_hex(number, 'c')}", "file_hmac": _keyed(number, "f")},
            "src": {
                "type": "crawled",
                "domain": f"site{number % 1000}.example.org",
                "url_hmac": _keyed(number, "u"),
                "acq_method": "crawl",
                "manifest": "ef" * 32,
            },
            "rights": {
                "licence_media": "CC-BY-4.0",
                "licence_ann": "CC-BY-4.0",
                "permitted": [],
                "optout": [],
            },
        }
        for number in range(entries)
    ]
    with Store(root, keys) as store:
        store.append(drafts)


def _where() -> dict[str, Any]:
    return made_on("numpy", "starlette", "uvicorn") | {
        "load_at_start": round(os.getloadavg()[0], 1),
    }


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
        f"\nA read index of {measured['clips']:,} imagined clips, loaded in "
        f"{measured['loading_s']} s of processor time; {measured['memory_mb']} MB in all. Taking "
        f"an entry into it takes {measured['taking_in_us']} µs. Measured on "
        f"{measured['date']} at {measured['commit']}: {measured['machine']}, load "
        f"{measured['load_at_start']} from other work, so read the processor time first; "
        f"Python {measured['python']}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
