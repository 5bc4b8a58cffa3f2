"""The messages of belief propagation, drawn on the factor graph that they run over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from gencourse.plots.graphs import as_networkx, draw_graph, layout
from gencourse.plots.pictures import SKY, SMALL, VERMILLION, as_array


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
    network, _ = as_networkx(graph)
    places = dict(positions) if positions is not None else layout(network)
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
        values = ", ".join(f"{v:.2f}" for v in as_array(message.values))
        # beside a level edge the text stands clear of the names of factors, which are as near
        place = middle + (3.8 if abs(side[1]) > 0.1 else 2.4) * side
        across = "left" if side[0] > 0.05 else "right" if side[0] < -0.05 else "center"
        below = "top" if side[1] < -0.05 else "bottom" if side[1] > 0.05 else "center"
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
        text = ax.text(*place, f"({values})", fontsize=SMALL, ha=across, va=below, bbox=box)
        text.set(color="#8A3C00", zorder=7)
