"""The best independent normal for a correlated one, under each direction of the KL.

For p = N(μ, Σ) and q = Π_i N(μ_i, v_i): KL(q ‖ p) is least at v_i = 1 / (Σ⁻¹)_ii, the variance of
x_i *given all others*, and KL(p ‖ q) at v_i = Σ_ii, its variance alone (Bishop 2006, section
10.1.2). With unit variances and correlation ρ that is 1 - ρ² against 1: the first fits inside of
p, the second covers it.

Shapes: D variables.
"""

from typing import Literal

import torch
from torch import Tensor


def factorised_gaussian(
    covariance: Tensor, *, direction: Literal["q||p", "p||q"] = "q||p"
) -> Tensor:
    """Return the variances of the independent normal q that is nearest to N(·, Σ), (D, D) -> (D,).

    Args:
        covariance: Σ of p, symmetric and positive definite.
        direction: which KL is made least: "q||p" (reverse, as in variational inference) or "p||q"
            (forward, as in maximum likelihood).

    Raises:
        ValueError: a matrix that is no covariance, or another direction.
    """
    _check_covariance(covariance)
    if direction == "q||p":
        return 1 / torch.linalg.inv(covariance).diagonal()
    if direction == "p||q":
        return covariance.diagonal().clone()
    raise ValueError(f"direction is {direction!r}, expected 'q||p' or 'p||q'")


def _check_covariance(covariance: Tensor) -> None:
    square = covariance.ndim == 2 and covariance.shape[0] == covariance.shape[1]
    if not square or not torch.allclose(covariance, covariance.T):
        raise ValueError(
            f"covariance has shape {tuple(covariance.shape)}, expected a symmetric matrix (D, D)"
        )
    least = float(torch.linalg.eigvalsh(covariance)[0])
    if not least > 0:
        raise ValueError(f"covariance has the eigenvalue {least:g}, expected only positive ones")
