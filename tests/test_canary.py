"""
What is planted in the footage is in no byte that a run writes: killed, failing or calm.

Names, a plate, a place and a day lie in every part of the container, in the names of the files and
folders, and in what the models "hear". Searched: the store (entries and details unpacked and
decrypted), the keys, the temporary and home folders, and all that was printed.
"""

import base64
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from redact.store import Store
from tests.media_maker import Picture, Voice, make_clip
from tests.test_container import NAME, PLACE, planted, searched

pytestmark = pytest.mark.slow

PLATE = "QU1LLA XJ77"
HEARD = "Quillathorpe"  # by the models of blind_worker.py
CANARIES = (NAME, PLACE, PLATE, HEARD)
PICTURES = (b"\x89PNG\r\n\x1a\n", b"JFIF\0", b"\x93NUMPY", b"Exif\0\0")
"""What a crop, a thumbnail or an array of embeddings would begin with."""


def forms(text):
    """A canary as it may have been written, and as its hashes."""
    plain = [text, text.lower(), text.upper(), text.replace(" ", "_"), text.replace(" ", "%20")]
    for one in {*plain, *text.split()[:1]}:
        yield from (one.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
        yield base64.b64encode(one.encode()).rstrip(b"=")[:-1]
        for algorithm in ("sha256", "sha1", "md5", "blake2b"):
            digest = hashlib.new(algorithm, one.encode())
            yield from (digest.digest()[:16], digest.hexdigest()[:32].encode())


FORMS = {form for canary in CANARIES for form in forms(canary) if len(form) > 5}


def found_in(data):
    return {form for part in searched(data) for form in FORMS if form in part}


class Place:
    """Clips full of canaries, and a `redact` whose every byte lands in one folder."""

    def __init__(self, base: Path) -> None:
        self.base, self.written, self.printed = base, base / "written", b""
        self.store, self.keys = self.written / "store", self.written / "keys"
        for name in ("home", "tmp"):
            (self.written / name).mkdir(parents=True)
        self.inputs = base / f"{NAME} {PLATE}"
        self.inputs.mkdir()
        noise = [Voice()]
        for number, suffix in enumerate((".mp4", ".mkv")):
            # 64 pixels wide: the clip that meets the fault of blind_worker.py
            small = make_clip(base / f"base{suffix}", Picture(width=(96, 64)[number]), noise)
            planted(self.inputs / f"{PLATE} {number}{suffix}", small)
        (self.inputs / f"{NAME}.mp4").write_bytes(NAME.encode() * 99)

    def start(self, fault: str, *words: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "REDACT_KEYS": str(self.keys),
            "TMPDIR": str(self.written / "tmp"),
            "HOME": str(self.written / "home"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BLIND_FAULT": fault,
        }
        script = str(Path(__file__).with_name("blind_run.py"))
        command = [sys.executable, script, *words]
        # All of one process group, so that a kill leaves nobody.
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd=self.written,
        )  # fmt: skip

    def end(self, running: subprocess.Popen[bytes]) -> int:
        for part in running.communicate():
            self.printed += part
        return running.returncode

    def all_bytes(self) -> bytes:
        parts = [self.printed]
        for path in self.written.rglob("*"):
            parts.append(os.fsencode(path.relative_to(self.written)))
            if path.is_file():
                parts.append(path.read_bytes())
        with Store(self.store, self.keys) as store:
            for entry in store.log.entries():
                parts.append(entry.to_bytes())
                if "detail" in entry.value:
                    parts.append(store.recall(entry).sidecar)
        return b"\n".join(parts)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_the_search_finds_what_is_planted(place):
    for path in place.inputs.iterdir():
        assert found_in(path.read_bytes())
        assert found_in(os.fsencode(path.name))
    for text in (HEARD.lower(), f"x{hashlib.sha256(NAME.encode()).hexdigest()}x"):
        assert found_in(text.encode())
    assert not found_in(b"nothing of the kind")


@pytest.mark.parametrize("fault", ["none", "crashes", "hears again"])
def test_no_canary_is_written_or_printed(place, fault):
    code = place.end(place.start(fault, "run", str(place.inputs), "--store", str(place.store)))

    assert code in (1, 3, 4, 7)  # the file that is no clip is always held
    text = place.all_bytes().replace(os.fsencode(place.inputs), b"")
    for path in place.inputs.iterdir():  # people are told which of their own files is meant
        text = text.replace(os.fsencode(path.name), b"")
    assert found_in(text) == set()
    assert not any(magic in text for magic in PICTURES)


def test_no_canary_is_left_by_a_run_that_is_killed(place):
    calm = time.monotonic()
    place.end(place.start("none", "run", str(place.inputs), "--store", str(place.written / "calm")))
    seconds, draw = time.monotonic() - calm, random.Random()
    for _ in range(2):
        running = place.start("none", "run", str(place.inputs), "--store", str(place.store))
        time.sleep(draw.uniform(0.3, 1) * seconds)
        os.killpg(running.pid, signal.SIGKILL)
        place.end(running)
        for path in place.written.rglob("*"):
            if path.is_file() and ".work" not in path.parts:
                assert found_in(path.read_bytes()) == set(), path.name
    place.end(place.start("none", "run", str(place.inputs), "--store", str(place.store)))

    assert not list((place.store / ".work").glob("*/"))
    place.printed = b""
    assert found_in(place.all_bytes()) == set()
