"""Walks in the latent space of a generator: interpolation, arithmetic, search.

All of them take latents or a function z -> image, so they work for any generator, and for the
decoder of a VAE.

- Radford, Metz & Chintala (ICLR 2016): interpolation; "smiling woman - neutral woman + neutral
  man" with the mean latents of a few pictures of each.
- White ("Sampling generative networks", 2016): spherical interpolation. In many dimensions nearly
  all of N(0, I) lies near the sphere of radius √L, and the straight line leaves it: half-way
  between two independent z the norm is smaller by √2.
- Bora, Jalal, Price & Dimakis ("Compressed sensing using generative models", ICML 2017): the image
  behind measurements y = A x, as the G(z) that explains them best.

Shapes: T steps, B images, R restarts, L latents.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def interpolate(start: Tensor, end: Tensor, num_steps: int, *, spherical: bool = False) -> Tensor:
    """Return latents from start to end, both included, (..., L) twice -> (T, ..., L).

    Args:
        start: where the walk begins.
        end: where it ends.
        num_steps: T, at least 2.
        spherical: whether it follows the great circle: the angle grows evenly, and the norm goes
            from one end's to the other's. When start and end lie on one line through 0, no great
            circle is given, and the walk is straight.

    Raises:
        ValueError: fewer than 2 steps, or latents of different shapes.
    """
    if num_steps < 2 or start.shape != end.shape:
        raise ValueError(
            f"num_steps is {num_steps}, start {tuple(start.shape)} and end {tuple(end.shape)}, "
            "expected at least 2 steps between latents of one shape"
        )
    t = torch.linspace(0, 1, num_steps, dtype=start.dtype, device=start.device)
    t = t.view(-1, *[1] * start.ndim)
    straight = (1 - t) * start + t * end
    if not spherical:
        return straight
    norms = [z.norm(dim=-1, keepdim=True) for z in (start, end)]
    a, b = (F.normalize(z, dim=-1) for z in (start, end))
    angle = (a * b).sum(-1, keepdim=True).clamp(-1, 1).acos()
    direction = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    round_walk = ((1 - t) * norms[0] + t * norms[1]) * direction
    round_exists = (angle.sin() > 1e-3) & (norms[0] > 0) & (norms[1] > 0)
    return torch.where(round_exists, round_walk, straight)


def attribute_direction(z: Tensor, has: Tensor) -> Tensor:
    """Return the mean latent with an attribute less the mean without it, (B, L), (B,) -> (L,).

    `z + direction` should show what z shows, with the attribute. Labels may come from a classifier
    on G(z).

    Raises:
        ValueError: no truth value for each latent, or all the same.
    """
    if z.ndim != 2 or has.shape != (len(z),) or has.dtype != torch.bool:
        raise ValueError(
            f"z has shape {tuple(z.shape)} and has {tuple(has.shape)} of {has.dtype}, "
            "expected (B, L) and (B,) of bool"
        )
    if not has.any() or has.all():
        raise ValueError(f"has is {bool(has.any())} for all {len(z)} latents, expected both")
    return z[has].mean(0) - z[~has].mean(0)


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return mean(a) - mean(b) + mean(c) of latents, (N, L), (M, L), (K, L) -> (L,).

    With a of red circles, b of red squares and c of blue squares it should show a blue circle.

    Raises:
        ValueError: no latents, or of different lengths.
    """
    groups = (a, b, c)
    if any(z.ndim != 2 or not len(z) or z.shape[1] != a.shape[1] for z in groups):
        shapes = [tuple(z.shape) for z in groups]
        raise ValueError(f"latents of shapes {shapes}, expected (N, L) each, at least one row")
    return a.mean(0) - b.mean(0) + c.mean(0)


class LatentSearch(NamedTuple):
    """What was found for each of B measurements.

    Attributes:
        z: (B, L) of the best restart.
        x: (B, ...) G(z).
        residual: (B,) ‖A G(z) - y‖², in squared pixels.
        objective: (R, B) what each restart ended with.
    """

    z: Tensor
    x: Tensor
    residual: Tensor
    objective: Tensor


def latent_search(
    generate: Callable[[Tensor], Tensor],
    y: Tensor,
    A: Callable[[Tensor], Tensor],
    *,
    num_latents: int,
    prior: float = 0.0,
    num_restarts: int = 8,
    steps: int = 300,
    lr: float = 0.05,
    generator: torch.Generator | None = None,
) -> LatentSearch:
    """Minimise ‖A G(z) - y‖² + prior ‖z‖² over z, for each measurement on its own.

    The objective is not convex. Adam starts R times from z ~ N(0, I), all as one batch, and the
    best end counts. The generator's parameters stay as they are.

    Args:
        generate: G, (N, L) -> (N, ...); a module in evaluation mode.
        y: measurements of B images, (B, ...).
        A: what was measured, (R, B, ...) of images -> (R, B, ...) as y; `data.Degraded.A` is one.
        num_latents: L.
        prior: weight of ‖z‖²; with noise of variance σ² on y, 1/2 of it is -σ² log p(z), so
            prior = σ² gives the most probable z. 0 trusts the measurements alone.
        num_restarts: R.
        steps: of Adam.
        lr: its step size; it falls to 0 along a cosine.
        generator: randomness of the starts.

    Raises:
        ValueError: a size below 1, a negative prior, measurements that A does not give, or a
            generator in training mode, whose batch norm would mix the restarts.
    """
    sizes = {"num_latents": num_latents, "num_restarts": num_restarts, "steps": steps}
    if min(sizes.values()) < 1 or not prior >= 0:
        raise ValueError(f"{sizes} and prior {prior}, expected at least 1 each, and at least 0")
    if isinstance(generate, nn.Module) and generate.training:
        raise ValueError("generate is in training mode, expected evaluation mode: call .eval()")
    z = y.new_empty(num_restarts, len(y), num_latents).normal_(generator=generator)
    z.requires_grad_()
    optimizer = torch.optim.Adam([z], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def explained() -> tuple[Tensor, Tensor]:
        """Return G(z), (R, B, ...), and the residuals (R, B)."""
        x = generate(z.flatten(0, 1)).unflatten(0, (num_restarts, len(y)))
        found = A(x)
        if found.shape[1:] != y.shape:
            raise ValueError(
                f"y has shape {tuple(y.shape)}, expected {tuple(found.shape[1:])} as A G(z)"
            )
        return x, (found - y).square().flatten(2).sum(2)

    with torch.enable_grad():
        for _ in range(steps):
            objective = explained()[1] + prior * z.square().sum(2)
            (z.grad,) = torch.autograd.grad(objective.sum(), z)  # rows do not mix
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        x, residual = explained()
        objective = residual + prior * z.square().sum(2)
        best, row = objective.argmin(0), torch.arange(len(y), device=y.device)
        return LatentSearch(z.detach()[best, row], x[best, row], residual[best, row], objective)
