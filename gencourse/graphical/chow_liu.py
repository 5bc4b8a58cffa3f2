"""The best tree-shaped network for given data (Chow & Liu, IEEE Transactions, 1968).

The log-likelihood of a tree with fitted tables is, up to a term that all trees share, the number
of rows times the mutual information summed over its edges. Hence the maximum-likelihood tree is a
maximum spanning tree, found without search.

Shapes: B rows, D variables, K states.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.learning import fit_cpds, state_columns

_ROWS_AT_ONCE = 8192  # bounds the memory of the one-hot rows


def mutual_information(x: Tensor, *, cardinalities: Sequence[int] | None = None) -> Tensor:
    """Return the empirical mutual information of all pairs in nats, (B, D) -> (D, D).

    The diagonal holds the entropies. All pair counts are one product of one-hot rows, so that no
    loop runs over pairs; the counts take (D K)² numbers.

    Args:
        x: (B, D) states 0..K-1.
        cardinalities: number of states of each column; the largest seen + 1 when None.

    Raises:
        ValueError: wrong shapes or states.
    """
    x, sizes = state_columns(x, cardinalities=cardinalities)
    num_vars, num_states = len(sizes), max(sizes)
    width = num_vars * num_states
    place = x + num_states * torch.arange(num_vars, device=x.device)  # of the 1s in a one-hot row
    counts = torch.zeros(width, width, dtype=torch.float64, device=x.device)
    for rows in place.split(_ROWS_AT_ONCE):
        # float32 counts these few rows exactly, and twice as fast
        one_hot = torch.zeros(len(rows), width, device=x.device).scatter_(1, rows, 1.0)
        counts += one_hot.T @ one_hot
    joint = (counts / len(x)).view(num_vars, num_states, num_vars, num_states).transpose(1, 2)
    single = torch.bincount(place.flatten(), minlength=width).double() / len(x)
    entropy = torch.special.entr(single.view(num_vars, num_states)).sum(-1)
    joint_entropy = torch.special.entr(joint).sum((-2, -1))
    # I(i; j) = H(i) + H(j) - H(i, j) is never negative, up to rounding
    return (entropy[:, None] + entropy - joint_entropy).clamp(min=0)


def maximum_spanning_tree(weights: Tensor, *, root: int = 0) -> list[int | None]:
    """Return the parent of each node in a maximum spanning tree directed away from `root`.

    Prim's algorithm on the full matrix, O(D²): the outside node with the heaviest edge to the tree
    joins it. Ties go to the lower index.

    Args:
        weights: symmetric edge weights, (D, D); the diagonal is not read.
        root: the node without a parent.

    Raises:
        ValueError: `root` is no node.
    """
    num_nodes = len(weights)
    if not 0 <= root < num_nodes:
        raise ValueError(f"root is {root}, expected 0..{num_nodes - 1}")
    parent = torch.full((num_nodes,), root, device=weights.device)
    heaviest = weights[root].clone()  # of the edges from each outside node to the tree
    heaviest[root] = -torch.inf
    for _ in range(num_nodes - 1):
        new = int(heaviest.argmax())
        heaviest[new] = -torch.inf  # it is inside now
        heavier = (weights[new] > heaviest) & (heaviest > -torch.inf)
        parent[heavier] = new
        heaviest[heavier] = weights[new, heavier]
    return [None if node == root else p for node, p in enumerate(parent.tolist())]


def chow_liu(
    x: Tensor,
    *,
    cardinalities: Sequence[int] | None = None,
    smoothing: float = 0.0,
    root: int = 0,
    names: Sequence[str] | None = None,
) -> BayesNet:
    """Fit the tree-shaped network of maximum likelihood.

    The likelihood does not depend on the root. The network's own order of variables puts parents
    first: give it columns in the order of `net.variables`.

    Args:
        x: (B, D) states 0..K-1.
        cardinalities: number of states of each column; the largest seen + 1 when None.
        smoothing: l of `fit_cpds`; the tree itself comes from plain counts.
        root: the column without a parent.
        names: the variables' names, "x0", "x1", ... when None.

    Raises:
        ValueError: wrong shapes or states, a root out of range, names that do not match.
    """
    x, sizes = state_columns(x, cardinalities=cardinalities)
    names = [f"x{i}" for i in range(len(sizes))] if names is None else list(names)
    if len(names) != len(sizes) or len(set(names)) < len(names):
        raise ValueError(f"names is {names}, expected {len(sizes)} different names")
    tree = maximum_spanning_tree(mutual_information(x, cardinalities=sizes), root=root)
    parents = {name: () if p is None else (names[p],) for name, p in zip(names, tree, strict=True)}
    return fit_cpds(parents, x, cardinalities=sizes, smoothing=smoothing)
