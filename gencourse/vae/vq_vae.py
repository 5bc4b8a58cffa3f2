"""The VQ-VAE: each part of the code is the nearest of K learned vectors.

van den Oord, Vinyals & Kavukcuoglu, "Neural discrete representation learning" (NIPS 2017). The
choice of the nearest vector has no gradient: the encoder gets the decoder's as if nothing had been
chosen (straight-through). A second stage fits an autoregressive prior to the codes of the data.
With it log p(x) >= log p(codes) + log p(x | codes): the posterior is certain of its codes.

Shapes: B batch, n samples, M positions of the code, K vectors e_k of size E.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.protocols import Configurable, Density, as_events
from gencourse.vae.code_prior import CodePrior
from gencourse.vae.likelihoods import make_likelihood
from gencourse.vae.trunks import Decoder, down, encoder, feature_shape, up


class VQVAE(Configurable, nn.Module):
    """x -> M codes -> x, with a prior over the codes that is trained afterwards.

    `codebook` (K, E) holds the vectors. `prior` is a `CodePrior`, and may be replaced by any
    density over (M,) integers below K.

    Args:
        event_shape: (D,), or (C, H, W).
        num_codes: K.
        code_size: E.
        num_positions: M of a fully connected network.
        hidden: widths of its layers.
        channels: of convolutions. Given these, positions are the pixels of the last feature map,
            row by row, and neither `num_positions` nor `hidden` counts.
        likelihood: "bernoulli" or "gaussian".
        sd: of the Gaussian likelihood, as in `VAE`; with 1 its training is the paper's.
        commitment: weight of the term that keeps the encoder near its vectors, the paper's β.
        prior_hidden: hidden units of the prior.
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: a size below 1, a negative weight, or an unknown name.
    """

    prior: Density

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_codes: int = 64,
        code_size: int = 16,
        num_positions: int = 16,
        hidden: Sequence[int] = (200,),
        channels: Sequence[int] = (),
        likelihood: str = "gaussian",
        sd: float | str = 1.0,
        commitment: float = 0.25,
        prior_hidden: int = 64,
        activation: str = "ReLU",
    ) -> None:
        super().__init__()
        sizes = {"num_codes": num_codes, "code_size": code_size, "num_positions": num_positions}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is {size}, expected at least 1")
        if not commitment >= 0:
            raise ValueError(f"commitment is {commitment}, expected at least 0")
        self.event_shape, self.commitment = tuple(event_shape), commitment
        self.likelihood = make_likelihood(likelihood, self.event_shape, sd)
        outputs = self.likelihood.num_outputs
        inner = feature_shape(self.event_shape, channels)
        if channels:
            num_positions = inner[1] * inner[2]
            layers = [
                *down(self.event_shape, channels, activation),
                nn.Conv2d(inner[0], code_size, 1),
            ]
            self.encoder = nn.Sequential(*layers, nn.Flatten(2), _Transpose())
            self.decoder = _ConvDecoder(
                self.event_shape, inner, code_size, channels, outputs, activation
            )
        else:
            nets = {"hidden": hidden, "activation": activation}
            flat = encoder(self.event_shape, num_positions * code_size, **nets)
            self.encoder = nn.Sequential(flat, nn.Unflatten(1, (num_positions, code_size)))
            nets["hidden"] = hidden[::-1]
            self.decoder = Decoder(num_positions * code_size, self.event_shape, outputs, **nets)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_size))
        self.prior = CodePrior(num_positions, num_codes=num_codes, num_hidden=prior_hidden)

    def features(self, x: Tensor) -> Tensor:
        """Return what the encoder says before it is rounded, (B, *event_shape) -> (B, M, E)."""
        return self.encoder(self.likelihood.checked(x, self.codebook)).to(self.codebook)

    def nearest(self, features: Tensor) -> Tensor:
        """Return the number of the nearest vector, (B, M, E) -> (B, M) of int64."""
        # |f - e|² less |f|², which is the same for all e
        return (self.codebook.square().sum(-1) - 2 * features @ self.codebook.T).argmin(-1)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes, (B, *event_shape) -> (B, M) of int64."""
        return self.nearest(self.features(x))

    def decode(self, codes: Tensor) -> Tensor:
        """Return E[x | codes], (B, M) -> (B, *event_shape)."""
        return self.likelihood.mean(self.outputs(self.codebook[codes]))

    def outputs(self, vectors: Tensor) -> Tensor:
        """Return the decoder's outputs, (B, M, E) -> (R, B, *event_shape)."""
        return self.decoder(vectors.flatten(1)).to(self.codebook)

    def log_likelihood(self, x: Tensor, codes: Tensor) -> Tensor:
        """Return log p(x | codes) in nats, (B, *event_shape) and (B, M) -> (B,)."""
        x = self.likelihood.checked(x, self.codebook)
        return self.likelihood.log_prob(x, self.outputs(self.codebook[codes]))

    def elbo(self, x: Tensor) -> Tensor:
        """Return log p(codes) + log p(x | codes) <= log p(x) in nats, -> (B,).

        Exact: there is nothing to sample. It means little before the prior is trained.
        """
        codes = self.encode(x)
        return self.prior.log_prob(codes) + self.log_likelihood(x, codes)

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples: codes from the prior (or the condition (n, M)), then x given them."""
        codes = self.prior.sample(n, generator=generator) if condition is None else condition
        return self.likelihood.sample(self.outputs(self.codebook[codes]), generator=generator)

    @torch.no_grad()
    def usage(self, x: Tensor) -> Tensor:
        """Return the share of each vector in the codes of x, (K,); zeros are dead codes.

        exp(entropy) of the shares, from 1 to K, is how many vectors are in use.
        """
        codes = self.encode(x).flatten()
        return torch.bincount(codes, minlength=len(self.codebook)).to(self.codebook) / len(codes)


class _Transpose(nn.Module):
    """(B, E, M) -> (B, M, E)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class _ConvDecoder(nn.Module):
    """Vectors at the pixels of a feature map, (B, M * E) -> (R, B, C, H, W)."""

    def __init__(
        self,
        event_shape: tuple[int, ...],
        inner: tuple[int, ...],
        code_size: int,
        channels: Sequence[int],
        num_outputs: int,
        activation: str,
    ) -> None:
        super().__init__()
        self.num_outputs, self.map_shape = num_outputs, (inner[1], inner[2], code_size)
        self.layers = nn.Sequential(
            nn.Conv2d(code_size, inner[0], 1),
            getattr(nn, activation)(),
            *up(channels, num_outputs * event_shape[0], activation),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        maps = vectors.unflatten(1, self.map_shape).movedim(-1, 1)
        return self.layers(maps).unflatten(1, (self.num_outputs, -1)).movedim(1, 0)


def vqvae_loss(model: VQVAE, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the paper's objective (equation 3), averaged over a batch (x, ...), -> ().

    -log p(x | codes) in nats for encoder and decoder, |sg(f) - e|² for the vectors, and the
    commitment β |f - sg(e)|² for the encoder, where sg stops gradients. The prior gets none.
    """
    x = as_events(batch[0], model.event_shape)
    features = model.features(x)
    vectors = model.codebook[model.nearest(features)]  # (B, M, E)
    through = features + (vectors - features).detach()  # the vectors, with the features' gradient
    reconstruction = model.likelihood.log_prob(x.to(features), model.outputs(through))
    pull = F.mse_loss(vectors, features.detach(), reduction="sum")
    stay = F.mse_loss(features, vectors.detach(), reduction="sum")
    return (pull + model.commitment * stay) / len(x) - reconstruction.mean()


def code_prior_loss(model: VQVAE, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean of -log p(codes) in nats over a batch (x, ...); trains the prior only."""
    x = as_events(batch[0], model.event_shape)
    with torch.no_grad():
        codes = model.encode(x)
    return -model.prior.log_prob(codes).mean()
