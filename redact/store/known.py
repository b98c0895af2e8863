"""What a store knows of a clip: its names, its history, and whether its file is in place."""

from __future__ import annotations

import secrets
from pathlib import Path

from redact.errors import Reason
from redact.ledger import entry as entries
from redact.ledger.entry import Entry
from redact.ledger.facts import Clip
from redact.ledger.keys import Keys
from redact.ledger.log import Log
from redact.store.standing import (
    check_not_suppressed,
    check_not_withdrawn,
    last_published,
    standing,
)


class Known:
    """A store's folder, its log, and the keys by which a clip has its names there."""

    root: Path
    log: Log
    _keys: Keys

    def path(self, entry: Entry) -> Path:
        """Where the file of a published entry is."""
        return self.root / "clips" / entry.file_name

    def file_hmac(self, source: str) -> str:
        """What stands for a source file in this store's entries, by its sha256 (hex)."""
        return entries.file_hmac(source, self._keys.idem, self._keys.ids["idem"])

    def url_hmac(self, url: str) -> str:
        """What stands for a URL in this store's entries."""
        return entries.url_hmac(url, self._keys.idem, self._keys.ids["idem"])

    def check_source(self, url_hmac: str | None) -> None:
        """Raises AdmissionError if what came from this URL was withdrawn for good."""
        if url_hmac is not None:
            check_not_suppressed(self.log.by_url(url_hmac))

    def _idem(self, clip: Clip) -> str | None:
        return entries.idem(clip, self._keys.idem, self._keys.ids["idem"])

    def _rec(self, clip: Clip) -> str:
        """Derived from the idem, so that a piece of work has one name; random without a source."""
        key = self._idem(clip)
        number = bytes.fromhex(key.rpartition(":")[2])[:16] if key else secrets.token_bytes(16)
        return entries.record_name(number)

    def _history(self, clip: Clip) -> list[Entry]:
        """All entries of a piece of work, oldest first; none of what could not be read."""
        return self.log.by_rec(self._rec(clip)) if clip.source else []

    def _standing(self, clip: Clip) -> Entry | None:
        """The last publication of a piece of work. Raises AdmissionError if it was withdrawn."""
        if clip.source is None:
            return None
        history = self._history(clip)
        check_not_withdrawn(history, self.log.by_file(self.file_hmac(clip.source)))
        return last_published(history)

    def _known(self, clip: Clip, reason: Reason) -> Entry | None:
        """The entry that makes a hold needless: it stands published, or is held for the same."""
        history = self._history(clip)
        if (entry := standing(history)) and self._in_place(entry):
            return entry
        made = [entry for entry in history if entry.kind in ("published", "held")]
        return made[-1] if made and made[-1].value.get("reason") == reason.value else None

    def _in_place(self, entry: Entry) -> bool:
        """Whether its file is there, by name and size; `verify` reads it."""
        path = self.path(entry)
        return path.is_file() and path.stat().st_size == entry.value["out"]["bytes"]
