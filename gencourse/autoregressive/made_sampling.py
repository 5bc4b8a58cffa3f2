"""Sampling from MADE for the price of one pass, instead of one pass for each variable.

With units sorted by degree the masks are triangles, up to steps. Once the first k variables are
known, the units of degree k can be computed from those of degree up to k, and never change again.

Shapes: n samples, D variables in the order of drawing, H_l units in hidden layer l by degree.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def fill_by_degree(
    z: Tensor,
    given: Sequence[bool],
    uniform: Tensor,
    *,
    degrees: Sequence[Tensor],
    hidden: Sequence[tuple[Tensor, Tensor]],
    V: Tensor,
    c: Tensor,
    A: Tensor | None,
    activate: Callable[[Tensor], Tensor],
) -> Tensor:
    """Draw in place, one after the other, the variables that are not given, -> z (D, n).

    The weights need no masks: what a mask hides is not known yet, and is not read.

    Args:
        z: (D, n), with the given values.
        given: D of them.
        uniform: (D, n), from [0, 1).
        degrees: (H_l,) for each hidden layer, ascending.
        hidden: W (H_l, H_{l-1}) and b (H_l, 1) for each hidden layer.
        V: (D, H_L).
        c: (D,).
        A: (D, D), or None.
        activate: of the hidden units.
    """
    units = [z, *(z.new_empty(len(d), z.shape[1]) for d in degrees)]
    steps = torch.arange(len(z), device=z.device)
    # ends[l][k]: how many units of layer l are known when the first k variables are
    ends = [steps.tolist()]
    ends += [torch.searchsorted(d, steps, right=True).tolist() for d in degrees]
    for k, is_given in enumerate(given):
        for layer, (W, b) in enumerate(hidden):
            old, new, inputs = (
                ends[layer + 1][k - 1] if k else 0,
                ends[layer + 1][k],
                ends[layer][k],
            )
            if old < new:
                a = torch.addmm(b[old:new], W[old:new, :inputs], units[layer][:inputs])
                units[layer + 1][old:new] = activate(a)
        if not is_given:
            known = ends[-1][k]
            logits = V[k, :known] @ units[-1][:known] + c[k]
            if A is not None:
                logits += A[k, :k] @ z[:k]
            z[k] = uniform[k] < logits.sigmoid()
    return z
