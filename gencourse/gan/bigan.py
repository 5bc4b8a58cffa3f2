"""The bidirectional GAN (BiGAN, Donahue et al.; ALI, Dumoulin et al.; both ICLR 2017).

A GAN gives no z for a given x. Here an encoder E does, and the discriminator judges pairs: (x,
E(x)) of data against (G(z), z) of noise. If no discriminator can tell them apart, both joint
distributions are one. With a deterministic E and G that is only possible if E inverts G: then
G(E(x)) = x for data x, and E(G(z)) = z (Donahue et al., theorem 2), although no loss compares x
with G(E(x)). ALI's encoder draws z, and is the posterior of z in the end; this one, as in BiGAN,
computes it.

Shapes: B batch, L latents, ... the axes of one event.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.gan.bigan_networks import (
    CodingPair,
    PairDiscriminator,
    image_networks,
    vector_networks,
)
from gencourse.gan.gan import GAN
from gencourse.gan.picture_gan import checked_pixels


class BiGAN(GAN):
    """Generator and encoder against a discriminator of pairs.

    `generator` holds both: it is the player. For the discriminator "real" means from the data.
    With deterministic networks both joints lie on thin sheets, which a steep discriminator tells
    apart however near they are: then E inverts G early, and G(z) does not move on to the data.
    Spectral normalisation, the default, keeps the discriminator from being steep.

    The non-saturating and the least squares game swap the targets for the player, of both kinds of
    pairs; in the other games it minimises minus the discriminator's loss.

    Args:
        event_shape: (D,) for fully connected networks, (C, S, S) for DCGAN's.
        num_latents: L.
        width: of images: channels of the layer next to the image, in all networks.
        norm: the discriminator's, as in `DCGAN`; vectors know "spectral" only, others do nothing.
        hidden: widths of the fully connected layers of the discriminator.
        coding: of vectors: hidden layers of generator and encoder; empty is linear.
        loss: of `GAN`.

    Raises:
        ValueError: events of other axes, and as in `GAN` and `DCGAN`; in the losses pixels
            outside [0, 1].
    """

    generator: CodingPair
    discriminator: PairDiscriminator

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 32,
        width: int = 32,
        norm: str = "spectral",
        hidden: Sequence[int] = (128,),
        coding: Sequence[int] = (64, 64),
        loss: str = "non_saturating",
    ) -> None:
        networks: Any
        if len(event_shape) == 1:
            networks = vector_networks(event_shape[0], num_latents, norm, hidden, coding)
        elif len(event_shape) == 3:
            networks = image_networks(event_shape, num_latents, width, norm, hidden)
        else:
            raise ValueError(f"event_shape is {tuple(event_shape)}, expected (D,) or (C, S, S)")
        super().__init__(*networks, event_shape=event_shape, num_latents=num_latents, loss=loss)

    def real(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the data of a batch (x, ...), -> (B, *event_shape).

        Raises:
            ValueError: events of another size, or images with pixels outside [0, 1].
        """
        x = super().real(batch)
        return checked_pixels(x) if len(self.event_shape) == 3 else x

    def encode(self, x: Tensor) -> Tensor:
        """Return E(x), (B, *event_shape) -> (B, L)."""
        return self.generator.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return G(E(x)), (B, *event_shape) -> (B, *event_shape)."""
        return self.generator(self.encode(x))

    def judge(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits that pairs come from data, (B, ...) and (B, L) -> (B,)."""
        return self.discriminator(x, z)

    @torch.no_grad()
    def anomaly(self, x: Tensor) -> Tensor:
        """Return how badly each x is reconstructed, the mean of |x - G(E(x))|, -> (B,).

        What G cannot make is far from what it makes of it. AnoGAN (Schlegl et al., IPMI 2017)
        searches the z whose picture is nearest instead, which takes hundreds of steps for each x.
        """
        return (x - self.reconstruct(x)).abs().flatten(1).mean(1)

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays on a batch (x, ...) and as many samples, -> ()."""
        with torch.no_grad():
            of_data, of_noise = self._pairs(self.real(batch))
        return self.game.discriminator(self.judge(*of_data), self.judge(*of_noise))

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what generator and encoder pay, on the data as well as on samples, -> ()."""
        of_data, of_noise = self._pairs(self.real(batch))
        on_data, on_noise = self.judge(*of_data), self.judge(*of_noise)
        if self.loss in ("non_saturating", "least_squares"):
            return self.game.discriminator(on_noise, on_data)  # the targets swapped
        return -self.game.discriminator(on_data, on_noise)

    def _pairs(self, x: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return (x, E(x)) and as many (G(z), z)."""
        z = self.noise(len(x))
        return (x, self.encode(x)), (self.generator(z), z)
