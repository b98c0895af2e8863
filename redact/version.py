"""The version of redact; plans and entries record it."""

__version__ = "0.1.0"
