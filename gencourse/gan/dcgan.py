"""DCGAN (Radford, Metz & Chintala, ICLR 2016): the first convolutions that made GANs train well.

Its five guidelines: strided convolutions instead of pooling; batch norm in both networks (not at
the generator's output and the discriminator's input); no fully connected hidden layers; in the
generator ReLU, and tanh at the end; in the discriminator leaky ReLU.

Pixels are in [0, 1] on the outside. The networks work on [-1, 1], the range of tanh.

Shapes: B batch, C channels, S side of the image in pixels, L latents.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from gencourse.gan.layers import down, initialise, widths
from gencourse.gan.picture_gan import PictureGAN
from gencourse.protocols import Configurable


class DCGANGenerator(Configurable, nn.Module):
    """Transposed convolutions that double the side from 4 up to S, (B, L) -> (B, C, S, S).

    Each has kernel 4, stride 2 and padding 1, so that it doubles: 4, 8, 16, 32, 64. In each step
    the number of channels halves.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        width: channels before the last layer.
        batch_norm: whether batch norm follows each layer but the last.

    Raises:
        ValueError: an image that cannot be made by doubling, or a size below 1.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        width: int = 32,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        if num_latents < 1:
            raise ValueError(f"num_latents is {num_latents}, expected at least 1")
        channels = widths(event_shape, width)[::-1]  # (8w, 4w, 2w, w) for 64 pixels
        layers: list[nn.Module] = []
        for i, o in itertools.pairwise([num_latents, *channels]):
            # the first makes 4x4 pixels of one, the others double the side
            stride, padding = (2, 1) if layers else (1, 0)
            layers += [nn.ConvTranspose2d(i, o, 4, stride, padding, bias=not batch_norm)]
            layers += [nn.BatchNorm2d(o)] if batch_norm else []
            layers += [nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, event_shape[0], 4, 2, 1), nn.Tanh()]
        self.layers = initialise(nn.Sequential(*layers))

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, L) -> (B, C, S, S) in [0, 1]."""
        return (self.layers(z[:, :, None, None]) + 1) / 2


class DCGANDiscriminator(Configurable, nn.Module):
    """Convolutions that halve the side from S down to 4, then one over all, (B, C, S, S) -> (B,).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        width: channels after the first layer; each next one doubles them.
        norm: after each layer but the first and the last: "batch", "instance" or "none"; or
            "spectral", of all weights.

    Raises:
        ValueError: an image that cannot be halved to 4 pixels, a size below 1, or another norm.
    """

    def __init__(
        self, event_shape: Sequence[int], *, width: int = 32, norm: str = "batch"
    ) -> None:
        super().__init__()
        channels = widths(event_shape, width)  # (w, 2w, 4w, 8w) for 64 pixels
        layers = down(event_shape[0], width, norm=norm, first=True)
        for i, o in itertools.pairwise(channels):
            layers += down(i, o, norm=norm)
        layers += [nn.Conv2d(channels[-1], 1, 4), nn.Flatten(0)]
        self.layers = initialise(nn.Sequential(*layers), spectral=norm == "spectral")

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, S, S) -> logits (B,)."""
        return self.layers(2 * x - 1)


class DCGAN(PictureGAN):
    """The two networks against each other.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        width: channels of the layer next to the image, in both networks.
        batch_norm: of the generator.
        norm: of the discriminator; "batch" does not go with a penalty.
        **game: loss and penalty, as in `GAN`.

    Raises:
        ValueError: as in `GAN` and in the networks; in the losses pixels outside [0, 1].
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        width: int = 32,
        batch_norm: bool = True,
        norm: str = "batch",
        **game: Any,
    ) -> None:
        generator = DCGANGenerator(
            event_shape, num_latents=num_latents, width=width, batch_norm=batch_norm
        )
        discriminator = DCGANDiscriminator(event_shape, width=width, norm=norm)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)
