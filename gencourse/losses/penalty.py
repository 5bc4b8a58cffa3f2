"""Penalties that hold down the slope of a critic: between real and fake x, or at real x only.

Shapes: B batch, ... the axes of one event.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return E (‖∇ critic(x̂)‖ - 1)², (B, ...) and (B, ...) -> () (Gulrajani et al., NIPS 2017).

    x̂ lies on the line between a real and a fake x, at a place that is uniform for each row. The
    paper adds 10 times it to the Wasserstein loss. Only the critic learns from it: real and fake
    are constants here, and no gradient goes back into the generator. The critic must not mix rows,
    so it must have no batch norm. What it gives for one row is summed, if it judges patches.

    Args:
        critic: (B, ...) -> (B,) or (B, ...); for a conditional one `lambda x: critic(x, y)`.
        real: data.
        fake: as many generated x.
        generator: draws the places.

    Raises:
        ValueError: shapes that differ, or no rows.
    """
    if real.shape != fake.shape or not len(real):
        raise ValueError(
            f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}, expected the same "
            "shape with at least 1 row"
        )
    place = real.new_empty(len(real), *[1] * (real.ndim - 1)).uniform_(generator=generator)
    x = torch.lerp(fake.detach(), real.detach(), place).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Return ½ E ‖∇ critic(x)‖² at real x, (B, ...) -> () (R1, Mescheder et al., ICML 2018).

    Multiplied by γ, 10 in the paper, it is added to the discriminator's loss of any game. It is 0
    for the discriminator of the equilibrium, which is constant, so unlike `gradient_penalty` it
    does not move the equilibrium, and makes the game converge nearby. What the critic gives for
    one row is summed, if it judges patches.

    Args:
        critic: (B, ...) -> (B,) or (B, ...).
        real: data.

    Raises:
        ValueError: no rows.
    """
    if not len(real):
        raise ValueError(f"real has shape {tuple(real.shape)}, expected at least 1 row")
    x = real.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean() / 2
