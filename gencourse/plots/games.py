"""What a game between two networks looks like: its field, its paths, its modes, coloured samples.

Shapes: N points or images, K modes, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from gencourse.plots.pictures import BLACK, GREY, ORANGE, SERIES, SMALL, as_array

_FRAME = 0.55  # grey between images, as in `image_grid`


def vector_field(
    ax: Axes,
    field: Callable[[torch.Tensor], torch.Tensor],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    points: int = 17,
) -> Axes:
    """Draw where each point of a rectangle is pushed: arrows of one length, darker where stronger.

    Args:
        ax: axes to draw on.
        field: (N, 2) points -> (N, 2) velocities.
        x: the horizontal range.
        y: the vertical range.
        points: arrows along each side.
    """
    across, up = (torch.linspace(*side, points, dtype=torch.float64) for side in (x, y))
    grid = torch.cartesian_prod(across, up)
    velocity = as_array(field(grid))
    scale = np.array([x[1] - x[0], y[1] - y[0]])
    seen = velocity / scale  # as long as it looks on the page
    speed = np.hypot(*seen.T)
    arrows = np.divide(seen, speed[:, None], out=np.zeros_like(seen), where=speed[:, None] > 0)
    strength = np.sqrt(speed / max(float(speed.max()), 1e-300))
    ax.quiver(
        *grid.numpy().T,
        *arrows.T,
        0.25 + 0.75 * strength,
        cmap="Greys",
        clim=(0, 1),
        angles="uv",
        pivot="mid",
        scale=points * 1.4,
        width=0.004,
    )
    ax.set(xlim=x, ylim=y)
    return ax


def path(ax: Axes, points: ArrayLike, *, series: int = 0, label: str | None = None) -> Axes:
    """Draw a path through the plane, (N, 2): a ring at its start and a disc at its end."""
    where = as_array(points)
    colour, dashes, _, _ = SERIES[series % len(SERIES)]
    ax.plot(*where.T, color=colour, linestyle=dashes, linewidth=1.6, label=label)
    ax.plot(*where[0], "o", markersize=8, markerfacecolor="white", markeredgecolor=colour, mew=1.8)
    ax.plot(*where[-1], "o", markersize=8, color=colour)
    return ax


def mode_map(
    ax: Axes,
    samples: ArrayLike,
    centres: ArrayLike,
    *,
    radius: float,
    title: str = "",
) -> Axes:
    """Draw samples in the plane and a circle at each mode, solid where a sample lies inside.

    Args:
        ax: axes to draw on.
        samples: (N, 2).
        centres: of the modes, (K, 2).
        radius: how far from a centre a sample still belongs to it.
        title: a line above.
    """
    where, modes = as_array(samples), as_array(centres)
    near = np.hypot(*(where[:, None] - modes[None]).transpose(2, 0, 1)) < radius  # (N, K)
    ax.scatter(*where.T, s=4, color=SERIES[0][0], alpha=0.45, linewidths=0)
    for centre, found in zip(modes, near.any(0), strict=True):
        style = {"edgecolor": BLACK, "linewidth": 1.2, "linestyle": "-"} if found else {
            "edgecolor": ORANGE, "linewidth": 2.0, "linestyle": ":"}  # fmt: skip
        ax.add_patch(Circle(centre, radius, fill=False, **style))
    far = float(np.abs(modes).max()) + 3 * radius
    ax.set(xlim=(-far, far), ylim=(-far, far), aspect="equal", xticks=[], yticks=[])
    ax.set_title(title, fontsize=SMALL + 1)
    ax.spines[:].set_visible(False)
    return ax


def colour_grid(ax: Axes, images: ArrayLike, *, columns: int = 10, title: str = "") -> Axes:
    """Draw coloured or grey images as one tiled picture: (N, 3, H, W) or (N, 1, H, W) in [0, 1].

    Raises:
        ValueError: `images` has another shape.
    """
    stack = _coloured("images", images)
    number = len(stack)
    rows = [stack[start : start + columns] for start in range(0, number, columns)]
    ax.imshow(_tiled(rows, columns), interpolation="nearest")
    ax.set_title(title, fontsize=SMALL + 1)
    ax.axis("off")
    return ax


def colour_rows(ax: Axes, rows: Mapping[str, ArrayLike], *, title: str = "") -> Axes:
    """Draw rows of coloured or grey images, a name before each: name -> (N, C, H, W) in [0, 1].

    A row may have smaller images than the first; their pixels are drawn larger.

    Raises:
        ValueError: a row of another number of images, or whose pixels do not fit.
    """
    stacks = {name: _coloured(name, images) for name, images in rows.items()}
    number, side, _, _ = next(iter(stacks.values())).shape
    for name, stack in stacks.items():
        if len(stack) != number or side % stack.shape[1] or stack.shape[1] != stack.shape[2]:
            raise ValueError(
                f"{name!r} has {len(stack)} images of {stack.shape[1]} x {stack.shape[2]} pixels, "
                f"expected {number} squares whose side divides {side}"
            )
        factor = side // stack.shape[1]
        stacks[name] = stack.repeat(factor, 1).repeat(factor, 2)
    ax.imshow(_tiled(list(stacks.values()), number), interpolation="nearest")
    ax.set_yticks([r * (side + 1) + (side + 1) / 2 for r in range(len(stacks))], list(stacks))
    ax.set_xticks([])
    ax.tick_params(length=0, labelsize=SMALL)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=SMALL + 1)
    ax.figure.draw_without_rendering()  # the layout makes room for names in its second pass only
    return ax


def heat(ax: Axes, values: ArrayLike, *, title: str = "", outline: bool = True) -> Axes:
    """Draw where a map (H, W) is not 0, darker for larger, with a box around what is not 0."""
    cells = np.abs(as_array(values).astype(float))
    ax.imshow(cells, cmap="Greys", interpolation="nearest")
    where = np.argwhere(cells > 0)
    if outline and len(where):
        (top, left), (bottom, right) = where.min(0) - 0.5, where.max(0) + 0.5
        box = ([left, right, right, left, left], [top, top, bottom, bottom, top])
        ax.plot(*box, color=ORANGE, linewidth=1.8, linestyle="--")
    ax.set_title(title, fontsize=SMALL + 1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=GREY)
    return ax


def _coloured(name: str, images: ArrayLike) -> np.ndarray:
    """Return (N, C, H, W) with C = 1 or 3 as (N, H, W, 3)."""
    stack = as_array(images).astype(float)
    if stack.ndim != 4 or stack.shape[1] not in (1, 3):
        raise ValueError(f"{name!r} has shape {stack.shape}, expected (N, 3 or 1, H, W)")
    return np.broadcast_to(stack, (len(stack), 3, *stack.shape[2:])).transpose(0, 2, 3, 1)


def _tiled(rows: list[np.ndarray], columns: int) -> np.ndarray:
    """Lay rows of (N, H, W, 3) out on grey."""
    _, height, width, _ = rows[0].shape
    canvas = np.full((len(rows) * (height + 1) + 1, columns * (width + 1) + 1, 3), _FRAME)
    for r, row in enumerate(rows):
        top = r * (height + 1) + 1
        for c, image in enumerate(row):
            left = c * (width + 1) + 1
            canvas[top : top + height, left : left + width] = image.clip(0, 1)
    return canvas
