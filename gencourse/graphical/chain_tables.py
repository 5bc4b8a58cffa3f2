"""Tables of a Markov chain: how blocks of k states are numbered, counted and checked.

Shapes: B batch, T length, K states, k order, S = T - k steps.
"""

import networkx as nx
import torch
from torch import Tensor

from gencourse.graphical.factor import check_values


def block_numbers(x: Tensor, order: int, num_states: int) -> Tensor:
    """Number the blocks of k neighbouring states, (B, T) -> (B, S + 1)."""
    windows = x.unfold(1, order, 1)  # (B, S + 1, k)
    weights = num_states ** torch.arange(order - 1, -1, -1, device=x.device)
    return (windows * weights).sum(-1)


def proportions(counts: Tensor, smoothing: float) -> Tensor:
    """Turn counts into proportions over the last axis; rows without any become uniform."""
    counts = counts.double() + smoothing
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp(min=1e-300), 1.0 / counts.shape[-1])


def checked_states(x: Tensor, num_states: int, *, lowest: int) -> Tensor:
    """Refuse what is not a tensor of states, and return it as int64."""
    if x.is_floating_point() or x.is_complex():
        raise ValueError(f"x has dtype {x.dtype}, expected integers")
    outside = x[(x < lowest) | (x >= num_states)]
    if outside.numel():
        raise ValueError(f"x holds state {int(outside[0])}, expected 0 to {num_states - 1}")
    return x.long()


def check_shape(name: str, table: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse a table that is empty or not of the expected shape."""
    if tuple(table.shape) != expected or table.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(table.shape)}, expected {expected}")


def check_sums(name: str, table: Tensor, labels: list[str], *, axes: tuple[int, ...]) -> None:
    """Refuse entries that are no probabilities, and rows that do not sum to 1 within 1e-6."""
    check_values(table, name, labels)
    sums = table.sum(axes)
    wrong = ((sums - 1).abs() > 1e-6).nonzero()
    if len(wrong):
        row = tuple(wrong[0].tolist())
        where = f" in row {row}" if row else ""
        raise ValueError(f"{name} sums to {float(sums[row]):.6g}{where}, expected 1")


def stationary_blocks(transition: Tensor, order: int) -> Tensor:
    """Return the stationary distribution of k neighbouring states, (K,) * (k + 1) -> (K,) * k.

    Raises:
        ValueError: Where it is not unique because the chain has several closed classes.
    """
    k, K = order, transition.shape[-1]
    block = torch.arange(K**k, device=transition.device)
    following = block[:, None] % K ** (k - 1) * K + torch.arange(K, device=block.device)
    move = transition.new_zeros(K**k, K**k)
    move = move.scatter(1, following, transition.reshape(K**k, K))
    edges = move.detach().nonzero().tolist()
    classes = list(nx.attracting_components(nx.DiGraph(edges)))
    if len(classes) > 1:
        raise ValueError(
            f"the stationary distribution is not unique: {len(classes)} closed classes, "
            f"such as the blocks {sorted(classes[0])} and {sorted(classes[1])}"
        )
    system = torch.eye(K**k).to(move) - move.T
    system = torch.cat([system[1:], torch.ones_like(system[:1])])  # one row is redundant
    target = torch.zeros_like(system[0])
    target[-1] = 1.0
    return torch.linalg.solve(system, target).clamp(min=0).reshape((K,) * k)
