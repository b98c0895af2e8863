"""Manifests, addresses, licences, and what the gate makes of a source before any work."""

import csv
import io
import json
import re
import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.errors import Reason, Refusal, UsageError
from redact.sources import Purpose, read, refusals
from redact.sources.address import domain, normal
from redact.sources.cells import COLUMNS, REQUIRED
from redact.sources.judge import UNKNOWNS, decision
from redact.sources.licences import allows, expression, known_set
from redact.sources.stated import listing, restricted, unlisted

COMMERCIAL, RESEARCH = Purpose.COMMERCIAL, Purpose.RESEARCH

GOOD = {
    "file": "a.mp4",
    "url": "https://videos.example.com/watch/1",
    "platform": "example",
    "media_licence": "CC-BY-4.0",
    "annotation_licence": "",
    "dataset": "",
    "dataset_terms": "",
    "retrieved_at": "2026-11-22T10:00:00Z",
    "acquisition": "crawl",
    "purposes": "commercial-training research-training",
    "robots": "allowed",
    "aipref": "absent",
    "tdmrep": "absent",
    "ai_txt": "absent",
    "c2pa": "absent",
    "legal_basis": "eu-gdpr:A6-1-f",
}
"""A row that may be used."""


def as_csv(path: Path, *rows: dict[str, str], encoding: str = "utf-8") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(GOOD), extrasaction="raise")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def as_lines(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_croissant(path: Path, *rows: dict, **more) -> Path:
    fields = [{"@type": "cr:Field", "@id": f"clips/{name}", "dataType": "sc:Text"} for name in GOOD]
    records = [{f"clips/{name}": cell for name, cell in row.items()} for row in rows]
    described = {
        "@context": {"@vocab": "https://schema.org/"},
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": "clips",
        "license": "https://spdx.org/licenses/CC-BY-4.0.html",
        "recordSet": {"@type": "cr:RecordSet", "@id": "clips", "field": fields, "data": records},
    }
    path.write_text(json.dumps(described | more))
    return path


def listed(**changed):
    """The public groups of a row, through a manifest's cells."""
    from redact.sources.cells import as_source

    source = as_source(GOOD | changed)
    return listing(source, "ab" * 32, "hmac-sha256:00000000:" + "0" * 64 if source.url else None)


def judged(purpose=COMMERCIAL, **changed):
    return set(refusals(listed(**changed), purpose))


# Reading


@pytest.mark.parametrize(
    ("name", "write"), [("m.csv", as_csv), ("m.jsonl", as_lines), ("m.json", as_croissant)]
)
def test_the_three_forms_say_the_same(tmp_path, name, write):
    other = GOOD | {"file": "sub/b.mp4", "media_licence": "MIT OR CC0-1.0", "url": ""}
    manifest = read(write(tmp_path / name, GOOD, other), [tmp_path / "a.mp4"])

    assert manifest.rows == 2
    assert manifest.sha256 == sha256((tmp_path / name).read_bytes()).hexdigest()
    source = manifest.source(tmp_path / "a.mp4")
    assert source.url == "https://videos.example.com/watch/1"
    assert source.retrieved_us == 1_795_341_600_000_000
    assert source.purposes == {COMMERCIAL, RESEARCH}
    assert source.annotation_licence == ("CC-BY-4.0" if name == "m.json" else None)
    assert manifest.source(tmp_path / "sub/b.mp4") is None  # it was not asked for
    assert read(tmp_path / name).source(tmp_path / "sub" / "b.mp4").url is None


def test_a_croissant_may_keep_its_records_in_a_file_beside_it(tmp_path):
    as_csv(tmp_path / "rows.csv", GOOD)
    digest = sha256((tmp_path / "rows.csv").read_bytes()).hexdigest()
    where = {"fileObject": {"@id": "rows"}}
    fields = [
        {"@id": f"clips/{name}", "source": {**where, "extract": {"column": name}}} for name in GOOD
    ]
    file = {"@type": "cr:FileObject", "@id": "rows", "contentUrl": "rows.csv", "sha256": digest}
    parts = {"distribution": [file], "recordSet": [{"@id": "clips", "field": fields}]}
    assert read(as_croissant(tmp_path / "m.json", **parts)).rows == 1

    for wrong in ({"sha256": "0" * 64}, {"contentUrl": "../rows.csv"}, {"@id": "other"}):
        parts["distribution"] = [file | wrong]
        with pytest.raises(UsageError):
            read(as_croissant(tmp_path / "m.json", **parts))


def test_a_croissant_of_ours_is_one_to_others_too(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(as_croissant(tmp_path / "m.json", GOOD)))
    (record,) = described.records("clips")
    assert record["clips/file"] in (b"a.mp4", "a.mp4")


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.json"])
def test_an_unknown_column_is_an_error_that_names_it(tmp_path, name):
    row = GOOD | {"licence": "CC0-1.0"}
    path = tmp_path / name
    if name == "m.csv":
        path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    elif name == "m.jsonl":
        as_lines(path, row)
    else:
        fields = [{"@id": f"clips/{column}"} for column in row]
        as_croissant(path, recordSet={"@id": "clips", "field": fields, "data": []})
    with pytest.raises(UsageError, match=r"unknown.* licence"):
        read(path)


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_an_error_that_names_it(tmp_path, column):
    row = {name: cell for name, cell in GOOD.items() if name != column}
    for path in (as_lines(tmp_path / "m.jsonl", row), tmp_path / "m.csv"):
        if path.suffix == ".csv":
            path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
        with pytest.raises(UsageError, match=column):
            read(path)


def test_two_rows_for_one_file_are_an_error(tmp_path):
    for other, how in ((GOOD, "repeats"), (GOOD | {"media_licence": ""}, "contradicts")):
        path = as_csv(tmp_path / "m.csv", GOOD, other | {"file": "./a.mp4"})
        with pytest.raises(UsageError, match=f"line 3 {how}"):
            read(path)


def test_rows_for_files_that_are_not_there_are_told(tmp_path):
    (tmp_path / "b.mp4").touch()
    rows = [GOOD | {"file": name} for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4")]
    manifest = read(as_csv(tmp_path / "m.csv", *rows), [tmp_path / "a.mp4"])
    assert (manifest.absent, manifest.missing) == (3, ("c.mp4", "d.mp4", "e.mp4"))


BAD_FILES = {
    "a manifest that is not there": ("none.csv", None, "No such file"),
    "UTF-16": ("m.csv", "file,url".encode("utf-16"), "UTF-8"),
    "Latin-1": ("m.jsonl", b'{"file": "caf\xe9.mp4"}\n', "UTF-8"),
    "no header": ("m.csv", b"", "no column file"),
    "another separator": ("m.csv", ";".join(GOOD).encode(), "unknown"),
    "a column twice": ("m.csv", ",".join([*REQUIRED, "url"]).encode(), "twice"),
    "too few cells": ("m.csv", ",".join(REQUIRED).encode() + b"\na.mp4,x\n", "line 2: 2 cells"),
    "a quote that never ends": ("m.csv", ",".join(REQUIRED).encode() + b'\n"a.mp4,\n', "line 2"),
    "a cell without end": ("m.csv", ",".join(REQUIRED).encode() + b"\n" + b"a" * 99_999, "line"),
    "no JSON": ("m.jsonl", b"{file: 1}\n", "line 1"),
    "a list": ("m.jsonl", b"[1]\n", "no object"),
    "a key twice": ("m.jsonl", b'{"file": "a", "file": "b"}\n', "line 1"),
    "deep JSON": ("m.jsonl", b"[" * 100_000 + b"\n", "line 1"),
    "no Croissant": ("m.json", b"{}", "Croissant"),
    "another suffix": ("m.xlsx", b"PK", "none of"),
    "a folder": ("", None, "directory"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_manifest_that_can_t_be_read_is_one_clear_error(tmp_path, case):
    name, data, message = BAD_FILES[case]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path / name)
    assert "Nothing was done" in str(caught.value)


HOSTILE = {
    "file": ["", "a\x00.mp4", "a\nb.mp4", "x" * 5000],
    "url": ["ftp://a.example/", "javascript:alert(1)", "https://me:pw@a.example/", "a.example"],
    "platform": ["two,words", "=cmd|' /C calc'!A0", "a" * 65],
    "media_licence": ["CC BY 4.0 or so", "MIT AND", "x;y", "(MIT", "MIT " * 99],
    "retrieved_at": ["yesterday", "2025-01-02", "2025-01-02T10:00:00", "1969-01-01T00:00:00Z"],
    "acquisition": ["stolen", "CRAWL"],
    "purposes": ["everything", "commercial-training; world-domination"],
    "robots": ["yes", "Disallow"],
    "c2pa": ["notAllowed"],
    "legal_basis": ["because"],
}


@pytest.mark.parametrize(("column", "cell"), [(c, x) for c, bad in HOSTILE.items() for x in bad])
def test_a_hostile_cell_is_an_error_that_names_its_column_and_not_the_cell(tmp_path, column, cell):
    path = as_lines(tmp_path / "m.jsonl", GOOD, GOOD | {"file": "b.mp4", column: cell})
    with pytest.raises(UsageError, match=rf"line 2: {column}") as caught:
        read(path)
    assert not cell or cell not in str(caught.value)


@pytest.mark.parametrize("cell", [1, None, True, [], {}, 1.5])
def test_a_cell_that_is_no_text_is_an_error(tmp_path, cell):
    with pytest.raises(UsageError, match="line 1: url is no text"):
        read(as_lines(tmp_path / "m.jsonl", GOOD | {"url": cell}))


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=40)))
def test_whatever_stands_in_a_row_it_is_taken_or_refused_by_column(cells):
    from redact.sources.cells import CellError, as_source

    try:
        source = as_source(cells)
    except CellError as refused:
        named = str(refused).split(" ")[0]
    else:
        named = "file"
        assert refusals(listing(source, "ab" * 32, None), COMMERCIAL) is not None
    assert named in COLUMNS


