"""Measures of a likelihood on data that the model has not seen, each with its unit.

Shapes: N and M rows, ... the axes of one event.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gencourse.protocols import Density, as_events


class Estimate(NamedTuple):
    """A mean over test rows and how far it may be off.

    Attributes:
        mean: the average.
        standard_error: its standard error, sd / sqrt(N); NaN for a single row.
        num_rows: N.
    """

    mean: float
    standard_error: float
    num_rows: int

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.standard_error:.2g} (N = {self.num_rows})"


@torch.no_grad()
def negative_log_likelihood(
    model: Density, data: Dataset | Tensor, *, batch_size: int = 256
) -> Estimate:
    """Return the mean of -log p(x) in nats per event, over all rows.

    The model is in evaluation mode meanwhile. An impossible row (p = 0) gives infinity.

    Args:
        model: an exact density. What has a bound only isn't one, and isn't comparable.
        data: rows (N, ...), or a data set that yields (x, y); x is reshaped to `event_shape`.
        batch_size: rows at a time; changes the memory, not the result.

    Raises:
        TypeError: `model` has no `log_prob`.
        ValueError: no rows, rows of another size than an event, or a log-probability that is NaN.
    """
    if not isinstance(model, Density):
        raise TypeError(f"model is {type(model).__name__}, expected a Density with log_prob")
    rows = TensorDataset(data) if isinstance(data, Tensor) else data
    device = _device(model)
    training = isinstance(model, nn.Module) and model.training
    if training:
        model.eval()
    try:
        values = []
        for batch in DataLoader(rows, batch_size=batch_size):
            x = as_events(batch[0].to(device), model.event_shape)
            values.append(-model.log_prob(x).double().cpu())
    finally:
        if training:
            model.train()
    if not values:
        raise ValueError("data has no rows, expected at least 1")
    nll = torch.cat(values)
    if nll.isnan().any():
        row = int(nll.isnan().nonzero()[0])
        raise ValueError(f"log p(x) of row {row} is nan, expected a number")
    error = float(nll.std()) / math.sqrt(len(nll)) if len(nll) > 1 else math.nan
    return Estimate(float(nll.mean()), error, len(nll))


def bits_per_dim(nats: float, event_shape: tuple[int, ...]) -> float:
    """Return a negative log-likelihood in bits per dimension: nats / (ln 2 * dimensions).

    88.33 nats per binary 28x28 image are 0.1625 bits/dim. The number of dimensions counts colour
    channels: 3072 for a 32x32 RGB image. Only probabilities of discrete values compare: the NLL of
    a *density* over pixels scaled from 0..255 to [0, 1] has to be raised by ln 256 nats (8 bits)
    a dimension first, and one over binarised pixels says nothing about grey ones.

    Args:
        nats: -log p(x) per event.
        event_shape: the axes of one event.
    """
    dimensions = math.prod(event_shape)
    if dimensions < 1:
        raise ValueError(f"event_shape is {tuple(event_shape)}, expected at least one dimension")
    return nats / (math.log(2) * dimensions)


def rank_p_values(log_p: Tensor, training_log_p: Tensor) -> Tensor:
    """Return how far down each row ranks among the training rows, a p-value, (M,) -> (M,).

    p = (1 + #{training rows with log p <= that of the row}) / (N + 1), Song et al., "PixelDefend"
    (ICLR 2018). If a row and the training rows come from one distribution, and the
    model was not fitted to some of them only, then P(p <= α) <= α for every α, whatever the model;
    a small p says that next to no training row is as improbable. It only sees what is *less*
    probable: a constant image often has a higher density than every image of the training set,
    and gets a p-value near 1.

    Args:
        log_p: log p(x) of the rows in question, (M,).
        training_log_p: log p(x) of N training rows (held-out ones, if the model knows the others
            by heart), under the same model and in the same unit.

    Returns:
        float64 in [1 / (N + 1), 1].

    Raises:
        ValueError: tensors of another shape, no training row, or a NaN.
    """
    for name, values in (("log_p", log_p), ("training_log_p", training_log_p)):
        if values.ndim != 1:
            raise ValueError(f"{name} has shape {tuple(values.shape)}, expected one number a row")
        if values.isnan().any():
            raise ValueError(f"{name} of row {int(values.isnan().nonzero()[0])} is nan")
    if not len(training_log_p):
        raise ValueError("training_log_p has no rows, expected at least 1")
    ordered = training_log_p.double().sort().values
    at_most = torch.searchsorted(ordered, log_p.double().contiguous(), right=True)
    return (1 + at_most).double() / (len(ordered) + 1)


def _device(model: Density) -> torch.device | None:
    """Return where the model's tensors are; None, the data may stay, when it is no module."""
    tensors = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    return tensors[0].device if tensors else None
