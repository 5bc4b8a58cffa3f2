"""What a run measures on its test rows: a likelihood, a bound, or how far samples are from data.

Shapes: N rows, D features.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gencourse import vae
from gencourse.data import ArrayData
from gencourse.evaluate import bits_per_dim, frechet_distance, negative_log_likelihood
from gencourse.runs.judge import Judge
from gencourse.runs.sources import Source, training_rows

BLOCKS = 10  # of test rows, each left out once for the standard error


class Measure(NamedTuple):
    """One measured number of a trained model.

    Attributes:
        name: such as "NLL".
        value: the number.
        standard_error: how far it may be off.
        unit: such as "nats".
    """

    name: str
    value: float
    standard_error: float
    unit: str


def exact_likelihood(model: nn.Module, rows: Dataset, source: Source) -> list[Measure]:
    """Return the NLL in nats, and in bits/dim where p is the probability of discrete values."""
    nll = negative_log_likelihood(model, rows)
    measures = [Measure("NLL", nll.mean, nll.standard_error, "nats")]
    if source.levels:
        bits, error = (bits_per_dim(v, model.event_shape) for v in nll[:2])
        measures.append(Measure("NLL per dimension", bits, error, "bits/dim"))
    return measures


def importance_weighted_likelihood(
    model: nn.Module, rows: Dataset, source: Source, *, num_samples: int = 5000
) -> list[Measure]:
    """Return the NLL from above, L_5000 in nats; see `vae.importance_weighted_nll`."""
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    nll = vae.importance_weighted_nll(
        model, rows, num_samples=num_samples, max_rows=MAX_ROWS[device.type], generator=generator
    )
    error = float(nll.std()) / math.sqrt(len(nll)) if len(nll) > 1 else math.nan
    return [Measure(f"NLL, L_{num_samples}", float(nll.mean()), error, "nats")]


MAX_ROWS = {"cpu": 2000, "cuda": 200_000, "mps": 20_000}  # of z that the decoder sees at a time


def frechet_of_pictures(model: nn.Module, rows: ArrayData, source: Source) -> list[Measure]:
    """Compare as many samples as there are test pictures, by a classifier of the training rows.

    The classifier learns from the pictures as they were before any binarisation.
    """
    judge, fake = Judge(training_rows(source), rows), _samples(model, rows)
    name = "Fréchet distance, features of a classifier of the training rows"
    return [_frechet(name, judge.features(_shown(rows)), judge.features(fake))]


def frechet_of_columns(model: nn.Module, rows: ArrayData, source: Source) -> list[Measure]:
    """Compare as many samples as there are test rows, in the standardised columns themselves."""
    return [_frechet("Fréchet distance, standardised columns", rows.x, _samples(model, rows))]


def _shown(rows: ArrayData) -> Tensor:
    """Return all rows as a model sees them, binary ones drawn once."""
    return rows[list(range(len(rows)))][0]


def _samples(model: nn.Module, rows: ArrayData) -> Tensor:
    device = next(model.parameters()).device
    return model.sample(len(rows), generator=torch.Generator(device).manual_seed(0)).cpu()


def _frechet(name: str, real: Tensor, fake: Tensor) -> Measure:
    """Return the distance of features (N, D), with the jackknife's error over the test rows."""
    without = [
        frechet_distance(real[torch.arange(len(real)) % BLOCKS != k], fake) for k in range(BLOCKS)
    ]
    spread = torch.tensor(without, dtype=torch.float64).var(correction=0)
    error = math.sqrt((BLOCKS - 1) * float(spread))
    return Measure(name, frechet_distance(real, fake), error, "squared unit of the features")
