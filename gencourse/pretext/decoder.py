"""From an encoder's maps back to pixels: what the tasks that reconstruct put behind the encoder.

Each place of the map paints the square of pixels it stands for, after a look at its neighbours
(sub-pixel convolution: Shi et al., CVPR 2016). It is small on purpose. What the picture shows has
to be known by the encoder, which is kept, and not by the decoder, which is thrown away.

Shapes: B batch, D features, h and w the map, H and W the image in pixels, K channels painted.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@torch.no_grad()
def map_shape(encoder: nn.Module, event_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape (D, h, w) of the encoder's maps of one image (C, H, W)."""
    training = encoder.training
    encoder.eval()  # batch norm would refuse one place, and remember this image
    try:
        image = next(encoder.parameters()).new_zeros(1, *event_shape)
        return tuple(encoder.maps(image).shape[1:])
    finally:
        encoder.train(training)


class PixelDecoder(nn.Module):
    """Two convolutions and a pixel shuffle, (B, D, h, w) -> (B, K, H / stride, W / stride).

    Args:
        encoder: whose maps are decoded.
        event_shape: (C, H, W) that the encoder sees.
        channels: K.
        stride: one value is painted for each square of this many pixels.
        hidden: channels between the two convolutions.

    Raises:
        ValueError: a stride that does not divide H, W and the pixels that one place stands for.
    """

    def __init__(
        self,
        encoder: nn.Module,
        event_shape: Sequence[int],
        channels: int,
        *,
        stride: int = 1,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        d, h, w = map_shape(encoder, event_shape)
        sides = tuple(event_shape[1:])
        scale = max(-(-sides[0] // h), -(-sides[1] // w))  # pixels of one place, along one side
        if stride < 1 or any(size % stride for size in (*sides, scale)):
            raise ValueError(
                f"stride is {stride}, expected a divisor of the sides {sides} and of the {scale} "
                "pixels that one place of the map stands for"
            )
        self.scale = scale // stride
        self.size = (sides[0] // stride, sides[1] // stride)
        self.inner = nn.Conv2d(d, hidden, 3, padding=1)
        self.outer = nn.Conv2d(hidden, channels * self.scale**2, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Paint, (B, D, h, w) -> (B, K, H / stride, W / stride)."""
        painted = self.outer(self.inner(maps).relu())
        return F.pixel_shuffle(painted, self.scale)[..., : self.size[0], : self.size[1]]
