"""DCGAN's discriminator up to its last layer, for networks that ask more of a picture.

Shapes: B batch, C channels, S side of the image in pixels, F features.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from gencourse.gan.dcgan import DCGANDiscriminator


class Trunk(nn.Module):
    """Convolutions that halve the side from S down to 4, (B, C, S, S) -> (B, F, 4, 4).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        width: channels after the first layer; each next one doubles them.
        norm: as in `DCGANDiscriminator`.

    Raises:
        ValueError: as in `DCGANDiscriminator`.
    """

    def __init__(self, event_shape: Sequence[int], *, width: int, norm: str) -> None:
        super().__init__()
        whole = DCGANDiscriminator(event_shape, width=width, norm=norm)
        *layers, last, _ = whole.layers  # without the convolution over all and its flattening
        self.layers = nn.Sequential(*layers)
        self.num_features = last.in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, S, S) -> (B, F, 4, 4)."""
        return self.layers(2 * x - 1)
