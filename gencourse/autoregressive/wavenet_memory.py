"""What a WaveNet has to remember to draw one sample after the other.

A dilated convolution looks at a few inputs only, the furthest one `back` samples ago. Each layer
keeps its last `back` inputs in a ring, where the present one takes the place of the oldest. A
sample then costs one small matrix product a layer in place of a pass over the whole sound (Le
Paine et al., "Fast wavenet generation algorithm", 2016).

Shapes: n samples of the model, T samples in time, R channels, S channels of the skip path, k
kernel, d dilation.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from gencourse.autoregressive.wavenet import WaveNetLayer


def gated(gates: Tensor, dim: int) -> Tensor:
    """Return tanh of the first half of `gates` times σ of the second half along `dim`."""
    f, g = gates.chunk(2, dim)
    return f.tanh() * g.sigmoid()


def matrix_of(conv: nn.Conv1d) -> Tensor:
    """Return a convolution's kernel (O, I, k) as a matrix for its k inputs in a row, (k I, O)."""
    return conv.weight.permute(2, 1, 0).flatten(0, 1).contiguous()


class LayerMemory:
    """One `WaveNetLayer`, sample by sample.

    Args:
        layer: the layer.
        n: samples of the model at a time.
        context: features of the context (n, R, T), or None.
    """

    def __init__(self, layer: "WaveNetLayer", n: int, context: Tensor | None) -> None:
        conv, self.t = layer.dilated, 0
        self.matrix, self.bias = matrix_of(conv), conv.bias
        self.ring = conv.weight.new_zeros(layer.back, n, conv.in_channels)
        # how many samples ago the earlier taps of the kernel are: (k-1) d, ..., d
        self.taps = range(layer.back, 0, -conv.dilation[0])
        self.from_context = None if context is None else layer.context(context).permute(2, 0, 1)
        self.skip = matrix_of(layer.skip), layer.skip.bias
        residual = layer.residual
        self.residual = None if residual is None else (matrix_of(residual), residual.bias)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map the layer's input at one sample (n, R) -> what goes on (n, R), and skip (n, S)."""
        back = len(self.ring)
        seen = torch.cat([*(self.ring[(self.t - ago) % back] for ago in self.taps), x], 1)
        gates = torch.addmm(self.bias, seen, self.matrix)
        if self.from_context is not None:
            gates = gates + self.from_context[self.t]
        self.ring[self.t % back] = x
        self.t += 1
        z = gated(gates, 1)
        skip, skip_bias = self.skip
        if self.residual is not None:
            weight, bias = self.residual
            x = x + torch.addmm(bias, z, weight)
        return x, torch.addmm(skip_bias, z, skip)
