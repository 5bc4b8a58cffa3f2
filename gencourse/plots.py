"""Every picture of the course: graphs, tables, bars, curves, contours, images, and words for them.

Colours are Okabe and Ito's eight ("Color universal design", 2008), which the common kinds of
colour-blindness tell apart. No picture leans on colour alone: a series also has its own line
style, marker and hatch, so that a greyscale print still reads. A finished figure becomes a
`Picture`, which carries alternative text to wherever it is shown. Figures are made without
pyplot: nothing is global, nothing stays open.

Shapes: N points or images, H x W pixels, R rows and C columns of a table.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import networkx as nx
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, Patch, Rectangle
from numpy.typing import ArrayLike

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6B6B6B"

# One row a series: colour, line style, marker, hatch. Neighbours differ in lightness too.
SERIES: tuple[tuple[str, str, str, str], ...] = (
    (BLUE, "-", "o", ""),
    (ORANGE, "--", "s", "//"),
    (BLACK, ":", "^", "xx"),
    (SKY, "-.", "D", ".."),
    (VERMILLION, (0, (5, 1)), "v", "\\\\"),
    (GREEN, (0, (3, 1, 1, 1)), "P", "--"),
    (PURPLE, (0, (1, 1)), "X", "++"),
)
LIGHT_BLUES = LinearSegmentedColormap.from_list("light_blues", ["#FFFFFF", "#7FC3EE"])
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "font.size": 10,
    "hatch.linewidth": 0.7,
}
DOTS_PER_INCH = 150
SHOWN_PIXELS_PER_INCH = 92  # on the page; the file is finer, so that it stays sharp when enlarged
SMALL = 9  # points; nothing is written smaller, so that a projector still shows it


@dataclass(frozen=True)
class Picture:
    """A finished figure with its alternative text; the last line of a cell shows it.

    Args:
        png: the image file.
        alt: what the figure shows, for readers who do not see it.
        width: how wide it is shown, in pixels of the page.
    """

    png: bytes
    alt: str
    width: int

    @property
    def html(self) -> str:
        """The picture as one `<img>` element that needs no other file."""
        data = base64.b64encode(self.png).decode("ascii")
        alt = html.escape(self.alt, quote=True)
        return (
            f'<img alt="{alt}" width="{self.width}" style="max-width:100%" '
            f'src="data:image/png;base64,{data}">'
        )

    def save(self, path: Path | str) -> None:
        """Write the PNG file to `path`."""
        Path(path).write_bytes(self.png)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        data = {"text/html": self.html, "image/png": self.png, "text/plain": f"[{self.alt}]"}
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure in the course's style and its axes: one `Axes`, or an array of them.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        size: width and height in inches; by default 3.4 x 2.6 for each panel.
        **options: for `Figure.subplots`, such as `sharey=True`.
    """
    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=size or (3.4 * columns, 2.6 * rows), layout="constrained")
        return fig, fig.subplots(rows, columns, **options)


def add_legend(ax: Axes, **options: Any) -> None:
    """Add the legend in the course's style; `options` are those of `Axes.legend`."""
    ax.legend(**{"frameon": False, "fontsize": SMALL, "handlelength": 2.8, **options})


def picture(fig: Figure, alt: str) -> Picture:
    """Render `fig` and attach `alt`, the alternative text.

    Raises:
        ValueError: `alt` is empty.
    """
    if not alt.strip():
        raise ValueError(f"alt must say what the figure shows, got {alt!r}")
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        fig.savefig(file, format="png", dpi=DOTS_PER_INCH)
    width = round(fig.get_figwidth() * SHOWN_PIXELS_PER_INCH)
    return Picture(file.getvalue(), " ".join(alt.split()), width)


