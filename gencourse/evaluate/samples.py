"""Comparisons of two samples, of data and of a model that can only be sampled.

Rows are features; what is found depends on them. For pictures they are usually the last hidden
layer of a classifier, since pixels say little about what a picture shows.

Shapes: N and M rows, d features.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


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
