"""One Gaussian q fitted to a mixture p that it cannot match: what each divergence gives up.

Nowozin, Cseke & Tomioka, "f-GAN" (NIPS 2016, section 3.2) fit it by games. Here the divergences
are integrals over a line, taken by quadrature, so that what a game should converge to is known.
KL(p ‖ q) covers all modes, KL(q ‖ p) may sit on one of them, the others lie between.

Shapes: K components, G nodes. All on a line, in double precision.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import ndtri

from gencourse.densities import log_normal

# nodes t and weights of E f(t) for t ~ N(0, 1): for smooth f the trapezoidal rule is very exact
NODES = torch.linspace(-9, 9, 401, dtype=torch.float64)
WEIGHTS = log_normal(NODES, 0.0, 1.0).exp() * (NODES[1] - NODES[0])


class Mixture:
    """The density p = Σ_k w_k N(m_k, s_k²) on a line.

    Args:
        weights: w, positive, with sum 1; K of them.
        means: m.
        sds: s, standard deviations, positive.

    Raises:
        ValueError: weights that do not sum to 1, or sizes that differ or are not positive.
    """

    def __init__(
        self, weights: Sequence[float], means: Sequence[float], sds: Sequence[float]
    ) -> None:
        if not len(weights) == len(means) == len(sds) > 0 or min(*weights, *sds) <= 0:
            raise ValueError(
                f"weights are {list(weights)}, means {list(means)} and sds {list(sds)}, expected "
                "as many of each, weights and sds positive"
            )
        if abs(sum(weights) - 1) > 1e-6:
            raise ValueError(f"weights sum to {sum(weights)}, expected 1")
        self.weights, self.means, self.sds = (
            torch.tensor(list(values), dtype=torch.float64) for values in (weights, means, sds)
        )
        # of E_p: those of each component
        self.nodes = (self.means[:, None] + self.sds[:, None] * NODES).flatten()  # (K G,)
        self.node_weights = (self.weights[:, None] * WEIGHTS).flatten()

    @property
    def mean(self) -> float:
        """E x."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """The root of Var x."""
        second = float(self.weights @ (self.sds.square() + self.means.square()))
        return math.sqrt(second - self.mean**2)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (N,) -> (N,)."""
        of_each = log_normal(x[:, None], self.means, self.sds, event_dims=0)  # (N, K)
        return torch.logsumexp(of_each + self.weights.log(), 1)

    def below(self, x: Tensor) -> Tensor:
        """Return the distribution function P(X <= x), (N,) -> (N,)."""
        return _below((x[:, None] - self.means) / self.sds) @ self.weights

    def above(self, x: Tensor) -> Tensor:
        """Return P(X > x), exact where it is far below 1, (N,) -> (N,)."""
        return _below((self.means - x[:, None]) / self.sds) @ self.weights


def kl(p: Mixture, mean: Tensor, sd: Tensor) -> Tensor:
    """Return KL(p ‖ q) = E_p log p/q in nats, -> ()."""
    x = p.nodes
    return p.node_weights @ (p.log_prob(x) - _log_q(x, mean, sd))


def reverse_kl(p: Mixture, mean: Tensor, sd: Tensor) -> Tensor:
    """Return KL(q ‖ p) = E_q log q/p in nats, -> ()."""
    x = mean + sd * NODES  # the reparameterisation trick, by quadrature
    return WEIGHTS @ (_log_q(x, mean, sd) - p.log_prob(x))


def jsd(p: Mixture, mean: Tensor, sd: Tensor) -> Tensor:
    """Return JSD(p ‖ q), at most log 2 nats, -> ()."""

    def to_the_middle(x: Tensor) -> tuple[Tensor, Tensor]:
        log_p, log_q = p.log_prob(x), _log_q(x, mean, sd)
        log_m = torch.logaddexp(log_p, log_q) - math.log(2)
        return log_p - log_m, log_q - log_m

    from_p, _ = to_the_middle(p.nodes)
    _, from_q = to_the_middle(mean + sd * NODES)
    return (p.node_weights @ from_p + WEIGHTS @ from_q) / 2


