"""What other tools read of a run, checked by those tools; and nothing of the footage in it."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from redact.cli import clips, main
from redact.cli import provenance as told_by
from redact.errors import LedgerCorruptError, StoreError
from redact.ledger.checkpoint import sign_note, verify
from redact.policy import Policy
from redact.provenance.run import Tally
from redact.redactor import Result, Status
from redact.store import Store
from tests.command import Outcome, mortal
from tests.facts import FACTS, clip
from tests.media_maker import Picture, Voice, make_clip

NAME = "Quillathorpe"


@dataclass(frozen=True)
class Place:
    """Two clips and an empty file, all with a name in theirs; a store; and files told to."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def run(self, *words: str | Path, inputs: str = NAME) -> Outcome:
        command = [sys.executable, str(Path(__file__).with_name("blind_run.py")), "run"]
        done = subprocess.run(
            [*command, str(self.folder / inputs), "--store", str(self.store), *map(str, words)],
            env={**os.environ, "REDACT_KEYS": str(self.folder / "keys")},
            capture_output=True,
            preexec_fn=mortal,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def published(self) -> dict[str, str]:
        return {
            path.stem: sha256(path.read_bytes()).hexdigest()
            for path in (self.store / "clips").iterdir()
        }

    def public(self) -> Ed25519PublicKey:
        """From the key that an auditor is given."""
        text = (self.store / "ledger" / "vkey").read_text().strip()
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.split("+", 2)[2])[1:])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("provenance")
    (folder / NAME).mkdir()
    for number in range(2):
        picture = Picture(frames=20 + number)
        make_clip(folder / NAME / f"{NAME} {number}.mp4", picture, [Voice()], tags={"title": NAME})
    (folder / NAME / f"{NAME}.mp4").touch()
    return Place(folder)


@pytest.fixture(scope="module")
def told(place: Place) -> tuple[Outcome, Path, Path]:
    """A run that told of itself in both ways."""
    for library in ("securesystemslib", "openlineage.client"):
        pytest.importorskip(library, reason="needs the extra provenance")
    attested, lines = place.folder / "run.json", place.folder / "lineage.jsonl"
    done = place.run("--json", "--attest", attested, "--lineage", lines)
    assert done.code == 3, done.err  # of the empty file
    return done, attested, lines


def pae(envelope: dict[str, Any]) -> bytes:
    """What DSSE signs, written from its specification."""
    kind, body = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


