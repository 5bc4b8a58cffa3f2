"""A VAE whose posterior is a mixture of normals, q(z | x) = Σ_k π_k(x) N(μ_k(x), σ_k(x)²).

One normal with independent latents cannot follow a posterior that is skewed, correlated or in two
places; a mixture can, the better the more components. Each component gives samples of its own and
π_k weighs them, which keeps everything differentiable (Roeder, Wu & Duvenaud, NIPS 2017, section
5; Morningstar et al., AISTATS 2021).

Shapes: B batch, S samples, L latents, K components.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.densities import log_normal
from gencourse.vae.posteriors import MixturePosterior
from gencourse.vae.trunks import encoder
from gencourse.vae.vae import VAE, ElboTerms


class MixturePosteriorVAE(VAE):
    """A VAE with K components in its posterior; with one it is the VAE, less the closed-form KL.

    Everywhere `num_samples` counts samples of each component. `vae_loss` and `iwae_loss` train it;
    free bits hold for all latents together.

    Args:
        event_shape: as in `VAE`.
        num_components: K.
        **options: as in `VAE`.

    Raises:
        ValueError: K below 1, and as in `VAE`.
    """

    def __init__(
        self, event_shape: Sequence[int], *, num_components: int = 3, **options: Any
    ) -> None:
        if num_components < 1:
            raise ValueError(f"num_components is {num_components}, expected at least 1")
        self.num_components = num_components  # before the networks, which need it
        super().__init__(event_shape, **options)

    def _make_encoder(self, hidden: Sequence[int], nets: dict) -> nn.Module:
        size = self.num_components * (1 + 2 * self.num_latents)
        return encoder(self.event_shape, size, hidden=hidden, **nets)

    def encode(self, x: Tensor) -> MixturePosterior:
        """Return q(z | x); outputs are the logits of π, then μ and log σ² of each component."""
        return self._encode(self.checked(x))

    def _encode(self, x: Tensor) -> MixturePosterior:
        outputs = self.encoder(x).to(self._like())
        logits, rest = outputs.tensor_split([self.num_components], -1)
        means, log_variances = rest.unflatten(-1, (self.num_components, -1)).chunk(2, -1)
        return MixturePosterior(logits.log_softmax(-1), means, log_variances / 2)

    def elbo_terms(
        self, x: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None
    ) -> ElboTerms:
        """Return the reconstruction and the KL (B, 1), both estimated from the same samples."""
        x = self.checked(x)
        z, log_q, log_share = self._encode(x).draw(num_samples, generator=generator)
        share = log_share.exp()
        kl = (share * (log_q - log_normal(z, 0.0, 1.0, event_dims=1))).sum(0)
        return ElboTerms((share * self._log_likelihood(x, z)).sum(0), kl[:, None])
