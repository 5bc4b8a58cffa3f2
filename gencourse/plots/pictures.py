"""The course's style, its figures, and pictures that carry alternative text."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

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


def as_array(values: Any) -> np.ndarray:
    """Return numbers or a tensor as an array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
