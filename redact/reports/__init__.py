"""
The papers that compliance hands to others, made from a ledger; each export is an entry of it.

A report says what the public entries say, and leaves open what they do not: nothing here is a
guess, and no question that only a person can answer is answered.
"""

from redact.reports.catalogue import REPORTS, Report, export

__all__ = ["REPORTS", "Report", "export"]
