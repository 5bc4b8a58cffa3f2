"""Rendered shapes and the judge of them, shared by the trials of one process.

Shapes: n images (n, 3, 16, 16); classes 0..17, shape and colour together.
"""

from functools import cache

import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse import data
from gencourse.runs.judge import Judge, classes
from gencourse.runs.scores.trial import Yardstick

SIZE, NUM_COLOURS = 16, len(data.COLOURS)
NUM_CLASSES = len(data.SHAPES) * NUM_COLOURS
EVENT = (3, SIZE, SIZE)
NUM_ROWS, NUM_SAMPLES = 6000, 1000
WORDS = f"{NUM_ROWS} rendered large {SIZE}x{SIZE} shapes"


@cache
def pictures() -> data.ArrayData:
    """Return the training pictures."""
    return data.large_shapes(NUM_ROWS, size=SIZE, seed=0)


@cache
def fresh() -> data.ArrayData:
    """Return pictures that neither model nor judge has seen."""
    return data.large_shapes(NUM_SAMPLES, size=SIZE, seed=2)


@cache
def judge() -> Judge:
    """Return the classifier, trained on the training pictures, and 1000 others to compare with."""
    return Judge(pictures(), data.large_shapes(NUM_SAMPLES, size=SIZE, seed=1))


def rows() -> TensorDataset:
    """Return pictures and classes, (x, y)."""
    return TensorDataset(pictures().x, classes(pictures()))


def measure(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Compare a model's samples with held-out pictures."""
    return judge().compare(model.sample(NUM_SAMPLES, generator=generator))


def coloured_rows() -> TensorDataset:
    """Return pictures and their colours, (x, y)."""
    return TensorDataset(pictures().x, pictures().attributes["colour"])


def measure_colours(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Ask for each colour equally often, and count how often the judge sees it."""
    y = torch.arange(NUM_SAMPLES) % NUM_COLOURS
    x = model.sample(NUM_SAMPLES, condition=y, generator=generator)
    seen = judge().classifier.predict(x) % NUM_COLOURS
    return {**judge().compare(x), "agreement": float((seen == y).float().mean())}


def measure_codes(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Compare samples, and measure the bound on the information between code and picture."""
    c = model.draw_codes(NUM_SAMPLES, generator=generator)
    x = model.sample(NUM_SAMPLES, condition=c, generator=generator)
    with torch.no_grad():
        information = float(model.information(x, c))
    return {**judge().compare(x), "information": information}


def measure_reconstructions(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Compare samples, and the classes of held-out pictures and their reconstructions."""
    x = judge().held_out.x
    with torch.no_grad():
        agreement = judge().agreement(model.reconstruct(x), classes(judge().held_out))
    return {**measure(model, generator), "agreement": agreement}


def of_data() -> dict[str, float]:
    """Compare fresh pictures with the held-out ones, and their classes with the judge's."""
    agreement = judge().agreement(fresh().x, classes(fresh()))
    return {**judge().compare(fresh().x), "agreement": agreement}


def of_coloured() -> dict[str, float]:
    """Compare fresh pictures with the held-out ones, and their colours with the judge's."""
    seen = judge().classifier.predict(fresh().x) % NUM_COLOURS
    agreement = float((seen == fresh().attributes["colour"]).float().mean())
    return {**judge().compare(fresh().x), "agreement": agreement}


PICTURES = {"Fréchet distance": "", "precision": "", "recall": ""}
WHAT = f"{NUM_SAMPLES} samples and as many held-out pictures, by a classifier of {WORDS}"

UNCONDITIONAL = Yardstick(WHAT, PICTURES, measure, of_data)
COLOURED = Yardstick(
    f"{WHAT}, asked for each colour equally often",
    {**PICTURES, "agreement": ""},
    measure_colours,
    of_coloured,
)
CODES = Yardstick(
    f"{WHAT}, and the bound on the information of their codes",
    {**PICTURES, "information": "nats"},
    measure_codes,
    of_data,
)
RECONSTRUCTIONS = Yardstick(
    f"{WHAT}, and held-out pictures reconstructed",
    {**PICTURES, "agreement": ""},
    measure_reconstructions,
    of_data,
)
