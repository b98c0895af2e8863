"""Runs a network on tensors in device memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from redact.cuda.calls import GpuLostError
from redact.cuda.driver import Gpu
from redact.cuda.kernels import Tensor
from redact.detectors.runtime import Network
from redact.errors import DetectorError


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network returned, in device memory, held by onnxruntime's values."""

    values: tuple[Any, ...]

    def address(self, number: int) -> int:
        return int(self.values[number].data_ptr())

    def shape(self, number: int) -> list[int]:
        return list(self.values[number].shape())


def run_on_gpu(network: Network, gpu: Gpu, tensor: Tensor) -> Outputs:
    """
    The network's outputs for a tensor in device memory, in device memory.

    Raises DetectorError if the network raises.
    """
    try:
        binding = network.session.io_binding()
        kind = np.float16 if tensor.half else np.float32
        binding.bind_input(
            network.input, gpu.memory_kind, gpu.ordinal, kind, tensor.shape, tensor.memory.address
        )
        for output in network.session.get_outputs():
            binding.bind_output(output.name, gpu.memory_kind, gpu.ordinal)
        gpu.wait()  # onnxruntime works on a stream of its own
        network.session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return Outputs(tuple(binding.get_outputs()))
    except GpuLostError:
        raise
    except Exception as error:
        gpu.wait()  # if the GPU is lost, this says so
        raise DetectorError(
            f"{network.name} failed on the GPU, on {tensor.shape[0]} pictures of "
            f"{tensor.shape[3]}x{tensor.shape[2]}."
        ) from error
