"""Approximate posteriors q(z | x): what an encoder says about the latents of a row.

A posterior draws samples that carry gradients to its parameters (reparameterisation: z = μ + σ ε
with ε from a law without parameters), and knows log q of what it drew.

Shapes: B batch, S samples, L latents, K components.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gencourse.densities import log_mixture, log_normal


class Draws(NamedTuple):
    """Samples from q(z | x).

    Attributes:
        z: (S, B, L).
        log_q: log q(z | x) in nats, (S, B).
        log_share: logarithms of the samples' shares in an average, (S, 1) or (S, B): log 1/S for
            plain samples. E_q f is estimated by Σ_s exp(log_share_s) f(z_s).
    """

    z: Tensor
    log_q: Tensor
    log_share: Tensor


class Posterior(Protocol):
    """What `elbo` and `iwae_bound` ask of q(z | x)."""

    def draw(self, num_samples: int, *, generator: torch.Generator | None = None) -> Draws:
        """Draw with gradients to the parameters of q."""


class NormalPosterior:
    """q(z | x) = N(mean, sd²) with independent latents.

    Args:
        mean: (B, L).
        log_sd: logarithm of the standard deviation, (B, L).

    Raises:
        ValueError: two shapes that differ, or that are not (B, L).
    """

    def __init__(self, mean: Tensor, log_sd: Tensor) -> None:
        if mean.shape != log_sd.shape or mean.ndim != 2:
            raise ValueError(
                f"mean has shape {tuple(mean.shape)} and log_sd {tuple(log_sd.shape)}, "
                "expected (B, L) for both"
            )
        self.mean, self.log_sd = mean, log_sd

    @property
    def sd(self) -> Tensor:
        """The standard deviation, (B, L)."""
        return self.log_sd.exp()

    def draw(self, num_samples: int, *, generator: torch.Generator | None = None) -> Draws:
        """Draw z = mean + sd ε for standard normal ε, with gradients to both."""
        check_num_samples(num_samples)
        noise = standard_normal(self.mean, num_samples, generator)
        # log q at the draw: (z - mean) / sd is the noise again, and depends on nothing
        log_q = log_standard_normal(noise) - self.log_sd.sum(-1)
        share = noise.new_full((num_samples, 1), -math.log(num_samples))
        return Draws(self.mean + self.sd * noise, log_q, share)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z | x) in nats, (..., B, L) -> (..., B)."""
        return log_normal(z, self.mean, self.sd, event_dims=1)

    def kl(self) -> Tensor:
        """Return KL(q(z_l | x) ‖ N(0, 1)) of each latent in nats, (B, L)."""
        # kl_gaussian(mean, sd), without the logarithm of an exponential
        return 0.5 * (self.mean.square() + (2 * self.log_sd).exp() - 1) - self.log_sd


class MixturePosterior:
    """q(z | x) = Σ_k π_k N(means_k, sds_k²): several places at once, and dependent latents.

    Which component a sample comes from has no gradient. So each component gives its own samples,
    and π_k is their share in the average: stratified sampling.

    Args:
        log_weights: log π, normalised, (B, K).
        means: (B, K, L).
        log_sds: (B, K, L).
    """

    def __init__(self, log_weights: Tensor, means: Tensor, log_sds: Tensor) -> None:
        if means.shape != log_sds.shape or means.shape[:-1] != log_weights.shape:
            raise ValueError(
                f"log_weights, means, log_sds have shapes {tuple(log_weights.shape)}, "
                f"{tuple(means.shape)}, {tuple(log_sds.shape)}, "
                "expected (B, K), (B, K, L), (B, K, L)"
            )
        self.log_weights, self.means, self.log_sds = log_weights, means, log_sds

    @property
    def mean(self) -> Tensor:
        """E[z | x], (B, L)."""
        return (self.log_weights.exp()[..., None] * self.means).sum(1)

    def draw(self, num_samples: int, *, generator: torch.Generator | None = None) -> Draws:
        """Draw `num_samples` from each component: S = num_samples * K."""
        check_num_samples(num_samples)
        noise = standard_normal(self.means, num_samples, generator)
        z = self.means + self.log_sds.exp() * noise  # (num_samples, B, K, L)
        z = z.movedim(2, 1).flatten(0, 1)  # (S, B, L)
        share = (self.log_weights.T - math.log(num_samples)).repeat(num_samples, 1)
        return Draws(z, self.log_prob(z), share)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z | x) in nats, (..., B, L) -> (..., B)."""
        each = log_normal(z[..., None, :], self.means, self.log_sds.exp(), event_dims=1)
        return log_mixture(each, self.log_weights)


def standard_normal(like: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
    """Return standard normal numbers, (n, *like.shape), in the dtype and place of `like`."""
    return torch.randn((n, *like.shape), generator=generator, dtype=like.dtype, device=like.device)


def log_standard_normal(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats, (..., L) -> (...): `log_normal` with fewer passes over z."""
    return -0.5 * (torch.linalg.vecdot(z, z) + z.shape[-1] * math.log(2 * math.pi))


def check_num_samples(num_samples: int) -> None:
    """Refuse an average over nothing.

    Raises:
        ValueError: fewer than one sample.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}, expected at least 1")
