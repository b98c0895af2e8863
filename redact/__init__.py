"""
Remove faces, licence plates and spoken names from footage, and prove that it was done.

    import redact
    with redact.Redactor(policy="strict") as redactor:
        result = redactor.run("clip.mp4", store="store/")

Importing this loads nothing heavy: what needs NumPy or models comes with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from redact.version import __version__

if TYPE_CHECKING:
    from redact.arrays import FramesReport
    from redact.dataset import AdmittedClip, AdmittedClips
    from redact.errors import (
        AdmissionError,
        DetectorError,
        InputError,
        LedgerCorruptError,
        Reason,
        RedactError,
        Refusal,
        ResidualError,
        StoreError,
        UsageError,
    )
    from redact.gate import Decision, admit
    from redact.plan import Plan
    from redact.policy import Policy
    from redact.redactor import Redactor, Result, Status, redact_frames, run

_HOME = {
    **dict.fromkeys(("Redactor", "Result", "Status", "redact_frames", "run"), "redactor"),
    **dict.fromkeys(("AdmittedClip", "AdmittedClips"), "dataset"),
    **dict.fromkeys(("Decision", "admit"), "gate"),
    "FramesReport": "arrays",
    "Plan": "plan",
    "Policy": "policy",
}

__all__ = [
    "AdmissionError",
    "AdmittedClip",
    "AdmittedClips",
    "Decision",
    "DetectorError",
    "FramesReport",
    "InputError",
    "LedgerCorruptError",
    "Plan",
    "Policy",
    "Reason",
    "RedactError",
    "Redactor",
    "Refusal",
    "ResidualError",
    "Result",
    "Status",
    "StoreError",
    "UsageError",
    "__version__",
    "admit",
    "redact_frames",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'redact' has no attribute {name!r}")
    return getattr(import_module(f"redact.{_HOME.get(name, 'errors')}"), name)
