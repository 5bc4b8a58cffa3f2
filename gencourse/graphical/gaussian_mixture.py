"""The mixture of Gaussians as a Bayesian network z -> x, learnt by EM.

z is a category nobody observes; x given z is normal, but x alone is not: it can have several
modes. EM (Dempster, Laird & Rubin, 1977) alternates the posterior p(z | x) with weighted averages,
and no step lowers the likelihood.

Shapes: B batch, D features, K components.
"""

import logging
from typing import Self

import torch
from torch import Tensor, nn

from gencourse.densities import log_mixture, log_multivariate_normal
from gencourse.graphical.drawing import Drawable
from gencourse.graphical.inputs import feature_rows
from gencourse.graphical.parameter_count import num_parameters_mixture, num_parameters_normal
from gencourse.protocols import Configurable

logger = logging.getLogger(__name__)


class GaussianMixture(Configurable, Drawable, nn.Module):
    """p(x) = sum_k π_k N(x; μ_k, Σ_k) over R^D.

    Buffers: `weights` π (K,), `means` μ (K, D), `covariances` Σ (K, D, D).

    Without a bound the likelihood is infinite: a component that sits on one example with variance
    going to 0. Therefore no eigenvalue of a fitted covariance is below `min_variance`; raising the
    smaller ones to it is the exact maximum under that bound (after Hathaway, 1985), so that EM
    still never goes down.

    Args:
        num_components: K.
        num_features: D.
        covariance: "full", or "diag" for features independent given the component.
        min_variance: the bound, in squared units of the data.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(
        self,
        num_components: int,
        num_features: int = 1,
        *,
        covariance: str = "full",
        min_variance: float = 1e-6,
    ) -> None:
        super().__init__()
        if num_components < 1 or num_features < 1:
            raise ValueError(
                f"num_components, num_features are {num_components}, {num_features}, "
                "expected at least 1"
            )
        if covariance not in ("full", "diag"):
            raise ValueError(f"covariance is {covariance!r}, expected 'full' or 'diag'")
        if not min_variance > 0:
            raise ValueError(f"min_variance is {min_variance}, expected a positive number")
        self.num_components, self.num_features = num_components, num_features
        self.covariance, self.min_variance = covariance, min_variance
        self.history: list[float] = []
        weights = torch.full((num_components,), 1 / num_components, dtype=torch.float64)
        identity = torch.eye(num_features, dtype=torch.float64)
        self.register_buffer("weights", weights)
        self.register_buffer(
            "means", torch.zeros(num_components, num_features, dtype=torch.float64)
        )
        self.register_buffer("covariances", identity.repeat(num_components, 1, 1))

    @classmethod
    def from_parameters(cls, weights: Tensor, means: Tensor, sds: Tensor) -> Self:
        """Build a mixture with independent features, as the deck's two normals in one dimension.

        Args:
            weights: π, (K,), positive, sum 1.
            means: μ, (K,) or (K, D).
            sds: σ, standard deviations, of the shape of `means`.

        Raises:
            ValueError: shapes that differ, weights that are no distribution, an sd that is not
            positive.
        """
        weights, means, sds = (
            torch.as_tensor(t, dtype=torch.float64) for t in (weights, means, sds)
        )
        means, sds = (t[:, None] if t.ndim == 1 else t for t in (means, sds))
        if weights.ndim != 1 or means.shape != sds.shape or len(means) != len(weights):
            shapes = [tuple(t.shape) for t in (weights, means, sds)]
            raise ValueError(
                f"weights, means, sds have shapes {shapes}, expected (K,), (K, D), (K, D)"
            )
        if not (weights >= 0).all() or abs(float(weights.sum()) - 1) > 1e-6:
            raise ValueError(
                f"weights are {weights.tolist()}, expected a distribution that sums to 1"
            )
        if not (sds > 0).all():
            raise ValueError(f"sds are {sds.tolist()}, expected positive numbers")
        model = cls(*means.shape, covariance="diag")
        model.weights.copy_(weights)
        model.means.copy_(means)
        model.covariances.copy_(torch.diag_embed(sds.square()))
        return model

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (self.num_features,)

    def edges(self) -> list[tuple[str, str]]:
        """Return the only arrow of the network."""
        return [("z", "x")]

    def log_components(self, x: Tensor) -> Tensor:
        """Return log p(x | z) for each component in nats, (B, D) -> (B, K)."""
        x = feature_rows(x, self.num_features, self.means)
        scale_tril = torch.linalg.cholesky(self.covariances)
        return log_multivariate_normal(x, self.means, scale_tril)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, D) -> (B,)."""
        return log_mixture(self.log_components(x), self.weights.log())

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p(z, x) for each component in nats, (B, D) -> (B, K)."""
        return self.log_components(x) + self.weights.log()

    def posterior(self, x: Tensor) -> Tensor:
        """Return the responsibilities p(z | x), (B, D) -> (B, K)."""
        return self.log_joint(x).softmax(-1)

    responsibilities = posterior

    @torch.no_grad()
    def fit(
        self,
        x: Tensor,
        *,
        initial_means: Tensor | None = None,
        max_iterations: int = 1000,
        tolerance: float = 1e-9,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Fit by EM; `history` holds the log-likelihood of all rows in nats, at the start first.

        EM finds a local maximum: other initial means may lead to another.

        Args:
            x: (B, D), at least K rows.
            initial_means: (K, D); K different rows of x, drawn at random, when None. The first
                covariances are those of all rows together, the first weights equal.
            max_iterations: EM steps before it gives up with a logged warning.
            tolerance: stops when a step gains less than this, in nats per row.
            generator: randomness of the initial means.

        Raises:
            ValueError: wrong shapes, too few rows, or a value that is not finite.
        """
        x = feature_rows(x, self.num_features, self.means, finite=True)
        if len(x) < self.num_components:
            raise ValueError(f"x has {len(x)} rows, expected at least {self.num_components}")
        self._initialise(x, initial_means, generator)
        log_joint = self.log_joint(x)
        self.history = [float(log_joint.logsumexp(-1).sum())]
        for _ in range(max_iterations):
            self._maximise(x, log_joint.softmax(-1))
            log_joint = self.log_joint(x)
            self.history.append(float(log_joint.logsumexp(-1).sum()))
            if self.history[-1] - self.history[-2] < tolerance * len(x):
                return self
        logger.warning(
            "EM still gains after %d steps: raise max_iterations or tolerance", max_iterations
        )
        return self

    def _initialise(
        self, x: Tensor, initial_means: Tensor | None, generator: torch.Generator | None
    ) -> None:
        if initial_means is None:
            rows = torch.unique(x, dim=0)
            rows = rows if len(rows) >= self.num_components else x
            order = torch.randperm(len(rows), generator=generator)
            initial_means = rows[order[: self.num_components]]
        initial_means = torch.as_tensor(initial_means, dtype=x.dtype, device=x.device)
        if initial_means.shape != self.means.shape:
            raise ValueError(
                f"initial_means has shape {tuple(initial_means.shape)}, "
                f"expected {tuple(self.means.shape)}"
            )
        self._maximise(x, x.new_full((len(x), self.num_components), 1 / self.num_components))
        self.means.copy_(initial_means)

    def _maximise(self, x: Tensor, responsibility: Tensor) -> None:
        """Set the parameters that maximise the expected log-likelihood: weighted averages."""
        count = responsibility.sum(0)  # (K,)
        self.weights.copy_(count / len(x))
        # a component that no row wants any more keeps its place with weight 0
        share = responsibility / count.clamp(min=torch.finfo(x.dtype).tiny)
        empty = count == 0
        means = torch.where(empty[:, None], self.means, share.T @ x)
        difference = x - means[:, None]  # (K, B, D)
        if self.covariance == "diag":
            variance = (share.T[:, :, None] * difference.square()).sum(1)
            covariances = torch.diag_embed(variance.clamp(min=self.min_variance))
        else:
            spread = (share.T[:, :, None] * difference).mT @ difference  # (K, D, D)
            eigenvalues, axes = torch.linalg.eigh(spread)
            covariances = (axes * eigenvalues.clamp(min=self.min_variance)[:, None]) @ axes.mT
        self.means.copy_(means)
        self.covariances.copy_(torch.where(empty[:, None, None], self.covariances, covariances))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, first z, then x given z, -> (n, D).

        Args:
            n: number of samples.
            condition: the component z to draw from, one or (n,) of them; drawn when None.
            generator: source of randomness.
        """
        if condition is None:
            z = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        else:
            z = torch.as_tensor(condition, device=self.means.device).long().expand(n)
            if ((z < 0) | (z >= self.num_components)).any():
                raise ValueError(
                    f"condition is {condition!r}, expected 0..{self.num_components - 1}"
                )
        noise = torch.randn(
            n,
            self.num_features,
            1,
            generator=generator,
            dtype=self.means.dtype,
            device=self.means.device,
        )
        return self.means[z] + (torch.linalg.cholesky(self.covariances)[z] @ noise)[..., 0]

    def num_parameters(self) -> int:
        """Count the free parameters: K - 1 weights, K means, K covariances."""
        one = num_parameters_normal(self.num_features, covariance=self.covariance)
        return num_parameters_mixture([one] * self.num_components)
