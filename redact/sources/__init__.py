"""
Where clips come from: the manifest, and whether what it says allows a purpose.

Read it in this order: source (what is known), cells, manifest, croissant (how it is read), address
(how a source is looked up), licences, judge (what it allows), stated (what the ledger is told).
"""

from redact.sources.judge import refusals
from redact.sources.manifest import Manifest, read
from redact.sources.source import Purpose, Source

__all__ = ["Manifest", "Purpose", "Source", "read", "refusals"]
