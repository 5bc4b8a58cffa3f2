"""WaveNet with a context: p(sound | the same sound at a low rate), audio super-resolution.

The context is known as a whole before the first sample is drawn, so that nothing in it needs a
mask: a convolution looks at each low-rate number and its two neighbours, a transposed convolution
brings the result to the rate of the sound, and each gate of the WaveNet adds it (van den Oord et
al., 2016, section 2.5, "local conditioning").

Shapes: B batch, n samples of the model, T samples in time, r stride, R channels.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.token_chain import Memory, TokenChain

if TYPE_CHECKING:
    from gencourse.autoregressive.wavenet import WaveNet


def low_rate(wave: Tensor, stride: int) -> Tensor:
    """Return a signal at 1/r of its rate, as means of r samples in a row, (B, T) -> (B, T / r).

    Args:
        wave: amplitudes.
        stride: r.

    Raises:
        ValueError: a stride below 1 or that does not divide T.
    """
    length = wave.shape[-1]
    if stride < 1 or length % stride:
        raise ValueError(f"stride is {stride}, expected a number that divides the length {length}")
    return wave.unflatten(-1, (-1, stride)).mean(-1)


class ContextNet(nn.Module):
    """Features of a low-rate signal at the full rate.

    Args:
        length: T.
        stride: r.
        num_channels: R.

    Raises:
        ValueError: a stride below 1 or that does not divide T.
    """

    def __init__(self, length: int, stride: int, num_channels: int) -> None:
        super().__init__()
        if stride < 1 or length % stride:
            raise ValueError(
                f"context_stride is {stride}, expected a number that divides the length {length}"
            )
        self.num_steps = length // stride
        self.neighbours = nn.Conv1d(1, num_channels, 3, padding=1)
        self.upsample = nn.ConvTranspose1d(num_channels, num_channels, stride, stride=stride)

    def forward(self, context: Tensor) -> Tensor:
        """Map (B, T / r) -> (B, R, T)."""
        return self.upsample(F.relu(self.neighbours(context[:, None])))


class GivenContext(TokenChain):
    """p(x | context) of a WaveNet, for one context or one for each row; made by `WaveNet.given`.

    It shares the WaveNet's parameters, and has the methods of any density over tokens.

    Args:
        model: a WaveNet with a context.
        context: (B, T / r) or (T / r,) reals.

    Raises:
        ValueError: a context of another shape, or one that is not finite.
    """

    def __init__(self, model: "WaveNet", context: Tensor) -> None:
        super().__init__(model.num_tokens, *model.event_shape)
        self.model = model
        context = torch.as_tensor(context)
        steps = model.context.num_steps
        if context.ndim not in (1, 2) or context.shape[-1] != steps:
            raise ValueError(
                f"context has shape {tuple(context.shape)}, expected (B, {steps}) or ({steps},)"
            )
        if not context.isfinite().all():
            value = float(context[~context.isfinite()][0])
            raise ValueError(f"context holds {value}, expected finite numbers")
        self.context = context.reshape(-1, steps)

    def features(self, previous: Tensor) -> Tensor:
        """Run the network with the context, (B, T) -> (B, T, K)."""
        return self.model.features(previous, self._context_features(len(previous)))

    def memory(self, n: int) -> Memory:
        """Return the network with the context, one sample at a time."""
        return self.model.memory(n, self._context_features(n))

    def _context_features(self, n: int) -> Tensor:
        """Return the features of the context for n rows, (n, R, T)."""
        if len(self.context) not in (1, n):
            raise ValueError(f"context has {len(self.context)} rows, expected 1 or {n}")
        features = self.model.context(self.context.to(self._like()))
        return features.expand(n, -1, -1)


def super_resolution_loss(model: "WaveNet", batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean of -log p(x | context) in nats over a batch (codes, context), -> ()."""
    x, context = batch
    return -model.given(context).log_prob(x).mean()
