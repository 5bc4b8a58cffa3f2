"""Attribution to training pictures: how much does log p(x) owe to row i of the training data?

The answer by definition is to leave row i out, train again, and look at log p(x) once more. For a
network that is N trainings, and chance moves each by more than one row does; here are two models
in which it has a closed form. In a kernel density estimate the nearest rows are the answer. In a
fitted Gaussian, where all rows pull at the same mean and covariance, nearness is a poor guide to
the order. Influence functions (Koh & Liang, ICML 2017) replace training
again by one derivative, which holds as long as one row is little among many.

All functions return log p(x) - log p(x without row i) in nats: positive where row i helps.

Shapes: B pictures asked about, N training rows, d features.
"""

import math

import torch
from torch import Tensor


def nearness(x: Tensor, train: Tensor) -> Tensor:
    """Return minus the distance to each row, the usual guess, (B, d) and (N, d) -> (B, N)."""
    _check(x, train)
    return -torch.cdist(x, train)


def kde_leave_one_out(x: Tensor, train: Tensor, *, bandwidth: float) -> Tensor:
    """Return what each row adds to a kernel density estimate, (B, d), (N, d) -> (B, N).

    p(x) is the mean over i of N(x; x_i, h² I). With r_i = the share of row i in that sum,
    p without i is p (1 - r_i) N / (N - 1): the order is that of the distances.

    Raises:
        ValueError: a bandwidth h that is not positive, or rows that do not fit.
    """
    _check(x, train)
    if not bandwidth > 0:
        raise ValueError(f"bandwidth is {bandwidth}, expected a positive number")
    log_kernel = -torch.cdist(x, train).square() / (2 * bandwidth**2)
    # log (1 - r_i), without taking 1 - r_i where r_i rounds to 1
    n = len(train)
    without = torch.stack([log_kernel[:, torch.arange(n) != i].logsumexp(1) for i in range(n)], 1)
    return log_kernel.logsumexp(1, keepdim=True) - without - math.log(n / (n - 1))


def gaussian_log_prob(x: Tensor, train: Tensor, *, ridge: float) -> Tensor:
    """Fit N(μ, S + λI) by the rows' mean and covariance, return log p(x) in nats, -> (B,)."""
    _check(x, train)
    mean, cov = train.mean(0), torch.cov(train.T, correction=0)
    tril = torch.linalg.cholesky(cov + ridge * torch.eye(len(mean)).to(cov))
    return torch.distributions.MultivariateNormal(mean, scale_tril=tril).log_prob(x)


def gaussian_leave_one_out(x: Tensor, train: Tensor, *, ridge: float) -> Tensor:
    """Return what each row adds to a fitted Gaussian, exactly, (B, d), (N, d) -> (B, N).

    Without row i, at d_i = x_i - μ from the mean, the mean is μ - d_i / (N - 1) and the covariance
    is A - c d_i d_iᵀ, with A = N / (N - 1) S + λI and c = N / (N - 1)². One inverse of A serves
    all rows (Sherman & Morrison 1950).

    Args:
        x: rows asked about.
        train: rows that were fitted.
        ridge: λ, positive, so that N may be smaller than d.
    """
    _check(x, train)
    if not ridge > 0:
        raise ValueError(f"ridge is {ridge}, expected a positive number")
    n, dim = train.shape
    mean, cov = train.mean(0), torch.cov(train.T, correction=0)
    a = cov * n / (n - 1) + ridge * torch.eye(dim).to(cov)
    c, d = n / (n - 1) ** 2, train - mean
    inverse = torch.linalg.inv(a)
    lever = ((d @ inverse) * d).sum(1)  # d_iᵀ A⁻¹ d_i, (N,)
    log_det = torch.logdet(a) + torch.log1p(-c * lever)
    r = x[:, None] - mean + d / (n - 1)  # x from the mean without row i, (B, N, d)
    plain = torch.einsum("bnd,de,bne->bn", r, inverse, r)
    along = torch.einsum("bnd,de,ne->bn", r, inverse, d)
    square = plain + c * along.square() / (1 - c * lever)
    without = -(square + log_det + dim * math.log(2 * math.pi)) / 2
    return gaussian_log_prob(x, train, ridge=ridge)[:, None] - without


def gaussian_influence(x: Tensor, train: Tensor, *, ridge: float) -> Tensor:
    """Return the first-order guess at `gaussian_leave_one_out`, (B, d), (N, d) -> (B, N).

    To leave row i out moves each mean over rows by -1 / (N - 1) times (row i - mean): d_i for μ,
    d_i d_iᵀ - S for S. The derivative of log p(x) in that direction is taken at the full fit.
    """
    _check(x, train)
    n, dim = train.shape
    mean, cov = train.mean(0), torch.cov(train.T, correction=0)
    inverse = torch.linalg.inv(cov + ridge * torch.eye(dim).to(cov))
    d, v = train - mean, (x - mean) @ inverse  # v = Σ⁻¹ (x - μ), (B, d)
    along = v @ d.T  # (B, N); by μ
    by_cov = along.square() - ((v @ cov) * v).sum(1, keepdim=True)
    by_cov = by_cov - ((d @ inverse) * d).sum(1) + torch.trace(inverse @ cov)
    return (along + by_cov / 2) / (n - 1)


def rank_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each pair of rows, (B, N) and (B, N) -> (B,)."""
    ranks = [values.argsort(1).argsort(1).double() for values in (a, b)]
    one, two = (r - r.mean(1, keepdim=True) for r in ranks)
    return (one * two).sum(1) / (one.norm(dim=1) * two.norm(dim=1))


def _check(x: Tensor, train: Tensor) -> None:
    if x.ndim != 2 or train.ndim != 2 or x.shape[1] != train.shape[1] or len(train) < 2:
        raise ValueError(
            f"shapes are {tuple(x.shape)} and {tuple(train.shape)}, expected (B, d) and (N, d) "
            "with at least 2 training rows"
        )
