"""Learning a Bayesian network's tables: the maximum-likelihood CPD is a ratio of counts.

The log-likelihood of complete data splits into one term per variable and state of its parents, so
each row of each table is estimated by itself (Koller & Friedman, 2009, section 17.2.3).

Shapes: B rows, D variables, K states.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gencourse.graphical.bayes_net import BayesNet


def state_columns(
    x: Tensor, num_columns: int | None = None, cardinalities: Sequence[int] | None = None
) -> tuple[Tensor, list[int]]:
    """Return x as int64 and each column's number of states, the largest seen + 1 unless given.

    Raises:
        ValueError: another shape, no rows, or a state that is no integer in 0..K-1.
    """
    x = torch.as_tensor(x)
    if x.ndim != 2 or 0 in x.shape or x.shape[1] != (num_columns or x.shape[1]):
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected (B, {num_columns or 'D'}), B > 0"
        )
    states = x.long()
    if (states != x).any() or (states < 0).any():
        row, column = ((states != x) | (states < 0)).nonzero()[0].tolist()
        raise ValueError(
            f"x[{row}, {column}] is {x[row, column].item()}, expected a state 0, 1, ..."
        )
    largest = states.amax(0).tolist()
    sizes = [k + 1 for k in largest] if cardinalities is None else list(cardinalities)
    if len(sizes) != x.shape[1]:
        raise ValueError(f"cardinalities has {len(sizes)} entries, expected {x.shape[1]}")
    for column, (state, size) in enumerate(zip(largest, sizes, strict=True)):
        if state >= size:
            raise ValueError(f"x[:, {column}] holds {state}, expected states 0..{size - 1}")
    return states, sizes


def count_table(x: Tensor, cardinalities: Sequence[int]) -> Tensor:
    """Count how often each joint state of a few columns occurs, (B, D) -> (K_1, ..., K_D)."""
    strides = [math.prod(cardinalities[i + 1 :]) for i in range(len(cardinalities))]
    index = (x * torch.tensor(strides, device=x.device)).sum(1)
    counts = torch.bincount(index, minlength=math.prod(cardinalities))
    return counts.double().view(*cardinalities)


def fit_cpds(
    parents: Mapping[str, Sequence[str]],
    x: Tensor,
    *,
    cardinalities: Sequence[int] | None = None,
    smoothing: float = 0.0,
    states: Mapping[str, Sequence[str]] | None = None,
) -> BayesNet:
    """Fit the tables of a given graph by counting: (count + l) / (parents' count + K l).

    A state of the parents that never occurs has no estimate without smoothing; its row is uniform,
    which no probability of the data depends on.

    Args:
        parents: variable -> its parents. Its order is that of the columns of x.
        x: (B, D) states 0..K-1, complete.
        cardinalities: number of states of each column; the largest seen + 1 when None.
        smoothing: l, imaginary examples of each state in each row of each table.
        states: names of the states, passed on to the network.

    Raises:
        ValueError: wrong shapes or states, an unknown parent, a cycle, a negative smoothing.
    """
    if not smoothing >= 0:
        raise ValueError(f"smoothing is {smoothing}, expected a number of at least 0")
    x, sizes = state_columns(x, len(parents), cardinalities)
    column = {name: i for i, name in enumerate(parents)}
    cpds = {}
    for child, family in parents.items():
        for parent in family:
            if parent not in column:
                raise ValueError(f"parent {parent!r} of {child!r} is no variable of the graph")
        columns = [column[name] for name in (*family, child)]
        counts = count_table(x[:, columns], [sizes[i] for i in columns]) + smoothing
        total = counts.sum(-1, keepdim=True)
        table = torch.where(total > 0, counts / total, 1 / counts.shape[-1])
        cpds[child] = (tuple(family), table)
    return BayesNet(cpds, states=states)
