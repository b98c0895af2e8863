"""Whether what is known of a source allows a purpose. Every unknown is a no, with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redact.errors import Refusal
from redact.ledger.facts import Listing
from redact.sources.licences import allows, known_set
from redact.sources.source import SIGNALS, Acquisition, Answer, Purpose

PUBLIC = frozenset(
    {
        Acquisition.PLATFORM_API,
        Acquisition.DIRECT_DOWNLOAD,
        Acquisition.DATASET_DOWNLOAD,
        Acquisition.CRAWL,
    }
)
"""Taken without asking its right holder: every opt-out signal must have been looked for."""

WITHOUT_URL = frozenset({Acquisition.OWN_RECORDING, Acquisition.UPLOADED, Acquisition.GENERATED})
"""These need not come from an address."""

UNKNOWNS = frozenset(
    {
        Refusal.UNLISTED,
        Refusal.SOURCE_UNKNOWN,
        Refusal.LICENCE_UNKNOWN,
        Refusal.TERMS_UNKNOWN,
        Refusal.OPT_OUT_UNANSWERED,
        Refusal.LEGAL_BASIS,
    }
)
"""A no because nobody knows. The others are a no because somebody said so."""


def decision(found: Sequence[Refusal]) -> str:
    """ "admit", "quarantine" (only unknowns stand against it) or "reject"."""
    return "admit" if not found else "quarantine" if UNKNOWNS.issuperset(found) else "reject"


def refusals(listing: Listing | None, purpose: Purpose) -> tuple[Refusal, ...]:
    """Every reason for which a clip with this listing may not be used for the purpose."""
    if listing is None or listing.rights is None:
        return (Refusal.UNLISTED,)
    if listing.src is None:  # the policy said that its sources are unlisted; else it is not known
        if (listing.adm or {}).get("decision") != "admit":
            return (Refusal.UNLISTED,)
        return () if purpose in listing.rights["permitted"] else (Refusal.PURPOSE,)
    return tuple(_refusals(listing.src, listing.rights, listing.law, purpose))


def _refusals(
    src: dict[str, Any], rights: dict[str, Any], law: dict[str, Any] | None, purpose: Purpose
) -> Iterator[Refusal]:
    method = src["acq_method"]
    if "acq_month" not in src or ("url_hmac" not in src and method not in WITHOUT_URL):
        yield Refusal.SOURCE_UNKNOWN
    if method not in set(Acquisition) - {Acquisition.CIRCUMVENTION}:
        yield Refusal.ACQUISITION
    yield from _licence(rights["licence_media"], purpose)
    if purpose not in rights["permitted"]:
        yield Refusal.PURPOSE
    if "dataset" in src:
        yield from _data_set(src["dataset"], rights.get("licence_set"), purpose)
    answers = {one["proto"]: one["answer"] for one in rights["optout"]}
    if Answer.RESERVED in (one["answer"] for one in rights["optout"]):
        yield Refusal.OPT_OUT
    answered = {Answer.ABSENT, Answer.ALLOWED, Answer.RESERVED}
    if method in PUBLIC and not {answers.get(proto) for proto in SIGNALS.values()} <= answered:
        yield Refusal.OPT_OUT_UNANSWERED
    if law is None:
        yield Refusal.LEGAL_BASIS


def _licence(licence: str, purpose: Purpose) -> Iterator[Refusal]:
    allowed = allows(licence, purpose)
    if allowed is None:
        yield Refusal.LICENCE_UNKNOWN
    elif not allowed:
        yield Refusal.LICENCE


def _data_set(name: str, terms: str | None, purpose: Purpose) -> Iterator[Refusal]:
    """A known set's terms stand, whatever the manifest says of them."""
    known = known_set(name)
    if known is not None:
        allowed: bool | None = purpose in known.purposes
    else:
        allowed = None if terms is None else allows(terms, purpose)
    if allowed is None:
        yield Refusal.TERMS_UNKNOWN
    elif not allowed:
        yield Refusal.TERMS
