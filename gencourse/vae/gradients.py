"""Two ways to differentiate an expectation, E f(z) for z ~ N(μ, σ²), with respect to μ and σ.

The score function estimator (Williams, Machine Learning 1992: REINFORCE) needs values of f only:
∇ E f = E f(z) ∇ log q(z). The pathwise estimator (Kingma & Welling, ICLR 2014; Rezende, Mohamed &
Wierstra, ICML 2014) writes z = μ + σ ε and differentiates f through z. Both are unbiased; their
variances are worlds apart.

Shapes: S samples, ... axes of μ and σ.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gencourse.vae.posteriors import check_num_samples, standard_normal


class GradientSamples(NamedTuple):
    """One estimate of the gradient for each sample; average over the first axis.

    Attributes:
        mean: with respect to μ, (S, ...).
        sd: with respect to σ, (S, ...).
    """

    mean: Tensor
    sd: Tensor


def score_function_gradient(
    f: Callable[[Tensor], Tensor],
    mean: Tensor,
    sd: Tensor,
    *,
    num_samples: int = 1,
    baseline: bool = False,
    generator: torch.Generator | None = None,
) -> GradientSamples:
    """Return estimates of ∇ E f(z) as f(z) ∇ log N(z; μ, σ²), each (S, ...).

    Args:
        f: works value by value, (S, ...) -> (S, ...); need not be differentiable.
        mean: μ, (...).
        sd: σ, (...), positive.
        num_samples: S.
        baseline: whether to subtract from f(z_s) the mean of f at the other samples, which leaves
            the expectation as it is, because E ∇ log q = 0, and usually lowers the variance.
        generator: source of randomness.

    Raises:
        ValueError: μ and σ of different shapes, no sample, or a baseline from fewer than two.
    """
    noise = _noise(mean, sd, num_samples, generator)
    value = f(mean.detach() + sd.detach() * noise).detach()
    if baseline:
        if num_samples < 2:
            raise ValueError(f"num_samples is {num_samples}, expected at least 2 for a baseline")
        value = value - (value.sum(0) - value) / (num_samples - 1)
    # ∂ log q / ∂μ = ε / σ and ∂ log q / ∂σ = (ε² - 1) / σ
    sd = sd.detach()
    return GradientSamples(value * noise / sd, value * (noise.square() - 1) / sd)


def pathwise_gradient(
    f: Callable[[Tensor], Tensor],
    mean: Tensor,
    sd: Tensor,
    *,
    num_samples: int = 1,
    generator: torch.Generator | None = None,
) -> GradientSamples:
    """Return estimates of ∇ E f(z) as f'(μ + σ ε) times 1 and ε, each (S, ...).

    Args:
        f: differentiable, works value by value, (S, ...) -> (S, ...).
        mean: μ, (...).
        sd: σ, (...), positive.
        num_samples: S.
        generator: source of randomness.

    Raises:
        ValueError: μ and σ of different shapes, or no sample.
    """
    noise = _noise(mean, sd, num_samples, generator)
    z = (mean.detach() + sd.detach() * noise).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(f(z).sum(), z)
    return GradientSamples(slope, slope * noise)


def _noise(
    mean: Tensor, sd: Tensor, num_samples: int, generator: torch.Generator | None
) -> Tensor:
    if mean.shape != sd.shape:
        raise ValueError(
            f"mean has shape {tuple(mean.shape)} and sd {tuple(sd.shape)}, expected the same"
        )
    check_num_samples(num_samples)
    return standard_normal(mean, num_samples, generator)