def wasserstein_1(p: Mixture, mean: Tensor, sd: Tensor) -> Tensor:
    """Return W₁ = ∫ |F_p - F_q| dx, in the unit of x, -> ()."""
    with torch.no_grad():
        ends = torch.cat([p.nodes, mean + sd * NODES])
        x = torch.linspace(float(ends.min()), float(ends.max()), 8001, dtype=torch.float64)
    return torch.trapezoid((p.below(x) - _below((x - mean) / sd)).abs(), x)


def wasserstein_2(p: Mixture, mean: Tensor, sd: Tensor) -> Tensor:
    """Return W₂² = E_p (x - T(x))², in the squared unit of x, -> ().

    On a line the best plan keeps the order: x goes to the same quantile of q, T(x) = μ + σ t.
    """
    x = p.nodes
    return p.node_weights @ (x - mean - sd * normal_quantile(p, x)).square()


def mmd(p: Mixture, mean: Tensor, sd: Tensor, *, bandwidth: float = 1.0) -> Tensor:
    """Return MMD² = E k(x, x') - 2 E k(x, y) + E k(y, y'), k(a, b) = exp(-(a - b)² / 2s²), -> ().

    Differences much longer than s count alike, so s decides which mistakes matter.
    """
    x, y, a, b = p.nodes, mean + sd * NODES, p.node_weights, WEIGHTS

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        return (-(u[:, None] - v).square() / (2 * bandwidth**2)).exp()

    return a @ kernel(x, x) @ a - 2 * (a @ kernel(x, y) @ b) + b @ kernel(y, y) @ b


DIVERGENCES: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (kl, reverse_kl, jsd, wasserstein_1, wasserstein_2, mmd)
}


class DivergenceFit(NamedTuple):
    """The Gaussian that is closest.

    Attributes:
        mean: μ.
        sd: σ.
        value: the divergence at the best; W₂ and MMD are squared.
    """

    mean: float
    sd: float
    value: float


def fit_gaussian(p: Mixture, divergence: str, *, bandwidth: float = 1.0) -> DivergenceFit:
    """Minimise a divergence over (μ, σ) by L-BFGS from several starts, and return the best.

    The starts are each component and one wider than the mixture: some divergences have a local
    minimum at each mode.

    Args:
        p: the mixture.
        divergence: a name of DIVERGENCES.
        bandwidth: of the kernel of "mmd".

    Raises:
        ValueError: another name, or a bandwidth that is not positive.
    """
    if divergence not in DIVERGENCES:
        raise ValueError(f"divergence is {divergence!r}, expected one of {list(DIVERGENCES)}")
    if not bandwidth > 0:
        raise ValueError(f"bandwidth is {bandwidth}, expected a positive number")
    options = {"bandwidth": bandwidth} if divergence == "mmd" else {}
    starts = [(p.mean, 2 * p.sd), *zip(p.means.tolist(), p.sds.tolist(), strict=True)]
    fits = [_descend(DIVERGENCES[divergence], p, *start, **options) for start in starts]
    return min(fits, key=lambda fit: fit.value)


def normal_quantile(p: Mixture, x: Tensor) -> Tensor:
    """Return t with Φ(t) = P(X <= x), (N,) -> (N,)."""
    below, above = p.below(x), p.above(x)
    return torch.where(below < above, ndtri(below), -ndtri(above))


def _descend(
    function: Callable[..., Tensor], p: Mixture, mean: float, sd: float, **options: float
) -> DivergenceFit:
    theta = torch.tensor([mean, math.log(sd)], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=100, tolerance_grad=1e-9, tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = function(p, theta[0], theta[1].exp(), **options)
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        value = function(p, theta[0], theta[1].exp(), **options)
        return DivergenceFit(float(theta[0]), float(theta[1].exp()), float(value))


def _log_q(x: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    return log_normal(x, mean, sd, event_dims=0)


def _below(t: Tensor) -> Tensor:
    """Return Φ(t), exact far to the left, where torch.special.ndtr is 0 from -8.3 on."""
    return torch.erfc(-t / math.sqrt(2)) / 2
