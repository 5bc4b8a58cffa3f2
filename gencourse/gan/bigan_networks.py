"""The networks of a bidirectional GAN, for vectors and for images.

Shapes: B batch, L latents, C channels, S side of the image in pixels, D numbers in a vector.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.gan.dcgan import DCGANGenerator
from gencourse.gan.equalised import SLOPE
from gencourse.gan.gan import normalise_spectrally
from gencourse.gan.trunk import Trunk
from gencourse.nets import MLP
from gencourse.protocols import Configurable


class CodingPair(nn.Module):
    """A generator with its encoder: one player, since both want the pairs to look alike.

    Args:
        decoder: maps z (B, L) to x.
        encoder: maps x to z (B, L).
    """

    def __init__(self, decoder: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.decoder, self.encoder = decoder, encoder

    def forward(self, z: Tensor) -> Tensor:
        """Return G(z), (B, L) -> (B, ...)."""
        return self.decoder(z)


class PairDiscriminator(nn.Module):
    """D(x, z): features of x and z side by side, then fully connected layers.

    Args:
        features: maps x to (B, F), or to maps with as many numbers.
        joint: maps (B, F + L) to logits (B, 1).
    """

    def __init__(self, features: nn.Module, joint: nn.Module) -> None:
        super().__init__()
        self.features, self.joint = features, joint

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits of pairs, (B, ...) and (B, L) -> (B,)."""
        return self.joint(torch.cat([self.features(x).flatten(1), z], 1)).flatten()


class ImageEncoder(Configurable, nn.Module):
    """DCGAN's discriminator with L outputs, (B, C, S, S) -> (B, L).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        width: channels after the first layer; each next one doubles them.
        norm: as in `DCGANDiscriminator`.
    """

    def __init__(
        self, event_shape: Sequence[int], *, num_latents: int, width: int, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.trunk = Trunk(event_shape, width=width, norm=norm)
        self.last = nn.Conv2d(self.trunk.num_features, num_latents, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) -> (B, L)."""
        return self.last(self.trunk(x)).flatten(1)


def vector_networks(
    num_dims: int, num_latents: int, norm: str, hidden: Sequence[int], coding: Sequence[int]
) -> tuple[CodingPair, PairDiscriminator]:
    """Return fully connected networks: `coding` sizes G and E, empty is linear; `hidden` D."""
    pair = CodingPair(
        MLP(num_latents, num_dims, hidden=coding), MLP(num_dims, num_latents, hidden=coding)
    )
    joint: nn.Module = MLP(num_dims + num_latents, 1, hidden=hidden)
    if norm == "spectral":
        normalise_spectrally(joint)
    return pair, PairDiscriminator(nn.Identity(), joint)


def image_networks(
    event_shape: Sequence[int], num_latents: int, width: int, norm: str, hidden: Sequence[int]
) -> tuple[CodingPair, PairDiscriminator]:
    """Return DCGAN's networks; D joins z to the features of x after the convolutions."""
    pair = CodingPair(
        DCGANGenerator(event_shape, num_latents=num_latents, width=width),
        ImageEncoder(event_shape, num_latents=num_latents, width=width),
    )
    trunk = Trunk(event_shape, width=width, norm=norm)
    joint = _joint(trunk.num_features * 16 + num_latents, hidden)
    if norm == "spectral":
        normalise_spectrally(joint)
    return pair, PairDiscriminator(trunk, joint)


def _joint(inputs: int, hidden: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(SLOPE)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, 1))
