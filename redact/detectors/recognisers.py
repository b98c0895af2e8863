"""Opens a Whisper, in CTranslate2's format or PyTorch's, and knows how its word times are off."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2  # type: ignore[import-untyped]
import numpy as np

from redact.detectors.stretches import Padding
from redact.detectors.whisper import Whisper
from redact.errors import DetectorError

Heads = tuple[tuple[int, int], ...]
"""Layer and number of each attention head that follows the sound."""
BASE = (0.05, 0.32)
# Seconds to add before and after Whisper's word times, measured on a synthesiser and on read
# speech: base is early, tiny.en a little late. The alignment heads tell which model it is.
BIASES: dict[Heads, tuple[float, float]] = {
    ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)): BASE,
    ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)): (0.25, 0.20),  # tiny.en
}
UNKNOWN_BIAS = (0.30, 0.30)
# What a name needs of that, measured on the names of the same.
PADDINGS = {BASE: Padding(sure=(0.0, 0.24), unsure=BASE, falls=True)}
NO_CUDA = (
    "Speech is put into words on the CPU: CTranslate2 finds no CUDA 12 here. The policy's"
    ' names.model "openai-whisper-large-v3" runs on PyTorch instead.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A Whisper that is open: has `tell_language`, `expect`, `transcribe`, `others` and `whole`."""

    model: Any
    bias: tuple[float, float]  # seconds to add before and after its word times
    workers: int  # threads that may each give it a passage
    note: str = ""  # what the user should know of where it runs

    @property
    def padding(self) -> Padding:
        """Of names; by the bias, where it was not measured for this model."""
        return PADDINGS.get(self.bias, Padding(sure=self.bias, unsure=self.bias))


def open_recogniser(folder: Path, *, threads: int, device: str) -> Opened:
    """
    The Whisper in a folder: PyTorch's if it holds a .pt file, else CTranslate2's.

    Args:
        folder: holds NAME.pt as OpenAI publishes it, or model.bin, config.json, tokenizer.json.
        threads: of the CPU; 0 takes all that this process may use.
        device: "cpu" or "cuda". Where CTranslate2 finds no CUDA it runs on the CPU, with a note.

    Raises DetectorError if the model can't be opened.
    """
    files = [*folder.glob("*.pt")]
    if len(files) > 1:  # the manifest's was checked, and the other would be opened in its place
        raise DetectorError(
            f"the speech model in {folder} has several .pt files.",
            todo="Leave the one that the manifest lists.",
        )
    try:
        return _on_torch(files[0], device) if files else _on_ctranslate2(folder, threads, device)
    except DetectorError:
        raise
    except Exception as error:
        raise DetectorError(
            f"the speech model in {folder} can't be opened ({error}).",
            todo="Check it: redact models verify.",
        ) from error


def _on_torch(file: Path, device: str) -> Opened:
    try:
        from redact.detectors.torch_whisper import TorchWhisper
    except ImportError as error:
        raise DetectorError(
            f"the speech model {file.name} needs PyTorch and openai-whisper ({error}).",
            todo="Install them: pip install 'redact[whisper]'.",
        ) from error
    model = TorchWhisper(file, device=device)
    return Opened(model=model, bias=BIASES.get(model.heads, UNKNOWN_BIAS), workers=1)


def _on_ctranslate2(folder: Path, threads: int, device: str) -> Opened:
    logging.getLogger("faster_whisper").setLevel(logging.CRITICAL)  # must not log texts
    if not (folder / "tokenizer.json").is_file():  # else it would be fetched from a network
        raise DetectorError(f"the speech model in {folder} has no tokenizer.json.")
    known = bias(folder)
    workers = threads or len(os.sched_getaffinity(0))
    note = ""
    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        device, note = "cpu", NO_CUDA
    model = _whisper(folder, device, workers)
    if device == "cuda" and not _runs(model):
        model, note = _whisper(folder, "cpu", workers), NO_CUDA
    return Opened(model=model, bias=known, workers=workers, note=note)


def _whisper(folder: Path, device: str, workers: int) -> Whisper:
    """One thread a passage: two passages side by side take less time than one after the other."""
    return Whisper(
        str(folder),
        device=device,
        compute_type="int8" if device == "cpu" else "float16",
        cpu_threads=1,
        num_workers=workers,
        local_files_only=True,
    )


def _runs(model: Whisper) -> bool:
    """Whether the GPU's libraries are there: CTranslate2 loads them when it first computes."""
    mels = model.feature_extractor.mel_filters.shape[0]
    try:
        model.encode(np.zeros((mels, 3000), np.float32))
    except RuntimeError:
        return False
    return True


def bias(folder: Path) -> tuple[float, float]:
    """Seconds to add before and after the word times of CTranslate2's Whisper in `folder`."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        heads = tuple((int(layer), int(head)) for layer, head in config["alignment_heads"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DetectorError(
            f"the speech model in {folder} has no alignment heads in config.json ({error}).",
            todo="Without them words have no times. Pull the model again: redact models pull.",
        ) from error
    return BIASES.get(heads, UNKNOWN_BIAS)
