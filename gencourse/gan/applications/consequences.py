"""Consequences that can be measured: are training pictures copied, and do rare classes vanish?

Copying: samples that lie closer to the training rows than new data do are copies, more or less
(Meehan, Chaudhuri & Dasgupta, "A non-parametric test to detect data-copying in generative models",
AISTATS 2020). Truncation: noise near 0 gives better pictures and fewer kinds of them (Brock,
Donahue & Simonyan, BigGAN, ICLR 2019); who is rare in the data is the first to go.

Shapes: N rows of data, n samples, d features, L latents, K classes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class CopyingTest(NamedTuple):
    """Whether samples hug the training rows.

    Attributes:
        closer: P(a sample is closer to its nearest training row than a held-out row to its own),
            ties counted half; 1/2 for samples like new data, 1 for copies, 0 for samples far off.
        p_value: of the one-sided rank test of Mann and Whitney: small means copying.
    """

    closer: float
    p_value: float


def nearest_distance(x: Tensor, rows: Tensor) -> Tensor:
    """Return the distance of each row of x to the nearest of rows, (n, d), (N, d) -> (n,).

    Raises:
        ValueError: rows of different widths, or none.
    """
    if x.ndim != 2 or rows.ndim != 2 or x.shape[1] != rows.shape[1] or not len(rows) or not len(x):
        raise ValueError(
            f"shapes are {tuple(x.shape)} and {tuple(rows.shape)}, expected (n, d) and (N, d)"
        )
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}  # 0 for a copy
    return torch.cat([torch.cdist(part, rows, **exact).amin(1) for part in x.split(512)])


def copying_test(samples: Tensor, train: Tensor, held_out: Tensor) -> CopyingTest:
    """Compare the distances to the training rows of samples (n, d) and of held-out rows (M, d).

    If samples come from the distribution of the data, both distances do, too, and the p-value is
    uniform. A generator that covers only the dense places of the data is also closer: copying is
    what is left when that is ruled out.
    """
    from scipy.stats import mannwhitneyu

    near, usual = nearest_distance(samples, train), nearest_distance(held_out, train)
    test = mannwhitneyu(near.cpu().numpy(), usual.cpu().numpy(), alternative="less")
    return CopyingTest(1 - float(test.statistic) / (len(near) * len(usual)), float(test.pvalue))


def truncated_noise(
    n: int, num_latents: int, threshold: float, *, generator: torch.Generator | None = None
) -> Tensor:
    """Draw n rows of N(0, I) given that each coordinate is within ±threshold, -> (n, L).

    By the inverse of the distribution function, which is what drawing again until |z| fits does.
    """
    if not threshold > 0:
        raise ValueError(f"threshold is {threshold}, expected a positive number")
    end = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64))
    u = torch.rand(n, num_latents, generator=generator, dtype=torch.float64)
    z = torch.special.ndtri(end + (1 - 2 * end) * u)
    return z.clamp(-threshold, threshold).float()


def shares_under_truncation(
    generate: Callable[[Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    thresholds: Sequence[float],
    *,
    num_classes: int,
    num_latents: int,
    n: int = 2000,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the share of each class among n samples at each threshold, -> (thresholds, K).

    Args:
        generate: from noise (n, L) to samples.
        classify: from samples to classes (n,).
        thresholds: how far z may lie from 0 in each coordinate.
        num_classes: K.
        num_latents: L.
        n: samples at each threshold.
        generator: of the noise.
    """
    shares = []
    for threshold in thresholds:
        with torch.no_grad():
            y = classify(generate(truncated_noise(n, num_latents, threshold, generator=generator)))
        shares.append(torch.bincount(y, minlength=num_classes) / n)
    return torch.stack(shares)