@dataclass(frozen=True)
class NumberTable:
    """Measured numbers in rows and columns, with a caption; shown as HTML or plain text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.caption, *text] if self.caption else text)

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            scope = ' scope="col"' if tag == "th" else ""
            return "".join(f"<{tag}{scope}>{html.escape(c)}</{tag}>" for c in cells)

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in self.rows)
        head = f"<thead><tr>{line(self.header, 'th')}</tr></thead>"
        return f"<table>{caption}{head}<tbody>{body}</tbody></table>"


def number_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "", digits: int = 4
) -> NumberTable:
    """Return a table to show; real numbers are written with `digits` places after the point.

    Raises:
        ValueError: a row has not as many cells as `header`.
    """
    written = tuple(tuple(_written(cell, digits) for cell in row) for row in rows)
    for row in written:
        if len(row) != len(header):
            raise ValueError(f"row {row} has {len(row)} cells, expected {len(header)}")
    return NumberTable(tuple(header), written, caption)


def _written(cell: Any, digits: int) -> str:
    if hasattr(cell, "item"):
        cell = cell.item()
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:z.{digits}f}"  # z: no "-0.00"


def _numpy(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


# ---- graphs --------------------------------------------------------------------------------

RADIUS = 0.29  # of a variable's circle; neighbours are one unit apart
FACTOR_SIDE = 0.24


def row(names: Sequence[str], *, y: float = 0.0, spacing: float = 1.0) -> dict[str, Any]:
    """Return positions that put `names` on a horizontal line, for `draw_graph`."""
    return {name: (spacing * i, y) for i, name in enumerate(names)}


def layered(graph: nx.DiGraph) -> dict[str, tuple[float, float]]:
    """Return positions with every arrow pointing down: parents above their children.

    Within a layer the nodes are sorted by the mean position of their parents.
    """
    positions: dict[str, tuple[float, float]] = {}
    for depth, layer in enumerate(nx.topological_generations(graph)):
        above = {n: [positions[p][0] for p in graph.predecessors(n)] for n in layer}
        ordered = sorted(layer, key=lambda n: float(np.mean(above[n])) if above[n] else 0.0)
        for i, name in enumerate(ordered):
            positions[name] = (1.35 * (i - (len(ordered) - 1) / 2), -1.15 * depth)
    return positions


def _as_networkx(model: Any) -> tuple[nx.Graph, tuple[str, ...]]:
    """Return the graph to draw and the names of its factor nodes."""
    graph = model if isinstance(model, nx.Graph) else getattr(model, "graph", None)
    if not isinstance(graph, nx.Graph):
        raise ValueError(f"model is {model!r}, expected a graphical model or a networkx graph")
    return graph, tuple(getattr(model, "factor_names", ()))


def draw_graph(
    model: Any,
    *,
    observed: Collection[str] | Mapping[str, Any] = (),
    positions: Mapping[str, tuple[float, float]] | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Picture | Axes:
    """Draw a graphical model: circles for variables, shaded when observed, squares for factors.

    Args:
        model: a Bayesian network, a factor graph, or a networkx graph.
        observed: names of observed variables; a mapping name -> value also writes the value.
        positions: where nodes stand, one unit between neighbours; by default parents above
            children, and a spring layout for undirected graphs.
        labels: other words for nodes, such as formulas.
        ax: axes to draw on.

    Returns:
        `ax` if it was given, otherwise a `Picture` whose alternative text lists the edges.

    Raises:
        ValueError: `model` has no graph, or `observed` names an unknown variable.
    """
    graph, factors = _as_networkx(model)
    unknown = [name for name in observed if name not in graph or name in factors]
    if unknown:
        variables = sorted(str(n) for n in graph if n not in factors)
        raise ValueError(f"observed holds {unknown[0]!r}, expected some of {variables}")
    places = dict(positions) if positions is not None else _layout(graph)
    words = _node_words(graph, observed, labels or {})
    fig = None
    if ax is None:
        spread = np.ptp(np.array(list(places.values()), dtype=float), axis=0)
        fig, ax = figure(size=(1.0 * spread[0] + 1.5, 0.9 * spread[1] + 1.1))
    neighbours = {name: list(graph.to_undirected(as_view=True).neighbors(name)) for name in graph}
    patches = _draw_nodes(ax, places, words, observed, {f: neighbours[f] for f in factors})
    for source, target in graph.edges:
        _draw_edge(ax, places, patches, source, target, directed=graph.is_directed())
    _frame(ax, places, words)
    return ax if fig is None else picture(fig, _graph_in_words(graph, factors, observed))


def _layout(graph: nx.Graph) -> dict[str, tuple[float, float]]:
    if graph.is_directed():
        return layered(graph)
    places = nx.kamada_kawai_layout(graph, scale=0.7 * math.sqrt(graph.number_of_nodes()) + 0.3)
    points = np.array([places[n] for n in graph])
    if np.ptp(points[:, 1]) > np.ptp(points[:, 0]):
        points = points[:, ::-1]  # a page is wider than high
    return {n: (float(x), float(y)) for n, (x, y) in zip(graph, points, strict=True)}


def _node_words(
    graph: nx.Graph, observed: Collection[str] | Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, str]:
    words = {name: labels.get(name, str(name)) for name in graph}
    if isinstance(observed, Mapping):
        words.update({n: f"{words[n]}\n={value}" for n, value in observed.items()})
    return words


def _half_width(word: str) -> float:
    longest = max(len(line) for line in word.replace("$", "").split("\n"))
    return max(RADIUS, 0.05 * longest + 0.1)


def _draw_nodes(
    ax: Axes,
    places: Mapping[str, tuple[float, float]],
    words: Mapping[str, str],
    observed: Collection[str],
    neighbours: Mapping[str, Sequence[str]],
) -> dict[str, Patch]:
    """Draw circles, and squares for the names in `neighbours`, factor -> its variables."""
    patches: dict[str, Patch] = {}
    for name, word in words.items():
        x, y = places[name]
        if name in neighbours:
            s = FACTOR_SIDE
            patch: Patch = Rectangle((x - s / 2, y - s / 2), s, s, facecolor="#333333", zorder=3)
            across, up = _free_side(places, name, neighbours[name])
            ax.text(
                x + 0.13 * across,
                y + 0.26 * up,
                word,
                ha={-1: "right", 0: "center", 1: "left"}[across],
                va="center",
                fontsize=SMALL,
                color="#333333",
                zorder=5,
            )
        else:
            shade = "#C4C4C4" if name in observed else "white"
            patch = Ellipse((x, y), 2 * _half_width(word), 2 * RADIUS, facecolor=shade, zorder=3)
            patch.set(edgecolor="black", linewidth=1.4)
            text = ax.text(x, y, word, ha="center", va="center", zorder=5)
            text.set(fontsize=SMALL, linespacing=0.95)
        patches[name] = ax.add_patch(patch)
    return patches


def _free_side(
    places: Mapping[str, tuple[float, float]], name: str, neighbours: Sequence[str]
) -> tuple[int, int]:
    """Return the side, such as (0, 1) for above, that is clear of the node's edges."""
    edges = [np.subtract(places[other], places[name]) for other in neighbours]
    sides = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))

    def nearest(side: tuple[int, int]) -> float:  # the cosine to the nearest edge
        way = np.array([0.6 * side[0], side[1]])
        cosines = [np.dot(way, edge) / np.hypot(*way) / np.hypot(*edge) for edge in edges]
        return max(0.35, *map(float, cosines))  # beyond 70 degrees all sides are equal

    return min(sides, key=nearest)


