"""Three ways to write p(y=1 | x) for binary x: a table, a logistic function, a neural network.

The table can say everything and needs 2^n numbers; the logistic function needs n + 1 and can only
be linear in its log-odds; a hidden layer is between, and with enough units it can say everything
too. Each can stand as the conditional of one variable in a Bayesian network: `table()` writes it
out.

Shapes: B batch, n parents, H hidden units.
"""

import math
from itertools import product
from typing import Self

import torch
from torch import Tensor, nn

from gencourse.densities import log_bernoulli
from gencourse.graphical.inputs import feature_rows, one_hot_labels
from gencourse.protocols import Configurable


class BinaryConditional(Configurable, nn.Module):
    """p(y | x) of one binary y given n binary parents; subclasses give the log-odds.

    Args:
        num_parents: n.
    """

    def __init__(self, num_parents: int) -> None:
        super().__init__()
        if num_parents < 0:
            raise ValueError(f"num_parents is {num_parents}, expected at least 0")
        self.num_parents = num_parents

    def logits(self, x: Tensor) -> Tensor:
        """Return log p(y=1 | x) / p(y=0 | x), (B, n) -> (B,)."""
        raise NotImplementedError

    def _rows(self, x: Tensor) -> Tensor:
        return feature_rows(x, self.num_parents, next(self.parameters()))

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x) in nats, (B,) labels 0 or 1 and (B, n) parents -> (B,)."""
        y, logits = torch.as_tensor(y), self.logits(x)
        if y.shape != logits.shape:
            raise ValueError(f"y has shape {tuple(y.shape)}, expected {tuple(logits.shape)}")
        return log_bernoulli(y.to(logits.device), logits)

    def probability(self, x: Tensor) -> Tensor:
        """Return p(y=1 | x), (B, n) -> (B,)."""
        return self.logits(x).sigmoid()

    def table(self) -> Tensor:
        """Return p(y | x) for every x, (2, ..., 2, 2): the parents' axes in order, y's last."""
        states = torch.tensor(list(product((0.0, 1.0), repeat=self.num_parents)))
        p = self.probability(states.view(-1, self.num_parents))
        return torch.stack([1 - p, p], -1).view(*(2,) * self.num_parents, 2)

    def num_parameters(self) -> int:
        """Count the free parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


class TableConditional(BinaryConditional):
    """One logit for each of the 2^n states of the parents; the first parent varies slowest."""

    def __init__(self, num_parents: int) -> None:
        super().__init__(num_parents)
        self.logit_table = nn.Parameter(torch.zeros(2**num_parents, dtype=torch.float64))

    def _row(self, x: Tensor) -> Tensor:
        """Return the place in the table of each state of the parents, (B, n) -> (B,)."""
        x = self._rows(x)
        if not ((x == 0) | (x == 1)).all():
            raise ValueError(f"x holds {x[(x != 0) & (x != 1)][0].item()}, expected 0 or 1")
        place = 2 ** torch.arange(self.num_parents - 1, -1, -1, device=x.device)
        return (x.long() * place).sum(1)

    def logits(self, x: Tensor) -> Tensor:
        """Return log p(y=1 | x) / p(y=0 | x), (B, n) of 0 and 1 -> (B,)."""
        return self.logit_table[self._row(x)]

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor, *, smoothing: float = 0.0) -> Self:
        """Count, with `smoothing` imaginary examples of either y; a row never seen gets 1/2."""
        row, member = self._row(x), one_hot_labels(y, 2, self._rows(x))
        counts = row.new_zeros(len(self.logit_table), 2).double().index_add_(0, row, member)
        log_zero, log_one = (counts + smoothing).log().T
        log_odds = log_one - log_zero
        self.logit_table.copy_(torch.where(log_odds.isnan(), 0.0, log_odds))
        return self


class LogisticConditional(BinaryConditional):
    """σ(α_0 + sum_i α_i x_i): n + 1 numbers."""

    def __init__(self, num_parents: int) -> None:
        super().__init__(num_parents)
        self.bias = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.weight = nn.Parameter(torch.zeros(num_parents, dtype=torch.float64))

    def logits(self, x: Tensor) -> Tensor:
        """Return α_0 + α · x, (B, n) -> (B,)."""
        return self.bias + self._rows(x) @ self.weight


class NeuralConditional(BinaryConditional):
    """σ(α_0 + α · h) with h = tanh(A x + b): H n + H + H + 1 numbers.

    Args:
        num_parents: n.
        num_hidden: H.
        generator: randomness of the initial A and α.
    """

    def __init__(
        self, num_parents: int, num_hidden: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(num_parents)
        if num_hidden < 1:
            raise ValueError(f"num_hidden is {num_hidden}, expected at least 1")
        self.num_hidden = num_hidden

        def draw(*shape: int) -> nn.Parameter:
            values = torch.randn(*shape, generator=generator, dtype=torch.float64)
            return nn.Parameter(values / math.sqrt(max(shape[-1], 1)))

        self.A = draw(num_hidden, num_parents)
        self.b = nn.Parameter(torch.zeros(num_hidden, dtype=torch.float64))
        self.alpha = draw(num_hidden)
        self.alpha_0 = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def logits(self, x: Tensor) -> Tensor:
        """Return α_0 + α · tanh(A x + b), (B, n) -> (B,)."""
        return self.alpha_0 + torch.tanh(self._rows(x) @ self.A.T + self.b) @ self.alpha


def negative_log_likelihood(model: BinaryConditional, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean of -log p(y | x) in nats over a batch (x, y), -> ()."""
    x, y = batch
    return -model.log_prob(y, x).mean()
