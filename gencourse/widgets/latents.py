"""Explorers of unit 03: both directions of the KL, a plane of codes, latents turned round.

Shapes: L latents, H x W pixels, D = 2 variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gencourse import plots
from gencourse.plots import Picture
from gencourse.widgets.explorer import Explorer, real_slider

Direction = Literal["q||p", "p||q"]


def factorised_explorer(best: Callable[..., Tensor]) -> Explorer:
    """Move the covariance of p: the independent normals nearest to it under both directions.

    Args:
        best: (covariance (2, 2), direction="q||p" or "p||q") -> the variances of q, (2,).
    """

    def draw(variance_1: float, variance_2: float, correlation: float) -> Picture:
        off = correlation * math.sqrt(variance_1 * variance_2)
        p = torch.tensor([[variance_1, off], [off, variance_2]], dtype=torch.float64)
        fig, ax = plots.figure(1, 2, size=(8.4, 3.9))
        said = []
        directions: tuple[tuple[str, Direction], ...] = (("KL(q‖p)", "q||p"), ("KL(p‖q)", "p||q"))
        for a, (name, direction) in zip(ax, directions, strict=True):
            variances = best(p, direction=direction)
            q = variances.diag()
            least = _kl(q, p) if direction == "q||p" else _kl(p, q)
            plots.ellipse(a, p, series=2, label="p")
            plots.ellipse(a, q, series=0, label="q, independent")
            numbers = " and ".join(f"{float(v):.4f}" for v in variances)
            title = f"least {name} = {least:.4f}\nvariances of q: {numbers}"
            a.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal", title=title, xlabel="$x_1$")
            said.append(f"least {name} {least:.4f} at variances {numbers}")
        ax[0].set_ylabel("$x_2$")
        plots.add_legend(ax[0], loc="upper left")
        settings = f"variances {variance_1:g} and {variance_2:g}, correlation {correlation:g}"
        return plots.picture(fig, f"p has {settings}. {'; '.join(said)}.")

    return Explorer(
        draw,
        {
            "variance_1": real_slider("variance 1", 1.0, 0.2, 4.0, 0.1),
            "variance_2": real_slider("variance 2", 1.0, 0.2, 4.0, 0.1),
            "correlation": real_slider("correlation", 0.9, -0.95, 0.95),
        },
    )


def _kl(q: Tensor, p: Tensor) -> float:
    """Return KL(N(0, q) ‖ N(0, p)) in nats, both (D, D)."""
    ratio = torch.linalg.solve(p, q)
    return float((ratio.trace() - len(q) - torch.logdet(ratio)) / 2)


def plane_explorer(
    decode: Callable[[Tensor], Tensor],
    *,
    span: float = 2.5,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> Explorer:
    """Move a point z through a plane of codes, and see what the decoder makes of it.

    Args:
        decode: (N, 2) -> (N, H, W) in [0, 1].
        span: the plane goes from -span to span.
        points: codes of data, (N, 2), drawn as the characters of their classes.
        classes: of the codes, (N,) of 0..9.
    """
    steps = torch.linspace(-span, span, 11)
    grid = torch.cartesian_prod(steps, steps).flip(1)  # rows from low to high z2
    sheet = decode(grid).reshape(11, 11, *decode(grid[:1]).shape[1:])

    def draw(z_1: float, z_2: float) -> Picture:
        fig, ax = plots.figure(1, 3, size=(10.2, 3.6), width_ratios=(1.2, 1.2, 0.7))
        plots.image_plane(
            ax[0], sheet, x=(-span, span), y=(-span, span), title="the plane, decoded"
        )
        if points is not None and classes is not None:
            plots.class_map(ax[1], points, classes)
        ax[1].set(xlim=ax[0].get_xlim(), ylim=ax[0].get_ylim(), title="codes of images")
        for a in ax[:2]:
            plots.mark(a, (z_1, z_2))
            a.set(xlabel="$z_1$", ylabel="$z_2$")
        image = decode(torch.tensor([[z_1, z_2]]))
        plots.image_grid(ax[2], image, columns=1, title=f"z = ({z_1:g}, {z_2:g})")
        ink = float(image.mean())
        words = f"The decoder's image at z = ({z_1:g}, {z_2:g}), mean brightness {ink:.3f}, beside"
        return plots.picture(fig, f"{words} the decoded plane and the codes of images.")

    return Explorer(
        draw,
        {
            "z_1": real_slider("z1", 0.0, -span, span, 0.1),
            "z_2": real_slider("z2", 0.0, -span, span, 0.1),
        },
    )


def rotation_explorer(
    decode: Callable[[Tensor], Tensor], *, latents: tuple[int, int], num_latents: int
) -> Explorer:
    """Turn two latents into each other: the same p(x), and other traversals.

    Args:
        decode: (N, L) -> (N, H, W) in [0, 1].
        latents: the two that are turned.
        num_latents: L.
    """
    steps = torch.linspace(-2, 2, 9)
    i, j = latents

    def draw(angle: float) -> Picture:
        turn = math.radians(angle)
        rows = {}
        for name, along in (("first axis", turn), ("second axis", turn + math.pi / 2)):
            z = torch.zeros(len(steps), num_latents)
            z[:, i], z[:, j] = steps * math.cos(along), steps * math.sin(along)
            rows[name] = decode(z)
        fig, ax = plots.figure(size=(8.4, 2.5))
        plots.image_rows(ax, rows, title=f"traversals from -2 to 2, axes turned by {angle:g}°")
        change = [float((r[-1] - r[0]).abs().mean()) for r in rows.values()]
        said = f"mean change along the axes {change[0]:.3f} and {change[1]:.3f}"
        return plots.picture(fig, f"Two traversals, axes turned by {angle:g} degrees: {said}.")

    return Explorer(draw, {"angle": real_slider("angle", 0.0, 0.0, 90.0, 5.0)})
