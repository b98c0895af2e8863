"""Makes the network for CPUs: weights and maps as whole numbers of 8 bits, which is faster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

CALIBRATED_ON = 128
"""Crops that show how large the numbers in each map become."""


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: Iterator[NDArray[np.uint8]]) -> None:
        self._pictures = pictures

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        picture = next(self._pictures, None)
        if picture is None:
            return None
        shown = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
        return {"pictures": shown[np.newaxis]}


def write_eight_bit(model: Path, made: Path, pictures: Iterator[NDArray[np.uint8]]) -> None:
    """
    The same network in 8 bits; `pictures` are R G B (rows, columns, 3), both multiples of 32.

    Weights take 7 of the 8 bits: processors without VNNI would add more up wrongly, silently.
    """
    logging.getLogger().setLevel(logging.ERROR)  # it warns of what the next line but one does
    prepared = made.with_suffix(".prepared")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(made),
        _Reader(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
