"""The conditional GAN (Mirza & Osindero, "Conditional generative adversarial nets", 2014).

Both players are told the class y. A picture that looks real but shows another class is easy to
tell from data then, so the generator has to learn p(x | y).

Shapes: B batch, n samples, C channels, S side of the image in pixels, L latents, K classes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from gencourse.gan.picture_gan import PictureGAN
from gencourse.losses import gradient_penalty


class ConditionalGAN(PictureGAN):
    """DCGAN's networks: the generator gets y beside z, the discriminator as K more channels.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_classes: K.
        num_latents: L.
        width: channels of the layer next to the image, in both networks.
        norm: of the discriminator; "batch" does not go with a penalty.
        **game: loss and penalty, as in `GAN`.

    Raises:
        ValueError: K below 1, as in `GAN` and `DCGAN`; in the losses labels outside 0..K-1.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_classes: int,
        num_latents: int = 64,
        width: int = 32,
        norm: str = "batch",
        **game: Any,
    ) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}, expected at least 1")
        generator = DCGANGenerator(event_shape, num_latents=num_latents + num_classes, width=width)
        channels, *sides = event_shape
        joined = (channels + num_classes, *sides)
        discriminator = DCGANDiscriminator(joined, width=width, norm=norm)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)
        self.num_classes = num_classes

    def one_hot(self, y: Tensor) -> Tensor:
        """Return a 1 at the class of each row, (B,) -> (B, K), in the dtype of the parameters.

        Raises:
            ValueError: no row of labels, or one outside 0..K-1.
        """
        wrong = (y < 0) | (y >= self.num_classes) | (y != y.long())
        if y.ndim != 1 or wrong.any():
            shown = y[wrong][:5].tolist() if y.ndim == 1 else f"of shape {tuple(y.shape)}"
            raise ValueError(f"y is {shown}, expected (B,) integers in 0..{self.num_classes - 1}")
        like = next(self.generator.parameters())
        return F.one_hot(y.long(), self.num_classes).to(like)

    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Return G(z, y), (B, L) and (B,) -> (B, C, S, S)."""
        return self.generator(torch.cat([z, self.one_hot(y)], 1))

    def judge(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits of D(x, y), (B, C, S, S) and (B,) -> (B,)."""
        planes = self.one_hot(y)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.discriminator(torch.cat([x, planes], 1))

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays on (x, y) and on samples given the same y, -> ()."""
        x, y = self.real(batch), self._labels(batch)
        with torch.no_grad():
            fake = self.generate(self.noise(len(x)), y)
        loss = self.game.discriminator(self.judge(x, y), self.judge(fake, y))
        if self.penalty:
            critic = partial(self.judge, y=y)
            loss = loss + self.penalty * gradient_penalty(critic, x, fake)
        return loss

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays on samples given the labels of a batch (x, y), -> ()."""
        y = self._labels(batch)
        return self.game.generator(self.judge(self.generate(self.noise(len(y)), y), y))

    def _labels(self, batch: tuple[Tensor, ...]) -> Tensor:
        if len(batch) < 2 or len(batch[0]) != len(batch[1]):
            found = [tuple(part.shape) for part in batch]
            raise ValueError(f"a batch of shapes {found}, expected x and y with one label a row")
        return batch[1]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n samples given y = condition, one class or (n,), -> (n, C, S, S).

        Without a condition all classes are equally likely.
        """
        device = next(self.generator.parameters()).device
        if condition is None:
            y = torch.randint(self.num_classes, (n,), generator=generator, device=device)
        else:
            y = torch.as_tensor(condition, device=device).expand(n)
        return self.generate(self.noise(n, generator=generator), y)