@pytest.mark.slow
def test_an_attestation_is_verified_with_the_ledgers_key_by_dsses_own_library(place, told):
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    raw = told[1].read_bytes()
    key = SSlibKey.from_crypto(place.public())
    envelope = Envelope.from_dict(json.loads(raw))
    assert envelope.verify([key], 1) == {key.keyid: key}
    other = json.loads(raw)
    place.public().verify(base64.b64decode(other["signatures"][0]["sig"]), pae(other))

    for place_of in (0, len(envelope.payload) // 2, len(envelope.payload) - 1):
        changed = bytearray(envelope.payload)
        changed[place_of] ^= 1
        with pytest.raises(VerificationError):
            Envelope(bytes(changed), envelope.payload_type, envelope.signatures).verify([key], 1)
    with pytest.raises(VerificationError):
        Envelope(envelope.payload, "text/plain", envelope.signatures).verify([key], 1)


@pytest.mark.slow
def test_it_states_each_published_file_the_policy_the_engine_and_the_head(place, told):
    envelope = json.loads(told[1].read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert subjects == place.published()
    assert len(subjects) == 2

    predicate = statement["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == ("PASSED", [])
    policy, engine, ledger = predicate["configuration"]
    note = (place.store / "ledger" / "checkpoint").read_bytes()
    head = verify(note, (place.store / "ledger" / "vkey").read_text())
    assert policy == {"name": "policy/strict", "digest": {"sha256": Policy().sha256}}
    assert engine["uri"].startswith("pkg:pypi/redact@")
    assert ledger["name"] == f"ledger/{head.origin}"
    assert (ledger["digest"]["sha256"], ledger["annotations"]["size"]) == (head.root.hex(), 3)


@pytest.mark.slow
def test_lineage_is_what_openlineages_own_classes_write(place, told):
    from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.serde import Serde

    start, end = [json.loads(line) for line in told[2].read_text().splitlines()]
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    for line in (start, end):
        event = RunEvent(
            eventTime=line["eventTime"],
            eventType=RunState(line["eventType"]),
            run=Run(**line["run"]),
            job=Job(**line["job"]),
            outputs=[OutputDataset(**one) for one in line["outputs"]],
            producer=line["producer"],
        )
        assert json.loads(Serde.to_json(event)) == line
    outputs = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in end["outputs"]}
    assert outputs == {rec: f"sha256:{digest}" for rec, digest in place.published().items()}
    facet = end["run"]["facets"]["redact_removal"]
    assert facet["clips"] == {"published": 2, "held": 1}
    removed = [told[0].clip(f" {number}.mp4")["removed"] for number in range(2)]
    assert removed[0]["metadata"] > 0
    assert facet["removed"] == {kind: sum(one[kind] for one in removed) for kind in removed[0]}
    assert facet["policy"] == {"name": "strict", "sha256": Policy().sha256}
    assert facet["ledger"]["size"] == 3


@pytest.mark.slow
def test_neither_names_an_input_or_a_place(place, told):
    statement = base64.b64decode(json.loads(told[1].read_bytes())["payload"])
    for text in (told[1].read_bytes(), statement, told[2].read_bytes()):
        for word in (NAME, str(place.folder), os.uname().nodename):
            assert word.encode() not in text


@dataclass
class Quick:
    """The command in this process, with a stand-in for the work on clips."""

    folder: Path
    fails: bool = False
    gone: Path | None = None  # a folder that is lost meanwhile

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def work(self, _paths: object, store: Store, _policy: object, **_: object) -> Iterator[Result]:
        for number in range(2):
            entry = store.find(clip(number))
            status = Status.ALREADY if entry else Status.PUBLISHED
            path = store.path(entry) if entry else store.workspace(clip(number), "video/mp4")
            if not entry:
                path.write_bytes(b"redacted %d" % number)
                path = store.publish(path, clip(number), FACTS, b"{}")
            yield Result(source=self.folder / NAME, status=status, output=path, record=path.stem)
            if self.fails:
                raise StoreError("the disk is full.")
        if self.gone:
            self.gone.rmdir()

    def run(self, *words: str | Path) -> tuple[int, list[dict[str, Any]]]:
        command = ["run", str(self.folder / NAME), "--store", str(self.store), "--json"]
        done = CliRunner().invoke(main, [*command, *map(str, words)])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    for library in ("securesystemslib", "openlineage.client"):
        pytest.importorskip(library, reason="needs the extra provenance")
    made = Quick(tmp_path)
    (tmp_path / NAME).touch()
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(clips, "run_all", made.work)
    return made


def events_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def statement_in(path: Path) -> dict[str, Any]:
    return json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))


def test_a_second_run_attests_what_is_already_there_and_adds_its_events(quick):
    lines, attested = quick.folder / "lines", [quick.folder / "1", quick.folder / "2"]
    for path in attested:
        assert quick.run("--attest", path, "--lineage", lines)[0] == 0
    first, second = map(statement_in, attested)
    assert len(first["subject"]) == 2
    assert first["subject"] == second["subject"]
    events = events_in(lines)
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"] * 2
    assert len({event["run"]["runId"] for event in events}) == 2


def test_a_file_that_cant_be_told_to_is_said_before_any_work(quick):
    there = quick.folder / NAME
    for words in (
        ("--attest", there),
        ("--attest", quick.folder / "nowhere" / "run.json"),
        ("--lineage", quick.folder),
        ("--lineage", quick.store / "lines"),
    ):
        code, said = quick.run(*words)
        assert (code, len(said), said[0]["exit_code"]) == (2, 1, 2)
    assert there.read_bytes() == b""
    assert not quick.store.exists()


