"""The μ-law: 8 bits a sample, with fine steps where a signal is quiet and coarse ones where loud.

ITU-T recommendation G.711 (1988), as WaveNet uses it: f(x) = sign(x) ln(1 + μ|x|) / ln(1 + μ) maps
[-1, 1] to itself, and is then cut into K = μ + 1 equal steps (van den Oord et al., 2016, section
2.2). With 256 steps a softmax over them can stand for any distribution of the next sample.
"""

import math

import torch
from torch import Tensor


def mu_law_encode(wave: Tensor, num_levels: int = 256) -> Tensor:
    """Return the code of each amplitude, any shape, -> int64 0..K-1 of the same shape.

    Args:
        wave: amplitudes in [-1, 1].
        num_levels: K, with μ = K - 1.

    Raises:
        ValueError: an amplitude outside of [-1, 1], or fewer than two levels.
    """
    mu = _mu(num_levels)
    wave = wave if wave.is_floating_point() else wave.float()
    outside = ~(wave.abs() <= 1)
    if outside.any():
        raise ValueError(f"wave holds {float(wave[outside][0])}, expected amplitudes in [-1, 1]")
    squeezed = wave.sign() * torch.log1p(mu * wave.abs()) / math.log1p(mu)  # [-1, 1]
    return ((squeezed + 1) / 2 * mu + 0.5).floor().long()


def mu_law_decode(codes: Tensor, num_levels: int = 256) -> Tensor:
    """Return the amplitude in the middle of each code's step, -> float in [-1, 1], same shape.

    Coding it again gives the same code.

    Args:
        codes: integers 0..K-1.
        num_levels: K, with μ = K - 1.

    Raises:
        ValueError: a code outside of 0..K-1, or fewer than two levels.
    """
    mu = _mu(num_levels)
    outside = ~((codes >= 0) & (codes < num_levels))
    if outside.any():
        raise ValueError(f"codes hold {codes[outside][0].item()}, expected 0..{num_levels - 1}")
    squeezed = 2 * codes.to(torch.get_default_dtype()) / mu - 1
    wave = squeezed.sign() * torch.expm1(squeezed.abs() * math.log1p(mu)) / mu
    return wave.clamp(-1, 1)  # rounding may go past 1


def _mu(num_levels: int) -> int:
    if num_levels < 2:
        raise ValueError(f"num_levels is {num_levels}, expected at least 2")
    return num_levels - 1
