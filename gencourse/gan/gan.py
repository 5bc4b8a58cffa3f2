"""Generative adversarial nets (Goodfellow et al., NIPS 2014): a sampler and its opponent.

A generator turns noise z ~ N(0, I) into x = G(z). A discriminator tells such x from data, and how
it tells them apart is what the generator learns from: p(x) is never needed, and never known.

Shapes: B batch, n samples, L latents, ... the axes of one event.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gencourse.losses import (
    AdversarialLoss,
    f_gan_loss,
    gradient_penalty,
    least_squares_loss,
    minimax_loss,
    non_saturating_loss,
    require_logits,
    wasserstein_loss,
)
from gencourse.nets import MLP
from gencourse.protocols import Configurable, as_events

GAMES: dict[str, AdversarialLoss] = {
    "minimax": minimax_loss,
    "non_saturating": non_saturating_loss,
    "least_squares": least_squares_loss,
    "wasserstein": wasserstein_loss,
    **{
        name: f_gan_loss(name)
        for name in ("kl", "reverse_kl", "pearson", "squared_hellinger", "jensen_shannon")
    },
}


class GAN(Configurable, nn.Module):
    """Any generator against any discriminator; `train.fit_adversarial` plays the game.

    It has `sample` and no `log_prob`. A checkpoint cannot make again what was given as modules:
    the models with plain arguments, such as `MLPGAN` and `DCGAN`, inherit from it.

    Args:
        generator: maps z (B, L) to events, (B, *event_shape).
        discriminator: maps events to logits, (B,), (B, 1) or a map of patches (B, 1, H, W).
        event_shape: the axes of one event.
        num_latents: L.
        loss: "minimax", "non_saturating", "least_squares", "wasserstein", or the divergence of an
            f-GAN, "kl", "reverse_kl", "pearson", "squared_hellinger" or "jensen_shannon".
        penalty: weight of `gradient_penalty` in the discriminator's loss, 10 in its paper.

    Raises:
        ValueError: an unknown loss, a negative penalty, no latents, a discriminator that returns
            no logits, or one with batch norm beside a penalty that needs rows on their own.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        event_shape: Sequence[int],
        num_latents: int,
        loss: str = "non_saturating",
        penalty: float = 0.0,
    ) -> None:
        super().__init__()
        if loss not in GAMES:
            raise ValueError(f"loss is {loss!r}, expected one of {list(GAMES)}")
        if not penalty >= 0 or num_latents < 1:
            raise ValueError(
                f"penalty is {penalty} and num_latents is {num_latents}, "
                "expected at least 0 and at least 1"
            )
        require_logits(discriminator)
        if penalty and any("BatchNorm" in type(m).__name__ for m in discriminator.modules()):
            raise ValueError(
                f"penalty is {penalty} and the discriminator has batch norm, which mixes rows: "
                "expected another norm, or none"
            )
        self.generator, self.discriminator = generator, discriminator
        self.event_shape, self.num_latents = tuple(event_shape), num_latents
        self.loss, self.penalty = loss, penalty

    @property
    def game(self) -> AdversarialLoss:
        """The two sides of the loss."""
        return GAMES[self.loss]

    def noise(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw z ~ N(0, I), -> (n, L)."""
        like = next(self.generator.parameters())
        return like.new_empty(n, self.num_latents).normal_(generator=generator)

    def latents(
        self, n: int, given: Tensor | None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return z as it is given, or n new ones, -> (n, L).

        Raises:
            ValueError: z of another shape.
        """
        if given is None:
            return self.noise(n, generator=generator)
        z = torch.as_tensor(given).to(next(self.generator.parameters()))
        if z.shape != (n, self.num_latents):
            raise ValueError(
                f"condition has shape {tuple(z.shape)}, expected z ({n}, {self.num_latents})"
            )
        return z

    def real(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the data of a batch (x, ...) in the parameters' dtype, -> (B, *event_shape)."""
        x = as_events(batch[0], self.event_shape)
        return x.to(next(self.generator.parameters()).dtype)

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays on a batch (x, ...) and as many samples, -> ().

        No gradient reaches the generator.
        """
        x = self.real(batch)
        with torch.no_grad():
            fake = self.generator(self.noise(len(x)))
        loss = self.game.discriminator(self.discriminator(x), self.discriminator(fake))
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(self.discriminator, x, fake)
        return loss

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays on new samples, as many as a batch (x, ...), -> ()."""
        fake = self.generator(self.noise(len(batch[0])))
        return self.game.generator(self.discriminator(fake))

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples, or return G(z) at z = condition (n, L), -> (n, *event_shape).

        Raises:
            ValueError: z of another shape.
        """
        return self.generator(self.latents(n, condition, generator=generator))


class MLPGAN(GAN):
    """A GAN of two fully connected networks, for vectors such as points in the plane.

    Args:
        event_shape: (D,).
        num_latents: L.
        hidden: widths of the hidden layers of both.
        activation: name of the class in `torch.nn`.
        spectral: whether the discriminator's layers are spectrally normalised.
        **game: loss and penalty, as in `GAN`.

    Raises:
        ValueError: events that are no vectors, and as in `GAN` and `MLP`.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 2,
        hidden: Sequence[int] = (64, 64),
        activation: str = "ReLU",
        spectral: bool = False,
        **game: Any,
    ) -> None:
        if len(event_shape) != 1:
            raise ValueError(f"event_shape is {tuple(event_shape)}, expected (D,)")
        layers = {"hidden": hidden, "activation": activation}
        generator = MLP(num_latents, event_shape[0], **layers)
        discriminator = MLP(event_shape[0], 1, **layers)
        if spectral:
            normalise_spectrally(discriminator)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)


def normalise_spectrally(network: nn.Module) -> nn.Module:
    """Divide each layer's weight by its largest singular value (Miyato et al., ICLR 2018).

    Changes the network, and returns it. torch estimates the singular value by one power iteration
    a forward pass in training mode. Fully connected layers with an activation of slope at most 1
    between them then have a Lipschitz constant of at most 1, up to the estimate. A convolution's
    weight is taken as a matrix (output channels, rest), whose norm is not quite the convolution's.
    """
    weighted = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    for layer in [m for m in network.modules() if isinstance(m, weighted)]:
        spectral_norm(layer)
    return network
