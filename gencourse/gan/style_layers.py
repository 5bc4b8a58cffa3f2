"""The parts of a style-based generator: a mapping network, and layers that obey a style.

A style acts as in StyleGAN2 (Karras et al., CVPR 2020): it scales the input channels of a
convolution, and the weights are then divided by their norm ("demodulated"). StyleGAN (Karras et
al., CVPR 2019) normalised the feature maps themselves to the same end, which left droplet-like
marks in its pictures.

Shapes: B batch, L latents, W numbers in w, I input and O output channels, H and W' of a map.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.gan.equalised import GAIN, SLOPE, EqualConv2d, EqualLinear, pixel_norm


class MappingNetwork(nn.Module):
    """z -> w: fully connected layers that may bend the sphere of z to the shape of the data.

    z is normalised, so that its length counts for nothing. The layers learn 100 times slower than
    the others, as in the paper, or their training is unstable.

    Args:
        num_latents: L.
        num_styles: W.
        num_layers: of them; the paper has 8.
    """

    def __init__(self, num_latents: int, num_styles: int, *, num_layers: int) -> None:
        super().__init__()
        sizes = [num_latents] + [num_styles] * num_layers
        self.layers = nn.ModuleList(
            EqualLinear(i, o, rate=0.01) for i, o in itertools.pairwise(sizes)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, L) -> (B, W)."""
        w = pixel_norm(z)
        for layer in self.layers:
            w = F.leaky_relu(layer(w), SLOPE)
        return w


class ModulatedConv2d(EqualConv2d):
    """A convolution whose weights depend on a style, (B, I, H, W') and (B, W) -> (B, O, H, W').

    With s = A w + b the weight from channel i to o is s_i W_oi; demodulated, each output's weights
    are divided by their norm over i and all places of the kernel (equations 1 and 3 of StyleGAN2),
    so that a style changes what is mixed, and not how loud the result is.

    Args:
        in_channels: I.
        out_channels: O.
        kernel_size: odd.
        num_styles: W.
        demodulate: whether to.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        num_styles: int,
        demodulate: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, gain=1.0)
        self.to_scales = EqualLinear(num_styles, in_channels, gain=1.0, bias=1.0)
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map (B, I, H, W') and (B, W) -> (B, O, H, W').

        One convolution with scaled inputs and outputs, rather than one for each row: the same up
        to rounding, and faster.
        """
        s, weight = self.to_scales(w), self.scale * self.weight
        h = F.conv2d(x * s[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            squares = s.square() @ weight.square().sum((2, 3)).T  # (B, O)
            h = h * torch.rsqrt(squares + 1e-8)[:, :, None, None]
        return h + self.bias[:, None, None]

    def weights(self, w: Tensor) -> Tensor:
        """Return the weights that a style makes, (B, W) -> (B, O, I, k, k)."""
        weights = self.scale * self.weight * self.to_scales(w)[:, None, :, None, None]
        if self.demodulate:
            squares = weights.square().sum((2, 3, 4), keepdim=True)
            weights = weights * torch.rsqrt(squares + 1e-8)
        return weights


class StyleLayer(nn.Module):
    """Perhaps doubling, a modulated convolution, noise of a learnt strength, leaky ReLU.

    Args:
        in_channels: I.
        out_channels: O.
        num_styles: W.
        doubles: whether the side doubles first, with bilinear weights.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, num_styles: int, doubles: bool
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, num_styles=num_styles)
        self.strength = nn.Parameter(torch.zeros(()))
        self.doubles = doubles

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Map (B, I, H, W'), a style (B, W) and noise (B or 1, 1, ., .) -> (B, O, ., .)."""
        if self.doubles:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        h = self.conv(x, w) + self.strength * noise
        return GAIN * F.leaky_relu(h, SLOPE)
