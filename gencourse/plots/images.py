"""Grey images side by side, and what is drawn on top of one.

Shapes: N images of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gencourse.plots.pictures import ORANGE, SKY, as_array


def image_grid(ax: Axes, images: ArrayLike, *, columns: int = 10, title: str = "") -> Axes:
    """Draw grey images as one tiled picture, white for 1: (N, H, W) or (N, 1, H, W) in [0, 1].

    Raises:
        ValueError: `images` has another shape.
    """
    stack = as_array(images).astype(float)
    if stack.ndim == 4 and stack.shape[1] == 1:
        stack = stack[:, 0]
    if stack.ndim != 3:
        raise ValueError(f"images has shape {stack.shape}, expected (N, H, W) or (N, 1, H, W)")
    number, height, width = stack.shape
    lines = -(-number // columns)
    canvas = np.full((lines * (height + 1) + 1, columns * (width + 1) + 1), 0.55)
    for i, image in enumerate(stack):
        top, left = (i // columns) * (height + 1) + 1, (i % columns) * (width + 1) + 1
        canvas[top : top + height, left : left + width] = image
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")
    return ax


def pixel_tree(
    ax: Axes, edges: Iterable[tuple[int, int]], shape: tuple[int, int], *, background: ArrayLike
) -> Axes:
    """Draw a tree over the pixels of an image on top of `background`, (H, W) in [0, 1].

    Args:
        ax: axes to draw on.
        edges: pairs of pixel numbers, row by row.
        shape: H and W.
        background: what lies behind, such as the mean image.
    """
    height, width = shape
    ax.imshow(as_array(background), cmap="gray", vmin=0, vmax=1.6, interpolation="nearest")
    for a, b in edges:
        (ra, ca), (rb, cb) = divmod(a, width), divmod(b, width)
        near = abs(ra - rb) + abs(ca - cb) == 1
        colour, dashes = (ORANGE, "-") if near else (SKY, ":")
        ax.plot([ca, cb], [ra, rb], color=colour, linestyle=dashes, linewidth=1.8)
    across, down = np.meshgrid(range(width), range(height))
    ax.plot(across.ravel(), down.ravel(), "o", color="white", markersize=3.2, mec="black", mew=0.5)
    ax.axis("off")
    return ax
