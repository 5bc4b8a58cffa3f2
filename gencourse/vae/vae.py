"""The variational autoencoder (Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014).

A decoder θ turns z ~ N(0, I) into a distribution over x; an encoder φ guesses which z made a given
x. Both rise along the ELBO: log p(x) >= E_q log p_θ(x | z) - KL(q_φ(z | x) ‖ p(z)).

β-VAE weighs the KL (Higgins et al., ICLR 2017); free bits (Kingma et al., NIPS 2016, appendix C)
and warm-up (Bowman et al., CoNLL 2016; Sønderby et al., NIPS 2016) are against latents that give
up before they were of use.

Shapes: B batch, S or ... samples of z, n samples of x, L latents.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gencourse.protocols import Configurable, as_events
from gencourse.vae import bounds
from gencourse.vae.likelihoods import make_likelihood
from gencourse.vae.posteriors import NormalPosterior, log_standard_normal, standard_normal
from gencourse.vae.trunks import Decoder, encoder


class ElboTerms(NamedTuple):
    """The two parts of the ELBO, in nats.

    Attributes:
        reconstruction: E_q log p(x | z), (B,).
        kl: KL of q to the prior, of each latent where they are independent, (B, L) or (B, 1).
    """

    reconstruction: Tensor
    kl: Tensor


class VAE(Configurable, nn.Module):
    """x | z ~ Bernoulli or normal with parameters from a network of z ~ N(0, I).

    It has an ELBO and no `log_prob`: p(x) is an integral over z.

    Args:
        event_shape: (D,), or (C, H, W), which is what convolutions need.
        num_latents: L.
        hidden: widths of the encoder's fully connected layers; the decoder has them in reverse.
        channels: of convolutions before them, each of which halves height and width.
        likelihood: "bernoulli" for bits, "gaussian" for real values.
        sd: of the Gaussian likelihood: a number (fixed), "shared" (one learned number) or
            "output" (the decoder gives one for each value).
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: a size below 1, sides that the convolutions cannot halve, or an unknown name.
    """

    num_steps: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 50,
        hidden: Sequence[int] = (200, 200),
        channels: Sequence[int] = (),
        likelihood: str = "bernoulli",
        sd: float | str = 1.0,
        activation: str = "Tanh",
    ) -> None:
        super().__init__()
        if num_latents < 1:
            raise ValueError(f"num_latents is {num_latents}, expected at least 1")
        self.event_shape, self.num_latents = tuple(event_shape), num_latents
        self.likelihood = make_likelihood(likelihood, self.event_shape, sd)
        nets = {"channels": channels, "activation": activation}
        self.encoder = self._make_encoder(hidden, nets)
        self.decoder = self._make_decoder(hidden[::-1], nets)
        # steps of training so far: a buffer, so that a resumed run goes on with its warm-up
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.long))

    def _make_encoder(self, hidden: Sequence[int], nets: dict) -> nn.Module:
        return encoder(self.event_shape, 2 * self.num_latents, hidden=hidden, **nets)

    def _make_decoder(self, hidden: Sequence[int], nets: dict) -> Decoder:
        size = self.likelihood.num_outputs
        return Decoder(self.num_latents, self.event_shape, size, hidden=hidden, **nets)

    def checked(self, x: Tensor) -> Tensor:
        """Return x in the dtype of the parameters; see `Likelihood.checked` for the errors."""
        return self.likelihood.checked(x, next(self.parameters()))

    def encode(self, x: Tensor) -> NormalPosterior:
        """Return q(z | x); the encoder's outputs are μ and log σ² (the paper's appendix C.2)."""
        return self._encode(self.checked(x))

    def _encode(self, x: Tensor) -> NormalPosterior:
        # in the parameters' precision, also under autocast
        mean, log_variance = self.encoder(x).to(self._like()).chunk(2, -1)
        return NormalPosterior(mean, log_variance / 2)

    def decode(self, z: Tensor) -> Tensor:
        """Return E[x | z], (..., L) -> (..., *event_shape)."""
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return E[x' | z] at the mean of q(z | x), (B, *event_shape) -> the same shape."""
        return self.decode(self.encode(x).mean)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event_shape) and (..., B, L) -> (..., B)."""
        return self._log_likelihood(self.checked(x), z)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return self.likelihood.log_prob(x, self.decoder(z).to(self._like()))

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) + log p(z) in nats, (B, *event_shape), (..., B, L) -> (..., B)."""
        return self._log_joint(self.checked(x), z)

    def _log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return self._log_likelihood(x, z) + log_standard_normal(z)

    def elbo_terms(
        self, x: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None
    ) -> ElboTerms:
        """Return the reconstruction, estimated from samples, and the KL in closed form."""
        x = self.checked(x)
        q = self._encode(x)
        z = q.draw(num_samples, generator=generator).z
        return ElboTerms(self._log_likelihood(x, z).mean(0), q.kl())

    def elbo(
        self, x: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return an unbiased estimate of the ELBO in nats, (B, *event_shape) -> (B,).

        Raises:
            ValueError: another shape, a value outside of the decoder's support, or no sample.
        """
        terms = self.elbo_terms(x, num_samples=num_samples, generator=generator)
        return terms.reconstruction - terms.kl.sum(-1)

    def iwae_bound(
        self,
        x: Tensor,
        num_samples: int,
        *,
        chunk_size: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the importance-weighted bound in nats, (B, *event_shape) -> (B,).

        See `gencourse.vae.iwae_bound`; x is encoded once.
        """
        x, options = self.checked(x), {"chunk_size": chunk_size, "generator": generator}
        log_joint = partial(self._log_joint, x)
        return bounds.iwae_bound(log_joint, self._encode(x), num_samples, **options)

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples of x, or of x given z = condition (n, L), -> (n, *event_shape)."""
        z = self._latents(n, condition, generator)
        return self.likelihood.sample(self.decoder(z), generator=generator)

    def _latents(
        self, n: int, condition: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        if condition is None:
            return standard_normal(self._like().new_empty(self.num_latents), n, generator)
        z = torch.as_tensor(condition).to(self._like())
        if z.shape != (n, self.num_latents):
            raise ValueError(
                f"condition has shape {tuple(z.shape)}, expected z ({n}, {self.num_latents})"
            )
        return z

    def set_output_mean(self, mean: Tensor) -> None:
        """Set the decoder's last bias so that x starts around the data's mean (*event_shape).

        Burda et al. start there; bits that are nearly always 0 cost little from the first step on.
        """
        bias = (
            mean.clamp(1e-3, 1 - 1e-3).logit()
            if self.config["likelihood"] == "bernoulli"
            else mean
        )
        self.decoder.set_bias(bias.reshape(self.event_shape))

    def _like(self) -> Tensor:
        return next(self.parameters())


def vae_loss(
    model: VAE,
    batch: tuple[Tensor, ...],
    *,
    num_samples: int = 1,
    beta: float = 1.0,
    free_bits: float = 0.0,
    warm_up: int = 0,
) -> Tensor:
    """Return the mean over a batch (x, ...) of -ELBO in nats, with the KL treated in training.

    Options go through `functools.partial(vae_loss, beta=4.0)`. In evaluation mode free bits and
    warm-up are off, so that validation losses compare; β stays, it is part of what is wanted.

    Args:
        model: the VAE.
        batch: x and anything else.
        num_samples: S, samples of z for each row.
        beta: weight of the KL.
        free_bits: nats a latent that cost nothing: the batch's mean KL of each latent counts as at
            least so much, and has no gradient below.
        warm_up: steps in which the KL's weight rises evenly from 0 to β.
    """
    x = as_events(batch[0], model.event_shape)
    terms = model.elbo_terms(x, num_samples=num_samples)
    return negative_elbo(model, terms, beta=beta, free_bits=free_bits, warm_up=warm_up)


def negative_elbo(
    model: VAE, terms: ElboTerms, *, beta: float = 1.0, free_bits: float = 0.0, warm_up: int = 0
) -> Tensor:
    """Return -mean(reconstruction) + β KL with the options of `vae_loss`, -> ()."""
    for name, value in {"beta": beta, "free_bits": free_bits, "warm_up": warm_up}.items():
        if not value >= 0:
            raise ValueError(f"{name} is {value}, expected at least 0")
    kl = terms.kl.mean(0)  # (L,)
    weight = beta
    if model.training:
        kl = kl.clamp(min=free_bits) if free_bits else kl
        if warm_up:
            weight = beta * (model.num_steps / warm_up).clamp(max=1)
        model.num_steps += 1
    return weight * kl.sum() - terms.reconstruction.mean()


def iwae_loss(model: VAE, batch: tuple[Tensor, ...], *, num_samples: int = 50) -> Tensor:
    """Return the mean over a batch (x, ...) of minus the importance-weighted bound, -> ().

    An importance weighted autoencoder is a VAE trained with this loss; one sample is the VAE's own
    with the KL estimated.
    """
    x = as_events(batch[0], model.event_shape)
    return -model.iwae_bound(x, num_samples).mean()
