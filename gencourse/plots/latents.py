"""What a latent space looks like: codes with their classes, decoded images in place, ellipses.

Shapes: N points, R x C grid, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from numpy.typing import ArrayLike

from gencourse.plots.pictures import GREY, SERIES, SMALL, as_array

_FRAME = 0.55  # grey between images, as in `image_grid`


def image_rows(ax: Axes, rows: Mapping[str, ArrayLike], *, title: str = "") -> Axes:
    """Draw rows of grey images with a name before each row: name -> (N, H, W) in [0, 1].

    Raises:
        ValueError: a row has another shape than the first.
    """
    stacks = {name: as_array(images).astype(float) for name, images in rows.items()}
    shape = next(iter(stacks.values())).shape
    for name, stack in stacks.items():
        if stack.shape != shape or stack.ndim != 3:
            raise ValueError(f"{name!r} has shape {stack.shape}, expected {shape}, (N, H, W)")
    number, height, width = shape
    canvas = np.full((len(stacks) * (height + 1) + 1, number * (width + 1) + 1), _FRAME)
    for r, stack in enumerate(stacks.values()):
        top = r * (height + 1) + 1
        for i, image in enumerate(stack):
            left = i * (width + 1) + 1
            canvas[top : top + height, left : left + width] = image
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_yticks([r * (height + 1) + (height + 1) / 2 for r in range(len(stacks))], list(stacks))
    ax.set_xticks([])
    ax.tick_params(length=0, labelsize=SMALL)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    ax.figure.draw_without_rendering()  # the layout makes room for names in its second pass only
    return ax


def image_plane(
    ax: Axes,
    images: ArrayLike,
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    title: str = "",
) -> Axes:
    """Draw images where they belong in a plane: (R, C, H, W), the first row at the lowest y.

    Args:
        ax: axes to draw on.
        images: in [0, 1]; columns go from low to high x, rows from low to high y.
        x: the first and last column's coordinate.
        y: the first and last row's coordinate.
        title: a line above.

    Raises:
        ValueError: `images` has another shape, or fewer than two rows or columns.
    """
    stack = as_array(images).astype(float)
    if stack.ndim != 4 or min(stack.shape[:2]) < 2:
        raise ValueError(f"images has shape {stack.shape}, expected (R, C, H, W) from 2 x 2 up")
    rows, columns, height, _ = stack.shape
    doubled = stack[::-1].repeat(2, -2).repeat(2, -1)  # leaves half a pixel for a frame
    framed = np.pad(doubled, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=_FRAME)
    canvas = framed.transpose(0, 2, 1, 3).reshape(rows * (2 * height + 2), -1)
    across, up = (x[1] - x[0]) / (columns - 1) / 2, (y[1] - y[0]) / (rows - 1) / 2
    extent = (x[0] - across, x[1] + across, y[0] - up, y[1] + up)
    ax.imshow(
        canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent, aspect="auto"
    )
    ax.set(title=title)
    return ax


def class_map(
    ax: Axes, points: ArrayLike, classes: ArrayLike, *, names: str = "0123456789"
) -> Axes:
    """Draw points in the plane as the character of their class: (N, 2) and (N,) ints.

    Characters tell ten classes apart where ten colours or markers cannot.

    Raises:
        ValueError: a class that has no character.
    """
    where, which = as_array(points), as_array(classes).astype(int)
    if len(which) and not (0 <= which.min() and which.max() < len(names)):
        raise ValueError(
            f"classes go from {which.min()} to {which.max()}, expected 0 to "
            f"{len(names) - 1}, one for each of {names!r}"
        )
    for k in np.unique(which):
        colour = SERIES[k % len(SERIES)][0]
        ax.scatter(*where[which == k].T, s=34, marker=f"${names[k]}$", color=colour, lw=0.2)
    return ax


def ellipse(
    ax: Axes,
    covariance: ArrayLike,
    *,
    mean: tuple[float, float] = (0.0, 0.0),
    sds: float = 2.0,
    series: int = 0,
    label: str | None = None,
) -> Axes:
    """Draw the contour of a normal in the plane, so many standard deviations from its mean.

    Args:
        ax: axes to draw on.
        covariance: (2, 2).
        mean: its centre.
        sds: Mahalanobis distance of the contour.
        series: which of `SERIES` gives colour and dashes.
        label: for the legend.

    Raises:
        ValueError: `covariance` is no positive definite 2 x 2 matrix.
    """
    matrix = as_array(covariance).astype(float)
    if matrix.shape != (2, 2) or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise ValueError(f"covariance is {matrix.tolist()}, expected 2 x 2, positive definite")
    values, axes = np.linalg.eigh(matrix)
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))  # of the longer axis
    colour, dashes, _, _ = SERIES[series % len(SERIES)]
    long, short = 2 * sds * np.sqrt(values[::-1])
    ax.add_patch(
        Ellipse(
            mean,
            long,
            short,
            angle=angle,
            fill=False,
            edgecolor=colour,
            linestyle=dashes,
            linewidth=2.0,
            label=label,
        )
    )
    ax.autoscale_view()
    return ax


def mark(ax: Axes, point: tuple[float, float]) -> Axes:
    """Draw a ring and a cross at a point, visible on black and on white."""
    for colour, size in (("white", 17), ("black", 13)):
        ax.plot(
            *point,
            "o",
            markersize=size,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=2,
        )
    ax.plot(*point, "+", markersize=9, color=GREY, markeredgewidth=1.5)
    return ax
