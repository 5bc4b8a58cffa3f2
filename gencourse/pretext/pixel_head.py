"""A head that answers for each pixel, on the coarse maps of an encoder.

Each place of the maps answers for all pixels of its cell at once, in as many channels, which are
then laid out side by side (the sub-pixel convolution of Shi et al., CVPR 2016).

Shapes: B batch, D features, O channels of the answer, h and w the maps, H and W the image.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PixelHead(nn.Module):
    """Maps (B, in_features, h, w) -> (B, O, H, W): a 3x3 convolution, ReLU, and the pixels.

    Args:
        encoder: whose maps it will see; one trial with an empty image says how large they are.
        event_shape: (C, H, W) of what the encoder sees.
        out_channels: O.
        in_features: channels of the maps; D of the encoder when None.
    """

    def __init__(
        self,
        encoder: nn.Module,
        event_shape: Sequence[int],
        *,
        out_channels: int,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        training = encoder.training
        with torch.no_grad():
            h, w = encoder.eval().maps(torch.zeros(1, *event_shape)).shape[2:]
        encoder.train(training)
        self.size = tuple(event_shape[1:])
        self.cell = max(-(-self.size[0] // h), -(-self.size[1] // w))
        d = encoder.num_features
        self.mix = nn.Conv2d(in_features or d, d, 3, padding=1)
        self.pixels = nn.Conv2d(d, out_channels * self.cell**2, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the answer for each pixel, (B, in_features, h, w) -> (B, O, H, W)."""
        cells = self.pixels(self.mix(maps).relu())  # (B, O * cell², h, w)
        return F.pixel_shuffle(cells, self.cell)[..., : self.size[0], : self.size[1]]