def _draw_edge(
    ax: Axes,
    places: Mapping[str, tuple[float, float]],
    patches: Mapping[str, Patch],
    source: str,
    target: str,
    *,
    directed: bool,
    **style: Any,
) -> None:
    """Draw one edge from rim to rim, bent around any node that would lie on it."""
    begin, end = np.array(places[source]), np.array(places[target])
    bend = 0.0
    for name, place in places.items():
        if name not in (source, target) and _distance_to_segment(place, begin, end) < RADIUS:
            bend = -0.42 if end[0] >= begin[0] else 0.42
    options = {"color": "black", "linewidth": 1.3, "mutation_scale": 13, "zorder": 2, **style}
    arrow = FancyArrowPatch(
        begin,
        end,
        arrowstyle="-|>" if directed else "-",
        connectionstyle=f"arc3,rad={bend}",
        patchA=patches[source],
        patchB=patches[target],
        shrinkA=0,
        shrinkB=1 if directed else 0,
        **options,
    )
    ax.add_patch(arrow)


def _distance_to_segment(
    point: tuple[float, float], begin: np.ndarray, end: np.ndarray
) -> float:
    along = end - begin
    share = float(np.dot(np.array(point) - begin, along) / max(np.dot(along, along), 1e-12))
    return float(np.linalg.norm(np.array(point) - begin - min(max(share, 0.0), 1.0) * along))


