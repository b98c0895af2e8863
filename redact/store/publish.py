"""Publishing: the order in which a clip, its entry and its detail become durable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from redact.errors import Reason, StoreError
from redact.ledger import detail as details
from redact.ledger import entry as entries
from redact.ledger import keys as keyring
from redact.ledger import kinds
from redact.ledger.detail import Detail, Sealed
from redact.ledger.entry import Entry
from redact.ledger.facts import SUFFIX, Clip, Facts, Listing
from redact.ledger.files import digest, locked, move_durably, sync_file, sync_folder, writing
from redact.store.desk import Desk, abandoned, destroy, seal, sealed_files
from redact.store.known import Known
from redact.store.opening import open_log
from redact.store.standing import shredding, standing
from redact.store.verify import Summary, detail_folder, lost_detail, verify

FAILED = "the clip could not be published"


class Store(Known):
    """
    A store open for writing. Several processes may have it open; threads may share it.

    Close it (or use `with`): what was left unfinished is then settled. Start children by spawn: a
    forked one would keep this process's desk locked after its death.
    """

    def __init__(self, root: Path, keys: Path | None = None, *, ledger: str | None = None) -> None:
        """
        Open the store at `root`, made if there is none, and finish what a crash left.

        `keys` is the folder of its keys, outside it; without one, REDACT_KEYS or the user's own.
        `ledger` is the URL of a new store's PostgreSQL database; without one it is a SQLite file.
        Raises StoreError when it can't be written or a key is missing or wrong, and
        LedgerCorruptError when its ledger does not match its checkpoint.
        """
        self.root, self._work = root, root / ".work"
        folder = self._key_folder = keys or keyring.default_folder()
        if folder.resolve().is_relative_to(root.resolve()):
            raise StoreError(f"the keys would lie inside the store {root}.", todo="Move them out.")
        with writing(f"the store {root} could not be opened"):
            for name in ("clips", "ledger", "restricted", "held", ".work"):
                (root / name).mkdir(parents=True, exist_ok=True)
            for name in ("restricted", "held", ".work"):
                (root / name).chmod(0o700)
            sync_folder(root)
            sync_folder(root.parent)
            with locked(self._work / "lock"):
                self._keys, self.log = open_log(root, folder, ledger)
                self._desk = Desk(self._work)
            with self._alone():
                pass

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Settle what this process left unfinished, and give up its desk."""
        if not self._desk.closed:
            with writing(f"the store {self.root} could not be closed"):
                self._desk.close()
                with self._alone():
                    self.log.close()

    def find(self, clip: Clip) -> Entry | None:
        """
        The entry under which this clip stands published, its file in place; else None.

        None means: do it (a clip that was held may be tried again). Raises AdmissionError for one
        that was withdrawn.
        """
        with writing("the store could not be read"):
            entry = self._standing(clip)
            if entry is None or self._in_place(entry):
                return entry
            with self._alone():  # a writer may have died before it gave the file its name
                entry = self._standing(clip)
                return entry if entry and self._in_place(entry) else None

    def workspace(self, clip: Clip, media: str) -> Path:
        """
        Where to write the output of a clip, of this media type (see ledger.facts.SUFFIX).

        The folder around it is this clip's alone, for whatever else is needed on the way.
        """
        if media not in SUFFIX or clip.source is None:
            raise StoreError("a clip of unknown content or type can't be published.")
        with writing("there is no place to work"):
            return self._desk.start(self._rec(clip)) / f"output{SUFFIX[media]}"

    def discard(self, output: Path) -> None:
        """
        Delete what was made in a workspace, finished or not, and will not be published.

        What can't be deleted now goes when this process ends, or the next one begins.
        """
        shutil.rmtree(output.parent, ignore_errors=True)

    def publish(self, output: Path, clip: Clip, facts: Facts, sidecar: bytes) -> Path:
        """
        Record a clip and give its output its name in clips/; returns that path, durable.

        `output` is what `workspace` gave; `sidecar` is the restricted detail. If the clip stands
        published by now (another run was faster), this output is discarded, and no entry added.
        Raises StoreError; then either nothing was recorded or the next look-up finishes the work.
        Raises AdmissionError, and records nothing, if the clip was withdrawn meanwhile.
        """
        job = output.parent
        with writing(FAILED), self._desk.working(job):
            stated = self._stated(job, clip, sidecar)
            stated |= {"sha256": digest(output), "bytes": output.stat().st_size}
            sync_file(output)
            sync_folder(job)
            with self._alone():
                src = facts.listing.src if facts.listing else None
                self.check_source((src or {}).get("url_hmac"))
                entry = self._standing(clip)
                if entry is None or not self._in_place(entry):
                    stated["replaces"] = entry.seq if entry else None
                    draft = entries.published(clip, facts, **stated)
                    entry = self._record(draft, job, output)
                shutil.rmtree(job)
        return self.path(entry)

    def hold(
        self,
        clip: Clip,
        policy_id: str,
        reason: Reason,
        sidecar: bytes | None = None,
        listing: Listing | None = None,
    ) -> Entry:
        """
        Record that a clip was not published, and why. The same again adds no entry.

        `sidecar` is the restricted detail (where the source is), if any; `listing` is what its
        manifest says. If the clip stands published by now, returns that entry instead: look at
        its `kind`.
        """
        with writing("a held clip could not be recorded"), self._alone():
            if known := self._known(clip, reason):
                return known
            job = self._desk.start(self._rec(clip))
            with self._desk.working(job):
                stated = self._stated(job, clip, sidecar)
                draft = entries.held(clip, policy_id, reason, listing, **stated)
                entry = self._record(draft, job, None)
                shutil.rmtree(job)
        return entry

    def append(self, drafts: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """Record what was decided or done (see ledger.kinds), all or none of it. Durable."""
        with writing("the ledger could not be written"), self._alone():
            return self.log.append(drafts)

    def shred(
        self, entry: Entry, reason: str, *, case: str | None = None, who: str | None = None
    ) -> Entry:
        """
        Destroy an entry's restricted detail, its key first, and record that; proofs stay valid.

        Raises StoreError; then either nothing was recorded or the next writer finishes the work.
        """
        if "detail" not in entry.value:
            raise StoreError(f"entry {entry.seq} has no restricted detail.")
        with writing("a detail could not be shredded"), self._alone():
            if done := shredding(self.log.about(entry.seq)):
                return done
            job = self._desk.start(entry.rec)
            with self._desk.working(job):
                draft = kinds.shredded(entry, reason, case=case, who=who)
                done = self.log.append([draft])[0]
                destroy(detail_folder(self.root, entry), entry.value["detail"])
                shutil.rmtree(job)
        return done

    def rotate(self, *, who: str | None = None) -> Entry:
        """Sign with a new key from now on. The old one hands over to it, for all to follow."""
        with writing("the signing key could not be replaced"), self._alone():
            return self.log.hand_over(keyring.add_signing_key(self._key_folder), who=who)

    def recall(self, entry: Entry) -> Detail:
        """An entry's restricted detail. Raises LedgerCorruptError if it is gone or changed."""
        paths = sealed_files(detail_folder(self.root, entry), entry.value["detail"])
        try:
            key, detail = [path.read_bytes() for path in paths]
        except FileNotFoundError as error:
            raise lost_detail(entry, shredding(self.log.about(entry.seq))) from error
        sealed = Sealed(key, detail, entry.value["detail"])
        return details.unseal(entry.rec, sealed, self._keys.wrapping)

    def verify(self) -> Summary:
        """Check everything (see store.verify), the contents of the restricted details too."""
        with writing(f"the store {self.root} could not be read"), self._alone():
            pass
        return verify(self.root, vkey=self.log.vkey, recall=self.recall)

    def _stated(self, job: Path, clip: Clip, sidecar: bytes | None) -> dict[str, Any]:
        """What the store itself states of a clip; its detail is durable in the job's folder."""
        rec = job.name.partition(".")[0]
        commit, nonce = details.source_commitment(clip.source)
        sealed = None
        if sidecar is not None:
            sealed = seal(job, rec, Detail(sidecar, nonce), self._keys.wrapping)
        detail = sealed.public if sealed else None
        hmac = self.file_hmac(clip.source) if clip.source else None
        known = {"rec": rec, "idem": self._idem(clip), "commit": commit, "file_hmac": hmac}
        return {**known, "detail": detail}

    def _record(self, draft: dict[str, Any], job: Path, output: Path | None) -> Entry:
        entry = self.log.append([draft])[0]
        self._name(entry, job, output)
        return entry

    def _name(self, entry: Entry, job: Path, output: Path | None) -> None:
        """Give the files of a recorded job their names, the output last."""
        if "detail" in entry.value:
            for path in sealed_files(job, entry.value["detail"]):
                if path.exists():
                    move_durably(path, detail_folder(self.root, entry) / path.name)
        if output is not None and not self._in_place(entry):
            move_durably(output, self.path(entry))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Without other writers, and with everything settled that failed or dead ones have left."""
        with locked(self._work / "lock"), self.log.everywhere():
            for jobs in (self._desk.failed(), abandoned(self._work)):
                with closing(jobs):  # lets go of an abandoned desk's lock, whatever happens
                    for job in jobs:
                        self._settle(job)
            yield

    def _settle(self, job: Path) -> None:
        """Finish a job if it was recorded; then delete what is left of it."""
        history = self.log.by_rec(job.name.partition(".")[0])
        stands = standing(history)
        shredded = {it.value["of"] for it in history if it.kind == "shredded"}
        for entry in history:
            if entry.seq in shredded:
                destroy(detail_folder(self.root, entry), entry.value["detail"])
            outputs = list(job.glob("output.*")) if entry == stands else []
            matching = [path for path in outputs if digest(path) == entry.output]
            self._name(entry, job, matching[0] if matching else None)
        shutil.rmtree(job)
