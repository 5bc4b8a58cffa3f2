"""Graphical models: circles for variables, squares for factors, and arrows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, Patch, Rectangle

from gencourse.plots.pictures import SMALL, Picture, figure, picture

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


def as_networkx(model: Any) -> tuple[nx.Graph, tuple[str, ...]]:
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
    graph, factors = as_networkx(model)
    unknown = [name for name in observed if name not in graph or name in factors]
    if unknown:
        variables = sorted(str(n) for n in graph if n not in factors)
        raise ValueError(f"observed holds {unknown[0]!r}, expected some of {variables}")
    places = dict(positions) if positions is not None else layout(graph)
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


def layout(graph: nx.Graph) -> dict[str, tuple[float, float]]:
    """Return positions for any graph: arrows down, or a spring layout that is wider than high."""
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


def _distance_to_segment(point: tuple[float, float], begin: np.ndarray, end: np.ndarray) -> float:
    along = end - begin
    share = float(np.dot(np.array(point) - begin, along) / max(np.dot(along, along), 1e-12))
    return float(np.linalg.norm(np.array(point) - begin - min(max(share, 0.0), 1.0) * along))


def _frame(ax: Axes, places: Mapping[str, tuple[float, float]], words: Mapping[str, str]) -> None:
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
