"""Measures of a model on data it has not seen, each with its unit.

The first ones need a likelihood. The last three compare two samples, of data and of a model that
can only be sampled, as rows of features; what they find depends on the features.

Shapes: B batch, N and M rows, d features, ... the axes of one event.
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


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Return the squared Fréchet distance of two normals fitted to the rows, (N, d) and (M, d).

    ‖μ_x - μ_y‖² + tr(Σ_x + Σ_y - 2 (Σ_x Σ_y)^½), the squared Wasserstein-2 distance of N(μ_x, Σ_x)
    from N(μ_y, Σ_y), in the squared unit of the features. On a classifier's features this is the
    measure of Heusel et al. (NIPS 2017), with their network's features the FID; numbers from
    different features do not compare.

    It is biased upwards: two samples of N rows from one standard normal are d(d + 5) / 2N apart on
    average, to first order. So compare at the same N only. It sees means and covariances and
    nothing else.

    Args:
        x: features of N rows.
        y: features of M rows.

    Raises:
        ValueError: no matrices of the same width, fewer than 2 rows, or what is no number.
    """
    x, y = _features(x, y, at_least=2)
    mean_x, mean_y = x.mean(0), y.mean(0)
    # Σ = AᵀA with A triangular; the singular values of A Bᵀ are the roots of Σ_x Σ_y's eigenvalues
    a = torch.linalg.qr(x - mean_x).R / math.sqrt(len(x) - 1)
    b = torch.linalg.qr(y - mean_y).R / math.sqrt(len(y) - 1)
    spread = a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
    return float(((mean_x - mean_y).square().sum() + spread).clamp(min=0))


class PrecisionRecall(NamedTuple):
    """How many samples look like data, and how much of the data the samples cover.

    Attributes:
        precision: share of the samples that lie where the data is, in [0, 1].
        recall: share of the data that lies where the samples are, in [0, 1].
    """

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 3) -> PrecisionRecall:
    """Compare the supports of two samples, (N, d) and (M, d) (Kynkäänniemi et al., NeurIPS 2019).

    Where a sample "is" means: in one of the balls around its rows that reach to the row's k-th
    nearest neighbour in the same sample. A generator that drops modes loses recall, one that makes
    what is no data loses precision.

    Args:
        real: features of the data.
        fake: features of the samples.
        k: number of the neighbour, 3 in the paper.

    Raises:
        ValueError: no matrices of the same width, not more than k rows, or what is no number.
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    real, fake = _features(real, fake, at_least=k + 1)
    return PrecisionRecall(_share_inside(fake, real, k), _share_inside(real, fake, k))


def _share_inside(rows: Tensor, support: Tensor, k: int) -> float:
    """Return the share of rows in some ball around a row of the support."""
    inside, exact = 0, {"compute_mode": "donot_use_mm_for_euclid_dist"}  # 0 for equal rows
    radii = [
        torch.cdist(part, support, **exact).kthvalue(k + 1).values  # the nearest is itself
        for part in support.split(1024)
    ]
    for part in rows.split(1024):
        inside += int((torch.cdist(part, support, **exact) <= torch.cat(radii)).any(1).sum())
    return inside / len(rows)


class TwoSampleTest(NamedTuple):
    """How far apart two samples are, and whether chance explains it.

    Attributes:
        mmd: the unbiased estimate of MMD²; its mean is 0, and it is often negative, when both
            samples come from one distribution.
        p_value: the share of splits at random that are at least as far apart.
        bandwidth: of the kernel, in the unit of the features.
    """

    mmd: float
    p_value: float
    bandwidth: float


def two_sample_test(
    x: Tensor,
    y: Tensor,
    *,
    bandwidth: float | None = None,
    num_permutations: int = 500,
    generator: torch.Generator | None = None,
) -> TwoSampleTest:
    """Test whether rows (N, d) and (M, d) come from one distribution (Gretton et al., JMLR 2012).

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y) with k(a, b) = exp(-‖a - b‖² / 2s²) is 0 for equal
    distributions only. The estimate leaves out the pairs of a row with itself (their equation 3).
    If the distributions are the same, P(p <= α) <= α for every α.

    Args:
        x: features of N independent rows.
        y: features of M independent rows.
        bandwidth: s; when None, the median distance between two different rows of both samples.
        num_permutations: splits of all rows at random; p is at least 1 / (1 + their number).
        generator: draws the splits.

    Raises:
        ValueError: no matrices of the same width, fewer than 2 rows, what is no number, no
            permutation, or a bandwidth that is not positive.
    """
    x, y = _features(x, y, at_least=2)
    if num_permutations < 1:
        raise ValueError(f"num_permutations is {num_permutations}, expected at least 1")
    rows, n, m = torch.cat([x, y]), len(x), len(y)
    distances = torch.pdist(rows)
    s = float(distances.median()) if bandwidth is None else bandwidth
    if not s > 0:
        raise ValueError(f"bandwidth is {s}, expected a positive number")
    kernel = rows.new_zeros(n + m, n + m)  # 0 for a row with itself
    kernel[tuple(torch.triu_indices(n + m, n + m, 1))] = (-distances.square() / (2 * s * s)).exp()
    kernel += kernel.T.clone()

    # 1 for a row that counts as x: first as it is, then each split at random
    is_x = rows.new_zeros(1 + num_permutations, n + m)
    is_x[0, :n] = 1
    for split in is_x[1:]:
        split[torch.randperm(n + m, generator=generator)[:n]] = 1
    with_x = is_x @ kernel
    x_x, x_y = (with_x * is_x).sum(1), (with_x * (1 - is_x)).sum(1)
    y_y = kernel.sum() - x_x - 2 * x_y
    mmd = x_x / (n * (n - 1)) + y_y / (m * (m - 1)) - 2 * x_y / (n * m)
    as_far = int((mmd[1:] >= mmd[0] - 1e-12).sum())  # the same split may round differently
    return TwoSampleTest(float(mmd[0]), (1 + as_far) / (1 + num_permutations), s)


def _features(x: Tensor, y: Tensor, *, at_least: int) -> tuple[Tensor, Tensor]:
    """Return two matrices of the same width on the CPU in double precision."""
    for rows in (x, y):
        if rows.ndim != 2 or rows.shape[1] != x.shape[-1] or len(rows) < at_least:
            raise ValueError(
                f"features have shapes {tuple(x.shape)} and {tuple(y.shape)}, expected (N, d) and "
                f"(M, d) with at least {at_least} rows each"
            )
        if not rows.isfinite().all():
            row = int((~rows.isfinite()).any(1).nonzero()[0])
            raise ValueError(f"features of row {row} are {rows[row].tolist()[:5]}, not all finite")
    return x.detach().to("cpu", torch.float64), y.detach().to("cpu", torch.float64)


def _device(model: Density) -> torch.device | None:
    """Return where the model's tensors are; None, the data may stay, when it is no module."""
    tensors = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    return tensors[0].device if tensors else None
