"""The network z -> x with z uniform on [a, b] and x given z normal around z: an infinite mixture.

Every p(x | z) is normal, yet p(x) is not: for small noise it is nearly flat. Summing z out leaves
a difference of two normal distribution functions.

Shapes: B batch.
"""

import math

import torch
from torch import Tensor, nn
from torch.special import log_ndtr

from gencourse.densities import log_normal, log_uniform
from gencourse.graphical.drawing import Drawable
from gencourse.graphical.inputs import feature_rows
from gencourse.protocols import Configurable


class UniformGaussian(Configurable, Drawable, nn.Module):
    """Z ~ U(low, high), X | Z=z ~ N(z, sd), where sd is a standard deviation.

    Raises:
        ValueError: `high` is not above `low`, or `sd` is not positive.
    """

    low: Tensor
    high: Tensor
    sd: Tensor
    event_shape = (1,)

    def __init__(self, low: float, high: float, sd: float) -> None:
        super().__init__()
        if not high > low:
            raise ValueError(f"high is {high}, expected more than low = {low}")
        if not (sd > 0 and math.isfinite(sd)):
            raise ValueError(f"sd is {sd}, expected a positive number")
        for name, value in (("low", low), ("high", high), ("sd", sd)):
            self.register_buffer(name, torch.tensor(float(value), dtype=torch.float64))

    def edges(self) -> list[tuple[str, str]]:
        """Return the only arrow of the network."""
        return [("z", "x")]

    def log_joint(self, z: Tensor, x: Tensor) -> Tensor:
        """Return log p(z) + log p(x | z) in nats, (B, 1) and (B, 1) -> (B,)."""
        return log_uniform(z, self.low, self.high) + log_normal(x, z, self.sd)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) = log [Φ((x-a)/σ) - Φ((x-b)/σ)] - log(b-a) in nats, (B, 1) -> (B,)."""
        x = feature_rows(x, 1, self.sd)
        # p is symmetric about the middle: on its left both Φ are far from 1 and their logarithms
        # exact
        half_width = (self.high - self.low) / 2
        left = -(x[:, 0] - (self.low + self.high) / 2).abs()
        upper = log_ndtr((left + half_width) / self.sd)
        lower = log_ndtr((left - half_width) / self.sd)
        return upper + torch.log1p(-torch.exp(lower - upper)) - (2 * half_width).log()

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n exact samples from p(x), or from p(x | z = condition), -> (n, 1)."""
        shape, like = (n, 1), {"dtype": self.sd.dtype, "device": self.sd.device}
        if condition is None:
            z = self.low + (self.high - self.low) * torch.rand(shape, generator=generator, **like)
        else:
            z = torch.as_tensor(condition, **like).expand(shape)
        return z + self.sd * torch.randn(shape, generator=generator, **like)

    def num_parameters(self) -> int:
        """Count the free parameters: a, b and σ."""
        return 3