def test_a_manifest_that_changes_while_it_is_read_is_refused(tmp_path):
    path = as_csv(tmp_path / "m.csv", *(GOOD | {"file": f"{n}.mp4"} for n in range(10_000)))

    def change(_rows):
        with path.open("a") as file:
            file.write("\n")

    with pytest.raises(UsageError, match=r"changed|cells"):
        read(path, [], watch=change)


@pytest.mark.slow
def test_memory_grows_by_a_few_bytes_for_each_row(tmp_path):
    """So a million rows need some 200 MB, however long the rows are."""

    def peak(rows: int) -> int:
        path = tmp_path / "m.jsonl"
        with path.open("w") as file:
            for number in range(rows):
                row = GOOD | {"file": f"{number}.mp4", "url": f"https://e.org/{'x' * 500}{number}"}
                file.write(json.dumps(row) + "\n")
        tracemalloc.start()
        assert read(path, [tmp_path / "1.mp4"]).rows == rows
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert (peak(1500) - peak(500)) / 1000 < 300


def test_the_readme_s_manifest_can_be_used(tmp_path):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (block,) = re.findall(r"```csv\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "m.csv").write_text(block)
    (source,) = read(tmp_path / "m.csv").sources.values()
    assert refusals(listing(source, "ab" * 32, "hmac"), COMMERCIAL) == ()


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "http://youtube.com/watch?v=dQw4w9WgXcQ&t=42s",
        "https://m.youtube.com/watch?app=desktop&v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ?si=abc",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?start=1",
        "HTTPS://YouTube.com:443/watch?v=dQw4w9WgXcQ#t=1",
    ],
)
def test_every_address_of_a_clip_on_youtube_is_one(url):
    assert normal(url) == "https://youtube.com/watch?v=dQw4w9WgXcQ"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://WWW.Example.com", "https://example.com/"),
        ("https://example.com/a/../b/./c%7e", "https://example.com/b/c~"),
        ("https://example.com/?b=2&a=1&utm_source=x", "https://example.com/?a=1&b=2"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://vimeo.com/123", "https://player.vimeo.com/video/123?h=1"),
        ("https://example.com:443/x", "http://example.com:80/x"),
    ],
)
def test_addresses_that_mean_the_same_are_one(one, other):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a%2Fb", "https://example.com/a/b"),
        ("https://example.com/A", "https://example.com/a"),
        ("https://example.com/?v=1", "https://example.com/?v=2"),
        ("https://example.com:8080/", "https://example.com/"),
        ("https://youtu.be/dQw4w9WgXcQ", "https://youtu.be/dQw4w9WgXcR"),
    ],
)
def test_addresses_that_differ_stay_apart(one, other):
    assert normal(one) != normal(other)


