"""Remove faces and spoken names from footage, and prove that it was done."""

__version__ = "0.1.0"
