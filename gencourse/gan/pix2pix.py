"""pix2pix (Isola et al., "Image-to-image translation with conditional adversarial nets", 2017).

A U-Net turns one picture into another, and learns from pairs. The L1 distance to the target asks
for the right colours in the right places, but where the input leaves a choice its optimum is the
median of all choices, a blur. A PatchGAN that sees input and output side by side asks for an
output that could go with the input. λ weighs the two.

Shapes: B batch, n samples, C' channels of the input, C of the target, H x W pixels, h x w patches.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.gan.gan import GAMES
from gencourse.gan.patchgan import PatchGANDiscriminator
from gencourse.gan.picture_gan import checked_pixels
from gencourse.gan.unet import UNetGenerator
from gencourse.losses import AdversarialLoss
from gencourse.protocols import Configurable


class Pix2Pix(Configurable, nn.Module):
    """G(x) against D(x, y), on batches (input, target); `sample` needs inputs.

    The noise is G's dropout, so the paper leaves it on when it samples. `fit_adversarial` needs to
    be told how to draw: `draw=lambda model, g: model.sample(n, condition=inputs, generator=g)`.

    Args:
        event_shape: (C, H, W) of the target; H and W multiples of 2^num_halvings.
        in_channels: C'.
        width: of the U-Net.
        num_halvings: of the U-Net.
        dropout: of the U-Net.
        skips: of the U-Net.
        norm: of the U-Net, "batch", "instance" or "none".
        patch_width: of the discriminator.
        patch_halvings: of the discriminator; 1, 2, 3 judge patches of 16, 34, 70 pixels.
        patch_norm: of the discriminator, which may also be "spectral".
        l1_weight: λ, for the mean absolute difference of pixels in [-1, 1], as in the paper; 0
            leaves the game alone.
        loss: of the game, as in `GAN`.

    Raises:
        ValueError: an unknown loss, a negative λ, or images that the networks cannot take.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        in_channels: int,
        width: int = 32,
        num_halvings: int = 3,
        dropout: float = 0.5,
        skips: bool = True,
        norm: str = "batch",
        patch_width: int = 32,
        patch_halvings: int = 2,
        patch_norm: str = "batch",
        l1_weight: float = 100.0,
        loss: str = "non_saturating",
    ) -> None:
        super().__init__()
        if loss not in GAMES:
            raise ValueError(f"loss is {loss!r}, expected one of {list(GAMES)}")
        if not l1_weight >= 0:
            raise ValueError(f"l1_weight is {l1_weight}, expected at least 0")
        shape, side, patch = tuple(event_shape), 2**num_halvings, 3 * 2**patch_halvings
        too_odd = len(shape) != 3 or any(s % side for s in shape[1:])
        if too_odd or min(shape[1:]) < patch:
            raise ValueError(
                f"event_shape is {shape}, expected (C, H, W) with sides that are multiples of "
                f"{side} for {num_halvings} halvings, and at least the {patch} pixels that a "
                f"discriminator with {patch_halvings} halvings needs"
            )
        self.event_shape, self.in_channels = shape, in_channels
        self.l1_weight, self.loss = l1_weight, loss
        self.generator = UNetGenerator(
            in_channels,
            shape[0],
            width=width,
            num_halvings=num_halvings,
            dropout=dropout,
            skips=skips,
            norm=norm,
        )
        self.discriminator = PatchGANDiscriminator(
            in_channels + shape[0], width=patch_width, num_halvings=patch_halvings, norm=patch_norm
        )

    @property
    def game(self) -> AdversarialLoss:
        """The two sides of the loss."""
        return GAMES[self.loss]

    def judge(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logits of D(x, y), (B, C', H, W) and (B, C, H, W) -> (B, 1, h, w)."""
        return self.discriminator(torch.cat([x, y], 1))

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what D pays on pairs (x, y) and on the same x with G(x), -> ().

        No gradient reaches the generator.
        """
        x, y = self._pair(batch)
        with torch.no_grad():
            fake = self.generator(x)
        return self.game.discriminator(self.judge(x, y), self.judge(x, fake))

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what G pays: D's opinion of (x, G(x)), and λ E|y - G(x)|, -> ()."""
        x, y = self._pair(batch)
        fake = self.generator(x)
        distance = 2 * F.l1_loss(fake, y)  # pixels in [-1, 1]
        return self.game.generator(self.judge(x, fake)) + self.l1_weight * distance

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        dropout: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw G(x) for n inputs x = condition (n, C', H, W), or n times for one (C', H, W).

        Args:
            n: number of samples.
            condition: the inputs, in [0, 1].
            dropout: whether the noise is on; without it one input has one output.
            generator: randomness of the dropout.

        Raises:
            ValueError: no inputs, or what does not fit.
        """
        if condition is None:
            raise ValueError(
                "condition is None, expected input images (n, C, H, W): Pix2Pix has no other "
                "source of samples (in fit_adversarial, give them with draw)"
            )
        x = condition.expand(n, -1, -1, -1) if condition.ndim == 3 else condition
        x = self._images("condition", x, self.in_channels)
        if len(x) != n:
            raise ValueError(f"condition has {len(x)} images, expected one or n = {n}")
        return self.generator(x, dropout=dropout, generator=generator)

    def _pair(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        if len(batch) < 2 or len(batch[0]) != len(batch[1]):
            found = [tuple(part.shape) for part in batch]
            raise ValueError(f"a batch of shapes {found}, expected as many inputs as targets")
        x = self._images("input", batch[0], self.in_channels)
        return x, self._images("target", batch[1], self.event_shape[0])

    def _images(self, name: str, x: Tensor, channels: int) -> Tensor:
        expected = (channels, *self.event_shape[1:])
        if tuple(x.shape[1:]) != expected:
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected (B, *{expected})")
        return checked_pixels(x).to(next(self.generator.parameters()).dtype)