@given(st.text(max_size=60))
def test_an_address_has_one_form_or_is_refused(text):
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            once = normal(url)
        except ValueError:
            continue
        assert normal(once) == once


def test_the_domain_is_the_registrable_one_and_names_no_person():
    assert domain("https://a.b.example.co.uk/x") == "example.co.uk"
    assert domain("https://jane-doe.github.io/") == "github.io"
    assert domain("https://127.0.0.1/") is None
    assert domain("https://[::1]/") is None
    assert domain("https://localhost/") is None


# Licences and terms


@pytest.mark.parametrize(
    ("licence", "commercial", "research"),
    [
        ("CC0-1.0", True, True),
        ("CC-BY-NC-4.0", False, True),
        ("LicenseRef-contract-12", True, True),
        ("CC-BY-4.0 AND CC-BY-NC-4.0", False, True),
        ("CC-BY-NC-4.0 OR CC-BY-4.0", True, True),
        ("CC-BY-ND-4.0", None, None),
        ("CC-BY-4.0 AND CC-BY-ND-4.0", None, None),
        ("CC-BY-4.0 OR CC-BY-ND-4.0", True, True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", None, None),
        ("NOASSERTION", None, None),
        ("LicenseRef-scancode-proprietary-license", None, None),
    ],
)
def test_what_a_licence_allows(licence, commercial, research):
    assert allows(licence, COMMERCIAL) is commercial
    assert allows(licence, RESEARCH) is research


def test_a_licence_has_one_form():
    assert expression("cc-by-4.0") == "CC-BY-4.0"
    assert expression("(MIT) or LicenseRef-x") == "MIT OR LicenseRef-x"


@pytest.mark.parametrize(
    ("name", "purposes"),
    [
        ("YouTube-8M", {*Purpose}),
        ("youtube 8m", {*Purpose}),
        ("HD-VILA-100M", {RESEARCH, Purpose.EVALUATION}),
        ("Kinetics-700", set()),
        ("HD-VG-130M", set()),
        ("Netflix", set()),
    ],
)
def test_the_terms_of_known_sets(name, purposes):
    known = known_set(name)
    assert known.purposes == purposes
    assert known.source
    assert known.date
    assert known.footage


# The gate, before any work


def test_a_row_that_says_everything_may_be_used():
    assert judged() == set()
    assert decision(()) == "admit"


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"url": ""}, Refusal.SOURCE_UNKNOWN),
        ({"retrieved_at": ""}, Refusal.SOURCE_UNKNOWN),
        ({"media_licence": ""}, Refusal.LICENCE_UNKNOWN),
        ({"media_licence": "", "annotation_licence": "CC-BY-4.0"}, Refusal.LICENCE_UNKNOWN),
        ({"media_licence": "CC-BY-NC-4.0"}, Refusal.LICENCE),
        ({"purposes": "research-training"}, Refusal.PURPOSE),
        ({"purposes": ""}, Refusal.PURPOSE),
        ({"dataset": "HD-VILA-100M"}, Refusal.TERMS),
        ({"dataset": "HD-VILA-100M", "dataset_terms": "CC0-1.0"}, Refusal.TERMS),
        ({"dataset": "Kinetics-400"}, Refusal.TERMS),
        ({"dataset": "HD-VG-130M"}, Refusal.TERMS),
        ({"dataset": "another-set"}, Refusal.TERMS_UNKNOWN),
        ({"acquisition": ""}, Refusal.ACQUISITION),
        ({"acquisition": "circumvention"}, Refusal.ACQUISITION),
        ({"legal_basis": ""}, Refusal.LEGAL_BASIS),
        *(({name: "reserved"}, Refusal.OPT_OUT) for name in ("robots", "aipref", "c2pa")),
        *(({name: "unanswered"}, Refusal.OPT_OUT_UNANSWERED) for name in ("tdmrep", "ai_txt")),
        ({"c2pa": "constrained"}, Refusal.OPT_OUT),
        ({"robots": ""}, Refusal.OPT_OUT_UNANSWERED),
    ],
    ids=str,
)
def test_each_thing_that_is_unknown_or_said_against_it_is_a_no(changed, refusal):
    assert judged(**changed) == {refusal}
    assert refusal.sentence.endswith(".")
    assert Reason(refusal)  # a clip can be held for it
    assert decision([refusal]) == ("quarantine" if refusal in UNKNOWNS else "reject")


