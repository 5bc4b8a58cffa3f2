"""Explorers of unit 02: what a pixel sees, rows and diagonals, temperature, dilations.

Shapes: H x W pixels, K tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike

from gencourse import plots
from gencourse.plots import Picture
from gencourse.widgets.explorer import Explorer, menu, real_slider, step_slider

Context = Callable[[tuple[int, int]], ArrayLike]


def context_explorer(
    contexts: Mapping[str, Context], shape: tuple[int, int], *, pixel: tuple[int, int]
) -> Explorer:
    """One menu for the model and a slider each for the row and column of the predicted pixel.

    Args:
        contexts: name -> a function from a pixel to the influence of every pixel on its
            prediction, (H, W), 0 where there is none.
        shape: H and W.
        pixel: where the sliders stand at first.
    """
    height, width = shape

    def draw(model: str, row: int, column: int) -> Picture:
        seen = np.asarray(contexts[model]((row, column))) != 0
        before = row * width + column
        fig, ax = plots.figure(size=(3.6, 3.8))
        title = f"{model}: {int(seen.sum())} of {before} before"
        plots.draw_context(ax, seen, (row, column), title=title)
        said = f"row {row}, column {column} depends on {int(seen.sum())} of the {before} pixels"
        return plots.picture(fig, f"{model}. The prediction in {said} before it.")

    return Explorer(
        draw,
        {
            "model": menu("model", contexts),
            "row": step_slider("row", pixel[0], 0, height - 1),
            "column": step_slider("column", pixel[1], 0, width - 1),
        },
    )


def row_explorer(context: Context, shape: tuple[int, int], *, pixel: tuple[int, int]) -> Explorer:
    """A slider through the rows of a Row LSTM: one step computes the states of a whole row.

    Args:
        context: as for `context_explorer`.
        shape: H and W.
        pixel: the predicted one.
    """
    seen = np.asarray(context(pixel)) != 0

    def draw(step: int) -> Picture:
        now = step - 1
        reached = seen & (np.arange(shape[0])[:, None] <= now)
        fig, ax = plots.figure(size=(3.6, 3.8))
        plots.draw_context(ax, reached, pixel, blind_spot=False)
        ax.set_title(f"step {step}: row {now} at once")
        ax.hlines([now - 0.5, now + 0.5], -0.5, shape[1] - 0.5, color=plots.ORANGE, lw=4)
        said = f"{int(reached.sum())} pixels have reached the state that predicts {pixel}"
        return plots.picture(fig, f"Row LSTM, step {step}: row {now} is computed; {said}.")

    return Explorer(draw, {"step": step_slider("step", pixel[0], 1, pixel[0] + 1)})


def diagonal_explorer(
    skew: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, int]
) -> Explorer:
    """A slider through the diagonals of a Diagonal LSTM, in the image and after skewing.

    Args:
        skew: maps (H, W) -> (H, W + H - 1), with 0 where there is no pixel.
        shape: H and W.
    """
    height, width = shape
    numbers = torch.arange(1, height * width + 1).reshape(shape)

    def draw(start: str, step: int) -> Picture:
        image = numbers if start == "upper left" else numbers.flip(1)
        skewed = skew(image).numpy()
        diagonal = {int(k) for k in skewed[:, step - 1] if k}
        earlier = {int(k) for k in skewed[:, : step - 1].ravel() if k}
        fig, (left, right) = plots.figure(1, 2, size=(8.4, 2.9), width_ratios=(width, width * 1.8))
        plots.draw_numbered(left, numbers, now=diagonal, done=earlier, title="the image")
        title = f"skewed{' after mirroring' if start != 'upper left' else ''}: column {step}"
        plots.draw_numbered(right, skewed, now=diagonal, done=earlier, title=title)
        said = ", ".join(str(k) for k in sorted(diagonal))
        return plots.picture(fig, f"From the {start}, step {step} computes the pixels {said}.")

    return Explorer(
        draw,
        {
            "start": menu("start", ["upper left", "upper right"]),
            "step": step_slider("step", min(4, height + width - 1), 1, height + width - 1),
        },
    )


def temperature_explorer(first: ArrayLike, second: ArrayLike) -> Explorer:
    """A slider for the temperature: sharpened step by step (local) and as a whole (global).

    Args:
        first: p(x1), (K,).
        second: p(x2 | x1), (K, K), each row sums to 1.

    Raises:
        ValueError: probabilities that do not sum to 1.
    """
    p_1, p_2 = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not (np.allclose(p_1.sum(), 1) and np.allclose(p_2.sum(-1), 1)):
        raise ValueError(f"first and second sum to {p_1.sum()} and {p_2.sum(-1)}, expected 1")
    names = [f"{a}{b}" for a in range(len(p_1)) for b in range(len(p_1))]

    def sharpened(p: np.ndarray, temperature: float) -> np.ndarray:
        logits = np.log(p) / temperature
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def draw(temperature: float) -> Picture:
        joint = (p_1[:, None] * p_2).ravel()
        local = (sharpened(p_1, temperature)[:, None] * sharpened(p_2, temperature)).ravel()
        whole = sharpened(joint, temperature)
        fig, ax = plots.figure(size=(6.6, 3.0))
        series = {"T = 1": joint, "local": local, "global": whole}
        plots.bars(ax, names, series, form="{:.3f}")
        ax.set(ylim=(0, 1.15), xlabel="x1 x2", title=f"T = {temperature:g}")
        said = ", ".join(
            f"p({name}) is {a:.4f} locally and {b:.4f} globally"
            for name, a, b in zip(names, local, whole, strict=True)
        )
        return plots.picture(fig, f"Temperature {temperature:g}: {said}.")

    return Explorer(draw, {"temperature": real_slider("T", 0.5, 0.1, 2.0, 0.1)})


def dilation_explorer(*, steps: int = 33) -> Explorer:
    """Sliders for the layers, and a menu for how the dilation grows with the layer.

    Args:
        steps: how many time steps are drawn.
    """

    def draw(layers: int, growth: str) -> Picture:
        dilations = [2**k if growth == "doubling" else 1 for k in range(layers)]
        fig, ax = plots.figure(size=(8.6, 3.2))
        plots.draw_dilations(ax, dilations, steps=steps)
        field = 1 + sum(dilations)
        ax.set_title(f"{layers} layers see {field} steps")
        said = f"{layers} layers with dilations {', '.join(map(str, dilations))}"
        return plots.picture(fig, f"Causal convolutions of width 2: {said} see {field} steps.")

    return Explorer(
        draw,
        {
            "layers": step_slider("layers", 4, 1, 5),
            "growth": menu("dilation", ["doubling", "always 1"]),
        },
    )
