"""Pictures made from pictures, where the right answer is known because all are rendered.

A red shape should become the green shape of the same kind, size and place, learnt without pairs.
A frame of ping-pong should become one in which there is exactly one ball, where the least squared
error would leave a blur with none (`data.ping_pong`).

Shapes: n images (n, 3, 16, 16).
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse import data
from gencourse.runs.scores import shapes
from gencourse.runs.scores.trial import Yardstick

RED, GREEN = 0, 1  # numbers into data.COLOURS
NUM_DRAWN = 9000  # of all colours; a sixth of them of each


def of_colour(rows: data.ArrayData, colour: int) -> data.ArrayData:
    """Return the rows of one colour."""
    return rows.subset(rows.attributes["colour"] == colour)


def unpaired() -> TensorDataset:
    """Return red and green shapes that do not belong together, (x, y)."""
    drawn = data.large_shapes(NUM_DRAWN, size=shapes.SIZE, seed=0)
    red, green = of_colour(drawn, RED).x, of_colour(drawn, GREEN).x
    n = min(len(red), len(green))
    return TensorDataset(red[:n], green[:n])


@cache
def held_out() -> data.ArrayData:
    """Return red shapes that no model has seen."""
    drawn = data.large_shapes(NUM_DRAWN, size=shapes.SIZE, seed=3)
    return of_colour(drawn, RED).subset(slice(1000))


@cache
def truth() -> tuple[Tensor, Tensor]:
    """Return what they should become and its classes, (n, 3, 16, 16) and (n,)."""
    known = dict(held_out().attributes)
    known["colour"] = torch.full_like(known["colour"], GREEN)
    y = known["shape"] * len(data.COLOURS) + GREEN
    return data.render_shapes(known, size=shapes.SIZE), y


def compare_colours(x: Tensor) -> dict[str, float]:
    """Compare translations with the truth, (n, 3, 16, 16)."""
    true, y = truth()
    return {
        "squared error": float((x - true).square().mean()),
        "agreement": shapes.judge().agreement(x, y),
    }


def measure_colours(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Measure what a model makes of the held-out red shapes."""
    x = held_out().x
    return compare_colours(model.sample(len(x), condition=x, generator=generator))


COLOURS = Yardstick(
    "1000 held-out red shapes beside the green shapes that they should become, by a classifier of "
    f"{shapes.WORDS}",
    {"squared error": "a pixel", "agreement": ""},
    measure_colours,
    lambda: compare_colours(truth()[0]),
)


@cache
def rallies() -> data.ArrayData:
    """Return the training frames, (x, the next one)."""
    return data.ping_pong(4000, seed=0)


@cache
def later_rallies() -> data.ArrayData:
    """Return frames that no model has seen."""
    return data.ping_pong(1000, seed=1)


def compare_frames(frames: Tensor) -> dict[str, float]:
    """Count the balls in predicted frames, (n, 1, 16, 16)."""
    rows = later_rallies()
    found = data.find_balls(frames, rows.attributes["background"])
    return {
        "squared error": float((frames - rows.y).square().mean()),
        "one ball": float((found.count == 1).float().mean()),
    }


def measure_frames(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Measure what a model expects after the held-out frames."""
    x = later_rallies().x
    return compare_frames(model.sample(len(x), condition=x, generator=generator))


FRAMES = Yardstick(
    "1000 held-out frames of ping-pong and a detector of balls",
    {"squared error": "a pixel", "one ball": ""},
    measure_frames,
    lambda: compare_frames(later_rallies().y),
)
