"""FVSBN, the fully visible sigmoid belief network: one logistic regression for each variable.

Frey, Hinton & Dayan, "Does the wake-sleep algorithm produce good density estimators?" (NIPS 1995),
after Neal's sigmoid belief networks (1992): p(x_i=1 | x_<i) = σ(Σ_{j<i} W_ij x_j + b_i).

Shapes: B batch, n samples, D variables.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.chain_rule import BinaryChainRule, uniforms
from gencourse.protocols import Configurable


class FVSBN(Configurable, BinaryChainRule):
    """p(x) = Π_i p(x_i | x_<i) over {0,1}^D with O(D²) parameters, none of them shared.

    All D regressions are one matrix product: `W` (D, D) times a mask that leaves, in row i, the
    variables before i. The log-likelihood is concave, so that `W` and `b` (D,) may start at 0.

    Args:
        num_vars: D.
        order: (D,), the variable that comes first, second, ...; None is 0, 1, ..., D-1.

    Raises:
        ValueError: `num_vars` is below 1, or `order` is no permutation.
    """

    mask: Tensor

    def __init__(self, num_vars: int, *, order: Iterable[int] | Tensor | None = None) -> None:
        super().__init__(num_vars, order)
        rank = self.order.argsort()
        mask = rank[None, :] < rank[:, None]  # (D, D): does j come before i?
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))
        self.W = nn.Parameter(torch.zeros(num_vars, num_vars))
        self.b = nn.Parameter(torch.zeros(num_vars))

    def logits(self, x: Tensor) -> Tensor:
        """Return log p(x_i=1 | x_<i) / p(x_i=0 | x_<i) for each i, (B, D) -> (B, D)."""
        return F.linear(x, self.mask * self.W, self.b)

    @torch.no_grad()
    def fill(
        self, values: Tensor, given: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw what is not given, with one dot product per variable; see `ChainRule.fill`."""
        order, rank = self.order, self.order.argsort()
        W, b, given = self.W[order][:, order], self.b[order], given[order].tolist()
        uniform = uniforms(values, generator).T[order]
        z = values.T[order]  # (D, n), in the order of drawing
        for k in range(len(z)):
            if not given[k]:
                p = torch.sigmoid(W[k, :k] @ z[:k] + b[k])  # (n,)
                z[k] = uniform[k] < p
        return z[rank].T.contiguous()
