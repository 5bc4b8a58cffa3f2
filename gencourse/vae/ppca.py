"""Probabilistic PCA (Tipping & Bishop, J. Royal Statistical Society B 61(3), 1999).

x = W z + μ + σ ε with z ~ N(0, I) and ε ~ N(0, I): the VAE whose decoder is linear. Here nothing
is out of reach: p(x) = N(μ, W Wᵀ + σ² I), the posterior p(z | x) = N(M⁻¹ Wᵀ(x - μ), σ² M⁻¹) with
M = Wᵀ W + σ² I, and its mean and spread fill in what of x is missing. Only the L x L matrix M is
ever inverted.

Shapes: B batch, n samples, D features, L latents. Names W, μ, σ, M, S follow the paper.
"""

import logging
import math
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from gencourse.densities import log_normal
from gencourse.protocols import Configurable

logger = logging.getLogger(__name__)


class Posterior(NamedTuple):
    """p(z | x): mean (B, L), and the covariance (L, L), which is the same for each x."""

    mean: Tensor
    covariance: Tensor


class Completion(NamedTuple):
    """p(x | some of x): mean (B, D) and sd (D,), where given the values and 0."""

    mean: Tensor
    sd: Tensor


class ProbabilisticPCA(Configurable, nn.Module):
    """p(x) = N(μ, W Wᵀ + σ² I) over R^D: an exact density with L latents.

    Parameters: `W` (D, L), `mu` (D,) and `log_sigma` ().

    Args:
        num_features: D.
        num_latents: L, less than D.
        sd: the first σ, a standard deviation.
        generator: of the first W, standard normal.

    Raises:
        ValueError: L outside 1..D-1, or an sd that is not positive.
    """

    def __init__(
        self,
        num_features: int,
        *,
        num_latents: int,
        sd: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= num_latents < num_features:
            raise ValueError(
                f"num_latents is {num_latents}, expected 1..{num_features - 1}, fewer than "
                f"num_features = {num_features}"
            )
        if not 0 < sd < math.inf:
            raise ValueError(f"sd is {sd}, expected a positive number")
        self.event_shape, self.num_latents = (num_features,), num_latents
        self.W = nn.Parameter(torch.randn(num_features, num_latents, generator=generator))
        self.mu = nn.Parameter(torch.zeros(num_features))
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sd)))

    @property
    def sd(self) -> Tensor:
        """σ, the standard deviation of the noise, ()."""
        return self.log_sigma.exp()

    def covariance(self) -> Tensor:
        """Return W Wᵀ + σ² I, (D, D)."""
        return self.W @ self.W.T + self.sd**2 * torch.eye(len(self.W)).to(self.W)

    def posterior(self, x: Tensor) -> Posterior:
        """Return p(z | x), (B, D) -> mean (B, L) and covariance (L, L).

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        return self._posterior(self._checked(x), slice(None))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, D) -> (B,); errors as in `posterior`."""
        x = self._checked(x)
        mean, covariance = self._posterior(x, slice(None))
        # p(x) = p(x, z) / p(z | x) at any z; at the mean of the posterior the quadratic form of
        # the denominator is 0, and what is left has no differences of large numbers
        log_det = torch.linalg.cholesky(covariance).diagonal().log().sum()
        log_peak = -log_det - 0.5 * self.num_latents * math.log(2 * math.pi)
        return self.log_joint(x, mean) - log_peak

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) + log p(z) in nats, (B, D) and (..., B, L) -> (..., B)."""
        x = self._checked(x)
        log_likelihood = log_normal(x, z @ self.W.T + self.mu, self.sd, event_dims=1)
        return log_likelihood + log_normal(z, 0.0, 1.0, event_dims=1)

    def complete(self, x: Tensor, given: Tensor) -> Completion:
        """Return the exact law of each missing value given the others (in-painting).

        Args:
            x: (B, D), read where given.
            given: bool (D,).

        Raises:
            ValueError: shapes that do not fit, or a given value that is not finite.
        """
        x, given = self._given(x, given)
        mean, covariance = self._posterior(x, given)
        noise = self.sd**2 + torch.linalg.vecdot(self.W @ covariance, self.W)
        filled = torch.where(given, x, mean @ self.W.T + self.mu)
        return Completion(filled, torch.where(given, 0.0, noise.sqrt()))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: tuple[Tensor, Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, or exact joint completions, -> (n, D).

        Args:
            n: how many.
            condition: values (D,) or (n, D), and a mask (D,) that is true where they are given.
            generator: source of randomness.
        """
        shape, like = (n, self.num_latents), {"dtype": self.W.dtype, "device": self.W.device}
        z = torch.randn(shape, generator=generator, **like)
        noise = self.sd * torch.randn(n, len(self.W), generator=generator, **like)
        if condition is None:
            return z @ self.W.T + self.mu + noise
        values, given = condition
        values, given = self._given(values.expand(n, -1), given)
        mean, covariance = self._posterior(values, given)
        z = mean + z @ torch.linalg.cholesky(covariance).T
        return torch.where(given, values, z @ self.W.T + self.mu + noise)

    @torch.no_grad()
    def fit(
        self,
        x: Tensor,
        *,
        method: str = "closed_form",
        max_iterations: int = 1000,
        tolerance: float = 1e-9,
    ) -> Self:
        """Maximise the likelihood; `history` holds the mean log p(x) in nats, at the start first.

        Args:
            x: (B, D), at least two rows.
            method: "closed_form", W = U (Λ - σ² I)^½ from the first L eigenvectors of S and σ² the
                mean of the other eigenvalues (equations 7 and 8), or "em" (equations 29 and 30),
                which goes on from the parameters as they are.
            max_iterations: EM steps before it gives up with a logged warning.
            tolerance: EM stops when a step gains less than this, in nats a row.

        Raises:
            ValueError: another method, fewer than two rows, or rows without noise (in a subspace
                of L dimensions, where the likelihood has no bound).
        """
        x = self._checked(x)
        if len(x) < 2:
            raise ValueError(f"x has {len(x)} rows, expected at least 2")
        if method not in ("closed_form", "em"):
            raise ValueError(f"method is {method!r}, expected 'closed_form' or 'em'")
        self.mu.copy_(x.double().mean(0))
        centred = x.double() - x.double().mean(0)
        S = centred.T @ centred / len(x)
        self.history = [float(self.log_prob(x).mean())]
        if method == "closed_form":
            eigenvalues, axes = torch.linalg.eigh(S)  # ascending
            variance = eigenvalues[: -self.num_latents].mean()
            kept = eigenvalues[-self.num_latents :].flip(0)
            if not variance > 1e-12 * kept[0]:
                raise ValueError(
                    f"x has the variance {float(variance):g} outside of its first "
                    f"{self.num_latents} axes, expected more than 0"
                )
            W = axes[:, -self.num_latents :].flip(1) * (kept - variance).clamp(min=0).sqrt()
            self._set(W, variance)
            self.history.append(float(self.log_prob(x).mean()))
            return self
        for _ in range(max_iterations):
            self._set(*_em_step(S, self.W.double(), self.sd.double() ** 2))
            self.history.append(float(self.log_prob(x).mean()))
            if self.history[-1] - self.history[-2] < tolerance:
                return self
        logger.warning(
            "EM still gains after %d steps: raise max_iterations or tolerance", max_iterations
        )
        return self

    def _set(self, W: Tensor, variance: Tensor) -> None:
        self.W.copy_(W)
        self.log_sigma.copy_(0.5 * variance.log())

    def _posterior(self, x: Tensor, seen: slice | Tensor) -> Posterior:
        """Return p(z | the seen features of x)."""
        W = self.W[seen]
        M = W.T @ W + self.sd**2 * torch.eye(self.num_latents).to(W)
        inverse = torch.linalg.inv(M)
        return Posterior((x[:, seen] - self.mu[seen]) @ W @ inverse, self.sd**2 * inverse)

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != len(self.W):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {len(self.W)})")
        if not x.isfinite().all():
            row, column = (~x.isfinite()).nonzero()[0].tolist()
            raise ValueError(f"x[{row}, {column}] is {x[row, column].item()}, expected it finite")
        return x.to(self.W)

    def _given(self, x: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return x with 0 where it is not given, and the mask."""
        given = torch.as_tensor(given, device=self.W.device).bool()
        if given.shape != self.event_shape:
            raise ValueError(
                f"given has shape {tuple(given.shape)}, expected {self.event_shape}, true or false"
            )
        return self._checked(torch.where(given, x.to(self.W), 0.0)), given


def _em_step(S: Tensor, W: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next W and σ² for the data's covariance S, (D, D)."""
    identity = torch.eye(W.shape[1]).to(W)
    inverse = torch.linalg.inv(W.T @ W + variance * identity)  # M⁻¹
    SW = S @ W
    new = SW @ torch.linalg.inv(variance * identity + inverse @ W.T @ SW)
    return new, (S.trace() - (SW @ inverse * new).sum()) / len(S)
