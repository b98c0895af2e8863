"""
Manifests in the Croissant format (https://docs.mlcommons.org/croissant/), as far as we need it.

Of the data set's description, the one record set is read whose fields are the columns of a
manifest: with its records in it (`data`), or in a CSV or JSON Lines file beside it whose sha256 it
gives. The data set's own `license` is that of its labels: it stands in for an empty
`annotation_licence`, and never for the licence of the footage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from redact.errors import UsageError, printable
from redact.ledger.files import digest
from redact.sources.cells import COLUMNS
from redact.sources.licences import expression

Rows = Iterator[tuple[str, Mapping[str, Any]]]


def rows(path: Path, described: Mapping[str, Any], read: Callable[[Path], Rows]) -> Rows:
    """Every row of the record set; `read` reads a file beside. Raises UsageError."""
    if "mlcommons.org/croissant" not in str(described.get("conformsTo")):
        raise _refused(path, "it does not say that it conforms to Croissant")
    record_set = _record_set(path, described)
    labels = _label_licence(described)
    found = _inline(path, record_set) if "data" in record_set else None
    for where, cells in found or read(_file_beside(path, described, record_set)):
        yield where, {**cells, "annotation_licence": cells.get("annotation_licence") or labels}


def _record_set(path: Path, described: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one with a field `file`; all its fields must be columns of a manifest."""
    sets = [one for one in _listed(described.get("recordSet")) if "file" in _fields(path, one)]
    if len(sets) != 1:
        raise _refused(path, f"{len(sets)} of its record sets have a field 'file'; one must")
    found: Mapping[str, Any] = sets[0]
    if unknown := sorted(_fields(path, found) - set(COLUMNS)):
        raise _refused(path, f"unknown field {', '.join(printable(name[:64]) for name in unknown)}")
    return found


def _fields(path: Path, record_set: Any) -> set[str]:
    if not isinstance(record_set, dict):
        raise _refused(path, "a record set is no object")
    return {_last(path, field) for field in _listed(record_set.get("field"))}


def _last(path: Path, named: Any) -> str:
    """The last part of an @id such as "clips/file"."""
    name = named.get("@id") or named.get("name") if isinstance(named, dict) else named
    if not isinstance(name, str):
        raise _refused(path, "a field has no name")
    return name.rpartition("/")[2]


def _inline(path: Path, record_set: Mapping[str, Any]) -> Rows:
    for number, record in enumerate(_listed(record_set["data"]), start=1):
        if not isinstance(record, dict):
            raise _refused(path, f"record {number} is no object")
        cells = {_last(path, name): cell for name, cell in record.items()}
        if len(cells) != len(record):
            raise _refused(path, f"record {number} has a field twice")
        yield f"record {number}", cells


def _file_beside(path: Path, described: Mapping[str, Any], record_set: Mapping[str, Any]) -> Path:
    """The file of the records: beside the manifest, with the sha256 that it gives."""
    wanted = {_source(path, field) for field in _listed(record_set.get("field"))}
    objects = [
        one
        for one in _listed(described.get("distribution"))
        if isinstance(one, dict) and wanted == {one.get("@id")}
    ]
    if len(objects) != 1:
        raise _refused(path, "the fields of its record set do not come from one file of it")
    name, sha256 = objects[0].get("contentUrl"), objects[0].get("sha256")
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        raise _refused(path, "the file of its records is not one beside it")
    if Path(name).suffix.lower() == ".json" or digest(path.parent / name) != sha256:
        raise _refused(path, "the file of its records does not have the sha256 that it gives")
    return path.parent / name


def _source(path: Path, field: Any) -> str:
    """The file that a field comes from, out of the column of its own name."""
    source = field.get("source") if isinstance(field, dict) else None
    try:
        file, column = source["fileObject"]["@id"], source["extract"]["column"]  # type: ignore[index]
    except (TypeError, KeyError):
        raise _refused(path, "a field has neither data nor a column of a file") from None
    if column != _last(path, field):
        raise _refused(path, f"the column of its field {_last(path, field)!r} has another name")
    return str(file)


def _label_licence(described: Mapping[str, Any]) -> str:
    """The data set's licence if it is an SPDX expression or its page; else nothing."""
    licence = next((one for one in _listed(described.get("license")) if isinstance(one, str)), "")
    try:
        return expression(licence.removeprefix("https://spdx.org/licenses/").removesuffix(".html"))
    except ValueError:
        return ""


def _listed(value: Any) -> list[Any]:
    """JSON-LD writes a list of one as the one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _refused(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the manifest {printable(path)!r} can't be used: {why}.",
        means="Nothing was done: no clip may be used whose source is not known.",
        todo="See the README for the form that a manifest takes.",
    )
