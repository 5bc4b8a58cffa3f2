"""What a token is to a model: one of K numbers, a vector for it, and how one is drawn.

Shapes: B batch, n samples, T places, K tokens, E features of an embedded token.
"""

from torch import Tensor, nn


def check_tokens(x: Tensor, event_shape: tuple[int, ...], num_tokens: int) -> Tensor:
    """Return x as int64, (B, T).

    Raises:
        ValueError: another shape, or a value that is none of 0..K-1.
    """
    if x.ndim != 2 or x.shape[1:] != event_shape:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {event_shape[0]})")
    bad = ~((x >= 0) & (x < num_tokens))
    if x.is_floating_point():
        bad |= x != x.floor()
    if bad.any():
        row, place = bad.nonzero()[0].tolist()
        raise ValueError(
            f"x[{row}, {place}] is {x[row, place].item()}, expected a token 0..{num_tokens - 1}"
        )
    return x.long()


def draw_token(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Turn uniform numbers into tokens by the inverse of the distribution function.

    The same uniforms and the same logits give the same tokens, however the logits came about.

    Args:
        logits: (n, K).
        uniform: (n,) in [0, 1).
        temperature: divides the logits.
    """
    p = (logits.to(uniform) / temperature).softmax(-1)
    below = p.cumsum(-1)[:, :-1]  # P(token <= k) for k < K - 1
    return (below <= uniform[:, None]).sum(-1)


class TokenEmbedding(nn.Embedding):
    """A vector for each of K tokens and the start symbol, whose number is K.

    Args:
        num_tokens: K.
        width: E.
    """

    def __init__(self, num_tokens: int, width: int) -> None:
        super().__init__(num_tokens + 1, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Look up (...) integers, or multiply one-hot rows (..., K + 1), -> (..., E)."""
        if tokens.is_floating_point():
            return tokens.to(self.weight) @ self.weight
        return super().forward(tokens)
