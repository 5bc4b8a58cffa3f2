"""RNADE, NADE for real values: each conditional is a mixture of Gaussians.

Uria, Murray & Larochelle, "RNADE: The real-valued neural autoregressive density-estimator" (NIPS
2013). As in NADE, one W serves all conditionals; what comes out of a hidden layer is not one logit
but the weights, means and standard deviations of K normal components (their equations 5 to 10).

Shapes: B batch, n samples, D variables, H hidden units, K components. Names W, V, b, c, ρ follow
the paper.
"""

from collections.abc import Iterable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.chain_rule import ChainRule, rows_of, uniforms
from gencourse.densities import log_mixture, log_normal
from gencourse.protocols import Configurable

ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu}


class RNADE(Configurable, ChainRule):
    """p(x) = Π_i Σ_k π_ik N(x_i; μ_ik, σ_ik), where π_i, μ_i, σ_i depend on x_<i, over R^D.

    Standardise the data first: the initial components lie around 0 with standard deviation 1. It
    works in the precision of the parameters, also under autocast.

    Parameters: `W` (H, D), `c` (H,), `rho` (D,), and for the log-weights, means and log-sds `V`
    (3, D, K, H) and `b` (3, D, K): V^α, V^μ, V^σ and b^α, b^μ, b^σ in this order.

    Args:
        num_vars: D.
        num_hidden: H, hidden units of each conditional.
        num_components: K.
        activation: "relu" or "sigmoid".
        min_sd: least standard deviation of a component, in units of the data. At 0, as in the
            paper, the likelihood has no upper bound where values repeat.
        order: (D,), the variable that comes first, second, ...; None is 0, 1, ..., D-1.
        generator: of the initial parameters.

    Raises:
        ValueError: a size below 1, a negative `min_sd`, another activation, or an `order` that is
        no permutation.
    """

    def __init__(
        self,
        num_vars: int,
        *,
        num_hidden: int = 50,
        num_components: int = 10,
        activation: str = "relu",
        min_sd: float = 1e-3,
        order: Iterable[int] | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_vars, order)
        if num_hidden < 1 or num_components < 1:
            raise ValueError(
                f"num_hidden, num_components are {num_hidden}, {num_components}, "
                "expected at least 1"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}, expected one of {list(ACTIVATIONS)}")
        if not min_sd >= 0:
            raise ValueError(f"min_sd is {min_sd}, expected at least 0")
        self.activation, self.min_sd = activation, min_sd
        self.W = nn.Parameter(torch.empty(num_hidden, num_vars))
        self.V = nn.Parameter(torch.empty(3, num_vars, num_components, num_hidden))
        self.b = nn.Parameter(torch.zeros(3, num_vars, num_components))
        self.c = nn.Parameter(torch.zeros(num_hidden))
        self.rho = nn.Parameter(torch.ones(num_vars))
        for weight, fan_in in ((self.W, num_vars), (self.V, num_hidden)):
            nn.init.uniform_(weight, -1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)
        nn.init.normal_(self.b[1], generator=generator)  # components that differ from the start

    def conditionals(self, x: Tensor) -> Tensor:
        """Return log-weights, means and standard deviations of each p(x_i | x_<i).

        Maps (B, D) -> (B, D, 3, K).
        """
        order = self.order
        with torch.autocast(x.device.type, enabled=False):
            terms = x[:, order, None] * self.W.T[order]  # (B, D, H)
            # shifted by one place: a variable's hidden layer sums over those before it
            a = self.c + F.pad(terms[:, :-1], (0, 0, 1, 0)).cumsum(1)
            a = a[:, order.argsort()]
            h = ACTIVATIONS[self.activation](self.rho[:, None] * a)
            return self._mixtures(torch.einsum("bdh,sdkh->bdsk", h, self.V) + self.b.movedim(0, 1))

    def _mixtures(self, outputs: Tensor) -> Tensor:
        """Turn outputs into log π, μ and σ, same shape (..., 3, K)."""
        log_weights, means, log_sds = outputs.unbind(-2)
        return torch.stack([log_weights.log_softmax(-1), means, log_sds.exp() + self.min_sd], -2)

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_<i) in nats, (B, D) -> (B, D)."""
        x = rows_of(x, *self.event_shape, self.W, binary=False)
        log_weights, means, sds = self.conditionals(x).unbind(-2)  # (B, D, K)
        return log_mixture(log_normal(x[..., None], means, sds, event_dims=0), log_weights)

    @torch.no_grad()
    def fill(
        self, values: Tensor, given: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw what is not given: a component, then a normal value; see `ChainRule.fill`.

        `generator` gives a uniform and a normal number for each variable, given or not.
        """
        x, uniform = values.clone(), uniforms(values, generator)
        normal = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        a = self.c.repeat(len(x), 1)
        for i in self.order.tolist():
            if not given[i]:
                h = ACTIVATIONS[self.activation](self.rho[i] * a)
                outputs = torch.einsum("nh,skh->nsk", h, self.V[:, i]) + self.b[:, i]
                x[:, i] = draw_mixture(self._mixtures(outputs), uniform[:, i], normal[:, i])
            a.addr_(x[:, i], self.W[:, i])
        return x


def draw_mixture(mixture: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Turn a uniform and a normal number into a draw from a mixture of normals, -> (n,).

    Args:
        mixture: log-weights, means, standard deviations, (n, 3, K).
        uniform: (n,), decides the component.
        normal: (n,), decides where in the component.
    """
    log_weights, means, sds = mixture.unbind(1)
    below = log_weights.exp().cumsum(-1)[:, :-1] <= uniform[:, None]  # the last sum is 1
    z = below.sum(-1, keepdim=True)
    return (means.gather(1, z) + sds.gather(1, z) * normal[:, None])[:, 0]
