"""An autoregressive density over sequences of integer codes: the prior that a VQ-VAE needs.

p(c) = Π_i p(c_i | c_<i), with one gated recurrent unit (Cho et al., EMNLP 2014) that reads the
codes so far. The paper of the VQ-VAE uses a PixelCNN; any density over the same codes will do.

Shapes: B batch, n samples, M codes in a row, K values of a code, H hidden units.
"""

import torch
from torch import Tensor, nn

from gencourse.densities import log_categorical, sample_categorical
from gencourse.protocols import Configurable


class CodePrior(Configurable, nn.Module):
    """An exact density over {0..K-1}^M.

    Args:
        length: M.
        num_codes: K.
        num_hidden: H.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, length: int, *, num_codes: int, num_hidden: int = 64) -> None:
        super().__init__()
        if min(length, num_codes, num_hidden) < 1:
            raise ValueError(
                f"length, num_codes, num_hidden are {length}, {num_codes}, {num_hidden}, "
                "expected at least 1"
            )
        self.event_shape, self.num_codes = (length,), num_codes
        self.embedding = nn.Embedding(num_codes + 1, num_hidden)  # the last one: nothing yet
        self.recurrence = nn.GRU(num_hidden, num_hidden, batch_first=True)
        self.output = nn.Linear(num_hidden, num_codes)

    def logits(self, codes: Tensor) -> Tensor:
        """Return unnormalised log p(c_i | c_<i), (B, M) -> (B, M, K).

        Raises:
            ValueError: another shape, or what is no code.
        """
        if codes.shape[1:] != self.event_shape or codes.ndim != 2:
            raise ValueError(
                f"codes has shape {tuple(codes.shape)}, expected (B, {self.event_shape[0]})"
            )
        wrong = (codes < 0) | (codes >= self.num_codes) | (codes != codes.long())
        if wrong.any():
            raise ValueError(
                f"codes holds {codes[wrong][0].item()}, expected integers in "
                f"0..{self.num_codes - 1}"
            )
        start = codes.new_full((len(codes), 1), self.num_codes)
        before = torch.cat([start, codes[:, :-1]], 1).long()
        return self.output(self.recurrence(self.embedding(before))[0])

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(codes) in nats, (B, M) -> (B,); errors as in `logits`."""
        logits = self.logits(x)
        return log_categorical(x, logits.to(self.output.weight))

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n exact samples, one code after the other, -> (n, M) of int64."""
        if condition is not None:
            raise ValueError(f"condition is {condition!r}, expected None")
        weight = self.output.weight
        code = torch.full((n, 1), self.num_codes, device=weight.device)
        state, codes = None, []
        for _ in range(self.event_shape[0]):
            features, state = self.recurrence(self.embedding(code), state)
            code = sample_categorical(self.output(features), generator=generator)
            codes.append(code)
        return torch.cat(codes, 1)
