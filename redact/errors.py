"""
Every error that redact raises on purpose, and the exit code the command line gives it:

* RedactError              1  never raised itself; also of a run whose clips were held for several
  + UsageError             2  a command, a policy or a plan that says something redact does not know
  + InputError             3  media that could not be read to its end
  + DetectorError          4  a detector or a model that could not look
  + StoreError             5  a store or a ledger that could not be written
  + LedgerCorruptError     6  a ledger that does not match its checkpoint
  + ResidualError          7  something that can still be seen or heard in the output
  + AdmissionError         8  a clip that may not be used: withdrawn, or not allowed for the purpose
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why a clip is held. Closed: the ledger records these and nothing else of an error."""

    NO_PERMISSION = "no_permission"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    REMOTE = "remote"  # the file points at another file or at a network address
    LIMITS = "limits"  # more pixels, streams, seconds or bytes than the policy allows
    CORRUPT = "corrupt"
    INSIDE_STORE = "inside_store"
    PLAN_MISMATCH = "plan_mismatch"
    DETECTOR_FAILED = "detector_failed"
    MODEL_CHANGED = "model_changed"
    LANGUAGE = "language"  # speech in a language whose names no installed model finds
    STILL_VISIBLE = "still_visible"
    STILL_AUDIBLE = "still_audible"
    NOT_STRIPPED = "not_stripped"
    CHANGED_ELSEWHERE = "changed_elsewhere"  # the output differs where nothing was to be removed
    STORE_FAILED = "store_failed"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    MEMORY = "memory"
    WITHDRAWN = "withdrawn"  # an earlier publication of this source was withdrawn for good
    # of its source, and Refusals too
    CHANGED = "changed"
    UNLISTED = "unlisted"
    SOURCE_UNKNOWN = "source_unknown"
    LICENCE_UNKNOWN = "licence_unknown"
    LICENCE = "licence"
    PURPOSE = "purpose"
    TERMS_UNKNOWN = "terms_unknown"
    TERMS = "terms"
    ACQUISITION = "acquisition"
    OPT_OUT = "opt_out"
    OPT_OUT_UNANSWERED = "opt_out_unanswered"
    LEGAL_BASIS = "legal_basis"


class Refusal(StrEnum):
    """Why a clip may not be used for a purpose. Closed, as Reason is."""

    UNKNOWN_FILE = "unknown_file"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    LEDGER = "ledger"
    PROOF = "proof"
    DETAIL = "detail"
    VERDICT = "verdict"
    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"
    UNLISTED = "unlisted"
    SOURCE_UNKNOWN = "source_unknown"
    LICENCE_UNKNOWN = "licence_unknown"
    LICENCE = "licence"
    PURPOSE = "purpose"
    TERMS_UNKNOWN = "terms_unknown"
    TERMS = "terms"
    ACQUISITION = "acquisition"
    OPT_OUT = "opt_out"
    OPT_OUT_UNANSWERED = "opt_out_unanswered"
    LEGAL_BASIS = "legal_basis"

    @property
    def sentence(self) -> str:
        """What it means, after the name of the clip and a colon."""
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.UNKNOWN_FILE: "no entry of the ledger has published a file of these bytes.",
    Refusal.UNREADABLE: "it can't be read.",
    Refusal.CHANGED: "it is not the file that was recorded.",
    Refusal.LEDGER: "the ledger can't be read, or does not match its checkpoint.",
    Refusal.PROOF: "its entry is not proved by the ledger's signed checkpoint.",
    Refusal.DETAIL: "the record of what was removed from it is gone.",
    Refusal.VERDICT: "a look at it found something that had to go.",
    Refusal.WITHDRAWN: "it was withdrawn.",
    Refusal.SUPPRESSED: "its source was withdrawn.",
    Refusal.UNLISTED: "no manifest says where it comes from.",
    Refusal.SOURCE_UNKNOWN: "its manifest gives no address or no time for it.",
    Refusal.LICENCE_UNKNOWN: "the licence of the footage is not known, or not what it allows.",
    Refusal.LICENCE: "the licence of the footage does not allow the purpose.",
    Refusal.PURPOSE: "its manifest does not permit the purpose.",
    Refusal.TERMS_UNKNOWN: "the terms of the data set that it comes from are not known.",
    Refusal.TERMS: "the terms of the data set that it comes from do not allow the purpose.",
    Refusal.ACQUISITION: "how it was come by is not known, or forbidden.",
    Refusal.OPT_OUT: "an opt-out signal was seen: its right holder has reserved it.",
    Refusal.OPT_OUT_UNANSWERED: "it was taken without asking, and not every opt-out signal was "
    "looked for.",
    Refusal.LEGAL_BASIS: "no legal basis is given for its use.",
}


class RedactError(Exception):
    """
    One clear message: what failed and where, what that means for the output, what to do.

    Args:
        what: what failed, and where. Never a name, a transcript or a plate's text.
        means: what it means for the output.
        todo: what the reader can do about it.
        reason: the code that the ledger records when a clip is held for this.
    """

    exit_code = 1
    reason = Reason.CRASHED
    record = ""
    """The ledger's name for the clip that was held for this, once that is recorded."""
    remedy = ""
    """What to do about most errors of this kind, where one says nothing better."""

    def __init__(
        self,
        what: str,
        *,
        means: str = "Nothing was published.",
        todo: str = "",
        reason: Reason | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.means, self.todo = what, means, todo or self.remedy
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return "\n  ".join(line for line in (self.what, self.means, self.todo) if line)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.means, self.todo, self.reason)


def printable(name: str | os.PathLike[str]) -> str:
    """A name for a message: on one line, whatever bytes it holds, with nothing for a terminal."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rebuild(kind: type[RedactError], what: str, means: str, todo: str, reason: Reason) -> Any:
    return kind(what, means=means, todo=todo, reason=reason)


class UsageError(RedactError):
    """A command, a policy or a plan that says something redact does not know."""

    exit_code = 2
    reason = Reason.PLAN_MISMATCH


class InputError(RedactError):
    """Media that could not be read to its end."""

    exit_code = 3
    reason = Reason.CORRUPT
    remedy = "Fetch the file again or repair it; or leave it out."


class DetectorError(RedactError):
    """A detector or a model that could not look."""

    exit_code = 4
    reason = Reason.DETECTOR_FAILED
    remedy = "`redact doctor` says whether the models and the machine are sound."


class StoreError(RedactError):
    """A store or a ledger that could not be written."""

    exit_code = 5
    reason = Reason.STORE_FAILED
    remedy = "See to the store (space, rights, health), then run again: the run goes on."


class LedgerCorruptError(RedactError):
    """A ledger or a published file that does not match its checkpoint."""

    exit_code = 6
    reason = Reason.STORE_FAILED


class ResidualError(RedactError):
    """Something that can still be seen, heard or read in the output."""

    exit_code = 7
    reason = Reason.STILL_VISIBLE
    remedy = "Write a plan (redact plan), add what is missing by hand, and apply it."


class AdmissionError(RedactError):
    """A clip that may not be used: withdrawn, or not allowed for the purpose."""

    exit_code = 8
    reason = Reason.WITHDRAWN
    remedy = "`redact admit FILE --store DIR --purpose PURPOSE` says each reason."
    refusals: tuple[Refusal, ...] = ()
    """Every reason, where the gate was asked."""
