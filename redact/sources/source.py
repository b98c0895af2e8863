"""What a manifest says of one clip: plain values, from the closed lists of the ledger's schema."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a clip is asked for."""

    COMMERCIAL = "commercial-training"
    RESEARCH = "research-training"
    EVALUATION = "evaluation"


class Acquisition(StrEnum):
    """How the file was come by. What is not here is not known, and so may not be used."""

    OWN_RECORDING = "own_recording"
    UPLOADED = "uploaded"  # by the person whose it is, for this
    GENERATED = "generated"
    DELIVERED = "delivered"  # handed over under a contract
    LICENSED_API = "licensed_api"
    PLATFORM_API = "platform_api"
    DIRECT_DOWNLOAD = "direct_download"
    DATASET_DOWNLOAD = "dataset_download"
    CRAWL = "crawl"
    CIRCUMVENTION = "circumvention"  # of a lock, a login, a limit or a captcha: always a no


class Answer(StrEnum):
    """What a look for an opt-out signal found."""

    ABSENT = "absent"  # looked, and there is none
    ALLOWED = "allowed"
    RESERVED = "reserved"
    UNANSWERED = "unanswered"  # nobody looked, or the look failed


SIGNALS = {
    "robots": "robots",
    "aipref": "aipref",
    "tdmrep": "tdmrep",
    "ai_txt": "ai.txt",
    "c2pa": "cawg.training-mining",
}
"""
The columns of a manifest that tell of opt-out signals, and the entry's word for each: robots.txt
(RFC 9309), Content-Usage (IETF aipref), the TDM Reservation Protocol (W3C), ai.txt (Spawning), and
the training-mining assertion (C2PA, CAWG) inside the file, where "constrained" means "reserved".
"""


class Basis(StrEnum):
    """The legal basis of processing: a letter of Article 6(1) GDPR, or why it needs none."""

    CONSENT = "eu-gdpr:A6-1-a"
    CONTRACT = "eu-gdpr:A6-1-b"
    LEGAL_OBLIGATION = "eu-gdpr:A6-1-c"
    VITAL_INTERESTS = "eu-gdpr:A6-1-d"
    PUBLIC_TASK = "eu-gdpr:A6-1-e"
    LEGITIMATE_INTERESTS = "eu-gdpr:A6-1-f"
    NO_PERSONAL_DATA = "no-personal-data"
    OTHER_LAW = "other-law"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    One row of a manifest. None: the manifest does not say, and that is a no wherever it matters.

    `file`, `url`, `platform` and `retrieved_us` never reach a public entry.
    """

    file: str  # as the manifest writes it: a path, from the manifest's folder on
    url: str | None = None  # in its one form, see `address.normal`
    platform: str | None = None  # one word
    personal_site: bool = False  # the domain names a person, and stays out of the public entry
    media_licence: str | None = None  # an SPDX expression: of the footage itself
    annotation_licence: str | None = None  # of labels; never counts for the footage
    dataset: str | None = None  # one word: a set of `dataset_terms.toml`, or another
    dataset_terms: str | None = None  # an SPDX expression, for a set that we don't know
    retrieved_us: int | None = None  # whole microseconds since 1970, UTC
    acquisition: Acquisition | None = None
    purposes: frozenset[Purpose] = frozenset()  # that the right holder, or a contract, permits
    signals: tuple[Answer, ...] = (Answer.UNANSWERED,) * len(SIGNALS)  # in the order of SIGNALS
    legal_basis: Basis | None = None
    sha256: str | None = None  # of the file that came in, hex; if given, it has to match
