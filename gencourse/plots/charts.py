"""Tables of numbers as pictures, bars, curves, histograms, contours and points.

Shapes: N points, R rows and C columns of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gencourse.plots.pictures import LIGHT_BLUES, SERIES, SMALL, add_legend, as_array


def table(
    ax: Axes,
    values: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    title: str = "",
    form: str = "{:z.2f}",
    largest: float | None = None,
) -> Axes:
    """Draw a table of numbers as a picture: every cell shaded by its value, the number in it.

    Args:
        ax: axes to draw on.
        values: (R, C) numbers, or (C,) for one row.
        rows: names of the R rows.
        columns: names of the C columns.
        title: a line above, such as "p(g | i, d)".
        form: how a number is written.
        largest: the value with the darkest shade, by default the largest one.

    Raises:
        ValueError: the names do not match the shape.
    """
    cells = np.atleast_2d(as_array(values)).astype(float)
    for name, given, size in (("rows", rows, len(cells)), ("columns", columns, cells.shape[1])):
        if given is not None and len(given) != size:
            raise ValueError(f"{name} has {len(given)} names {list(given)}, expected {size}")
    top = largest if largest is not None else max(float(cells.max()), 1e-300)
    ax.imshow(cells, cmap=LIGHT_BLUES, vmin=0, vmax=top, aspect="auto")
    for (r, c), value in np.ndenumerate(cells):
        ax.text(c, r, form.format(value), ha="center", va="center", fontsize=SMALL)
    ax.set_yticks(range(len(cells)), rows if rows is not None else [""] * len(cells))
    ax.set_xticks(range(cells.shape[1]), columns if columns is not None else [""] * cells.shape[1])
    ax.set_xticks(np.arange(cells.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(cells) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="both", length=0, top=False, labelsize=SMALL)
    ax.tick_params(axis="x", labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title(title, pad=8)
    return ax


def bars(
    ax: Axes,
    names: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    spread: Mapping[str, ArrayLike] | None = None,
    form: str | None = None,
) -> Axes:
    """Draw grouped bars, one group a name and one bar a series, such as exact and sampled.

    Args:
        ax: axes to draw on.
        names: of the N groups.
        series: label -> (N,) heights.
        spread: label -> (N,) half lengths of error bars.
        form: how a height is written above its bar; not written by default.

    Raises:
        ValueError: a series has not as many heights as there are names.
    """
    width = 0.8 / len(series)
    for k, (label, heights) in enumerate(series.items()):
        values = as_array(heights).astype(float)
        if values.shape != (len(names),):
            raise ValueError(
                f"series {label!r} has shape {values.shape}, expected ({len(names)},)"
            )
        colour, _, _, hatch = SERIES[k % len(SERIES)]
        x = np.arange(len(names)) + (k - (len(series) - 1) / 2) * width
        error = None if spread is None or label not in spread else as_array(spread[label])
        drawn = ax.bar(x, values, width * 0.92, label=label, yerr=error, capsize=2)
        for patch in drawn:
            patch.set(facecolor=colour, hatch=hatch, edgecolor="white" if hatch else colour)
        if form is not None:
            ax.bar_label(drawn, [form.format(v) for v in values], fontsize=SMALL, padding=1)
    ax.set_xticks(range(len(names)), names)
    if len(series) > 1:
        add_legend(ax, handlelength=2.0)
    return ax


def curves(
    ax: Axes,
    x: ArrayLike,
    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]],
    *,
    markers: bool = False,
    first: int = 0,
    legend: bool = True,
) -> Axes:
    """Draw one line a series over a common x, each with its own colour, dashes and marker.

    Args:
        ax: axes to draw on.
        x: (N,).
        series: label -> (N,), or label -> ((N,), (N,)): the line and half the height of its band.
        markers: whether to mark the points.
        first: which of `SERIES` the first line takes.
        legend: whether to add the legend.
    """
    across = as_array(x)
    for k, (label, given) in enumerate(series.items()):
        line, band = given if isinstance(given, tuple) else (given, None)
        colour, dashes, marker, _ = SERIES[(first + k) % len(SERIES)]
        y = as_array(line)
        options = {"marker": marker, "markersize": 4.5} if markers else {}
        ax.plot(across, y, color=colour, linestyle=dashes, label=label, linewidth=1.8, **options)
        if band is not None:
            half = as_array(band)
            ax.fill_between(across, y - half, y + half, color=colour, alpha=0.18, linewidth=0)
    if legend:
        add_legend(ax)
    return ax


def histograms(ax: Axes, series: Mapping[str, ArrayLike], *, edges: ArrayLike) -> Axes:
    """Draw the counts of every series, label -> (N,), as outlines over common bin edges."""
    for k, (label, values) in enumerate(series.items()):
        colour, dashes, _, _ = SERIES[k % len(SERIES)]
        counts, at = np.histogram(as_array(values), as_array(edges))
        ax.stairs(counts, at, color=colour, linestyle=dashes, linewidth=1.8, label=label)
        ax.stairs(counts, at, color=colour, alpha=0.18, fill=True)
    add_legend(ax)
    return ax


def contours(
    ax: Axes,
    function: Callable[[torch.Tensor], torch.Tensor],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    levels: Sequence[float] | int = 8,
    points: int = 101,
    label: bool = True,
    filled: bool = True,
) -> Axes:
    """Draw the contours of `function` over a rectangle.

    Args:
        ax: axes to draw on.
        function: (N, 2) points -> (N,) heights.
        x: the horizontal range.
        y: the vertical range.
        levels: heights of the contours, or how many.
        points: grid points along each side.
        label: whether to write the heights on the lines.
        filled: whether to shade by height.
    """
    across = torch.linspace(*x, points, dtype=torch.float64)
    up = torch.linspace(*y, points, dtype=torch.float64)
    grid = torch.cartesian_prod(up, across).flip(1)  # (points^2, 2), x varies fastest
    heights = as_array(function(grid)).reshape(points, points)
    if filled:
        ax.contourf(
            as_array(across), as_array(up), heights, levels, cmap=LIGHT_BLUES, extend="both"
        )
    lines = ax.contour(
        as_array(across), as_array(up), heights, levels, colors="#333333", linewidths=1
    )
    if label:
        inner = [(low + 0.07 * (high - low), high - 0.07 * (high - low)) for low, high in (x, y)]
        every = 2 if len(lines.levels) > 5 else 1  # close lines leave room for every other one
        for written in ax.clabel(lines, lines.levels[::every], fontsize=SMALL):
            inside = (a < p < b for (a, b), p in zip(inner, written.get_position(), strict=True))
            written.set_visible(all(inside))  # a number at the rim would be cut
    return ax


def scatter(ax: Axes, points: ArrayLike, classes: ArrayLike, names: Sequence[str]) -> Axes:
    """Draw points in the plane, one colour and marker a class: (N, 2) and (N,) ints."""
    where, which = as_array(points), as_array(classes)
    for k, name in enumerate(names):
        colour, _, marker, _ = SERIES[k % len(SERIES)]
        chosen = where[which == k]
        ax.scatter(*chosen.T, s=16, color=colour, marker=marker, label=name, alpha=0.75, lw=0)
    add_legend(ax, handlelength=1.0)
    return ax
