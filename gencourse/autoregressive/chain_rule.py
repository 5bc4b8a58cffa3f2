"""The chain rule over D variables in an ordering: p(x) = Π_i p(x_i | the variables before i).

Any ordering is exact, and none assumes an independence: what a model chooses is how the D
conditionals share their parameters. Here stands what the models over vectors have in common.

Shapes: B batch, n samples, D variables.
"""

import operator
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.completion import Condition, check_given_come_first, given_values


def permutation(order: Iterable[int] | Tensor | None, num_vars: int) -> Tensor:
    """Return an ordering as a tensor, (D,) of int64; entry k is the variable that comes k-th.

    Args:
        order: the variables 0..D-1, each once; None is that natural order.
        num_vars: D.

    Raises:
        ValueError: `num_vars` is below 1, or `order` is no permutation of 0..D-1.
    """
    if num_vars < 1:
        raise ValueError(f"num_vars is {num_vars}, expected at least 1")
    entries = range(num_vars) if order is None else order
    entries = [operator.index(i) for i in entries]
    if sorted(entries) != list(range(num_vars)):
        shown = f"{entries[:12]}{' ...' if len(entries) > 12 else ''} ({len(entries)} entries)"
        raise ValueError(
            f"order is {shown}, expected a permutation of 0..{num_vars - 1}: each variable once"
        )
    return torch.tensor(entries)


def rows_of(x: Tensor, num_vars: int, like: Tensor, *, binary: bool) -> Tensor:
    """Return x in the dtype and on the device of `like`, (B, D).

    Raises:
        ValueError: another shape, or a value that the model has no probability for: other than 0
            and 1 where `binary`, NaN or infinite elsewhere.
    """
    if x.ndim != 2 or x.shape[1] != num_vars:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {num_vars})")
    outside = ~((x == 0) | (x == 1)) if binary else ~x.isfinite()
    if outside.any():
        row, column = outside.nonzero()[0].tolist()
        expected = "0 or 1 (binarise first)" if binary else "a finite number"
        raise ValueError(f"x[{row}, {column}] is {x[row, column].item()}, expected {expected}")
    return x.to(like)


def log_bits(x: Tensor, logits: Tensor) -> Tensor:
    """Return log p(x_i) of each bit in nats, (B, D) -> (B, D), in the precision of x.

    p(x=1) = σ(logit) and p(x=0) = σ(-logit), which is half the work of the general formula.
    """
    return F.logsigmoid((2 * x - 1) * logits.to(x))


def uniforms(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return a number from [0, 1) for each entry of `like`, same shape."""
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)


class ChainRule(nn.Module):
    """A density over D variables, given by its conditionals in one ordering.

    A model defines `log_conditionals` and `fill`.

    Args:
        num_vars: D.
        order: (D,), the variable that comes first, second, ...; None is 0, 1, ..., D-1.
    """

    order: Tensor
    binary = False

    def __init__(self, num_vars: int, order: Iterable[int] | Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("order", permutation(order, num_vars))
        self.event_shape = (num_vars,)

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Return log p(x_i | the variables before i) in nats, (B, D) -> (B, D)."""
        raise NotImplementedError

    def fill(
        self, values: Tensor, given: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw the variables that are not given, one after the other; keep the others.

        An exact conditional sample only where the given variables come first, because a variable
        is drawn without a look at those given later.

        Args:
            values: (n, D), read where given.
            given: bool (D,).
            generator: source of one uniform number for each variable, given or not.
        """
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, D) -> (B,).

        Raises:
            ValueError: another shape, or a value outside the model's range.
        """
        return self.log_conditionals(x).sum(-1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, or exact completions, one variable at a time, -> (n, D).

        Args:
            n: how many.
            condition: the values (D,), or a row for each sample (n, D), and a mask (D,) that is
                true where they are given. The given variables must be the first of the ordering.
            generator: source of randomness.

        Raises:
            ValueError: given values that are impossible, or that come after one that is not given;
                for those, see `complete_by_importance`.
        """
        values, given = self.given(condition, n)
        check_given_come_first(given, self.order)
        return self.fill(values, given, generator=generator)

    @torch.no_grad()
    def propose(
        self, n: int, condition: Condition, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw with the given values held, wherever they stand, -> (n, D) and log-weights (n,).

        What holding them leaves out of p(x) is their own probability, each given the values before
        it: that is the importance weight, its logarithm in nats.
        """
        values, given = self.given(condition, n)
        x = self.fill(values, given, generator=generator)
        return x, self.log_conditionals(x)[:, given].sum(-1)

    def given(self, condition: Condition | None, n: int) -> Condition:
        """Check a condition, and return the values, elsewhere 0, (n, D), and the mask (D,)."""
        like = next(self.parameters())
        values, given = given_values(condition, n, self.event_shape, like)
        return rows_of(values, len(given), like, binary=self.binary), given


class BinaryChainRule(ChainRule):
    """A `ChainRule` over {0,1}^D; a model defines `logits` and the fast `fill`."""

    binary = True

    def logits(self, x: Tensor) -> Tensor:
        """Return log-odds of x_i=1 given the variables before i, (B, D) -> (B, D)."""
        raise NotImplementedError

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Return log p(x_i | the variables before i) in nats, (B, D) -> (B, D)."""
        x = rows_of(x, *self.event_shape, next(self.parameters()), binary=True)
        return log_bits(x, self.logits(x))

    @torch.no_grad()
    def sample_by_full_passes(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw what `sample` draws, by `logits` of everything for each variable, -> (n, D).

        The algorithm of the lecture, and the oracle of the fast one, about D times slower.
        """
        x, given = self.given(condition, n)
        check_given_come_first(given, self.order)
        x, uniform = x.clone(), uniforms(x, generator)
        for i in self.order[~given[self.order]].tolist():
            x[:, i] = (uniform[:, i] < self.logits(x)[:, i].sigmoid()).to(x)
        return x
