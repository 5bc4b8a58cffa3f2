"""Degrees and masks of MADE (Germain et al., ICML 2015): which connections an ordering allows.

A variable's degree is its place in the ordering, from 1. A hidden unit of degree d may know the
first d variables.

Shapes: D variables, H_l units in hidden layer l of L, M orderings.
"""

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gencourse.autoregressive.chain_rule import permutation


def made_masks(
    order: Iterable[int] | Tensor, degrees: Sequence[Tensor], *, direct: bool = False
) -> list[Tensor]:
    """Return the masks of W^1, ..., W^L and V, then of A, for an ordering and hidden degrees.

    Degrees must not fall along a connection, and must strictly rise into an output (section 4).

    Args:
        order: (D,), the variable that comes first, second, ...
        degrees: (H_l,) for each hidden layer, between 1 and D - 1.
        direct: whether there are direct connections A from inputs to outputs.

    Returns:
        L + 1 masks of bool (outputs, inputs), and with `direct` one more.

    Raises:
        ValueError: `order` is no permutation, or a variable has no path from any one before it.
    """
    order = list(order)
    degree = permutation(order, len(order)).argsort() + 1  # 1..D
    masks = masks_of_degrees(degree, degrees, direct=direct)
    paths = torch.linalg.multi_dot([mask.double() for mask in masks[len(degrees) :: -1]])
    cut_off = ~(paths.any(1) | (degree == 1) | direct)
    if cut_off.any():
        i = int(cut_off.nonzero()[0])
        raise ValueError(
            f"degrees leave variable {i}, place {int(degree[i])} of the ordering, without a path "
            f"from any variable before it; expected hidden degrees below {int(degree[i])}"
        )
    return masks


def masks_of_degrees(
    degree: Tensor, degrees: Sequence[Tensor], *, direct: bool = False
) -> list[Tensor]:
    """Return what `made_masks` does, without a look at the paths.

    Args:
        degree: (D,), of each variable, its place in the ordering from 1.
        degrees: (H_l,) for each hidden layer.
        direct: whether there are direct connections.
    """
    masks = [o[:, None] >= i for i, o in itertools.pairwise([degree, *degrees])]
    masks.append(degree[:, None] > degrees[-1])
    return [*masks, degree[:, None] > degree] if direct else masks


def even_degrees(
    width: int, num_vars: int, num_orderings: int, generator: torch.Generator | None
) -> Tensor:
    """Return degrees of one hidden layer, spread evenly over 1..D-1, (M, width).

    For several orderings they are shuffled: units that go together in one are apart in the next.
    """
    degrees = 1 + torch.arange(width) * max(num_vars - 1, 1) // width
    if num_orderings == 1:
        return degrees[None]
    shuffles = [torch.randperm(width, generator=generator) for _ in range(num_orderings)]
    return degrees[torch.stack(shuffles)]


def orderings(
    orders: int | Sequence[Sequence[int]], num_vars: int, generator: torch.Generator | None
) -> Tensor:
    """Return listed orderings, or so many: the natural one, or several random ones, -> (M, D)."""
    if not isinstance(orders, int):
        listed = [permutation(order, num_vars) for order in orders]
    elif orders == 1:
        listed = [permutation(None, num_vars)]
    else:
        listed = [torch.randperm(num_vars, generator=generator) for _ in range(orders)]
    if not listed:
        raise ValueError(f"orders is {orders}, expected at least one ordering")
    return torch.stack(listed)
