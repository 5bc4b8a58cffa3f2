"""WaveNet: dilated causal convolutions over the codes of a sound (van den Oord et al., 2016).

Layer l of a block looks 2^l samples back: L layers with kernel 2 see 2^L samples and have L
kernels. Each layer is gated, z = tanh(W_f * x) ⊙ σ(W_g * x) (their equation 2), goes on through a
residual connection, and speaks to the output through a skip connection. "WaveNet: a generative
model for raw audio", arXiv 1609.03499.

Shapes: B batch, n samples of the model, T samples in time, K levels, R channels of the residual
path, S channels of the skip path, k kernel, d dilation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.token_chain import Memory, TokenChain, check_at_least_one
from gencourse.autoregressive.token_values import TokenEmbedding
from gencourse.autoregressive.wavenet_context import ContextNet, GivenContext
from gencourse.autoregressive.wavenet_memory import LayerMemory, gated, matrix_of
from gencourse.protocols import Configurable


class WaveNetLayer(nn.Module):
    """One gated, dilated, causal convolution with its two 1x1 convolutions.

    Args:
        num_channels: R.
        num_skip: S.
        kernel_size: k.
        dilation: d, samples from one tap of the kernel to the next.
        last: whether no layer follows, so that there is nothing to pass on.
        context: whether features of a context (B, R, T) are added to the gates.
    """

    def __init__(
        self,
        num_channels: int,
        num_skip: int,
        *,
        kernel_size: int,
        dilation: int,
        last: bool = False,
        context: bool = False,
    ) -> None:
        super().__init__()
        self.back = (kernel_size - 1) * dilation  # the furthest sample that it sees
        self.dilated = nn.Conv1d(num_channels, 2 * num_channels, kernel_size, dilation=dilation)
        self.context = nn.Conv1d(num_channels, 2 * num_channels, 1) if context else None
        self.skip = nn.Conv1d(num_channels, num_skip, 1)
        self.residual = None if last else nn.Conv1d(num_channels, num_channels, 1)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map (B, R, T) -> what goes on (B, R, T), and the skip path (B, S, T)."""
        gates = self.dilated(F.pad(x, (self.back, 0)))  # (B, 2R, T)
        if self.context is not None:
            gates = gates + self.context(context)
        z = gated(gates, 1)
        return (x if self.residual is None else x + self.residual(z)), self.skip(z)


class WaveNet(Configurable, TokenChain):
    """p(x) over T codes 0..K-1, such as those of `mu_law_encode`.

    At place t it sees the codes x_{t-r}, ..., x_{t-1}, no more and no less, where r is
    `receptive_field`; before the beginning all features are 0.

    Args:
        length: T.
        num_levels: K.
        num_channels: R.
        num_skip: S.
        num_layers: L; the dilations of a block are 1, 2, ..., 2^(L-1).
        num_blocks: how often the dilations are gone through.
        kernel_size: k, taps of each dilated convolution, at least 2.
        context_stride: None for p(x). A number r for p(x | context), where the context is a signal
            with one real number for each r samples: see `given` and `low_rate`.

    Raises:
        ValueError: a size below 1, a kernel below 2, or a stride that does not divide the length.
    """

    def __init__(
        self,
        length: int,
        *,
        num_levels: int = 256,
        num_channels: int = 32,
        num_skip: int = 64,
        num_layers: int = 8,
        num_blocks: int = 1,
        kernel_size: int = 2,
        context_stride: int | None = None,
    ) -> None:
        super().__init__(num_levels, length)
        check_at_least_one(num_channels=num_channels, num_skip=num_skip)
        check_at_least_one(num_layers=num_layers, num_blocks=num_blocks)
        if kernel_size < 2:
            raise ValueError(f"kernel_size is {kernel_size}, expected at least 2")
        dilations = [2**layer for _ in range(num_blocks) for layer in range(num_layers)]
        self.embedding = TokenEmbedding(num_levels, num_channels)
        self.layers = nn.ModuleList(
            WaveNetLayer(
                num_channels,
                num_skip,
                kernel_size=kernel_size,
                dilation=dilation,
                last=i == len(dilations) - 1,
                context=context_stride is not None,
            )
            for i, dilation in enumerate(dilations)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(num_skip, num_skip, 1),
            nn.ReLU(),
            nn.Conv1d(num_skip, num_levels, 1),
        )
        self.context = (
            None if context_stride is None else ContextNet(length, context_stride, num_channels)
        )

    @property
    def receptive_field(self) -> int:
        """How many samples before the present one it sees: 2^L for one block with kernel 2."""
        return 1 + sum(layer.back for layer in self.layers)

    def given(self, context: Tensor) -> GivenContext:
        """Return p(x | context) as a density: with `log_prob`, `sample` and the rest.

        Args:
            context: (B, T / r) reals, a row for each row of x or sample; or (T / r,) for all.

        Raises:
            ValueError: a model without `context_stride`, or a context of another shape or not
                finite.
        """
        if self.context is None:
            raise ValueError("context_stride is None, expected a number for a model with context")
        return GivenContext(self, context)

    def features(self, previous: Tensor, context: Tensor | None = None) -> Tensor:
        """Run the network over start symbol, x_0, ..., x_{T-2}: (B, T) -> (B, T, K).

        Args:
            previous: the moved sequence; see `TokenChain.features`.
            context: features of the context (B, R, T), from `given`.
        """
        self._check_context(context)
        x = self.embedding(previous).mT  # (B, R, T)
        total = 0
        for layer in self.layers:
            x, skip = layer(x, context)
            total = total + skip
        return self.head(total).mT

    def memory(self, n: int, context: Tensor | None = None) -> Memory:
        """Return the network one sample at a time; each layer remembers what it will look at."""
        self._check_context(context)
        layers = [LayerMemory(layer, n, context) for layer in self.layers]
        first, last = (matrix_of(self.head[i]) for i in (1, 3))

        def step(previous: Tensor) -> Tensor:
            x, total = self.embedding(previous), 0  # (n, R)
            for layer in layers:
                x, skip = layer(x)
                total = total + skip
            hidden = torch.addmm(self.head[1].bias, total.relu(), first)
            return torch.addmm(self.head[3].bias, hidden.relu(), last)

        return step

    def _check_context(self, context: Tensor | None) -> None:
        if (context is None) != (self.context is None):
            raise ValueError(
                f"context_stride is {self.config['context_stride']}, so that the model is "
                "p(x | context); expected a call through given(context)"
            )
