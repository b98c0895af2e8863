"""The papers: they say what the ledger says, leave open what it can't know, and are recorded."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest

from redact import reports
from redact.errors import LedgerCorruptError, UsageError
from redact.ledger import kinds, proof
from redact.reports import tables
from redact.reports.sources import Amount, Sources, top_domains
from redact.reports.subject import TO_BE_PROVIDED, Subject
from redact.store import Store
from tests.command import redact
from tests.review_store import fill, film

WHO = "op_" + "0" * 16


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    with Store(folder / "store", folder / "keys") as opened:
        fill(opened, film(folder))
        first = next(opened.log.entries())
        opened.append([kinds.withdrawn(first, "objection", who=WHO)])
        yield opened


def made(store, tmp_path, report, format, **options):
    path = tmp_path / f"{report}.{format}"
    entry = reports.export(store, report, format, path, who=WHO, **options)
    return path.read_bytes(), entry.value


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


EVERY = [(name, format) for name, report in reports.REPORTS.items() for format in report.formats]


@pytest.mark.parametrize(("report", "format"), [one for one in EVERY if one[0] != "qa_certificate"])
def test_every_export_is_an_entry_with_its_digest(store, tmp_path, report, format):
    head = store.log.checkpoint()
    data, entry = made(store, tmp_path, report, format)
    assert entry["kind"] == "export"
    assert (entry["report"], entry["format"]) == (report, format)
    assert entry["sha256"] == sha256(data).hexdigest()
    assert entry["bytes"] == len(data)
    assert (entry["size"], entry["root"]) == (head.size, head.root.hex())
    assert entry["who"] == WHO
    assert entry["rows"] > 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{report}.{format}"]


@pytest.mark.parametrize(("report", "format"), EVERY)
def test_nothing_of_the_restricted_tier_is_in_any_report(store, tmp_path, report, format):
    if report != "qa_certificate":
        data, _ = made(store, tmp_path, report, format)
        assert b"footage.example.com" not in data
        assert b"boxes" not in data


def test_the_register_has_a_row_for_each_clip_and_kind(store, tmp_path):
    data, entry = made(store, tmp_path, "removal_register", "csv")
    found = rows(data)
    assert len(found) == entry["rows"] == 4 * 3 + 4 * 1 + 4 * 4 + 3
    assert {row["state"] for row in found} == {"published", "held", "withdrawn"}
    faces = [row for row in found if row["kind"] == "face"]
    assert sum(int(row["count"]) for row in faces) == 16
    assert {row["method"] for row in faces} == {"fill"}
    nothing = [row for row in found if row["state"] == "published" and not row["kind"]]
    assert [row["count"] for row in nothing] == ["0"] * 4
    assert {row["reason"] for row in found if row["state"] == "withdrawn"} == {"objection"}
    assert {row["media_licence"] for row in found if row["state"] == "published"} == {"CC-BY-4.0"}


def test_parquet_says_what_csv_says(store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    data, _ = made(store, tmp_path, "removal_register", "csv")
    made(store, tmp_path, "removal_register", "parquet")
    table = parquet.read_table(tmp_path / "removal_register.parquet").to_pylist()
    text = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in table
    ]
    assert text == rows(data)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_cells_that_a_spreadsheet_would_run_are_defused(text):
    file = io.BytesIO()
    tables.write_csv(file, ["a"], [[text], [-1]])
    shown = list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))
    assert shown == [["a"], [f"'{text}"], ["-1"]]  # a number stays one


def test_article_30_speaks_dpv_and_leaves_open_what_a_ledger_cannot_know(store, tmp_path):
    data, _ = made(store, tmp_path, "article_30", "jsonld")
    record = json.loads(data)
    assert record["@type"] == "dpv:DataProcessingRecord"
    process = record["dpv:hasProcess"]
    assert process["dpv:hasLegalBasis"] == ["eu-gdpr:A6-1-f"]
    assert process["dpv:hasPurpose"] == ["research-training"]
    assert process["dpv:hasPersonalData"] == [
        "pd:Name", "pd:Picture", "pd:VoiceCommunicationRecording",
    ]  # fmt: skip
    for field in ("dpv:hasDataSubject", "dpv:hasDataTransfer", "dpv:hasRecipient"):
        assert process[field] == TO_BE_PROVIDED
    assert record["dpv:hasDataController"] == TO_BE_PROVIDED
    page, _ = made(store, tmp_path, "article_30", "html")
    assert page.decode().count(TO_BE_PROVIDED) >= 4
    assert b"<script" not in page


def test_the_training_summary_fills_in_what_it_can_and_answers_no_question(store, tmp_path):
    data, _ = made(store, tmp_path, "training_summary", "json")
    said = json.loads(data)
    assert set(said["1.1"].values()) | set(said["1.2"].values()) == {TO_BE_PROVIDED}
    video = said["1.3"]["video"]
    assert (video["band"], video["clips"]) == ("less than 10 000 hours", 11)  # one is withdrawn
    assert video["hours"] == round(11 * 2 / 3600, 2)
    assert said["1.3"]["latest_acquisition"] == "2026-10"
    assert said["1.3"]["image"] == "none"
    crawled = said["2.3"]
    assert (crawled["clips_recorded"], crawled["domains_recorded"]) == (11, 4)
    assert len(crawled["top_10_percent_of_domains_by_size"]) == 1
    assert said["3.1"]["opt_out_signals"] == [
        {"protocol": "robots", "answer": "allowed", "clips": 11}
    ]
    text = data.decode().lower()
    assert '"yes"' not in text
    assert '"no"' not in text
    for number in ("2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"):
        assert said[number]["used"] == TO_BE_PROVIDED


def test_the_top_tenth_of_domains_is_by_size_and_rounded_up():
    sources = Sources()
    for number in range(21):
        sources.crawled[f"d{number:02}.example"] = Amount(1, 1, number)
    assert [name for name, _ in top_domains(sources)] == [
        "d20.example", "d19.example", "d18.example",
    ]  # fmt: skip
    assert top_domains(Sources()) == []


def test_sources_and_licences_add_up(store, tmp_path):
    data, _ = made(store, tmp_path, "source_licence", "csv")
    found = rows(data)
    assert sum(int(row["clips"]) for row in found) == 11
    assert {row["media_licence"] for row in found} == {"CC-BY-4.0"}


def test_retention_says_what_is_kept_and_what_was_taken_back(store, tmp_path):
    data, _ = made(store, tmp_path, "retention", "csv")
    found = rows(data)
    assert len(found) == 15
    assert [row["withdrawn_for"] for row in found if row["state"] == "withdrawn"] == ["objection"]
    assert {row["detail"] for row in found} == {"kept"}
    assert {row["retention"] for row in found} == {"months-12", "not recorded"}


def test_the_integrity_report_says_whole_and_broken(tmp_path):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=2, held=0)
        data, _ = made(store, tmp_path, "integrity", "txt")
        assert "Every entry, every hash of the tree and the signature match." in data.decode()
        query = "UPDATE nodes SET hash = ? WHERE place = 0 AND level = 0"
        store.log._db.rows(query, (b"x" * 32,))
        data, _ = made(store, tmp_path, "integrity", "html")
        assert "BROKEN: entry 0 does not match" in data.decode()


def test_no_certificate_without_two_signatures(store, tmp_path):
    size = len(store.log)
    with pytest.raises(UsageError, match="not signed by two people"):
        made(store, tmp_path, "qa_certificate", "pdf")
    assert list(tmp_path.iterdir()) == []
    assert len(store.log) == size


def signed(store, decisions=("approved", "approved")):
    """A lot of two clips with a leak and a known leak that was found, signed by two people."""
    lot, nonce = "ab" * 16, b"\1" * 32
    seed = store.append([kinds.qa_seed(lot, "sha256:" + sha256(nonce).hexdigest(), who=WHO)])[0]
    clips = [entry for entry in store.log.entries() if entry.kind == "published"][1:3]
    draw = store.append([
        kinds.qa_draw(seed, nonce.hex(), store.log.checkpoint(), stratum="all", population=11,
                      n=2, sample="cd" * 32, who=WHO)
    ])[0]  # fmt: skip
    store.append([
        kinds.verdict(clips[0], ["clean"], who=WHO, lot=lot),
        kinds.verdict(clips[1], ["face_seen"], who=WHO, lot=lot),
        kinds.verdict(clips[1], ["clean"], who=WHO, lot=lot),  # the first answer counts
        kinds.verdict(None, ["name_heard"], who=WHO, lot=lot, probe="ef" * 16),
    ])  # fmt: skip
    counts = {"n": 2, "leaks": 1, "probes": 1, "probes_found": 1, "bound_ppm": 974_680,
              "confidence_ppm": 950_000}  # fmt: skip
    store.append([
        kinds.sign_off(draw, decision, who=f"op_{number:016x}", **counts)
        for number, decision in enumerate(decisions)
    ])  # fmt: skip
    return lot


def test_the_certificate_counts_from_the_verdicts(tmp_path):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=4, held=0)
        lot = signed(store)
        data, _ = made(store, tmp_path, "qa_certificate", "json", lot=lot)
        said = json.loads(data)["result"]
        assert (said["n"], said["leaks"], said["probes"], said["probes_found"]) == (2, 1, 1, 1)
        assert said["bound_ppm"] == 974_680  # sqrt(0.95): of two clips, one leaks
        pdf, _ = made(store, tmp_path, "qa_certificate", "pdf")
        assert pdf.startswith(b"%PDF-")


def test_the_certificate_can_be_checked_against_the_ledger(tmp_path):
    from redact.ledger import checkpoint
    from redact.reports import certificate

    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=4, held=0)
        lot = signed(store)
        key, size = store.log.vkey, len(store.log)
        data, _ = made(store, tmp_path, "qa_certificate", "json", lot=lot)
        subject = Subject.of(store.log)
        document = certificate.document(certificate.gather(subject), subject)
    said = json.loads(data)
    assert "not digitally signed" in said["note"]
    assert checkpoint.verify(said["checkpoint"].encode(), key).size == size
    proved = [proof.verify(text.encode(), said["key"])[0] for text in said["proofs"].values()]
    assert [entry.kind for entry in proved] == ["qa_seed", "qa_draw", "sign_off", "sign_off"]
    assert [entry.value for entry in proved[2:]] == said["signatures"]
    (how,) = [one for one in document.sections if one.title == "How to check this"]
    assert "not digitally signed" in how.text
    assert any(key in cell for row in how.rows for cell in row)
    assert ("the signatures", f"entries {size - 2}, {size - 1}") in how.rows


def test_a_rejected_lot_is_certified_as_that(tmp_path):
    from redact.reports import certificate

    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=4, held=0)
        signed(store, ("approved", "rejected"))
        subject = Subject.of(store.log)
        document = certificate.document(certificate.gather(subject), subject)
        assert "supports no claim" in document.sections[0].text


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        (("approved",), False),
        (("approved", "rejected"), False),
        (("approved", "conditional"), True),
    ],
)
def test_the_training_summary_states_only_a_bound_that_two_people_signed(tmp_path, decisions, said):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=4, held=0)
        lot = signed(store, decisions)
        data, _ = made(store, tmp_path, "training_summary", "json")
    sample = json.loads(data)["3.3"]["redaction"]["last_signed_sample"]
    assert (sample == {"lot": lot, "n": 2, "leaks": 1, "bound_ppm": 974_680,
                       "confidence_ppm": 950_000}) == said  # fmt: skip
    assert said or sample == "no sample was signed by two people yet"


def test_an_export_that_fails_leaves_no_file_and_no_entry(store, tmp_path, monkeypatch):
    target = tmp_path / "register.csv"
    target.write_text("the last one")
    size = len(store.log)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            reports.export(store, "removal_register", "csv", target, who=WHO)
    assert target.read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir()] == ["register.csv"]
    assert len(store.log) == size


@pytest.mark.parametrize(("report", "format"), [("nonsense", "csv"), ("integrity", "docx")])
def test_a_report_that_there_is_not(store, tmp_path, report, format):
    with pytest.raises(UsageError, match="there is no report"):
        made(store, tmp_path, report, format)


def test_the_command_line_writes_one(tmp_path):
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=2, held=1)
    target = tmp_path / "register.csv"
    keys, there = tmp_path / "keys", ("--store", tmp_path / "store")
    done = redact("ledger", "export", "removal-register", *there, "-o", target, "--json", keys=keys)
    assert done.code == 0, done.err
    (line,) = done.lines
    assert line["sha256"] == sha256(target.read_bytes()).hexdigest()
    assert line["rows"] == len(rows(target.read_bytes())) == 5
    wrong = redact("ledger", "export", "retention", *there, "--format", "pdf", keys=keys)
    assert wrong.code == 2
    assert b"Its formats: csv" in wrong.err


def test_nothing_is_reported_of_a_ledger_from_which_an_entry_is_left_out(tmp_path):
    """By its kind, under which it is found: the tree and the index still match."""
    with Store(tmp_path / "store", tmp_path / "keys") as store:
        fill(store, film(tmp_path), clips=4, held=0)
        store.append([kinds.withdrawn(next(store.log.entries()), "leak", who=WHO)])
        (entry,) = store.log.by_kind("withdrawn")
        path = tmp_path / "store" / "ledger" / "log.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE entries SET kind = 'held' WHERE seq = ?", (entry.seq,))
        size = len(store.log)
        with pytest.raises(LedgerCorruptError, match=f"entry {entry.seq} does not match"):
            made(store, tmp_path, "removal_register", "csv")
        assert len(store.log) == size
        told, _ = made(store, tmp_path, "integrity", "txt")
        assert b"BROKEN" in told
