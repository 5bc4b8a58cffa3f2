"""What a network has to remember to go through an image pixel by pixel.

A convolution needs its inputs at the pixels before; everything else about them is done with. Each
pixel then costs one matrix product a layer in place of a pass over the image.

Shapes: n images, I and O channels, C colour channels, H x W pixels.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.nets import MaskedConv2d


def pointwise(conv: MaskedConv2d) -> Callable[[Tensor], Tensor]:
    """Return a 1x1 convolution as a function of the features of one pixel, (B, I) -> (B, O)."""
    matrix = (conv.mask * conv.weight)[:, :, 0, 0].T.contiguous()
    return lambda x: torch.addmm(conv.bias, x, matrix)


class CachedConv:
    """A causal convolution computed pixel by pixel, each time from what it needs only.

    At the start of a row all that comes from the rows above is one small convolution; a pixel is
    then a matrix product of its left neighbours and itself.

    Args:
        conv: the layer.
        n: images at a time.
        width: W.

    Attributes:
        above: bias and rows above, for the present row, (W, n, O). A layer may add to it.
        row: inputs of the present row up to the present pixel, (n, W + padding, I).
    """

    def __init__(self, conv: MaskedConv2d, n: int, width: int) -> None:
        height, self.pad = conv.kernel_size[0] // 2, conv.kernel_size[1] // 2
        weight = conv.mask * conv.weight
        self.bias, self.kernel_above = conv.bias, weight[:, :, :height]
        taps = weight[:, :, height, : self.pad + 1]  # left to centre, (O, I, taps)
        self.matrix = taps.permute(2, 1, 0).flatten(0, 1).contiguous()  # (taps * I, O)
        self.rows = weight.new_zeros(n, conv.in_channels, height, width + 2 * self.pad)
        self.row = weight.new_zeros(n, width + 2 * self.pad, conv.in_channels)
        self.above = weight.new_zeros(width, n, conv.out_channels)
        # views made once: indexing for each pixel would take as long as the arithmetic
        self._inputs = self.row[:, self.pad :].unbind(1)
        self._taps = [self.row[:, j : j + self.pad + 1].view(n, -1) for j in range(width)]
        self._above = self.above.unbind()

    def start_row(self) -> None:
        """Move on to the next row, the first one included."""
        if self.kernel_above.shape[2]:
            self.rows = torch.cat([self.rows[:, :, 1:], self.row.mT[:, :, None]], 2)
            above = F.conv2d(self.rows, self.kernel_above, self.bias)  # (n, O, 1, W)
            self.above.copy_(above[:, :, 0].permute(2, 0, 1))
        else:
            self.above.copy_(self.bias)

    def put(self, column: int, x: Tensor) -> None:
        """Set the input at one pixel, (n, I), in place of an earlier one."""
        self._inputs[column].copy_(x)

    def __call__(self, column: int, x: Tensor) -> Tensor:
        """Return the output at one pixel from the input there, (n, I) -> (n, O)."""
        self.put(column, x)
        return torch.addmm(self._above[column], self._taps[column], self.matrix)


class PixelCache:
    """A network's memory while it draws images, pixel after pixel.

    Args:
        first: the convolution with mask A, over the image itself.
    """

    def __init__(self, first: CachedConv) -> None:
        self.first = first

    def start_row(self) -> None:
        """Move on to the next row, the first one included."""
        self.first.start_row()

    def step(self, column: int, pixel: Tensor) -> Tensor:
        """Return the last features at a column from the values there, (n, C) -> (n, O).

        Colours that are not drawn yet do not matter: they meet zeros of the masks. A pixel is
        stepped on for each colour, the last time with all but the last colour known.
        """
        raise NotImplementedError

    def finish(self, column: int, pixel: Tensor) -> None:
        """Take the values of a pixel that is complete, (n, C)."""
        self.first.put(column, pixel)
