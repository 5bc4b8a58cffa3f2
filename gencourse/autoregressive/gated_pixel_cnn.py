"""Gated PixelCNN, without a blind spot (van den Oord et al., NeurIPS 2016, arXiv 1606.05328).

A vertical stack sees the rows above, with plain convolutions; a horizontal stack sees the left
part of the present row, and reads the vertical one. No path has to go around a mask's corner, so
that the context has no wedge missing; it grows with the depth until it is complete.

Shapes: B batch, C colour channels, H x W pixels, h hidden features of each stack.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.causal_conv import CausalConv2d
from gencourse.autoregressive.pixel_cache import CachedConv, PixelCache, pointwise
from gencourse.autoregressive.pixel_cnn import PixelHead, cached_head
from gencourse.autoregressive.pixel_model import PixelModel, check_kernel, check_sizes
from gencourse.nets import MaskedConv2d


def gate(x: Tensor, dim: int = 1) -> Tensor:
    """Return tanh(first half) * sigmoid(second half), equation (2)."""
    value, opening = x.chunk(2, dim)
    return value.tanh() * opening.sigmoid()


class VerticalConv2d(MaskedConv2d):
    """A convolution over whole rows: those above, and with `present` the present one, too.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: height and width; the rows below the centre are masked.
        present: whether the kernel's centre row counts. In the first layer it must not.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, present: bool) -> None:
        mask = torch.zeros(outputs, inputs, kernel, kernel)
        mask[:, :, : kernel // 2 + present] = 1
        super().__init__(mask)


class GatedLayer(nn.Module):
    """Both stacks of one layer (figure 2 of the paper).

    Args:
        kind: "A" for the first layer, which reads the image, otherwise "B".
        inputs: channels of both inputs.
        num_hidden: h.
        kernel: height and width of the vertical, width of the horizontal convolution.
        num_colours: colour channels of the image.
    """

    def __init__(
        self, kind: str, inputs: int, num_hidden: int, *, kernel: int, num_colours: int
    ) -> None:
        super().__init__()
        h, colours = num_hidden, {"num_colours": num_colours}
        first = kind == "A"
        self.vertical = VerticalConv2d(inputs, 2 * h, kernel, present=not first)
        # the vertical stack has seen whole rows, all colours of them: no mask
        self.to_horizontal = nn.Conv2d(2 * h, 2 * h, 1)
        self.horizontal = CausalConv2d(kind, inputs, h, (1, kernel), num_gates=2, **colours)
        self.out = CausalConv2d("B", h, h, 1, **colours)
        self.is_first = first

    def forward(self, stacks: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Map the vertical and the horizontal stack, (B, inputs, H, W) -> (B, h, H, W) each."""
        v, x = stacks
        v = self.vertical(v)  # (B, 2h, H, W)
        out = self.out(gate(self.horizontal(x) + self.to_horizontal(v)))
        return gate(v), out if self.is_first else x + out  # the image is no feature to add to


class GatedPixelCNN(PixelModel):
    """p(x) over images by gated convolutions in two stacks.

    With first_kernel 2p + 1, kernel 2s + 1 and L layers, the context reaches p + s(L - 1) rows up
    and as many pixels to the left; to the right, it does so in the row above already.

    Args:
        event_shape: (C, H, W).
        num_levels: K levels of a pixel value; 2 gives a sigmoid, 256 is 8 bits.
        num_layers: L, the first one with mask A included.
        num_hidden: h.
        kernel: of the layers with mask B.
        first_kernel: of the first layer.

    Raises:
        ValueError: sizes below 1, kernels that are even or below 3, fewer features than colours.
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int] = (1, 28, 28),
        *,
        num_levels: int = 2,
        num_layers: int = 15,
        num_hidden: int = 32,
        kernel: int = 3,
        first_kernel: int = 7,
    ) -> None:
        super().__init__(event_shape, num_levels=num_levels)
        check_sizes(num_layers=num_layers, num_hidden=num_hidden)
        check_kernel(kernel=kernel, first_kernel=first_kernel)
        colours, h = event_shape[0], num_hidden
        first = GatedLayer("A", colours, h, kernel=first_kernel, num_colours=colours)
        self.layers = nn.Sequential(
            first,
            *(
                GatedLayer("B", h, h, kernel=kernel, num_colours=colours)
                for _ in range(num_layers - 1)
            ),
        )
        self.head = PixelHead(h, colours, self.output.num_logits)

    def features(self, x: Tensor) -> Tensor:
        """Run the network, (B, C, H, W) -> (B, C * num_logits, H, W)."""
        return self.head(self.layers((x, x))[1])

    def cache(self, n: int) -> PixelCache:
        """Return an empty memory for drawing n images."""
        return _GatedCache(self, n)


class _CachedLayer:
    """One GatedLayer: the vertical stack row by row, the horizontal one pixel by pixel."""

    def __init__(self, layer: GatedLayer, n: int, width: int) -> None:
        self.layer, self.height = layer, layer.vertical.kernel_size[0] // 2
        self.kernel = (layer.vertical.mask * layer.vertical.weight)[:, :, : self.height + 1]
        self.rows = self.kernel.new_zeros(n, self.kernel.shape[1], self.height + 1, width)
        self.horizontal = CachedConv(layer.horizontal, n, width)
        self.out: Callable[[Tensor], Tensor] = pointwise(layer.out)

    def start_row(self, row: Tensor) -> Tensor:
        """Run the vertical stack over a row, (n, inputs, 1, W) -> (n, h, 1, W)."""
        self.rows = torch.cat([self.rows[:, :, 1:], row], 2)
        v = F.conv2d(self.rows, self.kernel, self.layer.vertical.bias, padding=(0, self.height))
        self.horizontal.start_row()
        self.horizontal.above += self.layer.to_horizontal(v)[:, :, 0].permute(2, 0, 1)
        return gate(v)

    def __call__(self, column: int, x: Tensor) -> Tensor:
        out = self.out(gate(self.horizontal(column, x)))
        return out if self.layer.is_first else x + out


class _GatedCache(PixelCache):
    def __init__(self, model: GatedPixelCNN, n: int) -> None:
        width = model.event_shape[2]
        self.layers = [_CachedLayer(layer, n, width) for layer in model.layers]
        super().__init__(self.layers[0].horizontal)
        self.head = cached_head(model.head)

    def start_row(self) -> None:
        image = self.layers[0]
        drawn = self.first.row[:, self.first.pad : -self.first.pad].mT  # the row above, (n, C, W)
        image.rows[:, :, -1] = drawn
        v = torch.zeros_like(drawn[:, :, None])  # the present row, which a mask hides
        for layer in self.layers:
            v = layer.start_row(v)

    def step(self, column: int, pixel: Tensor) -> Tensor:
        x = pixel
        for layer in self.layers:
            x = layer(column, x)
        return self.head(x)
