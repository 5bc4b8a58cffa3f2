"""Networks with connections left out: masked layers, and dilated convolutions over time.

Shapes: L layers of connections, T time steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from gencourse.plots.pictures import BLACK, BLUE, SMALL, as_array

LINE = "#9A9A9A"


def draw_masked_network(
    ax: Axes,
    masks: Sequence[ArrayLike],
    degrees: Sequence[Sequence[object]],
    *,
    names: Sequence[str] = (),
    highlight: int | None = None,
) -> Axes:
    """Draw a network from left to right, with the connections that its masks keep.

    Args:
        ax: axes to draw on.
        masks: (units of the next layer, units of this one) for each of L layers of connections.
        degrees: the number written in each unit, for L + 1 layers of units.
        names: of the layers, written below.
        highlight: an output; all that leads to it is drawn thick, the rest thin.

    Raises:
        ValueError: the masks do not fit the layers.
    """
    kept = [as_array(mask).astype(bool) for mask in masks]
    sizes = [len(layer) for layer in degrees]
    expected = [(o, i) for i, o in itertools.pairwise(sizes)]
    if [mask.shape for mask in kept] != expected:
        raise ValueError(f"masks have shapes {[m.shape for m in kept]}, expected {expected}")
    leads = _leading_to(kept, sizes, highlight)
    places = [
        [(1.6 * layer, 0.8 * ((size - 1) / 2 - k)) for k in range(size)]
        for layer, size in enumerate(sizes)
    ]
    for layer, mask in enumerate(kept):
        for o, i in zip(*mask.nonzero(), strict=True):
            thick = leads[layer + 1][o]
            ax.plot(
                *zip(places[layer][i], places[layer + 1][o], strict=True),
                color=BLUE if thick else LINE,
                linewidth=1.8 if thick else 0.7,
                zorder=2 if thick else 1,
            )
    for layer, words in enumerate(degrees):
        for unit, word in enumerate(words):
            shade = "#CFE3F2" if leads[layer][unit] else "white"
            circle = Circle(places[layer][unit], 0.27, facecolor=shade, edgecolor=BLACK, zorder=3)
            ax.add_patch(circle)
            ax.text(*places[layer][unit], str(word), ha="center", va="center", zorder=4)
    low = min(y for layer in places for _, y in layer) - 0.75
    for layer, name in enumerate(names):
        ax.text(1.6 * layer, low, name, ha="center", va="center", fontsize=SMALL)
    ax.set(aspect="equal", xlim=(-0.6, 1.6 * len(masks) + 0.6), ylim=(low - 0.3, -low - 0.2))
    ax.axis("off")
    return ax


def _leading_to(
    kept: Sequence[np.ndarray], sizes: Sequence[int], output: int | None
) -> list[np.ndarray]:
    """Return for each layer which units have a path to the output."""
    leads = [np.zeros(size, dtype=bool) for size in sizes]
    if output is not None:
        leads[-1][output] = True
        for layer in reversed(range(len(kept))):
            leads[layer] = kept[layer][leads[layer + 1]].any(0)
    return leads


def draw_dilations(ax: Axes, dilations: Sequence[int], *, steps: int, kernel: int = 2) -> Axes:
    """Draw a stack of dilated causal convolutions, and thick what the last output depends on.

    Args:
        ax: axes to draw on.
        dilations: of the layers, from the input upwards.
        steps: T, how many time steps to draw.
        kernel: taps of each convolution.

    Raises:
        ValueError: a dilation, `steps` or `kernel` below 1.
    """
    if min([*dilations, steps, kernel]) < 1:
        raise ValueError(
            f"dilations {list(dilations)}, steps {steps} and kernel {kernel}: expected at least 1"
        )
    reached = [{steps - 1}]
    for dilation in reversed(dilations):
        taps = {t - k * dilation for t in reached[0] for k in range(kernel)}
        reached.insert(0, {t for t in taps if t >= 0})
    for layer, dilation in enumerate(dilations):
        for t in range(steps):
            thick = t in reached[layer + 1]
            for source in (t - k * dilation for k in range(kernel)):
                if source >= 0:
                    ax.plot(
                        [source, t],
                        [layer, layer + 1],
                        color=BLUE if thick else "#DADADA",
                        linewidth=1.8 if thick else 0.7,
                        zorder=2 if thick else 1,
                    )
    for layer, times in enumerate(reached):
        colours = [BLUE if t in times else "white" for t in range(steps)]
        ax.scatter(range(steps), [layer] * steps, s=36, c=colours, edgecolors=BLACK, zorder=3)
    words = ["input", *(f"dilation {d}" for d in dilations)]
    ax.set_yticks(range(len(words)), words)
    ax.set(xlabel="time step", xlim=(-0.7, steps - 0.3))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=SMALL)
    return ax
