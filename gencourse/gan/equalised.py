"""The layers of progressive growing (Karras et al., ICLR 2018): equalised rates, norms, variety.

Equalised learning rate: weights are drawn from N(0, 1) and multiplied by He's constant in each
forward pass. An optimiser such as Adam, whose steps have one size whatever the gradient's, then
changes all layers at one speed relative to their weights.

Shapes: B batch, I inputs, O outputs, C channels, H and W of a feature map.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of leaky ReLU below 0
GAIN = math.sqrt(2)  # He's, for a layer before a rectifier


class EqualLinear(nn.Module):
    """A fully connected layer with equalised learning rate, (B, I) -> (B, O).

    Args:
        in_features: I.
        out_features: O.
        gain: the effective weight's standard deviation times √I; √2 before a rectifier.
        rate: the weight's learning rate relative to other layers; the effective weight starts
            the same, because what is stored is as much larger.
        bias: the bias at the start.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        gain: float = GAIN,
        rate: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / rate)
        self.bias = nn.Parameter(torch.full((out_features,), bias / rate))
        self.scale, self.rate = rate * gain / math.sqrt(in_features), rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I) -> (B, O)."""
        return F.linear(x, self.scale * self.weight, self.rate * self.bias)


class EqualConv2d(nn.Module):
    """A convolution with equalised rate that keeps the side, (B, I, H, W) -> (B, O, H, W).

    Args:
        in_channels: I.
        out_channels: O.
        kernel_size: odd.
        gain: the effective weight's standard deviation times √(I k²); √2 before a rectifier.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, *, gain: float = GAIN
    ) -> None:
        super().__init__()
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.scale = gain / math.sqrt(in_channels * kernel_size**2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, H, W) -> (B, O, H, W)."""
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.scale * self.weight, self.bias, padding=padding)


def pixel_norm(x: Tensor) -> Tensor:
    """Scale the channels of each place to a mean square of 1, (B, C, ...) -> (B, C, ...)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def minibatch_deviation(x: Tensor) -> Tensor:
    """Append how much a batch varies as one more channel, (B, C, H, W) -> (B, C + 1, H, W).

    The channel is constant: the standard deviation over the batch of each feature at each place,
    averaged. A generator that makes one picture only gives itself away by it. Rows that are judged
    together are no longer judged alone; for a batch of 1 the channel is (nearly) 0.
    """
    deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)
