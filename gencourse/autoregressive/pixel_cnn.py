"""PixelCNN: masked convolutions over an image (van den Oord et al., ICML 2016, section 3.4).

A 7x7 convolution with mask A hides the present pixel; residual blocks with mask B follow. All
factors come from one pass. What a stack of such convolutions never sees, however deep, is a wedge
of pixels to the upper right: the blind spot, which `GatedPixelCNN` has not.

Shapes: B batch, C colour channels, H x W pixels, h hidden features.
"""

from collections.abc import Callable

from torch import Tensor, nn

from gencourse.autoregressive.causal_conv import CausalConv2d
from gencourse.autoregressive.pixel_cache import CachedConv, PixelCache, pointwise
from gencourse.autoregressive.pixel_model import PixelModel, check_kernel, check_sizes


class ResidualBlock(nn.Module):
    """x + a bottleneck: 2h features to h, a masked convolution, and back to 2h (figure 5, left).

    Args:
        num_hidden: h.
        kernel: height and width of the convolution.
        num_colours: colour channels of the image.
    """

    def __init__(self, num_hidden: int, *, kernel: int, num_colours: int) -> None:
        super().__init__()
        h, colours = num_hidden, {"num_colours": num_colours}
        self.down = CausalConv2d("B", 2 * h, h, 1, **colours)
        self.conv = CausalConv2d("B", h, h, kernel, **colours)
        self.up = CausalConv2d("B", h, 2 * h, 1, **colours)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 2h, H, W) -> (B, 2h, H, W)."""
        return x + self.up(self.conv(self.down(x.relu()).relu()).relu())


class PixelHead(nn.Sequential):
    """The last layers: twice ReLU and a 1x1 convolution with mask B (table 1 of the paper)."""

    def __init__(self, features: int, num_colours: int, num_logits: int) -> None:
        colours = {"num_colours": num_colours}
        super().__init__(
            nn.ReLU(),
            CausalConv2d("B", features, features, 1, **colours),
            nn.ReLU(),
            CausalConv2d("B", features, num_colours * num_logits, 1, **colours),
        )


class PixelCNN(PixelModel):
    """p(x) over images by masked convolutions, with a blind spot.

    Args:
        event_shape: (C, H, W).
        num_levels: K levels of a pixel value; 2 gives a sigmoid, 256 is 8 bits.
        num_layers: residual blocks; 15 in the paper.
        num_hidden: h; the blocks pass on 2h features. 128 in the paper, for CIFAR-10.
        kernel: of the blocks' convolutions.
        first_kernel: of the first convolution.

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
        colours = event_shape[0]
        self.first = CausalConv2d("A", colours, 2 * num_hidden, first_kernel, num_colours=colours)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(num_hidden, kernel=kernel, num_colours=colours)
                for _ in range(num_layers)
            )
        )
        self.head = PixelHead(2 * num_hidden, colours, self.output.num_logits)

    def features(self, x: Tensor) -> Tensor:
        """Run the network, (B, C, H, W) -> (B, C * num_logits, H, W)."""
        return self.head(self.blocks(self.first(x)))

    def cache(self, n: int) -> PixelCache:
        """Return an empty memory for drawing n images."""
        return _PixelCNNCache(self, n)


class _PixelCNNCache(PixelCache):
    """Only the convolutions larger than 1x1 have to remember anything."""

    def __init__(self, model: PixelCNN, n: int) -> None:
        width = model.event_shape[2]
        super().__init__(CachedConv(model.first, n, width))
        self.blocks = [
            (pointwise(block.down), CachedConv(block.conv, n, width), pointwise(block.up))
            for block in model.blocks
        ]
        self.head = cached_head(model.head)

    def start_row(self) -> None:
        super().start_row()
        for _, conv, _ in self.blocks:
            conv.start_row()

    def step(self, column: int, pixel: Tensor) -> Tensor:
        x = self.first(column, pixel)
        for down, conv, up in self.blocks:
            x = x + up(conv(column, down(x.relu()).relu_()).relu_())
        return self.head(x)


def cached_head(head: PixelHead) -> Callable[[Tensor], Tensor]:
    """Return the head as a function of the features of one pixel, (n, features) -> (n, O)."""
    first, last = pointwise(head[1]), pointwise(head[3])
    return lambda x: last(first(x.relu()).relu_())