def _frame(
    ax: Axes, places: Mapping[str, tuple[float, float]], words: Mapping[str, str]
) -> None:
    """Set limits by hand: patches do not count in autoscaling, and bent edges leave the box."""
    left = min(x - _half_width(words[n]) for n, (x, _) in places.items() if n in words)
    right = max(x + _half_width(words[n]) for n, (x, _) in places.items() if n in words)
    heights = [y for n, (_, y) in places.items() if n in words]
    bent = 0.42 * 0.5 * (right - left) if len(set(heights)) == 1 and len(heights) > 2 else 0.0
    ax.set(xlim=(left - 0.15, right + 0.15), aspect="equal")
    ax.set_ylim(min(heights) - RADIUS - 0.12, max(heights) + RADIUS + 0.12 + 0.9 * bent)
    ax.axis("off")


def _graph_in_words(
    graph: nx.Graph, factors: Sequence[str], observed: Collection[str] | Mapping[str, Any]
) -> str:
    if factors:
        body = "; ".join(f"{f} joins {', '.join(map(str, graph.neighbors(f)))}" for f in factors)
        said = f"Factor graph. {body}."
    else:
        kind, link = ("Directed", " to ") if graph.is_directed() else ("Undirected", " with ")
        said = f"{kind} graph. Edges: {', '.join(f'{a}{link}{b}' for a, b in graph.edges)}."
    if isinstance(observed, Mapping):
        observed = [f"{name} = {value}" for name, value in observed.items()]
    return f"{said} Observed: {', '.join(observed)}." if observed else said


def draw_messages(
    graph: Any,
    messages: Sequence[Any],
    *,
    step: int,
    observed: Collection[str] | Mapping[str, Any] = (),
    positions: Mapping[str, tuple[float, float]] | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes,
) -> Axes:
    """Draw a factor graph and the messages of belief propagation sent up to and including `step`.

    Messages of this step are thick with their values beside them, earlier ones thin.

    Args:
        graph: a factor graph.
        messages: objects with `step`, `source`, `target` and `values`.
        step: the step to show.
        observed: as for `draw_graph`, as are `positions` and `labels`.
        positions: where nodes stand.
        labels: other words for nodes.
        ax: axes to draw on.
    """
    network, _ = _as_networkx(graph)
    places = dict(positions) if positions is not None else _layout(network)
    draw_graph(graph, observed=observed, positions=places, labels=labels, ax=ax)
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.3, high + 0.35)  # room for the values at the rim
    for message in messages:
        if message.step <= step:
            _draw_message(ax, places, message, now=message.step == step)
    return ax


def _draw_message(
    ax: Axes, places: Mapping[str, tuple[float, float]], message: Any, *, now: bool
) -> None:
    begin, end = np.array(places[message.source]), np.array(places[message.target])
    along = (end - begin) / np.linalg.norm(end - begin)
    side = 0.11 * np.array([-along[1], along[0]])  # so that the two directions lie side by side
    middle = (begin + end) / 2 + side
    colour = VERMILLION if now else SKY
    ax.add_patch(
        FancyArrowPatch(
            middle - 0.2 * along,
            middle + 0.2 * along,
            arrowstyle="-|>",
            mutation_scale=15 if now else 9,
            linewidth=3.0 if now else 1.4,
            color=colour,
            shrinkA=0,
            shrinkB=0,
            zorder=6 if now else 4,
        )
    )
    if now:
        values = ", ".join(f"{v:.2f}" for v in _numpy(message.values))
        # beside a level edge the text stands clear of the names of factors, which are as near
        place = middle + (3.8 if abs(side[1]) > 0.1 else 2.4) * side
        across = "left" if side[0] > 0.05 else "right" if side[0] < -0.05 else "center"
        below = "top" if side[1] < -0.05 else "bottom" if side[1] > 0.05 else "center"
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
        text = ax.text(*place, f"({values})", fontsize=SMALL, ha=across, va=below, bbox=box)
        text.set(color="#8A3C00", zorder=7)


