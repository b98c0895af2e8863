"""Measures what a redaction left behind, and what it took too much, on labelled footage."""

from redact.evaluate.measures import (
    Share,
    audible_frames,
    leaked,
    over_redaction,
    psnr,
    seen_cells,
    sound_leaked,
)
from redact.evaluate.score import Heard, Leak, Seen, hear, see

__all__ = [
    "Heard",
    "Leak",
    "Seen",
    "Share",
    "audible_frames",
    "hear",
    "leaked",
    "over_redaction",
    "psnr",
    "see",
    "seen_cells",
    "sound_leaked",
]