def test_an_open_label_file_never_licenses_the_footage():
    row = {"dataset": "YouTube-8M", "annotation_licence": "CC-BY-4.0", "media_licence": ""}
    assert judged(**row) == {Refusal.LICENCE_UNKNOWN}
    assert judged(**row | {"media_licence": "CC-BY-3.0"}) == set()


def test_what_was_handed_over_by_contract_needs_no_opt_out_signals():
    silent = dict.fromkeys(("robots", "aipref", "tdmrep", "ai_txt", "c2pa"), "")
    contract = {"acquisition": "delivered", "media_licence": "LicenseRef-contract-12"}
    assert judged(**silent, **contract) == set()
    assert judged(**silent | {"c2pa": "reserved"}, **contract) == {Refusal.OPT_OUT}


def test_own_recordings_need_no_address():
    assert judged(url="", acquisition="own_recording") == set()


def test_without_a_manifest_it_is_unlisted_unless_the_policy_answers_for_it():
    assert refusals(None, COMMERCIAL) == (Refusal.UNLISTED,)
    ours = unlisted([COMMERCIAL])
    assert refusals(ours, COMMERCIAL) == ()
    assert refusals(ours, RESEARCH) == (Refusal.PURPOSE,)
    from dataclasses import replace

    assert refusals(replace(ours, adm=None), COMMERCIAL) == (Refusal.UNLISTED,)


@given(st.data())
def test_taking_away_what_is_known_never_opens_the_gate(data):
    names = [name for name in GOOD if name not in ("file", "annotation_licence", "platform")]
    emptied = data.draw(st.sets(st.sampled_from(names), min_size=1))
    needed = emptied - {"dataset", "dataset_terms"}
    found = judged(**dict.fromkeys(emptied, ""))
    assert bool(found) == bool(needed)


# What is recorded


def test_the_address_is_nowhere_in_the_public_groups():
    known = listed(dataset="YouTube-8M")
    text = json.dumps([known.src, known.rights, known.law])
    assert "watch" not in text
    assert known.src["domain"] == "example.com"
    assert known.src["acq_month"] == "2026-11"
    assert "domain" not in listed(personal_site="yes").src


def test_the_restricted_part_holds_the_address_and_no_file_name():
    from redact.sources.cells import as_source

    assert restricted(as_source(GOOD)) == {
        "url": "https://videos.example.com/watch/1",
        "platform": "example",
        "retrieved_us": 1_795_341_600_000_000,
    }