# ---- tables, bars, curves, contours, images ------------------------------------------------


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
    cells = np.atleast_2d(_numpy(values)).astype(float)
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
        values = _numpy(heights).astype(float)
        if values.shape != (len(names),):
            raise ValueError(
                f"series {label!r} has shape {values.shape}, expected ({len(names)},)"
            )
        colour, _, _, hatch = SERIES[k % len(SERIES)]
        x = np.arange(len(names)) + (k - (len(series) - 1) / 2) * width
        error = None if spread is None or label not in spread else _numpy(spread[label])
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
    across = _numpy(x)
    for k, (label, given) in enumerate(series.items()):
        line, band = given if isinstance(given, tuple) else (given, None)
        colour, dashes, marker, _ = SERIES[(first + k) % len(SERIES)]
        y = _numpy(line)
        options = {"marker": marker, "markersize": 4.5} if markers else {}
        ax.plot(across, y, color=colour, linestyle=dashes, label=label, linewidth=1.8, **options)
        if band is not None:
            half = _numpy(band)
            ax.fill_between(across, y - half, y + half, color=colour, alpha=0.18, linewidth=0)
    if legend:
        add_legend(ax)
    return ax


def histograms(ax: Axes, series: Mapping[str, ArrayLike], *, edges: ArrayLike) -> Axes:
    """Draw the counts of every series, label -> (N,), as outlines over common bin edges."""
    for k, (label, values) in enumerate(series.items()):
        colour, dashes, _, _ = SERIES[k % len(SERIES)]
        counts, at = np.histogram(_numpy(values), _numpy(edges))
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
    heights = _numpy(function(grid)).reshape(points, points)
    if filled:
        ax.contourf(_numpy(across), _numpy(up), heights, levels, cmap=LIGHT_BLUES, extend="both")
    lines = ax.contour(_numpy(across), _numpy(up), heights, levels, colors="#333333", linewidths=1)
    if label:
        inner = [(low + 0.07 * (high - low), high - 0.07 * (high - low)) for low, high in (x, y)]
        every = 2 if len(lines.levels) > 5 else 1  # close lines leave room for every other one
        for written in ax.clabel(lines, lines.levels[::every], fontsize=SMALL):
            inside = (a < p < b for (a, b), p in zip(inner, written.get_position(), strict=True))
            written.set_visible(all(inside))  # a number at the rim would be cut
    return ax


def scatter(ax: Axes, points: ArrayLike, classes: ArrayLike, names: Sequence[str]) -> Axes:
    """Draw points in the plane, one colour and marker a class: (N, 2) and (N,) ints."""
    where, which = _numpy(points), _numpy(classes)
    for k, name in enumerate(names):
        colour, _, marker, _ = SERIES[k % len(SERIES)]
        chosen = where[which == k]
        ax.scatter(*chosen.T, s=16, color=colour, marker=marker, label=name, alpha=0.75, lw=0)
    add_legend(ax, handlelength=1.0)
    return ax


def image_grid(ax: Axes, images: ArrayLike, *, columns: int = 10, title: str = "") -> Axes:
    """Draw grey images as one tiled picture, white for 1: (N, H, W) or (N, 1, H, W) in [0, 1].

    Raises:
        ValueError: `images` has another shape.
    """
    stack = _numpy(images).astype(float)
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
    ax.imshow(_numpy(background), cmap="gray", vmin=0, vmax=1.6, interpolation="nearest")
    for a, b in edges:
        (ra, ca), (rb, cb) = divmod(a, width), divmod(b, width)
        near = abs(ra - rb) + abs(ca - cb) == 1
        colour, dashes = (ORANGE, "-") if near else (SKY, ":")
        ax.plot([ca, cb], [ra, rb], color=colour, linestyle=dashes, linewidth=1.8)
    across, down = np.meshgrid(range(width), range(height))
    ax.plot(across.ravel(), down.ravel(), "o", color="white", markersize=3.2, mec="black", mew=0.5)
    ax.axis("off")
    return ax
