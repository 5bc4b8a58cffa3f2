"""Answers to choose from, pictures or texts, each with its letter, and a mark at the right one.

Shapes: K answers, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from gencourse.plots.games import colour_grid
from gencourse.plots.pictures import SMALL, VERMILLION, as_array


def picture_answers(
    ax: Axes, images: ArrayLike, letters: Sequence[str], *, marked: int | None = None
) -> Axes:
    """Draw (K, C, H, W) in [0, 1] side by side, each above its letter, a frame around `marked`.

    Raises:
        ValueError: as in `colour_grid`.
    """
    number, _, height, width = as_array(images).shape
    colour_grid(ax, images, columns=number)
    for k, letter in enumerate(letters):
        left = k * (width + 1)
        weight = "bold" if k == marked else "normal"
        ax.text(
            left + width / 2, height + 1.2 + height / 30, letter, ha="center", va="top",
            fontsize=SMALL + 2, weight=weight,
        )  # fmt: skip
        if k == marked:
            box = Rectangle((left, 0), width + 1, height + 1, fill=False, lw=3, clip_on=False)
            box.set_edgecolor(VERMILLION)
            ax.add_patch(box)
    return ax


def text_answers(
    ax: Axes, texts: Sequence[str], letters: Sequence[str], *, marked: int | None = None
) -> Axes:
    """Write texts one below the other, each after its letter, `marked` bold with an arrow."""
    ax.axis("off")
    for k, (letter, text) in enumerate(zip(letters, texts, strict=True)):
        arrow, weight = ("→", "bold") if k == marked else ("  ", "normal")
        ax.text(
            0.04, 1 - (k + 0.5) / len(texts), f"{arrow} {letter}   {text}", weight=weight,
            transform=ax.transAxes, fontsize=SMALL + 1, va="center",
        )  # fmt: skip
    return ax
