"""What a model may look at: masks, the context of a pixel, and pixels in the order of work.

Dark is what is seen, hatched what comes before and is not seen, white what comes later.

Shapes: H x W pixels, O outputs, I inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from gencourse.plots.pictures import BLACK, SMALL, VERMILLION, as_array

SEEN = LinearSegmentedColormap.from_list("seen", ["#FFFFFF", "#0B3C5D"])
LINE = "#9A9A9A"


def draw_mask(
    ax: Axes,
    mask: ArrayLike,
    *,
    rows: Sequence[object] | None = None,
    columns: Sequence[object] | None = None,
    every: int | tuple[int, int] = 0,
    title: str = "",
) -> Axes:
    """Draw a matrix as squares, dark for 1 and white for 0.

    Args:
        ax: axes to draw on.
        mask: (O, I), 0 to 1.
        rows: a word for each of the O rows.
        columns: a word for each of the I columns.
        every: draw a thick line after so many rows and columns, as around the colours of a pixel.
        title: a line above.

    Raises:
        ValueError: `mask` is no matrix, or the words do not match it.
    """
    cells = as_array(mask).astype(float)
    if cells.ndim != 2:
        raise ValueError(f"mask has shape {cells.shape}, expected (outputs, inputs)")
    for name, given, size in (("rows", rows, len(cells)), ("columns", columns, cells.shape[1])):
        if given is not None and len(given) != size:
            raise ValueError(f"{name} has {len(given)} words {list(given)}, expected {size}")
    _squares(ax, cells)
    ax.set_yticks(range(len(cells)) if rows is not None else [], rows)
    ax.set_xticks(range(cells.shape[1]) if columns is not None else [], columns)
    ax.tick_params(length=0, labelsize=SMALL)
    if every:
        down, across = (every, every) if isinstance(every, int) else every
        for y in np.arange(down, len(cells), down) - 0.5:
            ax.axhline(y, color=BLACK, linewidth=1.6)
        for x in np.arange(across, cells.shape[1], across) - 0.5:
            ax.axvline(x, color=BLACK, linewidth=1.6)
    ax.set_title(title)
    return ax


def draw_context(
    ax: Axes,
    seen: ArrayLike,
    pixel: tuple[int, int],
    *,
    title: str = "",
    blind_spot: bool = True,
) -> Axes:
    """Draw which pixels the prediction of one pixel depends on.

    Args:
        ax: axes to draw on.
        seen: (H, W), 0 where there is no influence, up to 1; or bool.
        pixel: row and column of the predicted one, which gets a cross.
        title: a line above.
        blind_spot: whether to hatch the pixels that come before in the order of reading and are
            not seen at all.

    Raises:
        ValueError: `seen` is no image, or the pixel is outside of it.
    """
    influence = as_array(seen).astype(float)
    if influence.ndim != 2 or not all(
        0 <= p < size for p, size in zip(pixel, influence.shape, strict=False)
    ):
        raise ValueError(f"pixel is {pixel}, expected a row and column within {influence.shape}")
    _squares(ax, influence)
    row, column = pixel
    for (i, j), value in np.ndenumerate(influence):
        before = (i, j) < (row, column)
        if blind_spot and before and value == 0:
            ax.add_patch(_square(i, j, facecolor="#F2E3D5", edgecolor=VERMILLION, hatch="////"))
        if not before and value > 0:  # the future: a leak
            ax.add_patch(_square(i, j, facecolor=VERMILLION, edgecolor=BLACK, hatch="xx"))
    ax.plot(column, row, "x", color=BLACK, markersize=9, markeredgewidth=2.4)
    ax.set(xticks=[], yticks=[], title=title)
    return ax


def _square(row: int, column: int, **style: object) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, linewidth=0.8, **style)


def _squares(ax: Axes, cells: np.ndarray) -> None:
    """Draw cells in [0, 1] with thin lines between them."""
    ax.imshow(cells, cmap=SEEN, vmin=0, vmax=1, interpolation="nearest")
    height, width = cells.shape
    ax.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, color=LINE, linewidth=0.7)
    ax.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, color=LINE, linewidth=0.7)
    ax.spines[:].set_visible(False)


def draw_numbered(
    ax: Axes,
    numbers: ArrayLike,
    *,
    now: Collection[int] = (),
    done: Collection[int] = (),
    title: str = "",
) -> Axes:
    """Draw a grid of numbered pixels; 0 is no pixel and stays empty.

    Args:
        ax: axes to draw on.
        numbers: (H, W) of ints.
        now: the numbers that are computed in this step, drawn dark.
        done: those computed before, drawn light.
        title: a line above.
    """
    cells = as_array(numbers).astype(int)
    shades = np.vectorize(lambda k: 0.85 if k in now else 0.25 if k in done else 0.0)(cells)
    _squares(ax, shades)
    for (i, j), k in np.ndenumerate(cells):
        if k:
            colour = "white" if k in now else BLACK
            ax.text(j, i, str(k), ha="center", va="center", fontsize=SMALL, color=colour)
        else:
            ax.add_patch(_square(i, j, facecolor="#EDEDED", edgecolor=LINE, hatch="...."))
    ax.set(xticks=[], yticks=[], title=title)
    return ax
