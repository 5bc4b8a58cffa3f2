"""Layers whose weights are masked, so that an output sees some of the inputs only.

Shapes: B batch, I inputs, O outputs (of a convolution: channels).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedLinear(nn.Linear):
    """A linear layer in which output o sees input i only where `mask[o, i]` is 1.

    The mask multiplies in the forward pass and never touches the stored weight, so that an
    optimiser with momentum or weight decay cannot bring a forbidden connection back.

    Args:
        mask: 0 and 1, (O, I); a buffer, saved with the state.
        bias: whether to add a bias.

    Raises:
        ValueError: `mask` is no matrix of 0 and 1.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        if mask.ndim != 2 or not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and values {mask.unique()[:5].tolist()}, "
                "expected (outputs, inputs) of 0 and 1"
            )
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I) -> (B, O)."""
        return F.linear(x, self.mask * self.weight, self.bias)


class MaskedConv2d(nn.Conv2d):
    """A convolution with a masked kernel; stride 1 and zeros around keep the size.

    As in `MaskedLinear` the stored weight is never touched.

    Args:
        mask: 0 and 1, (O, I, kernel height, kernel width), both odd; a buffer.
        bias: whether to add a bias.

    Raises:
        ValueError: `mask` holds other values, or has no centre.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        if mask.ndim != 4 or not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and values {mask.unique()[:5].tolist()}, "
                "expected (outputs, inputs, height, width) of 0 and 1"
            )
        outputs, inputs, height, width = mask.shape
        if not (height % 2 and width % 2):
            raise ValueError(f"mask has a kernel of {height}x{width}, expected odd sizes")
        padding = (height // 2, width // 2)
        super().__init__(inputs, outputs, (height, width), padding=padding, bias=bias)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, height, width) -> (B, O, height, width)."""
        return F.conv2d(x, self.mask * self.weight, self.bias, padding=self.padding)
