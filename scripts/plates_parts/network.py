"""The network that finds plates, what it should say of a crop, and how wrong it is."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .crops import SIDE

STRIDE = 8
"""Input pixels per cell of the maps."""

CELLS = SIDE // STRIDE
CHANNELS = (12, 24, 48, 80, 112)  # at strides 2, 4, 8, 16, 32
INNER = (16, 32, 48, 56)  # of the residual blocks from stride 4 on
FUSED = 40
MEAN, SPREAD = 0.45, 0.25  # of the input, 0 to 1


def _convolved(ins: int, outs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outs), nn.ReLU(inplace=True))


class _Block(nn.Module):
    """Two convolutions around which the input passes by."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first = _convolved(channels, inner)
        self.second = nn.Sequential(
            nn.Conv2d(inner, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu(maps + self.second(self.first(maps)))


class PlateNetwork(nn.Module):
    """
    Pictures (n, 3, height, width), R G B from 0 to 255, both sides multiples of 32.

    Gives, per cell of STRIDE pixels, how much there is a plate's centre, (n, 1, rows, columns) in
    [0, 1], and how far its left, upper, right and lower edge are away, in pixels, (n, 4, ...).
    """

    def __init__(self) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = CHANNELS
        at_4, at_8, at_16, at_32 = INNER
        self.stem = nn.Sequential(_convolved(3, c2, 2), _convolved(c2, c4, 2), _Block(c4, at_4))
        self.eighth = nn.Sequential(_convolved(c4, c8, 2), _Block(c8, at_8), _Block(c8, at_8))
        self.sixteenth = nn.Sequential(
            _convolved(c8, c16, 2), _Block(c16, at_16), _Block(c16, at_16)
        )
        self.thirtieth = nn.Sequential(_convolved(c16, c32, 2), _Block(c32, at_32))
        self.from_8, self.from_16 = nn.Conv2d(c8, FUSED, 1), nn.Conv2d(c16, FUSED, 1)
        self.from_32 = nn.Conv2d(c32, FUSED, 1)
        self.fuse_16, self.fuse_8 = _convolved(FUSED, FUSED), _convolved(FUSED, FUSED)
        self.head = _convolved(FUSED, FUSED)
        self.heat, self.edges = nn.Conv2d(FUSED, 1, 1), nn.Conv2d(FUSED, 4, 1)
        nn.init.constant_(self.heat.bias, -3.5)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        eighth = self.eighth(self.stem((pictures / 255 - MEAN) / SPREAD))
        sixteenth = self.sixteenth(eighth)
        wide = self.from_32(self.thirtieth(sixteenth))
        middle = self.fuse_16(self.from_16(sixteenth) + _doubled(wide))
        maps = self.head(self.fuse_8(self.from_8(eighth) + _doubled(middle)))
        return self.heat(maps).sigmoid(), functional.softplus(self.edges(maps)) * 16


def unfold(network: PlateNetwork, values: list[Tensor], pictures: Tensor) -> None:
    """
    Take over the weights of an exported network, in place, and what it normalises by.

    `values` are the exported ones in their order: those of the plain convolutions, then weight and
    bias of each that is normalised, in the order of running, normalisation being part of them.
    """
    plain = [
        one for one in network.modules() if isinstance(one, nn.Conv2d) and one.bias is not None
    ]
    for layer in plain:
        layer.weight.data, layer.bias.data = values.pop(0), values.pop(0)
    handles = []

    def take(layer: nn.Module, _given: object) -> None:
        layer.weight.data = values.pop(0)

    def fit(layer: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
        spread, mean = torch.var_mean(given[0], (0, 2, 3))
        layer.running_mean, layer.running_var = mean, spread
        layer.weight.data = (spread + layer.eps).sqrt()
        layer.bias.data = values.pop(0) + mean

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None:
            handles.append(layer.register_forward_pre_hook(take))
        elif isinstance(layer, nn.BatchNorm2d):
            handles.append(layer.register_forward_pre_hook(fit))
    with torch.no_grad():
        network.eval()(pictures)
    network.train()
    for handle in handles:
        handle.remove()


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")


Wanted = tuple[NDArray[np.float32], ...]
"""Of one crop: heat, weight of the edges, the edges, and where heat counts at all."""

_Y, _X = (np.mgrid[0:CELLS, 0:CELLS].astype(np.float32) + 0.5) * STRIDE


def wanted(plates: NDArray[np.float32], ignored: NDArray[np.float32]) -> Wanted:
    """
    The maps that the network should give, as in TTFNet (arXiv:1909.00700).

    Heat is a Gaussian as long and high as the plate; edges are learned where it is hot.
    """
    heat, weight = np.zeros((2, CELLS, CELLS), np.float32)
    edges, counts = np.zeros((4, CELLS, CELLS), np.float32), np.ones((CELLS, CELLS), np.float32)
    for x0, y0, x1, y1 in ignored:
        counts[
            int(y0 // STRIDE) : int(y1 // STRIDE) + 1, int(x0 // STRIDE) : int(x1 // STRIDE) + 1
        ] = 0
    sizes = (plates[:, 2:] - plates[:, :2]).prod(axis=1)
    for x0, y0, x1, y1 in plates[np.argsort(-sizes)]:
        row, column = (
            min(int(middle // STRIDE), CELLS - 1) for middle in ((y0 + y1) / 2, (x0 + x1) / 2)
        )
        spread = np.maximum(0.09 * np.array([x1 - x0, y1 - y0]), 2.6)
        away = ((_X - _X[row, column]) / spread[0]) ** 2 + ((_Y - _Y[row, column]) / spread[1]) ** 2
        peak = np.exp(-away / 2)
        heat, inside = np.maximum(heat, peak), peak > 0.3
        share = peak * inside / (peak * inside).sum()
        weight = np.where(inside, share * math.log(max((x1 - x0) * (y1 - y0), 20)), weight)
        edges = np.where(inside, np.stack([_X - x0, _Y - y0, x1 - _X, y1 - _Y]), edges)
        counts[row, column] = 1
    return heat, weight, edges, counts


def error(found: tuple[Tensor, Tensor], want: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """How wrong heat and edges are: CenterNet's focal loss, and generalised IoU."""
    heat, edges = found[0][:, 0].float().clamp(1e-4, 1 - 1e-4), found[1].float()
    hot, weight, right, counts = want
    peak = (hot >= 0.999).float()
    hit = peak * (1 - heat) ** 2 * heat.log()
    miss = (1 - peak) * counts * (1 - hot) ** 4 * heat**2 * (1 - heat).log()
    focal = -(hit + miss).sum() / peak.sum().clamp(min=1)
    return focal, (_apart(edges, right) * weight).sum() / (weight.sum() + 1e-6)


def _apart(edges: Tensor, right: Tensor) -> Tensor:
    """1 - generalised IoU of boxes given by their edges' distances from one point."""
    low, high = torch.minimum(edges, right), torch.maximum(edges, right)
    shared = (low[:, 0] + low[:, 2]).clamp(min=0) * (low[:, 1] + low[:, 3]).clamp(min=0)
    around = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    areas = [(e[:, 0] + e[:, 2]) * (e[:, 1] + e[:, 3]) for e in (edges, right)]
    union = areas[0] + areas[1] - shared
    return 1 - shared / (union + 1e-6) + (around - union) / (around + 1e-6)
