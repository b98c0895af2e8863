"""May this file be used for this purpose? Any unknown is a no, and each no has its reason."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from redact.errors import AdmissionError, Refusal, UsageError, printable
from redact.ledger import merkle
from redact.ledger.entry import Entry
from redact.ledger.facts import Listing
from redact.ledger.files import digest
from redact.ledger.reader import Reader
from redact.quality import LEAKS
from redact.sources import Purpose, refusals
from redact.store.desk import sealed_files
from redact.store.standing import FOR_GOOD, suppressed
from redact.store.verify import detail_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate says of one file, and at which state of the ledger."""

    path: Path
    purpose: Purpose
    refusals: tuple[Refusal, ...]  # none: it is admitted
    record: str = ""  # the ledger's opaque name for the clip, if its bytes are known
    seq: int | None = None  # of the entry that published it
    size: int | None = None  # entries under the checkpoint that this was decided by

    @property
    def admitted(self) -> bool:
        return not self.refusals


class Gate:
    """
    A store's ledger, open for reading, and the purpose for which it is asked.

    It needs no secret, and believes nothing of the database that the log's key has not signed: not
    what it looks up, nor that this is all. `vkey` is the key that the log must be signed with, as
    it was given to you; without one the store's own copy is believed.
    """

    def __init__(
        self, store: str | os.PathLike[str], purpose: str, *, vkey: str | None = None
    ) -> None:
        self.purpose = purpose_of(purpose)
        self.vkey = vkey
        self._root, self._process = Path(store), 0
        self._log: Reader | None = None

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    @property
    def log(self) -> Reader:
        """Opened at first use in each process: a forked one must not use its parent's."""
        if self._log is None or self._process != os.getpid():
            self._log = Reader(self._root / "ledger", vkey=self.vkey, proving=True)
            self._process = os.getpid()
        return self._log

    def decide(self, path: Path) -> Decision:
        """Whether a file is admitted. Whatever fails on the way is a no; nothing is raised."""
        no = Refusal.UNREADABLE
        try:
            if path.is_file():  # a pipe would never end
                sha256, size = digest(path), path.stat().st_size
                no = Refusal.LEDGER
                with self.log.snapshot():
                    return self._decide(path, sha256, size)
        except Exception:  # noqa: BLE001, S110  # whatever it is, it is a no
            pass
        return Decision(path=path, purpose=self.purpose, refusals=(no,))

    def _decide(self, path: Path, sha256: str, size: int) -> Decision:
        """All entries that published these bytes must agree: a no to any of them is a no."""
        entries = self.log.by_output(sha256)
        found = {
            refusal: None for entry in entries for refusal in self.refusals(entry, sha256, size)
        }
        if not entries:
            found = {Refusal.UNKNOWN_FILE: None}
        return Decision(
            path=path,
            purpose=self.purpose,
            refusals=tuple(found),
            record=entries[-1].rec if entries else "",
            seq=entries[-1].seq if entries else None,
            size=self.log.checkpoint().size,
        )

    def refusals(self, entry: Entry, sha256: str, size: int) -> Iterator[Refusal]:
        """Every reason against a published entry whose file is this (hex), of so many bytes."""
        if not self.proved(entry) or entry.output != sha256:
            yield Refusal.PROOF
            return  # nothing that it says counts
        history, about = self.log.by_rec(entry.rec), self.log.about(entry.seq)
        same_file = self.log.by_file(entry.file_hmac) if entry.file_hmac else []
        if entry.value["out"]["bytes"] != size or _replaced(entry, history):
            yield Refusal.CHANGED
        if entry.value["chk"]["verdict"] != "clean" or _leaks(about):
            yield Refusal.VERDICT
        if _withdrawn(entry, [*about, *same_file]):
            yield Refusal.WITHDRAWN
        if self._suppressed(entry, same_file):
            yield Refusal.SUPPRESSED
        if not self.has_detail(entry):
            yield Refusal.DETAIL
        yield from refusals(_listing(entry, same_file), self.purpose)

    def proved(self, entry: Entry) -> bool:
        """Whether the signed checkpoint covers these very bytes, at this very place."""
        head, seq = self.log.checkpoint(), entry.seq
        if entry.kind != "published" or not 0 <= seq < head.size:
            return False
        leaf = merkle.leaf_hash(entry.to_bytes())
        proof = merkle.inclusion_proof(seq, head.size, self.log.node)
        return merkle.verify_inclusion(leaf, seq, head.size, proof, head.root)

    def _suppressed(self, entry: Entry, same_file: list[Entry]) -> bool:
        urls = {one.url_hmac for one in (entry, *same_file) if one.url_hmac}
        return any(suppressed(self.log.by_url(url)) is not None for url in urls)

    def has_detail(self, entry: Entry) -> bool:
        """Whether it is there, or was destroyed on purpose, which the ledger then says."""
        paths = sealed_files(detail_folder(self._root, entry), entry.value["detail"])
        if all(path.is_file() for path in paths):
            return True
        return any(one.kind == "shredded" for one in self.log.about(entry.seq))


def purpose_of(purpose: str) -> Purpose:
    """Raises UsageError for a purpose that is not one of the closed list."""
    try:
        return Purpose(purpose)
    except ValueError as error:
        raise UsageError(
            f"{purpose!r} is no purpose that the ledger knows.",
            means="Nothing was admitted.",
            todo=f"It can be {', '.join(Purpose)}.",
        ) from error


def admit(
    path: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str],
    purpose: str,
    vkey: str | None = None,
) -> Decision:
    """
    Let one file through to training, or raise AdmissionError with every reason why not.

    It is let through only if its sha256 has an entry, the signed checkpoint proves the entry, the
    second look was clean and no reviewer saw a leak, neither clip nor source is withdrawn, and what
    is recorded of its source allows the purpose. Any unknown is a no.
    """
    with Gate(store, purpose, vkey=vkey) as gate:
        decision = gate.decide(Path(path))
    if not decision.admitted:
        raise refused(decision)
    return decision


def refused(decision: Decision) -> AdmissionError:
    """The error of a no, with a sentence for each reason."""
    what = " ".join(f"{one.sentence} ({one})" for one in decision.refusals)
    error = AdmissionError(
        f"{printable(decision.path)} is not admitted for {decision.purpose}: {what}",
        means="It must not be used for that.",
        todo="See to what is named; a clip that nothing stands against is admitted.",
    )
    error.refusals = decision.refusals
    return error


def _for_good(entry: Entry) -> bool:
    return entry.kind == "withdrawn" and entry.value["reason"] in FOR_GOOD


def _replaced(entry: Entry, history: list[Entry]) -> bool:
    return any(one.replaces == entry.seq for one in history)


def _leaks(about: list[Entry]) -> bool:
    return any(LEAKS & {*one.value["answers"]} for one in about if one.kind == "verdict")


def _withdrawn(entry: Entry, later: list[Entry]) -> bool:
    return any(
        one.kind == "withdrawn" and (one.value["of"] == entry.seq or _for_good(one))
        for one in later
    )


def _listing(entry: Entry, same_file: list[Entry]) -> Listing | None:
    """The last that was said of where the file came from, whenever that was."""
    said = [one for one in (*same_file, entry) if "rights" in one.value]
    if not said:
        return None
    return listing_of(max(said, key=lambda one: one.seq).value)


def listing_of(value: Mapping[str, Any]) -> Listing:
    """The groups of an entry's value that tell of its source."""
    return Listing(**{name: value.get(name) for name in ("src", "rights", "law", "ret", "adm")})
