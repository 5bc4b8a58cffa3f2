"""Progressive growing (Karras et al., ICLR 2018): first small pictures, then larger ones.

Both networks start at 4x4 pixels. Once these are learnt, a layer for 8x8 is added to both, faded
in by a weight α that rises from 0 to 1 so that what was learnt is not shaken, then one for 16x16,
and so on. The large structure is settled before the details, and early steps are cheap.

Shapes: B batch, n samples, C channels, S full side in pixels, L latents.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.gan.picture_gan import PictureGAN
from gencourse.gan.progressive_networks import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    double,
    halve,
)
from gencourse.losses import gradient_penalty


class ProgressiveGAN(PictureGAN):
    """The two networks, which grow by themselves as `train.fit_adversarial` trains them.

    Stage 0 lasts `stage_steps` steps of the generator; each later one fades in for as many, then
    lasts as many again. The count is a buffer, `steps`: it is in checkpoints, it goes up by one
    each time that `generator_loss` is computed in training mode, and setting it
    (`model.steps.fill_(900)`) moves the model to another place in its schedule.

    The minibatch deviation lets the discriminator judge rows together, and the gradient penalty
    is as in the paper, of each row with the others as they are. The paper's averaged copy of the
    generator and its small penalty on the size of logits are left out.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        width: features at side S; twice as many at half the side.
        stage_steps: steps of a fade, and of a stage after its fade; 0 is grown from the start.
        loss: of `GAN`, the paper's by default.
        penalty: of `GAN`, the paper's by default.

    Raises:
        ValueError: negative steps, and as in `GAN` and in the networks; in the losses pixels
            outside [0, 1].
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        width: int = 16,
        stage_steps: int = 300,
        loss: str = "wasserstein",
        penalty: float = 10.0,
    ) -> None:
        if stage_steps < 0:
            raise ValueError(f"stage_steps is {stage_steps}, expected at least 0")
        generator = ProgressiveGenerator(event_shape, num_latents=num_latents, width=width)
        discriminator = ProgressiveDiscriminator(event_shape, width=width)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, loss=loss, penalty=penalty)
        self.stage_steps, self.last_stage = stage_steps, generator.last_stage
        self.register_buffer("steps", torch.tensor(0))

    @property
    def growth(self) -> dict[str, Any]:
        """Where the schedule is, {"stage": s, "alpha": α}; also the networks' arguments."""
        if not self.stage_steps:
            return {"stage": self.last_stage, "alpha": 1.0}
        # in units of one fade: stage 0 lasts 1, each other stage 2, of which the first fades
        place = int(self.steps) / self.stage_steps + 1
        stage = min(int(place // 2), self.last_stage)
        return {"stage": stage, "alpha": min(place - 2 * stage, 1.0) if stage else 1.0}

    def real(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the images of a batch (x, ...) as this stage can show them, -> (B, C, S, S).

        Raises:
            ValueError: images of another size, or pixels outside [0, 1].
        """
        x = super().real(batch)
        stage, alpha = self.growth.values()
        for _ in range(stage, self.last_stage):
            x = halve(x)
        if stage and alpha < 1:
            x = torch.lerp(double(halve(x)), x, alpha)
        for _ in range(stage, self.last_stage):
            x = double(x)
        return x

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays at this stage, -> ()."""
        x, growth = self.real(batch), self.growth
        with torch.no_grad():
            fake = self.generator(self.noise(len(x)), **growth)

        def judge(x: Tensor) -> Tensor:
            return self.discriminator(x, **growth)

        loss = self.game.discriminator(judge(x), judge(fake))
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(judge, x, fake)
        return loss

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays at this stage, -> (); counts a step in training mode."""
        growth = self.growth
        fake = self.generator(self.noise(len(batch[0])), **growth)
        loss = self.game.generator(self.discriminator(fake, **growth))
        if self.training:
            self.steps += 1
        return loss

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples of this stage, or return G(z) at z = condition, -> (n, C, S, S).

        Raises:
            ValueError: z of another shape.
        """
        z = self.latents(n, condition, generator=generator)
        return self.generator(z, **self.growth)
