"""What a decoder says about x: independent Bernoulli or normal values, p(x | z).

A likelihood keeps the constants. Squared error alone is a normal log-density with sd 1 less
D/2 log 2π; and a binary cross-entropy of grey values is the logarithm of no density at all, which
is why a Bernoulli decoder takes 0 and 1 only.

Shapes: B batch, ... leading axes (samples), R numbers for each value of the event.
"""

import math

import torch
from torch import Tensor, nn

from gencourse.densities import log_normal, sample_bernoulli
from gencourse.vae.log_bits import log_bits


class Likelihood(nn.Module):
    """p(x | z), given the decoder's outputs (R, ..., *event_shape).

    Args:
        event_shape: the axes of one event.
    """

    num_outputs = 1

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = event_shape

    def checked(self, x: Tensor, like: Tensor) -> Tensor:
        """Return x in the dtype and on the device of `like`.

        Raises:
            ValueError: another shape than (B, *event_shape), or a value outside the support.
        """
        if x.shape[1:] != self.event_shape or x.ndim == 0:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, *event_shape) "
                f"with event_shape {self.event_shape}"
            )
        if not self.possible(x):
            place = (~self.support(x)).nonzero()[0].tolist()
            raise ValueError(f"x{place} is {x[tuple(place)].item()}, expected {self.expected}")
        return x.to(like)

    expected = "a finite number"

    def support(self, x: Tensor) -> Tensor:
        """Say for each value whether it is possible at all."""
        return x.isfinite()

    def possible(self, x: Tensor) -> bool:
        """Say whether all values are."""
        return bool(self.support(x).all())

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event) and (R, ..., B, *event) -> (..., B)."""
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        """Return E[x | z], (..., *event)."""
        raise NotImplementedError

    def sample(self, outputs: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw x, (..., *event)."""
        raise NotImplementedError


class BernoulliLikelihood(Likelihood):
    """Bits with p(x_d = 1 | z) = σ(logit_d); the one output is the logit."""

    expected = "0 or 1 (binarise first)"

    def support(self, x: Tensor) -> Tensor:
        """Say for each value whether it is 0 or 1."""
        return (x == 0) | (x == 1)

    def possible(self, x: Tensor) -> bool:
        """Say whether all values are 0 or 1; NaN equals nothing, not even itself."""
        if not x.is_floating_point():
            return super().possible(x)
        return torch.equal(x, x.clamp(0, 1).round())  # masks would cost as much as a layer

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event) and (1, ..., B, *event) -> (..., B)."""
        return log_bits(x.flatten(1), outputs.squeeze(0).flatten(1 - x.ndim))

    def mean(self, outputs: Tensor) -> Tensor:
        """Return p(x_d = 1 | z), (..., *event)."""
        return outputs[0].sigmoid()

    def sample(self, outputs: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw bits, (..., *event)."""
        return sample_bernoulli(outputs[0], generator=generator)


class GaussianLikelihood(Likelihood):
    """Normal values with mean μ_d(z); the standard deviation is fixed or learned.

    Args:
        event_shape: the axes of one event.
        sd: a number (fixed), "shared" (one learned number, at first 1), or "output" (the decoder's
            second output is its logarithm, so that each value has its own).
        min_sd: least standard deviation that can be learned: without one, a decoder that
            reproduces a value exactly has no upper bound to its likelihood.

    Raises:
        ValueError: another word, or a number that is not positive.
    """

    def __init__(
        self, event_shape: tuple[int, ...], *, sd: float | str = 1.0, min_sd: float = 1e-3
    ) -> None:
        super().__init__(event_shape)
        if sd not in ("shared", "output") and (isinstance(sd, str) or not 0 < sd < math.inf):
            raise ValueError(f"sd is {sd!r}, expected a positive number, 'shared' or 'output'")
        self.num_outputs, self.min_sd = 2 if sd == "output" else 1, min_sd
        self.fixed = not isinstance(sd, str)
        if self.fixed:
            self.register_buffer("log_sd", torch.tensor(math.log(sd)))
        elif sd == "shared":
            self.log_sd = nn.Parameter(torch.zeros(()))

    def sd(self, outputs: Tensor) -> Tensor:
        """Return the standard deviations, () or (..., *event)."""
        if self.num_outputs == 2:
            return outputs[1].exp() + self.min_sd
        return self.log_sd.exp() if self.fixed else self.log_sd.exp() + self.min_sd

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event) and (R, ..., B, *event) -> (..., B)."""
        # squeezed where there is one output only: the gradient of outputs[0] is a padded copy
        mean = outputs[0] if self.num_outputs == 2 else outputs.squeeze(0)
        return log_normal(x, mean, self.sd(outputs), event_dims=x.ndim - 1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return μ(z), (..., *event)."""
        return outputs[0]

    def sample(self, outputs: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw normal values, (..., *event)."""
        mean = outputs[0]
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.sd(outputs) * noise


def make_likelihood(name: str, event_shape: tuple[int, ...], sd: float | str) -> Likelihood:
    """Return the likelihood that a model's argument names, "bernoulli" or "gaussian".

    Raises:
        ValueError: another name.
    """
    if name == "bernoulli":
        return BernoulliLikelihood(event_shape)
    if name == "gaussian":
        return GaussianLikelihood(event_shape, sd=sd)
    raise ValueError(f"likelihood is {name!r}, expected 'bernoulli' or 'gaussian'")
