"""MADE, the masked autoencoder for distribution estimation (Germain et al., ICML 2015).

Every variable and hidden unit gets a degree; a connection stays only if degrees do not fall along
it, and strictly rise into the output. All D conditionals then come from one pass of one network.
With other degrees the same weights serve another ordering.

Shapes: B batch, n samples, D variables, H_l units in hidden layer l of L, M orderings. Names W, V,
A, b, c follow the paper.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.chain_rule import log_bits, rows_of, uniforms
from gencourse.autoregressive.completion import Condition, check_given_come_first, given_values
from gencourse.autoregressive.made_masks import even_degrees, masks_of_degrees, orderings
from gencourse.autoregressive.made_sampling import fill_by_degree
from gencourse.protocols import Configurable, as_events


class MADE(Configurable, nn.Module):
    """p(x) over {0,1}^D from one masked network, in one or several orderings.

    With M orderings the density is the mixture p(x) = 1/M Σ_m p_m(x) of the paper's section 4.3,
    whose conditionals no single ordering has; train it with `made_loss`.

    Parameters: `W[l]` (H_l, H_{l-1}) and `b[l]` (H_l,), `V` (D, H_L) and `c` (D,), `A` (D, D) for
    direct connections. Buffers: `orders` (M, D), and `degrees_l` (M, H_l), spread evenly over
    1..D-1 and for several orderings shuffled. With H_l >= D - 1, an output knows all variables
    before it.

    Args:
        num_vars: D.
        hidden: widths of the hidden layers.
        orders: the orderings: M of them; or their number, 1 for 0, 1, ..., D-1 and more for random
            ones.
        direct: whether to add direct connections from inputs to outputs.
        activation: name of a function in `torch.nn.functional`, such as "relu" or "tanh".
        generator: of the orderings, the degrees and the initial weights.

    Raises:
        ValueError: a size below 1, no hidden layer, another activation, or an ordering that is no
        permutation.
    """

    orders: Tensor

    def __init__(
        self,
        num_vars: int,
        *,
        hidden: Sequence[int] = (500,),
        orders: int | Sequence[Sequence[int]] = 1,
        direct: bool = False,
        activation: str = "relu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden is {list(hidden)}, expected at least one width, from 1 up")
        if not callable(getattr(F, activation, None)):
            raise ValueError(f"activation is {activation!r}, expected one of torch.nn.functional")
        self.event_shape, self.activate = (num_vars,), getattr(F, activation)
        self.register_buffer("orders", orderings(orders, num_vars, generator))
        for layer, width in enumerate(hidden):
            degrees = even_degrees(width, num_vars, len(self.orders), generator)
            self.register_buffer(f"degrees_{layer}", degrees)
        pairs = list(itertools.pairwise([num_vars, *hidden]))
        self.W = nn.ParameterList(torch.empty(o, i) for i, o in pairs)
        self.b = nn.ParameterList(torch.zeros(o) for _, o in pairs)
        self.V = nn.Parameter(torch.empty(num_vars, hidden[-1]))
        self.c = nn.Parameter(torch.zeros(num_vars))
        self.A = nn.Parameter(torch.zeros(num_vars, num_vars)) if direct else None
        for weight in (*self.W, self.V):
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(weight, -bound, bound, generator=generator)

    def degrees(self, ordering: int = 0) -> list[Tensor]:
        """Return the degrees of the hidden units in one ordering, (H_l,) for each layer."""
        return [getattr(self, f"degrees_{layer}")[ordering] for layer in range(len(self.W))]

    def masks(self, ordering: int = 0) -> list[Tensor]:
        """Return the masks of W^1, ..., W^L, V and A in one ordering; see `made_masks`."""
        degree = self.orders[ordering].argsort() + 1
        return masks_of_degrees(degree, self.degrees(ordering), direct=self.A is not None)

    def logits(self, x: Tensor, *, ordering: int = 0) -> Tensor:
        """Return log-odds of x_i=1 given the variables before i, (B, D) -> (B, D)."""
        masks, h = self.masks(ordering), x
        for mask, W, b in zip(masks, self.W, self.b, strict=False):
            h = self.activate(F.linear(h, mask * W, b))
        logits = F.linear(h, masks[len(self.W)] * self.V, self.c)
        return logits if self.A is None else logits + F.linear(x, masks[-1] * self.A)

    def log_conditionals(self, x: Tensor, *, ordering: int = 0) -> Tensor:
        """Return log p_m(x_i | the variables before i in ordering m) in nats, (B, D) -> (B, D)."""
        x = rows_of(x, *self.event_shape, self.c, binary=True)
        return log_bits(x, self.logits(x, ordering=ordering))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, the mean of p over the orderings, (B, D) -> (B,).

        Raises:
            ValueError: another shape, or a value other than 0 and 1.
        """
        log_p = [self.log_conditionals(x, ordering=m).sum(-1) for m in range(len(self.orders))]
        return torch.stack(log_p).logsumexp(0) - math.log(len(self.orders))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, or exact completions, -> (n, D).

        Each sample draws its ordering first: uniformly, or where something is given in proportion
        to the probability of the given values in that ordering.

        Args:
            n: how many.
            condition: the values (D,), or a row for each sample (n, D), and a mask (D,) that is
                true where they are given. The given variables must be the first of every ordering.
            generator: source of randomness.

        Raises:
            ValueError: given values that are impossible, or that come after one that is not given;
                for those, see `complete_by_importance`.
        """
        values, given, log_weights = self._exact_condition(condition, n)
        return self._fill(values, given, log_weights, generator, self._fill_in_order)[0]

    @torch.no_grad()
    def sample_by_full_passes(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw what `sample` draws, by `logits` of everything for each variable, -> (n, D).

        The algorithm of the lecture, and the oracle of the fast one, D times slower.
        """
        values, given, log_weights = self._exact_condition(condition, n)
        return self._fill(values, given, log_weights, generator, self._fill_by_full_passes)[0]

    @torch.no_grad()
    def propose(
        self, n: int, condition: Condition, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw with the given values held, wherever they stand, -> (n, D) and log-weights (n,).

        The ordering is drawn uniformly. See `ChainRule.propose`.
        """
        values, given = self._given(condition, n)
        equal = values.new_zeros(n, len(self.orders))
        x, ordering = self._fill(values, given, equal, generator, self._fill_in_order)
        log_weights = values.new_zeros(n)
        for m in ordering.unique().tolist():
            rows = ordering == m
            log_weights[rows] = self._log_given(x[rows], given, m)
        return x, log_weights

    def _given(self, condition: Condition | None, n: int) -> Condition:
        values, given = given_values(condition, n, self.event_shape, self.c)
        return rows_of(values, len(given), self.c, binary=True), given

    def _exact_condition(self, condition: Condition | None, n: int) -> tuple[Tensor, ...]:
        """Return the values, what is given, and log-weights of the orderings, (n, M)."""
        values, given = self._given(condition, n)
        for order in self.orders:
            check_given_come_first(given, order)
        log_weights = values.new_zeros(n, len(self.orders))
        if given.any():
            for m in range(len(self.orders)):
                log_weights[:, m] = self._log_given(values, given, m)
        return values, given, log_weights

    def _log_given(self, x: Tensor, given: Tensor, ordering: int) -> Tensor:
        """Return the log-probability of the given values, each given those before it, (B,)."""
        return self.log_conditionals(x, ordering=ordering)[:, given].sum(-1)

    def _fill(
        self,
        values: Tensor,
        given: Tensor,
        log_weights: Tensor,
        generator: torch.Generator | None,
        fill: Callable[[Tensor, Tensor, Tensor, int], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Draw an ordering for each row from its weights (n, M), then the variables."""
        uniform, x = uniforms(values, generator), values.clone()
        ordering = x.new_zeros(len(x), dtype=torch.long)
        if len(self.orders) > 1 and len(x):
            weights = log_weights.softmax(-1)
            ordering = torch.multinomial(weights, 1, generator=generator)[:, 0]
        for m in ordering.unique().tolist():
            rows = ordering == m
            x[rows] = fill(x[rows], given, uniform[rows], m)
        return x, ordering

    def _fill_by_full_passes(
        self, x: Tensor, given: Tensor, uniform: Tensor, ordering: int
    ) -> Tensor:
        for i in self.orders[ordering].tolist():
            if not given[i]:
                logits = self.logits(x, ordering=ordering)[:, i]
                x[:, i] = uniform[:, i] < logits.sigmoid()
        return x

    def _fill_in_order(self, x: Tensor, given: Tensor, uniform: Tensor, ordering: int) -> Tensor:
        """Draw what is not given for the price of a single pass, -> (n, D)."""
        order, degrees = self.orders[ordering], self.degrees(ordering)
        by_degree = [order, *(d.argsort(stable=True) for d in degrees)]
        W = [W[o][:, i] for W, (i, o) in zip(self.W, itertools.pairwise(by_degree), strict=True)]
        b = [b[o, None] for b, o in zip(self.b, by_degree[1:], strict=True)]
        A = None if self.A is None else self.A[order][:, order]
        z = fill_by_degree(
            x.T[order],
            given[order].tolist(),
            uniform.T[order],
            degrees=[d.sort()[0] for d in degrees],
            hidden=list(zip(W, b, strict=True)),
            V=self.V[order][:, by_degree[-1]],
            c=self.c[order],
            A=A,
            activate=self.activate,
        )
        return z[order.argsort()].T


def made_loss(model: MADE, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean of -log p_m(x) in nats for an ordering m drawn for this batch, -> ().

    The paper's order-agnostic training. In expectation over m it is at least the negative
    log-likelihood of the mixture, and equal for one ordering. In evaluation mode it is the
    negative log-likelihood itself.
    """
    x = as_events(batch[0], model.event_shape)
    if not model.training:
        return -model.log_prob(x).mean()
    m = int(torch.randint(len(model.orders), ())) if len(model.orders) > 1 else 0
    return -model.log_conditionals(x, ordering=m).sum(-1).mean()
