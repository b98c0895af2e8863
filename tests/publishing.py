"""A run that publishes without looking: what crash tests kill, and what must hold afterwards."""

import os
import sys
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from redact.errors import Reason, RedactError
from redact.ledger.files import writing
from redact.ledger.log import Log
from redact.store import Store
from tests.facts import FACTS, clip

CLIPS = 3  # the next number is that of a clip which is held
ALL = os.environ.get("REDACT_CRASH") == "all"
"""Every call and 300 kills (half an hour), not the share that a test run has time for."""


def content(number: int) -> bytes:
    return f"redacted {number} ".encode() * 20_000


def run(root: Path, keys: Path, clips: int = CLIPS) -> None:
    """What a run does with each clip: look up, make, publish; and one is held."""
    with Store(root, keys) as store:
        for number in range(clips):
            if store.find(clip(number)) is None:
                output = store.workspace(clip(number), "video/mp4")
                with writing("the output could not be written"):  # as the encoder says it
                    output.write_bytes(content(number))
                store.publish(output, clip(number), FACTS, b"{}" * 1000)
        store.hold(clip(clips), "strict", Reason.CORRUPT, b"{}")


def check_nothing_is_unlogged(root: Path) -> None:
    """Right after the kill, before anything is repaired: no file without its entry."""
    published = list(root.glob("clips/*"))
    if published:
        with closing(Log(root / "ledger")) as log:
            recorded = {entry.file_name: entry.output for entry in log.entries() if entry.output}
        for path in published:
            assert sha256(path.read_bytes()).hexdigest() == recorded[path.name]


def check_all_is_done_once(root: Path, keys: Path, clips: int = CLIPS) -> None:
    with Store(root, keys) as store:
        summary = store.verify()
        assert (summary.published, summary.held, summary.entries) == (clips, 1, clips + 1)
        times = Counter(entry.idem for entry in store.log.entries())
        assert set(times.values()) == {1}
        for number in range(clips):
            assert store.path(store.find(clip(number))).read_bytes() == content(number)
    assert not list((root / ".work").glob("*/"))
    assert len(list(root.glob("restricted/*"))) == 2 * clips
    assert len(list(root.glob("held/*"))) == 2


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    except RedactError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
