"""The data sets of pretext tasks: digits, shapes, and frames and clips of the rendered world.

Each has what is honest for some tasks and not for others: rotation needs an upright, colours need
something that has its colour always, order needs motion.

Shapes: n rows, S side, C channels, T frames.
"""

import torch
from torch import Tensor

from gencourse import data
from gencourse.runs.scores.probes import DataSet, Labelled

NUM_DIGITS = 1200  # to learn from; the other 597 are the test
NUM_CLIPS = 2000
CELLS = 5  # places along a side


def digit_rows() -> tuple[Labelled, Labelled]:
    """Return the two parts of the digits."""
    rows = data.digits()
    order = torch.randperm(len(rows.x), generator=torch.Generator().manual_seed(0))
    x, y = rows.x[order], rows.y[order]
    return (x[:NUM_DIGITS], {"digit": y[:NUM_DIGITS]}), (x[NUM_DIGITS:], {"digit": y[NUM_DIGITS:]})


DIGITS = DataSet(
    "digits",
    "Digits, 8x8",
    f"{NUM_DIGITS} labelled digits, and the other 597; ten labels a class chosen 5 times",
    ["digit"],
    lambda: digit_rows()[0],
    lambda: digit_rows()[1],
    (1, 8, 8),
    num_classes=10,
    steps=400,
    widths=(32, 64),
    few=True,
)


def shape_rows(n: int, seed: int) -> Labelled:
    """Return shapes with their kind and colour."""
    rows = data.shapes(n, size=16, seed=seed)
    return rows.x, {"shape": rows.attributes["shape"], "colour": rows.attributes["colour"]}


SHAPES = DataSet(
    "shapes",
    "Shapes, 16x16",
    "3000 labelled shapes (data.shapes), and 2000 others",
    ["shape", "colour"],
    lambda: shape_rows(3000, 3),
    lambda: shape_rows(2000, 4),
    (3, 16, 16),
    num_classes=3,
    steps=500,
)


def frames(n: int, seed: int, *, background: str, size: int = 16) -> Labelled:
    """Return single frames of the world with one thing, and what and where it is."""
    rows = data.world(n, seed=seed, size=size, num_shapes=1, frames=1, background=background)
    a = rows.attributes
    shape, colour = a["shape"][:, 0].long(), a["colour"][:, 0].long()
    cell = (a["tracks"][:, 0, 0] * CELLS).long().clamp(0, CELLS - 1)  # (n, 2)
    labels = {"shape": shape, "place": cell[:, 0] * CELLS + cell[:, 1]}
    return rows.x[:, 0], labels | {"shape and colour": shape * len(data.COLOURS) + colour}


def clips(
    n: int,
    seed: int,
    *,
    background: str = "black",
    num_shapes: int = 1,
    also: tuple[str, ...] = (),
) -> tuple[Tensor, ...]:
    """Return clips (n, 16, 3, 16, 16), and the attributes that are asked for."""
    rows = data.world(n, seed=seed, num_shapes=num_shapes, background=background)
    return rows.x, *(rows.attributes[name] for name in also)


TEXTURE = DataSet(
    "texture",
    "Shapes on texture, 32x32",
    "4000 labelled frames with one thing on a textured ground, and 1000 others",
    ["shape"],
    lambda: frames(4000, 0, background="texture", size=32),
    lambda: frames(1000, 1, background="texture", size=32),
    (3, 32, 32),
    num_classes=3,
    steps=500,
)

SMALL_TEXTURE = DataSet(
    "small-texture",
    "Shapes on texture, 16x16",
    "2000 labelled frames with one thing on a textured ground, and 2000 others",
    ["shape", "shape and colour"],
    lambda: frames(2000, 2, background="texture"),
    lambda: frames(2000, 3, background="texture"),
    (3, 16, 16),
    num_classes=3,
    steps=500,
)

SKY = DataSet(
    "sky",
    "Shapes before a sky, 16x16",
    "2000 labelled frames with one thing before a sky, and 2000 others",
    ["shape and colour", "shape"],
    lambda: frames(2000, 1, background="sky"),
    lambda: frames(2000, 2, background="sky"),
    (3, 16, 16),
    num_classes=18,
    steps=500,
)

FRAMES = DataSet(
    "frames",
    "Frames of clips, 16x16",
    f"2000 labelled frames with one thing, and 2000 others; {CELLS}x{CELLS} places",
    ["shape", "place"],
    lambda: frames(2000, 2, background="black"),
    lambda: frames(2000, 3, background="black"),
    (3, 16, 16),
    num_classes=3,
    steps=500,
)
