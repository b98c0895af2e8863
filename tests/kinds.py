"""One draft of every kind of entry, every field given, for the tests of the ledger."""

from redact.errors import Reason
from redact.ledger import entry, kinds
from redact.ledger.checkpoint import Checkpoint
from redact.ledger.entry import Entry
from redact.ledger.facts import Listing, Model
from tests.facts import FACTS, clip

IDEM = "hmac-sha256:01234567:" + "5c" * 32
URL = "hmac-sha256:01234567:" + "c3" * 32
WHO, CASE, LOT = "op_0123456789abcdef", "01234567-89ab-4def-8123-456789abcdef", "17" * 16
HEAD = Checkpoint("redact/test", 3, bytes(32))
OLD = "redact/test+0c95bd35+ATtqJ7zOtqQtYqOo0Cpvxhz6iIqYbM0VqK9jbqZ2tN0p"
NEW = "redact/test+5a5b5c5d+ATtqJ7zOtqQtYqOo0Cpvxhz6iIqYbM0VqK9jbqZ2tN0q"

LISTING = Listing(
    src={
        "type": "crawled",
        "domain": "video.example.com",
        "url_hmac": URL,
        "dataset": "kinetics-700",
        "acq_month": "2026-11",
        "acq_method": "platform_api",
        "manifest": "d4" * 32,
    },
    rights={
        "licence_media": "CC-BY-4.0",
        "licence_ann": "NOASSERTION",
        "permitted": ["commercial-training"],
        "optout": [{"proto": "robots", "answer": "absent"}],
        "evidence": "6d" * 32,
    },
    law={
        "basis": "eu-gdpr:A6-1-f",
        "purpose": "commercial-training",
        "lia": "LIA-7",
        "dpia": "DPIA-3",
    },
    ret={"class": "months-12", "restricted_until": "2027-11-22"},
    adm={"decision": "admit", "policy": "e5" * 32, "leaf": 17},
)

OF_A_SET = Listing(
    rights={
        "licence_media": "(CC-BY-4.0 OR CC0-1.0) AND LicenseRef-contract-12",
        "licence_ann": "NOASSERTION",
        "licence_set": "CC-BY-4.0",
        "permitted": [],
        "optout": [],
    }
)


def stated(number: int = 1) -> dict:
    return {
        "rec": entry.record_name(number.to_bytes(16, "big")),
        "idem": IDEM[:-64] + f"{number:064x}",
        "commit": "sha256:" + "a1" * 32,
        "file_hmac": IDEM[:-64] + f"{number + 1000:064x}",
        "detail": {"commit": "hmac-sha256:" + "4b" * 32, "bytes": 18211, "kid": "0f" * 16},
    }


def published(number: int = 1, replaces: int | None = None, facts=FACTS) -> dict:
    output = {"sha256": f"{number:064x}", "bytes": 4183021, "replaces": replaces}
    return entry.published(clip(number), facts, **stated(number), **output)


def held(number: int = 1, listing: Listing | None = None) -> dict:
    return entry.held(clip(number), "strict", Reason.CORRUPT, listing, **stated(number))


def complete(draft: dict, seq: int = 42) -> dict:
    return {**draft, "seq": seq, "t_utc_us": 1795363200000000}


def every_kind() -> dict[str, dict]:
    """By a name of its own, at least one draft of each kind; together they use every field."""
    clip_ = Entry(complete({**published(), "src": LISTING.src}, 7))
    seed = Entry(complete(kinds.qa_seed(LOT, "sha256:" + "ab" * 32, who=WHO), 8))
    drawn = {"population": 12000, "n": 2995, "sample": "9a" * 32, "who": WHO}
    draw = Entry(complete(kinds.qa_draw(seed, "7e" * 32, HEAD, stratum="all", **drawn), 9))
    weights = Model(slot="faces", name="centerface", sha256="cd" * 32, thr_ppm=300_000)
    decided = {"purpose": "commercial-training", "adm_policy": "e5" * 32}
    counts = {"n": 2995, "leaks": 0, "probes": 59, "probes_found": 59}
    file = {"sha256": "8b" * 32, "bytes": 4000, "rows": 30, "filter": "3c" * 32, "who": WHO}
    listed = {"who": WHO, "case": CASE}
    return {
        "withdrawn": kinds.withdrawn(clip_, "erasure", case=CASE, who=WHO),
        "shredded": kinds.shredded(clip_, "retention", case=CASE, who=WHO),
        "policy": kinds.policy(
            {"id": "strict", "sha256": "ab" * 32}, "adopted", purpose="evaluation", who=WHO
        ),
        "model": kinds.model(weights, licence="MIT", commercial=True, state="adopted", who=WHO),
        "manifest": kinds.manifest(
            "d4" * 32, format="csv", rows=10, usable=9, adm_policy="e5" * 32
        ),
        "source": kinds.source(URL, "suppressed", LISTING, reason="objection", **listed),
        "admission": kinds.admission([7], "admit", **decided, to=WHO, shard="2f" * 32),
        "refusal": kinds.admission([7], "reject", **decided, code="opt_out"),
        "qa_seed": seed.value,
        "qa_draw": draw.value,
        "verdict": kinds.verdict(clip_, ["face_seen", "name_heard"], who=WHO, lot=LOT),
        "probe": kinds.verdict(None, ["clean"], who=WHO, lot=LOT, probe="1d" * 16),
        "sign_off": kinds.sign_off(
            draw, "approved", who=WHO, **counts, bound_ppm=1000, confidence_ppm=950_000
        ),
        "rights_case": kinds.rights_case(
            CASE, "eu-gdpr:A17", "opened", due="2026-12-26", clips=[7], url_hmac=URL, who=WHO
        ),
        "access": kinds.access(clip_, "rights_case", who=WHO, case=CASE),
        "export": kinds.export("removal_register", "csv", HEAD, **file),
        "verification": kinds.verification(
            HEAD, "whole", published=2, withdrawn=0, held=1, who=WHO
        ),
        "key": kinds.key(OLD, NEW, who=WHO),
    }


def every_draft() -> dict[str, dict]:
    """As `every_kind`, with what a run writes of a clip."""
    listed = {"listing": LISTING, "c2pa": "embedded"}
    facts = type(FACTS)(
        **{name: getattr(FACTS, name) for name in FACTS.__slots__ if name not in listed}, **listed
    )
    return {
        "published": published(),
        "published, all said": published(2, replaces=0, facts=facts),
        "held": held(),
        "held, all said": held(2, LISTING),
        **every_kind(),
        "source of a file": kinds.source(
            None,
            "listed",
            OF_A_SET,
            file_hmac=IDEM,
            adm={"decision": "reject", "policy": "e5" * 32},
        ),
    }