def test_without_the_library_it_is_said_before_any_work(quick, monkeypatch):
    monkeypatch.setattr(told_by, "find_spec", lambda name: None)
    for option in ("--attest", "--lineage"):
        code, said = quick.run(option, quick.folder / "file")
        assert (code, said[0]["todo"]) == (2, "pip install 'redact[provenance]'")
    assert not quick.store.exists()


def test_a_failed_write_is_said_when_the_clips_are_recorded(quick):
    quick.gone = quick.folder / "gone"
    quick.gone.mkdir()
    code, said = quick.run("--attest", quick.gone / "run.json")
    assert (code, said[-2]["run"]["published"]) == (5, 2)
    assert said[-1]["means"].startswith("The clips of this run are published and recorded")
    assert "Nothing was published" not in json.dumps(said)
    with Store(quick.store, quick.folder / "keys") as store:
        assert store.verify().published == 2


def test_a_run_whose_start_cant_be_told_is_not_begun(quick):
    code, said = quick.run("--lineage", "/dev/full")
    assert (code, len(said), said[0]["means"]) == (5, 1, "Nothing was done.")
    assert not list((quick.store / "clips").iterdir())


def test_a_run_that_stops_is_told_as_failed_and_not_attested(quick):
    quick.fails = True
    attested, lines = quick.folder / "run.json", quick.folder / "lines"
    code, said = quick.run("--lineage", lines, "--attest", attested)
    assert (code, said[-1]["error"]) == (5, "the disk is full.")
    assert [event["eventType"] for event in events_in(lines)] == ["START", "FAIL"]
    assert not attested.exists()


def test_a_run_that_publishes_nothing_attests_nothing(quick, monkeypatch):
    monkeypatch.setattr(clips, "run_all", lambda *_, **__: iter(()))
    assert quick.run("--attest", quick.folder / "run.json")[0] == 0
    assert not (quick.folder / "run.json").exists()


def test_a_key_that_was_replaced_meanwhile_signs_no_attestation(quick, monkeypatch):
    work = quick.work

    def replacing(*words: Any, **more: Any) -> Iterator[Result]:
        yield from work(*words, **more)
        with Store(quick.store, quick.folder / "keys") as other:
            other.rotate()

    monkeypatch.setattr(clips, "run_all", replacing)
    code, said = quick.run("--attest", quick.folder / "run.json")
    assert code == 5
    assert "replaced" in said[-1]["error"]
    assert said[-1]["means"].startswith("The clips of this run are published and recorded")
    assert not (quick.folder / "run.json").exists()


def test_nothing_is_told_unless_asked(quick):
    assert quick.run()[0] == 0
    assert {path.name for path in quick.folder.iterdir()} == {NAME, "store", "keys"}


def test_an_envelope_is_no_note_and_a_note_is_no_envelope(tmp_path):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        head, key = store.log.signing()
        vkey = store.log.vkey
    kind, body = b"application/vnd.in-toto+json", b'{"a":1}'
    text = f"DSSEv1 {len(kind)} {kind.decode()} {len(body)} {body.decode()}\n"
    with pytest.raises(LedgerCorruptError, match="no checkpoint"):
        verify(sign_note(text, head.origin, key), vkey)
    assert not head.text.startswith("DSSEv1 ")


def test_a_clip_that_was_withdrawn_or_overruled_is_not_told_of(tmp_path):
    from redact.withdraw import withdraw

    tally = Tally()
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        for number in range(2):
            output = store.workspace(clip(number), "video/mp4")
            output.write_bytes(b"redacted %d" % number)
            path = store.publish(output, clip(number), FACTS, b"{}")
            tally.add(
                Result(source=Path("a"), status=Status.PUBLISHED, output=path, record=path.stem)
            )
        withdraw(store, reason="leak", record=path.stem)
        run = tally.close(store, Policy(), store.log.signing()[0])
        assert len(run.clips) == 1
        assert path.stem not in run.clips
        assert run.head.size == len(store.log)
