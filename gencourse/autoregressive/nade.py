"""NADE, the neural autoregressive distribution estimator (Larochelle & Murray, AISTATS 2011).

h_i = σ(W_{<i} x_{<i} + c) and p(x_i=1 | x_<i) = σ(V_i h_i + b_i): one hidden layer for each
variable, all with the same W. The pre-activations of one variable are those of the one before plus
x_{i-1} W_{i-1}, so that all D cost O(HD), not O(HD²): that is what the sharing buys.

Shapes: B batch, n samples, D variables, H hidden units. Names W, V, b, c follow the paper.
"""

from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor, nn

from gencourse.autoregressive.chain_rule import BinaryChainRule, uniforms
from gencourse.autoregressive.nade_recursion import ACTIVATIONS, nade_logits
from gencourse.protocols import Configurable


class NADE(Configurable, BinaryChainRule):
    """p(x) = Π_i p(x_i | x_<i) over {0,1}^D, with one W shared by all D conditionals.

    Parameters: `W` (H, D), whose column of the last variable is never used, `V` (D, H), `b` (D,)
    and `c` (H,).

    Args:
        num_vars: D.
        num_hidden: H, hidden units of each conditional.
        activation: "sigmoid", as in the paper, or "relu".
        order: (D,), the variable that comes first, second, ...; None is 0, 1, ..., D-1.
        generator: of the initial W and V, uniform within ±1/√D and ±1/√H.

    Raises:
        ValueError: a size below 1, another activation, or an `order` that is no permutation.
    """

    def __init__(
        self,
        num_vars: int,
        *,
        num_hidden: int = 500,
        activation: str = "sigmoid",
        order: Iterable[int] | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_vars, order)
        if num_hidden < 1:
            raise ValueError(f"num_hidden is {num_hidden}, expected at least 1")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}, expected one of {list(ACTIVATIONS)}")
        self.activation = activation
        self.W = nn.Parameter(torch.empty(num_hidden, num_vars))
        self.V = nn.Parameter(torch.empty(num_vars, num_hidden))
        self.b = nn.Parameter(torch.zeros(num_vars))
        self.c = nn.Parameter(torch.zeros(num_hidden))
        for weight, fan_in in ((self.W, num_vars), (self.V, num_hidden)):
            nn.init.uniform_(weight, -1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)

    def logits(self, x: Tensor) -> Tensor:
        """Return log p(x_i=1 | x_<i) / p(x_i=0 | x_<i) for each i, (B, D) -> (B, D)."""
        # index_select, because the backward pass of plain indexing sorts its indices
        x, W, V, b = (t.index_select(0, self.order) for t in (x.T, self.W.T, self.V, self.b))
        logits = nade_logits(x, W, V, b, self.c, self.activation)  # (D, B), in order
        return logits.index_select(0, self.order.argsort()).T

    @torch.no_grad()
    def fill(
        self, values: Tensor, given: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw what is not given, in O(HD) for each sample; see `ChainRule.fill`."""
        order, rank = self.order, self.order.argsort()
        z = values.T[order]  # (D, n), in the order of drawing
        uniform = uniforms(values, generator).T[order]
        # u < σ(V h + b) is V h > log(u / (1 - u)) - b, and the right-hand side needs no loop
        threshold = uniform.logit() - self.b[order, None]
        activate, a = ACTIVATIONS[self.activation], self.c.repeat(len(values), 1)
        h = torch.empty_like(a)
        W, V, given = self.W.T[order], self.V[order], given[order].tolist()
        for z_k, W_k, V_k, threshold_k, is_given in zip(z, W, V, threshold, given, strict=True):
            if not is_given:
                activate(a, out=h)
                torch.gt(h.mv(V_k), threshold_k, out=z_k)
            a.addr_(z_k, W_k)
        return z[rank].T.contiguous()
