"""StyleGAN (Karras et al., CVPR 2019): a style-based generator in the non-saturating game with R1.

Half of the pictures in training mix two styles, so that neighbouring layers cannot rely on having
the same one. The opponent is progressive growing's discriminator, in full size from the start.

Shapes: B batch, n samples, C channels, S side of the image in pixels, L latents.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.gan.picture_gan import PictureGAN
from gencourse.gan.progressive_networks import ProgressiveDiscriminator
from gencourse.gan.style_generator import StyleGenerator
from gencourse.losses import r1_penalty


class StyleGAN(PictureGAN):
    """`StyleGenerator` against a discriminator with `r1_penalty`.

    The generator's samples are its own: the averaged copy of its weights that the paper samples
    from, the penalty on path lengths of StyleGAN2 and its lazy regularisation are left out.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        num_styles: numbers in w.
        width: channels at side S, in both networks.
        num_mapping: layers of the mapping network.
        mixing: share of the pictures in training that mix two styles, 0.9 in the paper.
        loss: of `GAN`.
        penalty: γ, the weight of R1.

    Raises:
        ValueError: a share outside [0, 1], and as in `GAN` and in the networks; in the losses
            pixels outside [0, 1].
    """

    generator: StyleGenerator

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        num_styles: int = 64,
        width: int = 16,
        num_mapping: int = 4,
        mixing: float = 0.5,
        loss: str = "non_saturating",
        penalty: float = 1.0,
    ) -> None:
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing is {mixing}, expected a share in [0, 1]")
        sizes: dict[str, Any] = {"num_latents": num_latents, "num_styles": num_styles}
        generator = StyleGenerator(event_shape, width=width, num_mapping=num_mapping, **sizes)
        discriminator = ProgressiveDiscriminator(event_shape, width=width, grows=False)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, loss=loss, penalty=penalty)
        self.mixing = mixing

    def fake(self, n: int) -> Tensor:
        """Return pictures as training sees them, some of mixed style, -> (n, C, S, S)."""
        network, z1, z2 = self.generator, self.noise(n), self.noise(n)
        if self.training:
            network.track(network.mapping(z1))
        crossover = torch.randint(1, network.num_layers, (n,), device=z1.device)
        mixed = torch.rand(n, device=z1.device) < self.mixing
        crossover = torch.where(mixed, crossover, network.num_layers)
        return network.mix(z1, z2, crossover)

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays on a batch (x, ...) and as many samples, -> ()."""
        x = self.real(batch)
        with torch.no_grad():
            fake = self.fake(len(x))
        loss = self.game.discriminator(self.discriminator(x), self.discriminator(fake))
        if self.penalty:
            loss = loss + self.penalty * r1_penalty(self.discriminator, x)
        return loss

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays on new samples, as many as a batch (x, ...), -> ()."""
        return self.game.generator(self.discriminator(self.fake(len(batch[0]))))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        truncation: float = 1.0,
        noise: list[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n samples, or return G(z) at z = condition (n, L), -> (n, C, S, S).

        Args:
            n: number of samples.
            condition: z, if it is not to be drawn.
            truncation: ψ, see `StyleGenerator.truncate`.
            noise: of the layers, see `StyleGenerator.draw_noise`, if it is not to be drawn.
            generator: draws what is not given.

        Raises:
            ValueError: z of another shape.
        """
        z = self.latents(n, condition, generator=generator)
        noise = self.generator.draw_noise(n, generator=generator) if noise is None else noise
        return self.generator(z, truncation=truncation, noise=noise)
