"""A VAE given a class y: p(x | y) = ∫ p(z) p(x | z, y) dz (Sohn, Lee & Yan, NIPS 2015).

Encoder and decoder both see y. The latents need no longer say which class it is, and what remains
in them is what varies within a class: its style (Kingma et al., NIPS 2014).

Shapes: B batch, S samples, n samples of x, L latents, K classes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.densities import log_normal
from gencourse.protocols import as_events
from gencourse.vae import bounds
from gencourse.vae.posteriors import NormalPosterior
from gencourse.vae.trunks import Decoder, encoder
from gencourse.vae.vae import VAE, ElboTerms, negative_elbo


class ConditionalVAE(VAE):
    """A VAE over x given a class; its bounds are on log p(x | y).

    Args:
        event_shape: as in `VAE`.
        num_classes: K.
        **options: as in `VAE`.

    Raises:
        ValueError: K below 1, and as in `VAE`.
    """

    def __init__(self, event_shape: Sequence[int], *, num_classes: int, **options: Any) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}, expected at least 1")
        self.num_classes = num_classes  # before the networks, which need it
        super().__init__(event_shape, **options)

    def _make_encoder(self, hidden: Sequence[int], nets: dict) -> nn.Module:
        # y is one more number for each class, or for convolutions one more channel
        self.as_channels, shape = bool(nets["channels"]), self.event_shape
        size = shape[0] if self.as_channels else torch.Size(shape).numel()
        joined = (size + self.num_classes, *shape[1:]) if self.as_channels else None
        joined = joined or (size + self.num_classes,)
        return encoder(joined, 2 * self.num_latents, hidden=hidden, **nets)

    def _make_decoder(self, hidden: Sequence[int], nets: dict) -> Decoder:
        inputs, outputs = self.num_latents + self.num_classes, self.likelihood.num_outputs
        return Decoder(inputs, self.event_shape, outputs, hidden=hidden, **nets)

    def one_hot(self, y: Tensor) -> Tensor:
        """Return a 1 at the class of each row, (B,) -> (B, K), in the dtype of the parameters.

        Raises:
            ValueError: no row of labels, or one outside 0..K-1.
        """
        wrong = (y < 0) | (y >= self.num_classes) | (y != y.long())
        if y.ndim != 1 or wrong.any():
            shown = y[wrong][:5].tolist() if y.ndim == 1 else f"of shape {tuple(y.shape)}"
            raise ValueError(f"y is {shown}, expected (B,) integers in 0..{self.num_classes - 1}")
        return F.one_hot(y.long(), self.num_classes).to(self._like())

    def encode(self, x: Tensor, y: Tensor) -> NormalPosterior:
        """Return q(z | x, y), (B, *event_shape) and (B,).

        Raises:
            ValueError: as in `checked` and `one_hot`, or not one label a row.
        """
        x, y = self.checked(x), self.one_hot(y)
        if len(x) != len(y):
            raise ValueError(f"y has {len(y)} labels, expected {len(x)}, one for each row of x")
        if self.as_channels:
            y = y[:, :, None, None].expand(-1, -1, *x.shape[2:])
        joined = torch.cat([x if self.as_channels else x.flatten(1), y], 1)
        mean, log_variance = self.encoder(joined).to(self._like()).chunk(2, -1)
        return NormalPosterior(mean, log_variance / 2)

    def outputs(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the decoder's outputs, (..., B, L) and (B,) -> (R, ..., B, *event_shape)."""
        y = self.one_hot(y).expand(*z.shape[:-1], -1)
        return self.decoder(torch.cat([z, y], -1)).to(self._like())

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Return E[x | z, y], (..., B, L) and (B,) -> (..., B, *event_shape)."""
        return self.likelihood.mean(self.outputs(z, y))

    def reconstruct(self, x: Tensor, y: Tensor) -> Tensor:
        """Return E[x' | z, y] at the mean of q(z | x, y)."""
        return self.decode(self.encode(x, y).mean, y)

    def log_likelihood(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z, y) in nats, -> (..., B)."""
        return self.likelihood.log_prob(self.checked(x), self.outputs(z, y))

    def log_joint(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Return log p(x, z | y) in nats, -> (..., B)."""
        return self.log_likelihood(x, y, z) + log_normal(z, 0.0, 1.0, event_dims=1)

    def elbo_terms(
        self,
        x: Tensor,
        y: Tensor,
        *,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> ElboTerms:
        """Return the reconstruction, estimated from samples, and the KL in closed form."""
        q = self.encode(x, y)
        z = q.draw(num_samples, generator=generator).z
        return ElboTerms(self.log_likelihood(x, y, z).mean(0), q.kl())

    def elbo(
        self,
        x: Tensor,
        y: Tensor,
        *,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return an unbiased estimate of the bound on log p(x | y) in nats, -> (B,)."""
        terms = self.elbo_terms(x, y, num_samples=num_samples, generator=generator)
        return terms.reconstruction - terms.kl.sum(-1)

    def iwae_bound(
        self,
        x: Tensor,
        y: Tensor,
        num_samples: int,
        *,
        chunk_size: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the importance-weighted bound on log p(x | y) in nats, -> (B,)."""
        options = {"chunk_size": chunk_size, "generator": generator}
        log_joint = partial(self.log_joint, x, y)
        return bounds.iwae_bound(log_joint, self.encode(x, y), num_samples, **options)

    @torch.no_grad()
    def class_bounds(
        self, x: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the ELBO of log p(x | y) for each class in nats, (B, *event_shape) -> (B, K).

        The largest, plus log p(y), is Bayes' rule with bounds in the place of likelihoods.
        """
        options = {"num_samples": num_samples, "generator": generator}
        labels = torch.arange(self.num_classes, device=x.device)
        bounds_of = [self.elbo(x, y.expand(len(x)), **options) for y in labels]
        return torch.stack(bounds_of, -1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n samples given y = condition, one class or (n,), -> (n, *event_shape).

        Without a condition all classes are equally likely.
        """
        device = self._like().device
        if condition is None:
            y = torch.randint(self.num_classes, (n,), generator=generator, device=device)
        else:
            y = torch.as_tensor(condition, device=device).expand(n)
        outputs = self.outputs(self._latents(n, None, generator), y)
        return self.likelihood.sample(outputs, generator=generator)


def conditional_vae_loss(
    model: ConditionalVAE, batch: tuple[Tensor, ...], *, num_samples: int = 1, **options: Any
) -> Tensor:
    """Return the mean of -ELBO of log p(x | y) over a batch (x, y) in nats, -> ().

    Args:
        model: the ConditionalVAE.
        batch: x and labels y.
        num_samples: S, samples of z for each row.
        **options: β, free bits and warm-up, as in `vae_loss`.
    """
    x = as_events(batch[0], model.event_shape)
    return negative_elbo(model, model.elbo_terms(x, batch[1], num_samples=num_samples), **options)
