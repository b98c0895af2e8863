"""
Sampling for sign-off: which clips are looked at, and what their verdicts allow to be said.

The draw can be repeated by anyone who has the ledger: the seed is made of a checkpoint, the lot's
number, and a nonce that was committed to before that checkpoint. The bounds are exact
(Clopper & Pearson 1934, one-sided).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

CONFIDENCE = 0.95
LEAKS = frozenset({"face_seen", "plate_seen", "name_heard"})
"""The answers that say that something is left: they close the gate for the clip."""
COUNTED = LEAKS | {"broken"}
"""A clip that could not be judged counts against its lot as one that leaks does."""
CLAIMS = (0.01, 0.005, 0.001)
"""Leak rates that people want to be able to state."""
SIGNATURES = 2
"""So many people sign a lot."""


def result(verdicts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    What a lot's verdicts allow to be said (values of entries, one for each clip or known leak).

    `bound_ppm` is the highest leak rate that they do not rule out, rounded up; `finding_ppm` the
    lowest share of known leaks that the reviewers find, rounded down, or None if none were shown.
    """
    said = list(verdicts)
    clips = [one["answers"] for one in said if "rec" in one]
    known = [one["answers"] for one in said if "probe" in one]
    leaks = sum(not COUNTED.isdisjoint(answers) for answers in clips)
    seen = sum(not LEAKS.isdisjoint(answers) for answers in known)
    bound = upper_bound(leaks, len(clips)) if clips else 1.0
    return {
        "n": len(clips),
        "leaks": leaks,
        "probes": len(known),
        "probes_found": seen,
        "bound_ppm": math.ceil(bound * 1_000_000),
        "finding_ppm": math.floor(lower_bound(seen, len(known)) * 1_000_000) if known else None,
        "confidence_ppm": round(CONFIDENCE * 1_000_000),
        "stronger": _stronger(leaks, len(clips)),
    }


def _stronger(leaks: int, reviewed: int) -> list[dict[str, int]]:
    """How many more clips, without another leak, a stronger claim takes."""
    wanted = [(round(rate * 1_000_000), needed(leaks, rate) - reviewed) for rate in CLAIMS]
    return [{"rate_ppm": rate, "more": more} for rate, more in wanted if more > 0]


def upper_bound(leaks: int, reviewed: int, confidence: float = CONFIDENCE) -> float:
    """The highest leak rate that `leaks` among `reviewed` do not rule out, in [0, 1]."""
    _check(leaks, reviewed)
    if leaks == reviewed:
        return 1.0
    return _solve(lambda rate: _at_most(leaks, reviewed, rate) - (1 - confidence))


def lower_bound(found: int, shown: int, confidence: float = CONFIDENCE) -> float:
    """The lowest rate of finding that `found` among `shown` do not rule out, in [0, 1]."""
    return 1 - upper_bound(shown - found, shown, confidence)


def needed(leaks: int, rate: float, confidence: float = CONFIDENCE) -> int:
    """How many clips, with `leaks` among them, show that the leak rate is at most `rate`."""
    if not 0 < rate < 1:
        raise ValueError("the rate lies between 0 and 1")
    low, high = leaks, leaks + 1
    while _at_most(leaks, high, rate) > 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(leaks, middle, rate) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def seed(root: bytes, size: int, lot: str, nonce: bytes) -> bytes:
    """
    The seed of a draw, 32 bytes: SHA-256 over the checkpoint, the lot and the nonce.

    `root` and `size` are the checkpoint's, `lot` is 32 hex digits, `nonce` 32 bytes.
    """
    return sha256(root + size.to_bytes(8, "big") + bytes.fromhex(lot) + nonce).digest()


def draw(seed: bytes, records: Iterable[str], count: int) -> list[str]:
    """`count` of the records (all, if there are fewer), in the order of SHA-256(seed, record)."""
    return ranked(seed, records)[:count]


def ranked(seed: bytes, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: sha256(seed + name.encode()).digest())


def sample_digest(sample: Iterable[str]) -> str:
    """What the ledger says of a sample before anyone looks at it: sha256, hex."""
    return sha256("\n".join(sample).encode()).hexdigest()


def _check(part: int, whole: int) -> None:
    if not 0 <= part <= whole or whole < 1:
        raise ValueError(f"{part} of {whole} is no share")


def _solve(falling: Callable[[float], float]) -> float:
    """Where a function that falls from above zero to below it on [0, 1] is zero."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def _at_most(count: int, trials: int, rate: float) -> float:
    """P(X <= count) for a binomial X."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 1.0 if count >= trials else 0.0
    yes, no = math.log(rate), math.log1p(-rate)
    return math.fsum(
        math.exp(_log_choose(trials, k) + k * yes + (trials - k) * no) for k in range(count + 1)
    )


def _log_choose(trials: int, count: int) -> float:
    return math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
